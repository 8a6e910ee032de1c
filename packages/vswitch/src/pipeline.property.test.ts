/**
 * The invariant of megaflows through flow tables: what a translation did not look at does not
 * matter.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatOdpActions } from '@heddle/datapath';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { extractFlow, isTunnelled, VLAN_CFI } from '@heddle/packet';
import { mixed, randomBridge, randomKey } from './oracle/random-bridge.ts';
import { N_PORTS } from './oracle/random-flows.ts';
import { randomPacket } from './oracle/random-packet.ts';
import { type XlateResult, xlateActions } from './xlate/xlate.ts';

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 40);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const PACKETS = 20;

/** What NetFlow tells packets apart by, and where they go. */
function netflowOf({ effects: { netflow } }: XlateResult): unknown {
  if (!netflow) return undefined;
  const { inPort, nwSrc, nwDst, nwProto, nwTos, tpSrc, tpDst } = netflow.flow;
  return [netflow.output, inPort, nwSrc, nwDst, nwProto, nwTos & 0xfc, tpSrc, tpDst];
}

function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

test('every packet that a megaflow matches is treated as its first', () => {
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const r = new Random(seed);
    const config = randomBridge(r);
    const { bridge } = config.portOf(1)!.bundle;
    const packets = Array.from({ length: PACKETS }, () => randomKey(r, bridge));
    for (const key of packets) {
      const first = xlateActions(config, key, { withPacket: false });
      if (first.slow.length > 0) continue;
      const text = formatOdpActions(first.actions);
      for (const other of packets) {
        const flow = mixed(key, first.wildcards, other);
        // A port of the datapath is a tunnel's or it is not.
        if (isTunnelled(flow) !== isTunnelled(key)) continue;
        const again = xlateActions(config, flow, { withPacket: false });
        assert.equal(formatOdpActions(again.actions), text, `seed ${seed}`);
        assert.equal(again.failure, first.failure);
        assert.deepEqual(again.slow, first.slow, `seed ${seed}`);
        assert.ok(sameItems(again.effects.rules, first.effects.rules), `rules, seed ${seed}`);
        assert.deepEqual(netflowOf(again), netflowOf(first), `NetFlow, seed ${seed}`);
        const buckets = (of: XlateResult) => of.effects.bonds.map((b) => b.bucket);
        assert.deepEqual(buckets(again), buckets(first), `seed ${seed}`);
      }
    }
  }
});

test('headers behind tags beyond the limit make no megaflows of their own', () => {
  const hidden = ['nwSrc', 'nwDst', 'nwProto', 'nwTos', 'nwTtl', 'tpSrc', 'tpDst'] as const;
  let seen = 0;
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const r = new Random(seed);
    const config = { ...randomBridge(r), vlanLimit: 1 };
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
