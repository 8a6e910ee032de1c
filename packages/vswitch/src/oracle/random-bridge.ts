/** Random bridges, keys of packets for them, and packets that megaflows take for the same. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import { parseTlvMap } from '@heddle/openflow';
import {
  clearTunnelFields,
  ETH_P_8021Q,
  extractFlow,
  type Flow,
  isTunnelIpv6,
  isTunnelled,
  VLAN_CFI,
} from '@heddle/packet';
import { FakeClock, HeddleError, realClock } from '@heddle/runtime';
import { NetFlow } from '../export/netflow.ts';
import { ETH_P_SLOW } from '../lacp/pdu.ts';
import { MacLearning } from '../mac-learning.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import { RecircIds } from '../ofproto/recirc.ts';
import { changeTlvTable } from '../ofproto/tlv.ts';
import { type BridgeExports, Bundle, OfPort, Ofproto, type XlateConfig } from '../ofproto.ts';
import { parseOpenFlowFlow } from '../trace/flow-parse.ts';
import type { TunnelConfig } from '../tunnel/config.ts';
import { parseFlowLine, parseGroupLine } from './parse-lines.ts';
import { GROUP_LINES, randomGroupLines } from './random-actions.ts';
import { bondRandomly } from './random-bonds.ts';
import { N_PORTS, randomFlowLine, TLV_MAP } from './random-flows.ts';
import { randomFlowText } from './random-match.ts';
import { randomPacket } from './random-packet.ts';
import { MACS } from './random-switch.ts';

const FLOWS = 30;

const GENEVE: TunnelConfig = {
  type: 'geneve',
  packetType: 'legacy_l2',
  remote: 'flow',
  local: undefined,
  inKey: 'flow',
  outKey: 'flow',
  dstPort: 6081,
  ttl: 'inherit',
  tos: 'inherit',
  dontFragment: true,
  csum: false,
  seq: false,
  gbp: false,
  erspan: { ver: 0, idx: 0, dir: 0, hwid: 0 },
  egressPktMark: undefined,
};

/** With flows, groups, ports and addresses. */
export function randomBridge(r: Random): XlateConfig {
  const bridge = new Ofproto('br0', new MacLearning<Bundle>(realClock));
  const byOdp = new Map<number, OfPort>();
  const isBonded = r.chance(50);
  for (let i = 1; i <= N_PORTS; i++) {
    const name = isBonded && i > 2 ? 'bond0' : `p${i}`;
    const bundle = bridge.bundles.get(name) ?? new Bundle(name, bridge);
    const port = new OfPort(`p${i}`, i, bundle);
    port.odpPort = i;
    bundle.ports.push(port);
    bridge.bundles.set(bundle.name, bundle);
    bridge.ports.set(i, port);
    byOdp.set(i, port);
  }
  if (r.chance(40)) bridge.ports.get(1)!.tunnel = GENEVE;
  const bundles = [...bridge.bundles.values()];
  if (isBonded) bondRandomly(r, bridge.bundles.get('bond0')!);
  for (const mac of MACS) {
    if (r.chance(40)) bridge.macs.addStatic(r.pick([0, 5, 6]), mac, r.pick(bundles));
  }
  changeTlvTable(bridge, 'add', parseTlvMap(TLV_MAP));
  for (const line of [...GROUP_LINES, ...randomGroupLines(r)]) {
    bridge.groups.set(...parseGroupLine(line));
  }
  for (let i = 0; i < FLOWS; i++) {
    try {
      applyFlowMod(new FlowChanges(bridge), parseFlowLine(randomFlowLine(r)), 0, 4);
    } catch (error) {
      if (!(error instanceof HeddleError)) throw error;
    }
  }
  bridge.exports = randomExports(r);
  const recirc = new RecircIds(() => 0);
  const computesHash = r.chance(50);
  return { vlanLimit: 1 + r.below(2), portOf: (odp) => byOdp.get(odp), recirc, computesHash };
}

/** Collectors for samples and NetFlow; nothing is sent. */
function randomExports(r: Random): BridgeExports {
  const probability = r.pick([0x8000_0000, 0xffff_ffff]);
  const settings = { targets: [], engineType: 0, engineId: 0 };
  const netflow = { ...settings, activeTimeoutMs: -1, addIdToInterface: false };
  return {
    ...(r.chance(25) && { sflow: { probability, ifindex: (port) => port.ofport } }),
    ...(r.chance(25) && { ipfix: { probability, input: r.chance(70), output: r.chance(70) } }),
    hasCollectorSets: r.chance(50),
    ...(r.chance(25) && { netflow: new NetFlow(netflow, new FakeClock()) }),
  };
}

/** The key of a frame or, with labels, service headers, tunnels and connections, of a text. */
export function randomKey(r: Random, { tlv, ports }: Ofproto): Flow {
  const inPort = 1 + r.below(N_PORTS);
  const isTunnel = ports.get(inPort)!.tunnel !== undefined;
  if (!isTunnel && r.chance(60)) {
    const key = extractFlow(randomPacket(r), { inPort });
    if (r.chance(5)) key.dlType = ETH_P_SLOW;
    return key;
  }
  const { flow } = parseOpenFlowFlow(randomFlowText(r), () => undefined, tlv);
  flow.inPort = inPort;
  if (isTunnel) {
    if (r.chance(50)) flow.tunDst ||= 0x0a000009;
    else {
      flow.tunDst = 0;
      flow.tunIpv6Dst[15] ||= 9;
    }
    keepFamily(flow, isTunnelIpv6(flow));
    flow.tunTtl = r.below(3);
    flow.tunTpSrc = r.below(3);
    flow.tunTos = r.pick([0, 3]);
    const options = tlv.writeOptions(flow).subarray(0, flow.tunOpts.length);
    flow.tunOptsLen = options.length;
    flow.tunOpts.set(options);
  } else clearTunnelFields(flow);
  flow.u32.fill(0, 64);
  // Nothing has hashed what has just come.
  flow.dpHash = 0;
  return flow;
}

function keepFamily(flow: Flow, v6: boolean): void {
  if (v6) {
    flow.tunSrc = 0;
    flow.tunDst = 0;
  } else {
    flow.tunIpv6Src.fill(0);
    flow.tunIpv6Dst.fill(0);
  }
}

/** Another packet that the mask takes for the same: bits outside of it come from `other`. */
export function mixed(key: Flow, mask: Flow, other: Flow): Flow {
  const flow = key.clone();
  for (let i = 0; i < 64; i++) {
    const m = mask.u32[i]!;
    flow.u32[i] = (key.u32[i]! & m) | (other.u32[i]! & ~m);
  }
  // No packet has addresses of both families.
  if (isTunnelled(key)) keepFamily(flow, isTunnelIpv6(key));
  // No packet has a tag without a type.
  if ((flow.vlanTci0 & VLAN_CFI) !== 0) flow.vlanTpid0 ||= key.vlanTpid0 || ETH_P_8021Q;
  if ((flow.vlanTci1 & VLAN_CFI) !== 0) flow.vlanTpid1 ||= key.vlanTpid1 || ETH_P_8021Q;
  return flow;
}
