/** The invariant: a megaflow decides for every packet that it covers as a translation of that packet does. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatOdpActions, formatOdpFlow } from '@heddle/datapath';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { extractFlow, Flow, flowAnd, flowMatches } from '@heddle/packet';
import { randomPacket } from '../oracle/random-packet.ts';
import { buildSwitch, randomSwitch, type SwitchSpec } from '../oracle/random-switch.ts';
import type { OraclePort } from '../oracle/switch-oracle.ts';
import { type XlateResult, xlateActions } from './xlate.ts';

/** Numbers as a switch would give them. */
function numbersFor(spec: SwitchSpec): OraclePort[] {
  let odp = 0;
  const local = spec.bridges.map((b) => {
    return { bridge: b.name, name: b.name, ofport: 65534, odpPort: 1000 + odp++ };
  });
  return [
    ...local,
    ...spec.ports.map((p, i) => {
      const odpPort = p.peer === undefined ? i + 1 : undefined;
      return { bridge: p.bridge, name: p.name, ofport: i + 1, odpPort };
    }),
  ];
}

function decision(result: XlateResult): string {
  const learned = result.effects.learn.map(
    (e) => `${e.bridge.name} ${e.vlan} ${e.mac} ${e.bundle.name}`,
  );
  const actions = formatOdpActions(result.actions);
  return [actions, result.dropReason, ...learned].join('\n');
}

/** Other packets that the same switch might get, most of them near to `frame`'s. */
function neighbours(r: Random, frame: Uint8Array): Uint8Array[] {
  return Array.from({ length: 25 }, () => {
    if (r.chance(30)) return randomPacket(r);
    const other = Uint8Array.from(frame);
    for (let n = 1 + r.below(3); n > 0; n--) {
      const at = 12 + r.below(Math.min(other.length - 12, 40));
      other[at] = r.pick([other[at]! ^ (1 << r.below(8)), r.below(256), 0]);
    }
    return other;
  });
}

/** How many switches, and the first of them. */
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 150);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 0);
/** Those that found something: a tag that gives way to a tunnel's. */
const KNOWN = [1329];

describe('megaflows', () => {
  it('decide as the pipeline does for every packet that they match', () => {
    let matched = 0;
    const seeds = Array.from({ length: COUNT }, (_, i) => SEED + i);
    for (const seed of [...seeds, ...KNOWN]) {
      const r = new Random(seed);
      const spec = randomSwitch(r);
      const { config } = buildSwitch(spec, numbersFor(spec));
      const inPorts = numbersFor(spec).flatMap((p) => p.odpPort ?? []);
      for (let k = 0; k < 20; k++) {
        const frame = randomPacket(r);
        const inPort = r.pick(inPorts);
        const flow = extractFlow(frame, { inPort });
        const result = xlateActions(config, flow);
        const key = flowAnd(flow, result.wildcards);
        for (const other of neighbours(r, frame)) {
          const near = extractFlow(other, { inPort });
          if (!flowMatches(near, key, result.wildcards)) continue;
          matched++;
          const where = `seed ${seed}, packet ${k}: ${formatOdpFlow(flow)}\n${formatOdpFlow(near)}`;
          const again = xlateActions(config, near);
          assert.equal(decision(again), decision(result), where);
          assert.deepEqual(again.wildcards.u32, result.wildcards.u32, where);
        }
      }
    }
    assert.ok(matched > 30 * COUNT, `only ${matched} packets matched`);
  });

  it('decide alike on their own masked keys, as revalidation asks', () => {
    const r = new Random(7);
    const spec = randomSwitch(r);
    const { config } = buildSwitch(spec, numbersFor(spec));
    for (let k = 0; k < 300; k++) {
      const flow = extractFlow(randomPacket(r), { inPort: 1 });
      const result = xlateActions(config, flow);
      const masked = flowAnd(flow, result.wildcards, new Flow());
      assert.equal(decision(xlateActions(config, masked)), decision(result), formatOdpFlow(flow));
    }
  });
});
