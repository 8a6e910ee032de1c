/** Networks of bridges whose daemons are replaced. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { restoreRstp, rstpToKeep } from '../rstp/carry-over.ts';
import { Rstp } from '../rstp/rstp.ts';
import { restoreStp, stpToKeep } from '../stp/carry-over.ts';
import { Stp } from '../stp/stp.ts';
import { hasLoop, Network } from './network.ts';
import { assertTree, type Kind, Plan } from './plan.ts';
import type { SpanningTree } from './tree.ts';

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 40);
const SEED = process.env['HEDDLE_SEED'];
const SEEDS = SEED === undefined ? Array.from({ length: COUNT }, (_, i) => i) : [Number(SEED)];

/** Neither hears nor speaks; packets pass as they did. */
function dead(bridge: SpanningTree<number>): SpanningTree<number> {
  return {
    nextMs: Infinity,
    run: () => {},
    receive: () => {},
    stateOf: (port) => bridge.stateOf(port),
    takeBpdus: () => [],
    takeFlushes: () => new Set(),
    ageingMs: undefined,
    changeTopology: () => {},
  };
}

function toKeep(bridge: SpanningTree<number>): unknown {
  assert.ok(bridge instanceof Stp || bridge instanceof Rstp);
  const kept = bridge instanceof Stp ? stpToKeep(bridge, String) : rstpToKeep(bridge, String);
  return JSON.parse(JSON.stringify(kept));
}

/** The same bridge of a new daemon. */
function successor(bridge: SpanningTree<number>, kept: unknown, awayMs: number, nowMs: number) {
  assert.ok(bridge instanceof Stp || bridge instanceof Rstp);
  if (bridge instanceof Stp) {
    const next = new Stp<number>(bridge.name, bridge.settings, nowMs);
    const ports = new Map([...bridge.ports].map(([key, port]) => [key, port.settings]));
    next.configure(bridge.settings, ports, nowMs);
    restoreStp(next, String, kept, awayMs, nowMs);
    return next;
  }
  const next = new Rstp<number>(bridge.name, bridge.settings, nowMs);
  const ports = new Map([...bridge.ports].map(([key, port]) => [key, port.settings]));
  next.configure(bridge.settings, ports, nowMs);
  restoreRstp(next, String, kept, awayMs);
  return next;
}

function settled(seed: number, kinds: readonly Kind[]) {
  const r = new Random(seed);
  const plan = new Plan(r);
  const bridges = Array.from({ length: plan.size }, (_, i) => plan.bridge(i, r.pick(kinds)));
  const network = new Network(bridges, plan.links);
  plan.configure(bridges, new Set(), 0);
  network.pass(120_000);
  return { r, plan, bridges, network };
}

const told = (network: Network) =>
  network.links
    .flat()
    .map(([bridge, port]) => `${bridge}.${port} ${network.bridges[bridge]!.stateOf(port)}`);

for (const kinds of [['stp'], ['rstp'], ['stp', 'rstp']] as const) {
  describe(`${kinds.join(' and ')}, when a daemon is replaced`, () => {
    test('soon enough, no port of any bridge changes', () => {
      for (const seed of SEEDS) {
        const { r, plan, bridges, network } = settled(seed, kinds);
        const before = told(network);
        const i = r.below(plan.size);
        const bridge = bridges[i]!;
        const awayMs = 250 * r.below(10);
        const kept = toKeep(bridge);
        bridges[i] = dead(bridge);
        network.pass(awayMs);
        bridges[i] = successor(bridge, kept, awayMs, network.nowMs);
        for (let step = 0; step < 240; step++) {
          assert.deepEqual(told(network), before, `seed ${seed}, bridge ${i}, step ${step}`);
          network.pass(250);
        }
      }
    });

    test('late, it begins anew; what it does not understand is nothing to it', () => {
      for (const seed of SEEDS.slice(0, 10)) {
        const { r, plan, bridges, network } = settled(seed, kinds);
        const i = r.below(plan.size);
        const bridge = bridges[i]!;
        const kept = toKeep(bridge);
        const [damaged, awayMs] = r.pick([
          [kept, 20_000],
          [null, 0],
          [[], 0],
          [{ ...(kept as object), bridgeId: '1' }, 0],
          [{ ...(kept as object), ports: { 1: { state: 'x' }, 2: 7 }, times: 3 }, 0],
        ]);
        bridges[i] = successor(bridge, damaged, awayMs, network.nowMs);
        for (let step = 0; step < 480; step++) {
          network.pass(250);
          assert.equal(hasLoop(plan.size, network.active()), false, `seed ${seed}`);
        }
        assertTree(network, plan.size, plan.links, `seed ${seed}`);
      }
    });
  });
}
