import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFlowMod } from '@heddle/openflow';
import { realClock } from '@heddle/runtime';
import { MacLearning } from '../mac-learning.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import { RecircIds } from '../ofproto/recirc.ts';
import { Bundle, OfPort, Ofproto, type XlateConfig } from '../ofproto.ts';
import { parseOpenFlowFlow } from '../trace/flow-parse.ts';
import { DropLog } from './drops.ts';
import type { ExplainEnv } from './env.ts';
import { explain } from './explain.ts';

/** A bridge with ports 1 to 3 and these flows. */
function bridgeWith(...flows: string[]) {
  const bridge = new Ofproto('br0', new MacLearning<Bundle>(realClock));
  for (const ofport of [1, 2, 3]) {
    const bundle = new Bundle(`p${ofport}`, bridge);
    const port = new OfPort(bundle.name, ofport, bundle);
    port.odpPort = ofport;
    bundle.ports.push(port);
    bridge.ports.set(ofport, port);
    bridge.bundles.set(bundle.name, bundle);
  }
  for (const flow of flows) {
    applyFlowMod(new FlowChanges(bridge), parseFlowMod(flow, 'add').flowMod, 0, 4);
  }
  const config: XlateConfig = {
    portOf: (odpPort) => bridge.ports.get(odpPort),
    vlanLimit: 1,
    recirc: new RecircIds(() => 0),
  };
  const env: ExplainEnv = {
    config,
    nowMs: () => 0,
    facts: () => ({ isSecure: true, controllers: [], broken: [] }),
    link: () => undefined,
  };
  const tell = (text: string, to?: string) => {
    const { flow, ofport } = parseOpenFlowFlow(text, () => undefined);
    flow.inPort = ofport;
    const port = [...bridge.ports.values()].find((p) => p.name === to);
    return explain(env, { bridge, flow, ofport, length: undefined }, { to: port });
  };
  return { bridge, env, tell };
}

const PACKET = 'in_port=1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1000,tp_dst=80';

test('a flow that sends back out of the input port', () => {
  const { tell, bridge } = bridgeWith('priority=5,in_port=1,actions=output:1');
  const before = bridge.tables.size;
  const told = tell(PACKET);
  assert.equal(told.reason!.code, 'the only output is the input port');
  assert.match(told.edits[0]!.command, /mod-flows br0 '.*actions=IN_PORT'/);
  assert.equal(bridge.tables.size, before);
});

test('near misses: by priority, the nearest first, in words', () => {
  const { tell } = bridgeWith(
    'priority=10,tcp,nw_dst=10.0.0.3,actions=2',
    'priority=10,tcp,nw_dst=10.0.0.0/24,tp_dst=443,in_port=2,actions=2',
    'priority=90,udp,tp_dst=53,actions=2',
    'priority=20,tcp,nw_dst=10.0.1.0/24,actions=2',
    'priority=20,tcp,dl_vlan=7,actions=2',
    'priority=7,arp,arp_tpa=9.9.9.9,actions=2',
  );
  const told = tell(PACKET);
  assert.deepEqual(
    told.nearMisses.map((m) => [
      m.flow.priority,
      m.differences.map((d) => `${d.field} ${d.wants} ${d.has}`),
    ]),
    [
      [90, ['nw_proto 17 (udp) 6 (tcp)', 'tp_dst 53 80']],
      [20, ['nw_dst 10.0.1.0/24 10.0.0.2']],
      [20, ['dl_vlan 7 no tag']],
      [10, ['nw_dst 10.0.0.3 10.0.0.2']],
      [10, ['in_port 2 1', 'tp_dst 443 80']],
    ],
  );
});

test('every edit that is told was tried and leaves nothing behind', () => {
  const { tell, bridge } = bridgeWith('priority=10,tcp,nw_dst=10.0.0.3,actions=2');
  const dump = () =>
    JSON.stringify(
      [...bridge.tables.rules()].map((r) => [r.priority, r.match.key.u32, r.state.actions.length]),
    );
  const before = dump();
  const told = tell(PACKET, 'p3');
  assert.ok(told.edits.length > 0);
  for (const { outcome } of told.edits) assert.match(outcome, /p3/);
  assert.equal(dump(), before);
});

test('counters and samples of drops are bounded', () => {
  const { bridge } = bridgeWith();
  const log = new DropLog();
  for (let i = 0; i < 10_000; i++) {
    log.count({ bridge, reason: 'x', tableId: i % 1000, rule: undefined }, 1, 60, i);
    log.sample('x', parseOpenFlowFlow(PACKET, () => undefined).flow, new Uint8Array(2000), i);
  }
  assert.equal(log.counters().length, 256);
  assert.equal(log.samples().length, 32);
  assert.equal(log.samples()[0]!.timeMs, 9999);
  assert.equal(log.samples()[0]!.head.length, 128);
  assert.equal(log.samples()[0]!.length, 2000);
});
