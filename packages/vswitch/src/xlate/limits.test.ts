/** How far loops of patch ports and resubmits go. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flow, MAC_BROADCAST } from '@heddle/packet';
import { FakeClock } from '@heddle/runtime';
import { MacLearning } from '../mac-learning.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import { RecircIds } from '../ofproto/recirc.ts';
import { Bundle, OfPort, Ofproto, type XlateConfig } from '../ofproto.ts';
import { parseFlowLine } from '../oracle/parse-lines.ts';
import { xlateActions } from './xlate.ts';

/** Two bridges joined by three patches (ports 2 to 4), with a port each. */
function looped(flows: readonly (readonly [bridge: 0 | 1, line: string])[]): XlateConfig {
  const bridges = ['br0', 'br1'].map((name, b) => {
    const bridge = new Ofproto(name, new MacLearning<Bundle>(new FakeClock()));
    bridge.setDefaultFlow(true, 0);
    for (const n of [1, 2, 3, 4]) {
      const bundle = new Bundle(`${name}p${n}`, bridge);
      const port = new OfPort(bundle.name, n, bundle);
      if (n === 1) port.odpPort = b + 1;
      bundle.ports.push(port);
      bridge.bundles.set(bundle.name, bundle);
      bridge.ports.set(n, port);
    }
    return bridge;
  });
  const [br0, br1] = bridges as [Ofproto, Ofproto];
  for (const n of [2, 3, 4]) {
    br0.ports.get(n)!.peer = br1.ports.get(n);
    br1.ports.get(n)!.peer = br0.ports.get(n);
  }
  for (const [b, line] of flows) {
    applyFlowMod(new FlowChanges(bridges[b]!), parseFlowLine(line), 0, 4);
  }
  const portOf = (odp: number) => bridges[odp - 1]?.ports.get(1);
  return { vlanLimit: 1, portOf, recirc: new RecircIds(() => 0) };
}

function run(config: XlateConfig): { lookups: number; failure: string | undefined; sent: number } {
  const packet = new Flow();
  Object.assign(packet, { inPort: 1, dlType: 0x1234, dlDst: MAC_BROADCAST, dlSrc: 1 });
  let lookups = 0;
  const { failure, actions } = xlateActions(config, packet, {
    observe: ({ type }) => {
      if (type === 'lookup') lookups++;
    },
  });
  return { lookups, failure, sent: actions.length };
}

test('ways through loops of patch ports are as many as resubmits', () => {
  const flooded = run(looped([]));
  assert.equal(flooded.lookups, 1 + 4096);
  assert.equal(flooded.failure, undefined);
  assert.ok(flooded.sent > 1000);
  // Nothing is sent that could be too much.
  const back = run(
    looped([0, 1].map((b) => [b as 0 | 1, 'table=0,priority=9 actions=2,3,3,IN_PORT'])),
  );
  assert.deepEqual(back, { lookups: 1 + 4096, failure: undefined, sent: 1 });
});

test('a resubmit behind too many ways through patch ports is one too many', () => {
  const loop = [0, 1].map((b) => [b as 0 | 1, 'table=0,priority=8 actions=2,3,IN_PORT'] as const);
  const first = 'table=0,priority=9,in_port=1 actions=2,resubmit(,5)';
  assert.equal(run(looped([...loop, [0, first]])).failure, 'Too many resubmits');
});
