/** Select groups and packets that come back hashed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatOdpActions } from '@heddle/datapath';
import { Flow } from '@heddle/packet';
import { FakeClock } from '@heddle/runtime';
import { MacLearning } from '../mac-learning.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import { RecircIds } from '../ofproto/recirc.ts';
import { Bundle, OfPort, Ofproto, type XlateConfig } from '../ofproto.ts';
import { parseFlowLine, parseGroupLine } from '../oracle/parse-lines.ts';
import { xlateActions } from './xlate.ts';

const HASHED = 'type=select,selection_method=dp_hash,selection_method_param=0x3';

/** A datapath that hashes, and a bridge with port 1. */
function bridgeWith(flows: readonly string[], groups: readonly string[]): XlateConfig {
  const bridge = new Ofproto('br0', new MacLearning<Bundle>(new FakeClock()));
  for (const n of [1, 2]) {
    const port = new OfPort(`p${n}`, n, new Bundle(`p${n}`, bridge));
    port.odpPort = n;
    bridge.ports.set(n, port);
  }
  for (const line of groups) bridge.groups.set(...parseGroupLine(line));
  for (const line of flows) applyFlowMod(new FlowChanges(bridge), parseFlowLine(line), 0, 4);
  const portOf = (odp: number) => bridge.ports.get(odp);
  return { vlanLimit: 1, portOf, recirc: new RecircIds(() => 0), hashAlgorithm: 'sym_l4' };
}

function packet(nwSrc: number, recircId = 0, dpHash = 0): Flow {
  const flow = new Flow();
  return Object.assign(flow, { inPort: 1, dlType: 0x0800, nwSrc, recircId, dpHash });
}

test('packets that were hashed come back otherwise than those that were not', () => {
  const config = bridgeWith(
    [
      'table=0,ip,nw_src=0.0.0.1 actions=group:1',
      'table=0,ip,nw_src=0.0.0.2 actions=ct(table=1)',
      'table=1,ip actions=group:2',
    ],
    [
      `group_id=1,${HASHED},bucket=bucket_id:0,weight:1,actions=ct(table=1)`,
      `group_id=2,${HASHED},bucket=bucket_id:0,weight:1,actions=output:2`,
    ],
  );
  const run = (flow: Flow) => {
    const { actions, wildcards } = xlateActions(config, flow);
    return `${formatOdpActions(actions)} ${(wildcards.dpHash >>> 0).toString(16)}`;
  };
  assert.equal(run(packet(1)), 'hash(l4(3)),recirc(0x1) 0');
  assert.equal(run(packet(1, 1, 0x10)), 'ct,recirc(0x2) f');
  assert.equal(run(packet(1, 2, 0x10)), '2 f');
  assert.equal(run(packet(2)), 'ct,recirc(0x3) 0');
  assert.equal(run(packet(2, 3)), 'hash(l4(3)),recirc(0x4) 0');
  // A hash that somebody else has left on it counts for nothing: no mask tells it.
  assert.equal(run(packet(2, 3, 0x10)), 'hash(l4(3)),recirc(0x4) 0');
});
