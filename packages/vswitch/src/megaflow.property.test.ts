/** The invariant: a megaflow decides as the full pipeline would for every packet that it matches. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flow, MAC_BROADCAST } from '@heddle/packet';
import { FakeClock } from '@heddle/runtime';
import { generator } from '@heddle/testing/random';
import { MacLearning } from './mac-learning.ts';
import { actionsOf } from './odp-actions-of.ts';
import { RecircIds } from './ofproto/recirc.ts';
import { Bundle, OfPort, Ofproto, type VlanMode, type XlateConfig } from './ofproto.ts';
import type { ActionTypes } from './slow-path.ts';
import { xlateActions } from './xlate/xlate.ts';

const NATIVE: ActionTypes = new Set(['output', 'push_vlan', 'pop_vlan', 'set', 'recirc', 'drop']);

const MODES: readonly VlanMode[] = [
  'access',
  'trunk',
  'native-tagged',
  'native-untagged',
  'dot1q-tunnel',
];
const VLANS = [0, 10, 20, 4095];
const TYPES = [0x0800, 0x0806, 0x86dd, 0x1234, 0x05ff];
const USED_BITS = 25 * 64;
/** Those that found something: a tag that is taken off on the way to another bridge, which writes one. */
const KNOWN = [26112301 * 1_000_003 + 2099];

type Random = (below: number) => number;

const mac = (next: Random): number => 0x0200_0000_0000 + next(4);
const some = (next: Random): ReadonlySet<number> | undefined =>
  next(2) === 0 ? undefined : new Set(VLANS.filter(() => next(2) === 0));

/** Two bridges, joined by a patch, with random ports and addresses. */
function network(next: Random): { config: XlateConfig; ports: number } {
  const byOdp = new Map<number, OfPort>();
  const ends: OfPort[] = [];
  for (const name of ['a', 'b']) {
    const bridge = new Ofproto(name, new MacLearning<Bundle>(new FakeClock()));
    bridge.setDefaultFlow(next(10) !== 0, 0);
    bridge.forwardBpdu = next(4) === 0;
    for (let i = 0; i < 4; i++) {
      const bundle = new Bundle(`${name}${i}`, bridge);
      bundle.vlanMode = MODES[next(MODES.length)]!;
      bundle.vlan = bundle.vlanMode === 'trunk' ? 0 : VLANS[next(VLANS.length)]!;
      bundle.trunks = some(next);
      bundle.cvlans = some(next);
      bundle.isProtected = next(4) === 0;
      bundle.priorityTags = (['never', 'if-nonzero', 'always'] as const)[next(3)]!;
      const port = new OfPort(bundle.name, i + 1, bundle);
      port.mayEnable = next(8) !== 0;
      if (i === 0) ends.push(port);
      else {
        port.odpPort = byOdp.size + 1;
        byOdp.set(port.odpPort, port);
      }
      bundle.ports.push(port);
      bridge.bundles.set(bundle.name, bundle);
      bridge.ports.set(port.ofport, port);
      for (const vlan of VLANS) if (next(3) === 0) bridge.macs.learn(vlan, mac(next), bundle);
    }
  }
  ends[0]!.peer = ends[1];
  ends[1]!.peer = ends[0];
  const recirc = new RecircIds(() => 0);
  const config = { vlanLimit: 1 + next(2), portOf: (odp: number) => byOdp.get(odp), recirc };
  return { config, ports: byOdp.size };
}

function packet(next: Random, ports: number): Flow {
  const flow = new Flow();
  for (let i = 0; i < 50; i++) flow.u32[i] = next(2 ** 32);
  flow.recircId = 0;
  flow.inPort = 1 + next(ports + 1);
  flow.dlSrc = next(10) === 0 ? MAC_BROADCAST : mac(next);
  flow.dlDst = [MAC_BROADCAST, 0x0180_c200_0000, mac(next), mac(next)][next(4)]!;
  flow.dlType = TYPES[next(TYPES.length)]!;
  flow.nwProto = next(3);
  const tci = () => (next(2) === 0 ? 0 : 0x1000 | (next(8) << 13) | VLANS[next(4)]!);
  flow.vlanTci0 = tci();
  flow.vlanTpid0 = flow.vlanTci0 === 0 ? 0 : 0x8100;
  flow.vlanTci1 = flow.vlanTci0 === 0 ? 0 : tci();
  flow.vlanTpid1 = flow.vlanTci1 === 0 ? 0 : 0x8100;
  return flow;
}

/** Another packet that the megaflow matches: bits that the mask leaves open are flipped. */
function mutate(next: Random, flow: Flow, mask: Flow): Flow {
  const other = flow.clone();
  const flips = 1 + next(64);
  for (let i = 0; i < flips; i++) {
    const bit = next(USED_BITS);
    const word = bit >>> 5;
    other.u32[word] = other.u32[word]! ^ ((1 << (bit & 31)) & ~mask.u32[word]!);
  }
  return other;
}

test('every packet that a megaflow matches is translated alike', () => {
  const seed = Number(process.env['HEDDLE_SEED'] ?? 1);
  const rounds = Number(process.env['HEDDLE_COUNT'] ?? 300);
  const seeds = Array.from({ length: rounds }, (_, round) => seed * 1_000_003 + round);
  let sends = 0;
  for (const round of [...seeds, ...KNOWN]) {
    const next = generator(round);
    const { config, ports } = network(next);
    for (let i = 0; i < 20; i++) {
      const flow = packet(next, ports);
      const result = xlateActions(config, flow);
      if (result.dropReason === undefined) sends++;
      for (let j = 0; j < 10; j++) {
        const other = xlateActions(config, mutate(next, flow, result.wildcards));
        assert.deepEqual(actionsOf(other, NATIVE), actionsOf(result, NATIVE), `seed ${round}`);
        assert.deepEqual(other.wildcards.u32, result.wildcards.u32);
        assert.equal(other.effects.learn.length, result.effects.learn.length);
      }
    }
  }
  assert.ok(sends > rounds, 'random networks forward something');
});
