/** What `heddle explain` says of bridges with one thing wrong, and that each edit it proposes works. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFlowMod, parseGroupMod } from '@heddle/openflow';
import { realClock } from '@heddle/runtime';
import { MacLearning } from '../mac-learning.ts';
import { Mirror } from '../mirror.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import { Group } from '../ofproto/group.ts';
import { originNumber } from '../ofproto/origins.ts';
import { RecircIds } from '../ofproto/recirc.ts';
import { Bundle, OfPort, Ofproto, type XlateConfig } from '../ofproto.ts';
import { parseOpenFlowFlow } from '../trace/flow-parse.ts';
import { parseTunnelOptions } from '../tunnel/config.ts';
import { DropLog } from './drops.ts';
import type { ExplainEnv } from './env.ts';
import { explain } from './explain.ts';
import { explanationText } from './explain-text.ts';

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
  return { bridge, config, env, tell };
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
    // A code of ICMP is no port.
    'priority=90,icmp,icmp_code=3,actions=2',
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

test('a flow is told of once, whatever its priority', () => {
  const { edits } = bridgeWith('table=5,actions=1').tell(PACKET);
  const flows = edits.map(({ command }) => command.replace(/priority=\d+,/, ''));
  assert.equal(new Set(flows).size, flows.length);
});

test('tables that go round are told of once, in plain words', () => {
  const { tell } = bridgeWith('actions=resubmit(,2)', 'table=2,actions=resubmit(,0)');
  const told = tell(PACKET);
  assert.match(told.reason!.text, /^Recursion too deep: .* round and round/);
  const text = explanationText(told);
  assert.match(text, /\.\.\. these 2 steps \d\d times in all/);
  assert.equal(text.match(/table 2: matched/g)!.length, 1 + (told.steps.length % 2));
});

test('groups without buckets, and with none alive', () => {
  const { bridge, tell } = bridgeWith();
  const group = (text: string) =>
    bridge.groups.set(1, new Group(parseGroupMod(text, 'add').groupMod, 0));
  group('group_id=1,type=all');
  const { flowMod } = parseFlowMod('in_port=1,actions=group:1', 'add');
  applyFlowMod(new FlowChanges(bridge), flowMod, 0, 4);
  for (const type of ['all', 'select', 'ff']) {
    group(`group_id=1,type=${type}`);
    assert.equal(tell(PACKET).reason!.text, 'group 1 has no buckets');
  }
  group('group_id=1,type=ff,bucket=watch_port=2,output:2,bucket=watch_port=3,output:3');
  for (const ofport of [2, 3]) bridge.ports.get(ofport)!.mayEnable = false;
  const { reason, edits } = tell(PACKET);
  assert.match(reason!.text, /no bucket of group 1 is alive, .*: port p2, port p3$/);
  assert.deepEqual(edits[0], { command: 'ip link set dev p2 up', outcome: 'it goes out of p2' });
});

test('a tunnel that its packets cannot leave by is no way out', () => {
  const { bridge, config, tell } = bridgeWith('actions=2,3');
  const options = new Map([['remote_ip', '10.9.9.9']]);
  bridge.ports.get(2)!.tunnel = parseTunnelOptions('p2', 'vxlan', options).config;
  Object.assign(config, { native: { route: () => undefined } });
  assert.deepEqual(
    tell(PACKET).outputs.map(({ port }) => port),
    ['p3'],
  );
  assert.match(tell(PACKET, 'p2').reason!.text, /no route to the other end of tunnel p2/);
});

test('copies of a mirror are no delivery', () => {
  const { bridge, tell } = bridgeWith('priority=3,actions=drop');
  const [p1, p3] = [bridge.ports.get(1)!.bundle, bridge.ports.get(3)!.bundle];
  const none = { all: false, destinations: new Set<Bundle>(), vlans: undefined, snaplen: 0 };
  const settings = { ...none, name: 'm0', sources: new Set([p1]), out: p3 };
  bridge.mirrors = [new Mirror(settings, 1, 1)];
  p1.sourceMirrors = 1;
  p3.isMirrorOutput = true;
  const told = tell(PACKET);
  assert.equal(told.verdict, 'dropped');
  assert.equal(told.reason!.code, 'the flow has no actions');
  assert.match(
    explanationText(told),
    /drops \(actions=drop\); it goes only out of p3 \(a copy of mirror m0\)/,
  );
  assert.match(told.edits[0]!.command, /priority=4,.*actions=NORMAL'$/);
  assert.match(tell(PACKET.replace('in_port=1', 'in_port=3')).reason!.text, /output of mirror m0/);
});

test('back out of the port that it came in by, or of one that is not there', () => {
  const { tell } = bridgeWith('actions=2');
  const told = tell(PACKET, 'p1');
  assert.match(told.reason!.text, /came in by p1, and only the action in_port sends back/);
  assert.match(told.edits[0]!.command, /actions=IN_PORT'$/);
  assert.match(tell(PACKET.replace('in_port=1', 'in_port=9')).notes[0]!, /br0 has no port 9/);
});

test('where an address is known to be, when that is elsewhere', () => {
  const { bridge, tell } = bridgeWith('actions=NORMAL');
  bridge.macs.addStatic(0, 2, bridge.ports.get(2)!.bundle);
  const { reason } = tell(`${PACKET},dl_dst=00:00:00:00:00:02`, 'p3');
  assert.match(reason!.text, /to p2, where 00:00:00:00:00:02 is known to be \(a static entry\)/);
});

test('flows of the switch for itself do not count', () => {
  const { bridge, tell } = bridgeWith();
  const hidden = { ...parseFlowMod('arp,actions=LOCAL', 'add').flowMod, priority: 180_000 };
  applyFlowMod(new FlowChanges(bridge), hidden, 0, 4);
  assert.match(tell(PACKET).reason!.text, /fail_mode=secure .* it has no controller/);
});

test('who has set up a flow that was learned', () => {
  const { bridge, tell } = bridgeWith('actions=resubmit(,7)');
  const learned = parseFlowMod('table=7,actions=2', 'add').flowMod;
  const changes = new FlowChanges(bridge, originNumber({ kind: 'learn', table: 4 }));
  applyFlowMod(changes, learned, 0, 4);
  const [, step] = tell(PACKET).steps;
  assert.ok(step?.type === 'flow');
  assert.equal(step.flow.origin, 'a learn action of table 4');
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
