/**
 * The invariant of megaflows through flow tables: what a translation did not look at does not
 * matter. HEDDLE_SEED and HEDDLE_COUNT choose the bridges; with HEDDLE_KEEP_GOING failures are
 * told of, and the last one is not the end.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { formatOdpActions, formatOdpFlow } from '@heddle/datapath';
import { randomOf } from '@heddle/datapath/oracle/narrow-random';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { extractFlow, type Flow, isTunnelled, VLAN_CFI } from '@heddle/packet';
import { arrivalsOf, packetOf } from './oracle/arrivals.ts';
import { nearPackets } from './oracle/near-packets.ts';
import { mixed, type RandomBridges, randomBridges, randomKey } from './oracle/random-bridge.ts';
import { N_PORTS } from './oracle/random-flows.ts';
import { randomPacket } from './oracle/random-packet.ts';
import { type XlateResult, xlateActions } from './xlate/xlate.ts';

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 40);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const KEEPS_GOING = process.env['HEDDLE_KEEP_GOING'] !== undefined;
const PACKETS = 20;
/** What loops between bridges takes long, and tells nothing new. */
const MAX_RULES = 400;
/** Packets with one recirculation id that are tried, and how often one may come back. */
const MAX_ARRIVALS = 12;
const MAX_ROUNDS = 3;

/** What NetFlow tells packets apart by, and where they go. */
function netflowOf({ effects: { netflow } }: XlateResult): unknown {
  if (!netflow) return undefined;
  const { inPort, nwSrc, nwDst, nwProto, nwTos, tpSrc, tpDst } = netflow.flow;
  return [netflow.output, inPort, nwSrc, nwDst, nwProto, nwTos & 0xfc, tpSrc, tpDst];
}

/** Whatever is done with a packet, and by whom. */
function decisionOf(result: XlateResult): unknown[][] {
  const { actions, failure, slow, dropReason, slowMeter, macs, effects } = result;
  const { rules, groups, mirrors, bonds, patches, learn, flows, finTimeouts } = effects;
  return [
    [formatOdpActions(actions)],
    [failure, dropReason, slowMeter, ...slow],
    rules,
    groups.flatMap(({ group, bucket }) => [group, bucket]),
    mirrors,
    bonds.flatMap(({ bond, bucket }) => [bond, bucket]),
    patches.flatMap(({ from, to }) => [from, to]),
    learn.flatMap(({ bridge, vlan, mac, bundle }) => [bridge, vlan, mac, bundle]),
    macs.flatMap(({ bridge, vlan, mac }) => [bridge, vlan, mac]),
    flows.map(({ flowMod, limit }) => `${textOf(flowMod)} ${limit}`),
    finTimeouts.flatMap(({ rule, idle, hard }) => [rule, idle, hard]),
    [JSON.stringify(netflowOf(result))],
  ];
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (key, v: unknown) => {
    if (key === 'field') return (v as { name: string }).name;
    if (ArrayBuffer.isView(v)) return Buffer.from(v.buffer, v.byteOffset, v.byteLength).join();
    return typeof v === 'bigint' ? `${v}n` : v;
  });
}

/** A packet, what its megaflow looks at, and another that it takes for the same. */
function textsOf(key: Flow, { wildcards }: XlateResult, other: Flow): string {
  const texts = [formatOdpFlow(key), formatOdpFlow(key, wildcards), formatOdpFlow(other)];
  return texts.map((text) => `\n${text}`).join('');
}

function assertSame(found: XlateResult, first: XlateResult, where: () => string): void {
  const [a, b] = [decisionOf(found), decisionOf(first)];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    if (x.length === y.length && x.every((item, k) => item === y[k])) continue;
    const show = (part: readonly unknown[]) => inspect(part, { depth: 1 });
    assert.fail(`part ${i} of the decision, ${where()}\n${show(y)}\n${show(x)}`);
  }
}

/** Translates packets and what their megaflows take for the same; what it hears of are packets of each. */
class Trial {
  readonly #config: RandomBridges;
  readonly #where: string;
  readonly #withPacket: boolean;
  readonly #r: Random;
  matched = 0;

  constructor(config: RandomBridges, seed: number) {
    this.#config = config;
    this.#where = `seed ${seed}`;
    this.#withPacket = seed % 2 === 0;
    this.#r = new Random(seed);
  }

  xlate(key: Flow): XlateResult {
    return xlateActions(this.#config, key, { withPacket: this.#withPacket });
  }

  /** All packets that come by the same ways. */
  check(packets: readonly Flow[], heard: (packet: Flow) => void): void {
    for (const [i, key] of packets.entries()) {
      const first = this.xlate(key);
      heard(key);
      // Every packet comes up, and is translated by itself.
      if (first.slow.length > 0 || first.effects.rules.length > MAX_RULES) continue;
      for (const [k, other] of packets.entries()) {
        const flow = mixed(key, first.wildcards, other);
        // A port of the datapath is a tunnel's or it is not.
        if (isTunnelled(flow) !== isTunnelled(key)) continue;
        this.matched++;
        const where = `${this.#where}, recirculation ${key.recircId}, packets ${i} and ${k}`;
        assertSame(this.xlate(flow), first, () => `${where}${textsOf(key, first, flow)}`);
        if (k % 5 === 0) heard(flow);
      }
      for (const flow of nearPackets(this.#r, key, first.wildcards)) {
        this.matched++;
        const where = `${this.#where}, recirculation ${key.recircId}, near packet ${i}`;
        assertSame(this.xlate(flow), first, () => `${where}${textsOf(key, first, flow)}`);
      }
    }
  }
}

/** Packets, then those that come back, by their recirculation ids. */
function tryAll(seed: number): { matched: number; cameBack: number } {
  const r = randomOf(seed);
  const config = randomBridges(r);
  const trial = new Trial(config, seed);
  let cameBack = 0;
  let groups = [Array.from({ length: PACKETS }, () => randomKey(r, config))];
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const next = new Map<number, Flow[]>();
    const heard = (key: Flow): void => {
      const packet = packetOf(r, key);
      const { actions, slow, effects } = trial.xlate(packet.flow.clone());
      if (slow.length > 0 || effects.rules.length > MAX_RULES) return;
      for (const arrival of arrivalsOf(r, packet, actions)) {
        const same = next.get(arrival.recircId) ?? [];
        next.set(arrival.recircId, same);
        if (same.length < MAX_ARRIVALS) same.push(arrival);
      }
    };
    for (const packets of groups) trial.check(packets, heard);
    groups = [...next.values()];
    cameBack += groups.flat().length;
  }
  return { matched: trial.matched, cameBack };
}

test('every packet that a megaflow matches is treated as its first', () => {
  const seen = { matched: 0, cameBack: 0, failed: 0 };
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    try {
      const { matched, cameBack } = tryAll(seed);
      seen.matched += matched;
      seen.cameBack += cameBack;
    } catch (error) {
      if (!KEEPS_GOING) throw error;
      seen.failed++;
      console.log(`=====FAIL ${error}`);
    }
  }
  assert.equal(seen.failed, 0);
  assert.ok(seen.matched > 100 * COUNT && seen.cameBack > COUNT, JSON.stringify(seen));
});

test('headers behind tags beyond the limit make no megaflows of their own', () => {
  const hidden = ['nwSrc', 'nwDst', 'nwProto', 'nwTos', 'nwTtl', 'tpSrc', 'tpDst'] as const;
  let seen = 0;
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const r = randomOf(seed);
    const config = { ...randomBridges(r), vlanLimit: 1 };
    for (let i = 0; i < PACKETS; i++) {
      const key = extractFlow(randomPacket(r), { inPort: 1 + r.below(N_PORTS) });
      if ((key.vlanTci0 & key.vlanTci1 & VLAN_CFI) === 0) continue;
      const { wildcards } = xlateActions(config, key, { withPacket: false });
      for (const name of hidden) assert.equal(wildcards[name], 0, `${name}, seed ${seed}`);
      seen++;
    }
  }
  assert.ok(seen > COUNT);
});
