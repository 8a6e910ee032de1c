/** What bridges behind patch ports look at. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatOdpActions } from '@heddle/datapath';
import { parseTlvMap } from '@heddle/openflow';
import { Flow } from '@heddle/packet';
import { FakeClock } from '@heddle/runtime';
import { MacLearning } from '../mac-learning.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import { RecircIds } from '../ofproto/recirc.ts';
import { changeTlvTable } from '../ofproto/tlv.ts';
import { Bundle, OfPort, Ofproto, type XlateConfig } from '../ofproto.ts';
import { parseFlowLine } from '../oracle/parse-lines.ts';
import { parseTunnelOptions } from '../tunnel/config.ts';
import { xlateActions } from './xlate.ts';

const OPTION = '{class=0xffff,type=0,len=4}->tun_metadata0';
const FROM_FLOW = new Map([
  ['remote_ip', 'flow'],
  ['key', 'flow'],
]);

/** Port 2 of the first bridge is a tunnel, port 1 of the second its way out; ports 3 are a patch. */
function bridgesWith(here: readonly string[], there: readonly string[]): XlateConfig {
  const make = (name: string, numbers: readonly number[], flows: readonly string[]): Ofproto => {
    const bridge = new Ofproto(name, new MacLearning<Bundle>(new FakeClock()));
    for (const n of numbers) {
      bridge.ports.set(n, new OfPort(`${name}p${n}`, n, new Bundle(`${name}p${n}`, bridge)));
    }
    changeTlvTable(bridge, 'add', parseTlvMap(OPTION));
    for (const line of flows) applyFlowMod(new FlowChanges(bridge), parseFlowLine(line), 0, 4);
    return bridge;
  };
  const [br0, br1] = [make('br0', [2, 3], here), make('br1', [1, 3], there)];
  const [tunnel, out] = [br0.ports.get(2)!, br1.ports.get(1)!];
  tunnel.tunnel = parseTunnelOptions('t', 'geneve', FROM_FLOW).config;
  tunnel.odpPort = 2;
  out.odpPort = 1;
  br0.ports.get(3)!.peer = br1.ports.get(3);
  br1.ports.get(3)!.peer = br0.ports.get(3);
  const portOf = (odp: number) => (odp === 2 ? tunnel : out);
  return { vlanLimit: 1, portOf, recirc: new RecircIds(() => 0) };
}

function packetOfTunnel(): Flow {
  const flow = new Flow();
  Object.assign(flow, { inPort: 2, dlType: 0x1234, tunDst: 0x0a000001, tunSrc: 0x0a000009 });
  flow.tunOptsLen = 8;
  flow.tunOpts.set([0xff, 0xff, 0, 1, 0, 0, 0, 5]);
  return flow;
}

const THERE = [
  'table=0,priority=9,tun_metadata0=5,tun_flags=oam actions=drop',
  'table=0,priority=8,tun_gbp_id=0 actions=1',
];

test('what another bridge looks at of a tunnel is of no packet', () => {
  const config = bridgesWith(['table=0,in_port=2 actions=3'], THERE);
  const { actions, wildcards } = xlateActions(config, packetOfTunnel());
  assert.equal(formatOdpActions(actions), '1');
  const { tunGbpId, tunOptsLen, tunOpts } = wildcards;
  assert.deepEqual([tunGbpId, tunOptsLen, ...tunOpts], new Array(14).fill(0));
});

test('what the bridge itself has looked at stays', () => {
  const look = 'move:NXM_NX_TUN_METADATA0[0..3]->NXM_NX_REG0[0..3]';
  const config = bridgesWith([`table=0,in_port=2 actions=${look},3`], THERE);
  const { actions, wildcards } = xlateActions(config, packetOfTunnel());
  assert.equal(formatOdpActions(actions), '1');
  assert.equal(wildcards.tunGbpId, 0);
  assert.equal(wildcards.tunOpts[7]! & 0xf, 0xf);
});
