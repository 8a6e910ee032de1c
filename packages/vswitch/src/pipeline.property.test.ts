/**
 * The invariant of megaflows through flow tables: what a translation did not look at does not
 * matter.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatOdpActions } from '@heddle/datapath';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { ETH_P_8021Q, extractFlow, type Flow, VLAN_CFI } from '@heddle/packet';
import { HeddleError, realClock } from '@heddle/runtime';
import { MacLearning } from './mac-learning.ts';
import { FlowChanges } from './ofproto/flow-changes.ts';
import { applyFlowMod } from './ofproto/flow-mod.ts';
import { RecircIds } from './ofproto/recirc.ts';
import { Bundle, OfPort, Ofproto, type XlateConfig } from './ofproto.ts';
import { parseFlowLine, parseGroupLine } from './oracle/parse-lines.ts';
import { GROUP_LINES } from './oracle/random-actions.ts';
import { N_PORTS, randomFlowLine } from './oracle/random-flows.ts';
import { randomPacket } from './oracle/random-packet.ts';
import { xlateActions } from './xlate.ts';

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 40);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const FLOWS = 30;
const PACKETS = 20;

function randomBridge(r: Random): XlateConfig {
  const bridge = new Ofproto('br0', new MacLearning<Bundle>(realClock));
  const byOdp = new Map<number, OfPort>();
  for (let i = 1; i <= N_PORTS; i++) {
    const bundle = new Bundle(`p${i}`, bridge);
    const port = new OfPort(`p${i}`, i, bundle);
    port.odpPort = i;
    bundle.ports.push(port);
    bridge.bundles.set(bundle.name, bundle);
    bridge.ports.set(i, port);
    byOdp.set(i, port);
  }
  for (const line of GROUP_LINES) bridge.groups.set(...parseGroupLine(line));
  for (let i = 0; i < FLOWS; i++) {
    try {
      applyFlowMod(new FlowChanges(bridge), parseFlowLine(randomFlowLine(r)), 0, 4);
    } catch (error) {
      if (!(error instanceof HeddleError)) throw error;
    }
  }
  const recirc = new RecircIds(() => 0);
  return { vlanLimit: 1 + r.below(2), portOf: (odp) => byOdp.get(odp), recirc };
}

/** Another packet that the mask takes for the same: bits outside of it come from `other`. */
function mixed(key: Flow, mask: Flow, other: Flow): Flow {
  const flow = key.clone();
  for (let i = 0; i < 64; i++) {
    const m = mask.u32[i]!;
    flow.u32[i] = (key.u32[i]! & m) | (other.u32[i]! & ~m);
  }
  // No packet has a tag without a type.
  if ((flow.vlanTci0 & VLAN_CFI) !== 0) flow.vlanTpid0 ||= key.vlanTpid0 || ETH_P_8021Q;
  if ((flow.vlanTci1 & VLAN_CFI) !== 0) flow.vlanTpid1 ||= key.vlanTpid1 || ETH_P_8021Q;
  return flow;
}

test('every packet that a megaflow matches is treated as its first', () => {
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const r = new Random(seed);
    const config = randomBridge(r);
    const packets = Array.from({ length: PACKETS }, () =>
      extractFlow(randomPacket(r), { inPort: 1 + r.below(N_PORTS) }),
    );
    for (const key of packets) {
      const first = xlateActions(config, key, { withPacket: false });
      const text = formatOdpActions(first.actions);
      for (const other of packets) {
        const flow = mixed(key, first.wildcards, other);
        const again = xlateActions(config, flow, { withPacket: false });
        assert.equal(formatOdpActions(again.actions), text, `seed ${seed}`);
        assert.equal(again.failure, first.failure);
      }
    }
  }
});
