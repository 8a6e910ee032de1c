/** Random bridges, keys of packets for them, and packets that megaflows take for the same. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import { OFPP_LOCAL, parseTlvMap } from '@heddle/openflow';
import {
  clearTunnelFields,
  copyTunnel,
  ETH_P_8021Q,
  extractFlow,
  type Flow,
  isTunnelIpv6,
  isTunnelled,
  VLAN_CFI,
} from '@heddle/packet';
import { HeddleError, realClock } from '@heddle/runtime';
import { ETH_P_SLOW } from '../lacp/pdu.ts';
import { MacLearning } from '../mac-learning.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import { RecircIds } from '../ofproto/recirc.ts';
import { changeTlvTable } from '../ofproto/tlv.ts';
import { Bundle, OfPort, Ofproto, type XlateConfig } from '../ofproto.ts';
import { parseOpenFlowFlow } from '../trace/flow-parse.ts';
import type { TunnelConfig } from '../tunnel/config.ts';
import { TunnelPorts } from '../tunnel/ports.ts';
import { parseFlowLine, parseGroupLine } from './parse-lines.ts';
import { GROUP_LINES, randomGroupLines } from './random-actions.ts';
import { bondRandomly } from './random-bonds.ts';
import {
  N_PORTS,
  randomFlowLine,
  randomLastLines,
  randomWideLines,
  TLV_MAP,
} from './random-flows.ts';
import { randomFlowText } from './random-match.ts';
import { NATIVE_VPORT, randomNative } from './random-native.ts';
import { randomPacket } from './random-packet.ts';
import { setRandomly } from './random-settings.ts';
import { MACS } from './random-switch.ts';
import { arriveByTunnel, keepFamily, type TunnelEnds, tunnelRandomly } from './random-tunnels.ts';

const FLOWS = 30;
/** Tunnels that share a port of the datapath, which tells packets of theirs apart by their keys. */
const SHARED: readonly Omit<TunnelEnds, 'type'>[] = [
  { in_key: '5', remote_ip: '10.0.0.9' },
  { in_key: 'flow', remote_ip: '10.0.0.8' },
  { in_key: '1', remote_ip: 'flow' },
  { in_key: 'flow', remote_ip: 'flow' },
];

/** Where a packet may come in. */
interface Entrance {
  readonly odpPort: number;
  readonly bridge: Ofproto;
  readonly tunnel: TunnelConfig | undefined;
}

export interface RandomBridges extends XlateConfig {
  /** The first has what packets come by most. */
  readonly bridges: readonly Ofproto[];
  readonly entrances: readonly Entrance[];
}

/** Two, with flows, groups, ports and addresses, most times joined by a patch. */
export function randomBridges(r: Random): RandomBridges {
  const tunnels = new TunnelPorts();
  const sharedType = r.pick(['geneve', 'geneve', 'vxlan', 'gre'] as const);
  const share = (port: OfPort): void => {
    const own = port.odpPort;
    const config = tunnelRandomly(r, port, { type: sharedType, ...r.pick(SHARED) });
    const isAdded = tunnels.add(port, NATIVE_VPORT, config, () => {});
    port.odpPort = isAdded ? NATIVE_VPORT : own;
  };
  const bridges = ['br0', 'br1'].map((name, i) => randomBridge(r, name, 10 * i, share));
  const ports = bridges.flatMap((bridge) => [...bridge.ports.values()]);
  const patches = bridges.map(({ ports, bundles }) =>
    ports.get(bundles.has('bond0') ? 2 : r.pick([2, 3, 4])),
  );
  const [here, there] = patches;
  if (here && there && r.chance(70)) {
    for (const end of [here, there]) {
      end.odpPort = undefined;
      end.tunnel = undefined;
      tunnels.remove(end);
    }
    here.peer = there;
    there.peer = here;
  }
  const entrances = ports.flatMap(({ odpPort, bundle, tunnel }) =>
    odpPort === undefined ? [] : [{ odpPort, bridge: bundle.bridge, tunnel }],
  );
  const byOdp = new Map(ports.filter((p) => p.odpPort !== NATIVE_VPORT).map((p) => [p.odpPort, p]));
  const native = r.chance(30) ? randomNative(r, bridges, sharedType) : undefined;
  return {
    vlanLimit: 1 + r.below(2),
    portOf: (odp) => byOdp.get(odp),
    tunnels,
    native,
    recirc: new RecircIds(() => 0),
    hashAlgorithm: r.chance(50) ? 'sym_l4' : undefined,
    leavesFragments: r.chance(30),
    ctTimeoutOf: (zone) => (zone === 3 ? 7 : undefined),
    bridges,
    entrances,
  };
}

function randomBridge(
  r: Random,
  name: string,
  firstOdp: number,
  share: (port: OfPort) => void,
): Ofproto {
  const bridge = new Ofproto(name, new MacLearning<Bundle>(realClock));
  const isBonded = r.chance(50);
  const add = (portName: string, ofport: number, odpPort: number, bundleName = portName): void => {
    const bundle = bridge.bundles.get(bundleName) ?? new Bundle(bundleName, bridge);
    const port = new OfPort(portName, ofport, bundle);
    port.odpPort = odpPort;
    bundle.ports.push(port);
    bridge.bundles.set(bundleName, bundle);
    bridge.ports.set(ofport, port);
  };
  for (let i = 1; i <= N_PORTS; i++) {
    add(`${name}p${i}`, i, firstOdp + i, isBonded && i > 2 ? 'bond0' : undefined);
  }
  add(name, OFPP_LOCAL, firstOdp + 9);
  for (const n of [1, 2]) {
    if (!r.chance(40)) continue;
    const port = bridge.ports.get(n)!;
    if (r.chance(50)) tunnelRandomly(r, port);
    else share(port);
  }
  if (isBonded) bondRandomly(r, bridge.bundles.get('bond0')!);
  setRandomly(r, bridge);
  const bundles = [...bridge.bundles.values()];
  for (const mac of MACS) {
    if (r.chance(40)) bridge.macs.addStatic(r.pick([0, 5, 6]), mac, r.pick(bundles));
  }
  changeTlvTable(bridge, 'add', parseTlvMap(TLV_MAP));
  for (const line of [...GROUP_LINES, ...randomGroupLines(r)]) {
    bridge.groups.set(...parseGroupLine(line));
  }
  const lines = [...randomLastLines(r), ...Array.from({ length: FLOWS }, () => randomFlowLine(r))];
  if (r.chance(70)) lines.push(...randomWideLines(r));
  for (const line of lines) {
    try {
      applyFlowMod(new FlowChanges(bridge), parseFlowLine(line), 0, 4);
    } catch (error) {
      if (!(error instanceof HeddleError)) throw error;
    }
  }
  return bridge;
}

/** The key of a frame or, with labels, service headers, tunnels and connections, of a text. */
export function randomKey(r: Random, { entrances, bridges }: RandomBridges): Flow {
  const first = entrances.filter(({ bridge }) => bridge === bridges[0]);
  const { odpPort: inPort, tunnel, bridge } = r.pick(r.chance(70) ? first : entrances);
  if (!tunnel && r.chance(60)) {
    const key = extractFlow(randomPacket(r), { inPort });
    if (r.chance(5)) {
      key.dlType = ETH_P_SLOW;
      key.nwFrag = 0;
    }
    return key;
  }
  const { tlv } = bridge;
  const { flow } = parseOpenFlowFlow(randomFlowText(r), () => undefined, tlv);
  flow.inPort = inPort;
  if (tunnel) arriveByTunnel(r, flow, tlv, tunnel);
  else clearTunnelFields(flow);
  flow.u32.fill(0, 64);
  // Nothing has hashed what has just come.
  flow.dpHash = 0;
  return flow;
}

/** Another packet that the mask takes for the same: bits outside of it come from `other`. */
export function mixed(key: Flow, mask: Flow, other: Flow): Flow {
  const flow = key.clone();
  for (let i = 0; i < 64; i++) {
    const m = mask.u32[i]!;
    flow.u32[i] = (key.u32[i]! & m) | (other.u32[i]! & ~m);
  }
  // No packet has addresses of both families, and what else a tunnel's header has is of its kind.
  if (isTunnelled(key)) keepFamily(flow, isTunnelIpv6(key));
  if (other.inPort !== key.inPort) copyTunnel(key, flow);
  // Fragments are of IP.
  if (flow.dlType !== 0x0800 && flow.dlType !== 0x86dd) flow.nwFrag = 0;
  // Types and codes of ICMP are bytes.
  if (flow.nwProto === (flow.dlType === 0x0800 ? 1 : 58)) {
    flow.tpSrc &= 0xff;
    flow.tpDst &= 0xff;
  }
  // Nor is there an inner tag alone, or one without a type.
  if ((flow.vlanTci0 & VLAN_CFI) === 0) {
    Object.assign(flow, { vlanTci0: 0, vlanTpid0: 0, vlanTci1: 0, vlanTpid1: 0 });
  }
  if ((flow.vlanTci1 & VLAN_CFI) === 0) Object.assign(flow, { vlanTci1: 0, vlanTpid1: 0 });
  if ((flow.vlanTci0 & VLAN_CFI) !== 0) flow.vlanTpid0 ||= key.vlanTpid0 || ETH_P_8021Q;
  if ((flow.vlanTci1 & VLAN_CFI) !== 0) flow.vlanTpid1 ||= key.vlanTpid1 || ETH_P_8021Q;
  return flow;
}
