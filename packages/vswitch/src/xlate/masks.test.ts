/** What decides stands in the mask. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatOdpActions } from '@heddle/datapath';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { FLOW_TNL_F_OAM, Flow, IPPROTO_UDP, VLAN_CFI, VLAN_VID_MASK } from '@heddle/packet';
import { FakeClock } from '@heddle/runtime';
import { MacLearning } from '../mac-learning.ts';
import { configureSnooping } from '../mcast-snooping/config.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import { RecircIds } from '../ofproto/recirc.ts';
import { Bundle, OFPP_LOCAL, OfPort, Ofproto, type XlateConfig } from '../ofproto.ts';
import { parseFlowLine } from '../oracle/parse-lines.ts';
import { randomNative } from '../oracle/random-native.ts';
import type { BridgeRow } from '../port-config.ts';
import { parseTunnelOptions } from '../tunnel/config.ts';
import { xlateActions } from './xlate.ts';

/** With ports that have these numbers, in the datapath 10 times theirs, and the local one 100. */
function bridgeWith(name: string, numbers: readonly number[], flows: readonly string[]): Ofproto {
  const bridge = new Ofproto(name, new MacLearning<Bundle>(new FakeClock()));
  for (const n of [...numbers, OFPP_LOCAL]) {
    const bundle = new Bundle(n === OFPP_LOCAL ? name : `${name}p${n}`, bridge);
    const port = new OfPort(bundle.name, n, bundle);
    port.odpPort = n === OFPP_LOCAL ? 100 : 10 * n;
    bundle.ports.push(port);
    bridge.bundles.set(bundle.name, bundle);
    bridge.ports.set(n, port);
  }
  for (const line of flows) applyFlowMod(new FlowChanges(bridge), parseFlowLine(line), 0, 4);
  return bridge;
}

function makeTunnel(port: OfPort, remote: string): void {
  const options = new Map([
    ['remote_ip', remote],
    ['key', 'flow'],
  ]);
  port.tunnel = parseTunnelOptions(port.name, 'geneve', options).config;
}

function configOf(bridge: Ofproto): XlateConfig {
  const ports = new Map([...bridge.ports.values()].map((port) => [port.odpPort, port]));
  return { vlanLimit: 2, portOf: (odp) => ports.get(odp), recirc: new RecircIds(() => 0) };
}

function packet(fields: Partial<Flow>): Flow {
  return Object.assign(new Flow(), { inPort: 10, dlType: 0x0800, nwProto: IPPROTO_UDP }, fields);
}

test('flags that go on from one tunnel into another', () => {
  const bridge = bridgeWith('br0', [1, 2], ['table=0 actions=2']);
  makeTunnel(bridge.ports.get(1)!, 'flow');
  makeTunnel(bridge.ports.get(2)!, '10.0.0.9');
  const run = (tunFlags: number) =>
    xlateActions(configOf(bridge), packet({ tunDst: 0x0a000001, tunFlags }));
  assert.equal(
    formatOdpActions(run(FLOW_TNL_F_OAM).actions),
    'set(tunnel(tun_id=0x0,dst=10.0.0.9,ttl=64,tp_dst=6081,flags(df|key|oam))),20',
  );
  assert.equal(run(0).wildcards.tunFlags & FLOW_TNL_F_OAM, FLOW_TNL_F_OAM);
});

test('the customer VLAN, where multicast is flooded to a port for some of them', () => {
  const bridge = bridgeWith('br0', [1, 2], ['table=0 actions=NORMAL']);
  const other_config = new Map([['mcast-snooping-disable-flood-unregistered', 'true']]);
  const row = { mcast_snooping_enable: true, other_config } as unknown as BridgeRow;
  configureSnooping(bridge, row, { nowMs: () => 0, changed: () => {} });
  const provider = bridge.ports.get(2)!.bundle;
  const settings = { data: true, reports: false };
  Object.assign(provider, { vlanMode: 'dot1q-tunnel', vlan: 5, mcastFlooding: settings });
  provider.cvlans = new Set([7]);
  const [tci, tpid] = [VLAN_CFI | 5, 0x8100];
  const run = (vid: number) =>
    xlateActions(
      configOf(bridge),
      packet({
        ...{ dlDst: 0x01005e000101, nwDst: 0xe0000101 },
        ...{ vlanTci0: tci, vlanTpid0: tpid, vlanTci1: VLAN_CFI | vid, vlanTpid1: tpid },
      }),
    );
  assert.equal(formatOdpActions(run(7).actions), 'pop_vlan,20');
  assert.equal(run(8).actions.length, 0);
  assert.equal(run(8).wildcards.vlanTci1 & VLAN_VID_MASK, VLAN_VID_MASK);
});

/** What a packet for a tunnel comes to that the second of two bridges carries, routed by marks or not. */
function overNative(asksForMark: boolean, below: readonly string[], pktMark: number) {
  const bridge = bridgeWith('br0', [1, 2], ['table=0 actions=2']);
  makeTunnel(bridge.ports.get(2)!, '10.0.0.9');
  const carrier = bridgeWith('br1', [3], below);
  // Everything there can be, and routes as asked for.
  const r = new Random(0);
  r.chance = (percent) => percent !== 50 || asksForMark;
  const native = randomNative(r, [bridge, carrier], 'geneve');
  return xlateActions({ ...configOf(bridge), native }, packet({ pktMark }));
}

test('the mark that routes ask for', () => {
  const flows = ['table=0 actions=3'];
  assert.equal(overNative(true, flows, 0).actions.length, 2);
  assert.equal(overNative(true, flows, 1).actions.length, 0);
  assert.equal(overNative(true, flows, 1).wildcards.pktMark, 0xffff_ffff);
  assert.equal(overNative(false, flows, 1).wildcards.pktMark, 0);
});

test('the mark that a bridge below a tunnel looks at', () => {
  const flows = ['table=0,pkt_mark=1/1 actions=3'];
  assert.equal(overNative(false, flows, 1).actions.length, 2);
  assert.equal(overNative(false, flows, 0).actions.length, 0);
  assert.equal(overNative(false, flows, 0).wildcards.pktMark, 1);
});

test('the states of a connection that is forgotten: those that there are', () => {
  const bridge = bridgeWith('br0', [1, 2], ['table=0 actions=ct_clear,2']);
  const { wildcards, actions } = xlateActions(configOf(bridge), packet({ ctState: 0x22 }));
  assert.equal(wildcards.ctState, 0xff);
  assert.equal(formatOdpActions(actions), 'ct_clear,20');
});

test('no address, where what is ahead of it rules a table out', () => {
  const flows = ['table=0,priority=2,ip,dl_src=02:00:00:00:00:05,nw_dst=10.0.0.1 actions=drop'];
  const bridge = bridgeWith('br0', [1, 2], [...flows, 'table=0,priority=1 actions=2']);
  const run = (dlSrc: number) =>
    xlateActions(configOf(bridge), packet({ dlSrc, nwDst: 0xc0a80001 }));
  assert.equal(run(0x020000000006).wildcards.nwDst, 0);
  assert.equal(run(0x020000000005).wildcards.nwDst, 0x80000000);
});

test('the first bits of a port that no flow has, and nothing of conj_id', () => {
  const clauses = ['udp,tp_dst=80', 'ip,nw_src=10.0.0.1'].map(
    (match, i) => `table=0,priority=2,${match} actions=conjunction(1,${i + 1}/2)`,
  );
  const flows = [...clauses, 'table=0,priority=2,conj_id=1 actions=2'];
  const bridge = bridgeWith('br0', [1, 2], flows);
  const { wildcards } = xlateActions(configOf(bridge), packet({ tpDst: 99 }));
  assert.equal(wildcards.tpDst, 0xffe0);
  assert.equal(wildcards.conjId, 0);
});
