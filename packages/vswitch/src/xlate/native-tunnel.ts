/** Tunnels whose packets bridges carry: headers by `tnl_push`, frames for us by `tnl_pop`. */
import {
  type OdpAction,
  TNL_TYPE_ERSPAN,
  TNL_TYPE_GENEVE,
  TNL_TYPE_GRE,
  TNL_TYPE_IP6ERSPAN,
  TNL_TYPE_IP6GRE,
  TNL_TYPE_VXLAN,
} from '@heddle/datapath';
import {
  copyTunnelFields,
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_TYPE_MIN,
  erspanOf,
  extractFlow,
  FLOW_TNL_F_CRIT,
  FLOW_TNL_F_CSUM,
  FLOW_TNL_F_DONT_FRAGMENT,
  FLOW_TNL_F_KEY,
  FLOW_TNL_F_OAM,
  FLOW_TNL_F_SEQ,
  Flow,
  formatIpv4,
  formatIpv6,
  formatMac,
  IPPROTO_GRE,
  IPPROTO_ICMPV6,
  IPPROTO_UDP,
  isTunnelIpv6,
  MAC_BROADCAST,
  setMac,
  setTunnelSource,
  tunnelDestination,
  tunnelOptions,
  tunnelSource,
  VLAN_CFI,
} from '@heddle/packet';
import type { OfPort } from '../ofproto.ts';
import { formatAddress, isIpv6, type TunnelConfig } from '../tunnel/config.ts';
import type { NativeTunnels } from '../tunnel/native.ts';
import { isLocalPort } from '../tunnel/native.ts';
import type { XlateContext } from './context.ts';
import { enterBridge } from './patch.ts';

const ETH_LEN = 14;
const IP_DF = 0x4000;
const TRANS_ETHER = 0x6558;
const GRE_SEQ = 0x1000;
/** Packet types of Ethernet's name space. */
const BARE = 0x1_0000;
const ERSPAN_1 = 0x88be;
const ERSPAN_2 = 0x22eb;
const MAX_SESSION = 1023n;
const ARP_REPLY = 2;
const ND_ADVERT = 136;

/** Sends the packet with the tunnel that `ctx.flow` tells of through the bridge below. */
export function sendNative(
  ctx: XlateContext,
  native: NativeTunnels,
  port: OfPort,
  config: TunnelConfig,
  kept: Flow,
): void {
  const { flow } = ctx;
  const tunnel = new Flow();
  copyTunnelFields(flow, tunnel);
  copyTunnelFields(kept, flow);
  ctx.trace('detail', 'output to native tunnel');
  ctx.commit();
  if (native.asksForMark) ctx.wildcards.pktMark = 0xffff_ffff;
  const route = native.route(tunnelDestination(tunnel), tunnelSource(tunnel), flow.pktMark);
  if (!route) {
    ctx.trace('warn', 'native tunnel routing failed');
    ctx.drop('no route to the other end of the tunnel', port);
    return;
  }
  const { port: local, nextHop, source } = route;
  const bridge = local.bundle.bridge.name;
  const hop = formatAddress(nextHop);
  ctx.trace('detail', `tunneling to ${hop} via ${local.name}`);
  const mac = native.neighbours.lookup(bridge, nextHop);
  if (mac === undefined) {
    const what = isIpv6(nextHop) ? 'ND' : 'ARP';
    const text = `neighbor cache miss for ${hop} on bridge ${bridge}, sending ${what} request`;
    ctx.trace('detail', text);
    ctx.effects.solicits.push(() => native.solicit(route));
    ctx.drop('the next hop of the tunnel is not known yet', port);
    return;
  }
  const from = `${formatMac(route.mac)} ${formatAddress(source)}`;
  const to = `${formatMac(mac)} ${hop}`;
  ctx.trace('detail', `tunneling from ${from} to ${to}`);
  setTunnelSource(tunnel, source);
  const carried = carriedType(flow, config);
  const header =
    carried === undefined ? undefined : buildHeader(tunnel, config, route.mac, mac, carried);
  if (!header) {
    ctx.trace('warn', 'native tunnel header build failed');
    ctx.drop('the tunnel has no header for it', port);
    return;
  }
  const outer = extractFlow(header, { inPort: local.odpPort!, pktMark: flow.pktMark });
  const actions = enterBridge(ctx, local, outer);
  ctx.effects.patches.push({ from: port, to: undefined }, { from: undefined, to: local });
  if (!actions.some((a) => a.type !== 'set')) return;
  const push: OdpAction = {
    type: 'tnl_push',
    tnlPort: port.odpPort!,
    outPort: local.odpPort!,
    headerType: headerTypeOf(config.type, isTunnelIpv6(tunnel)),
    header,
  };
  const bare = carried !== 0 && flow.packetType === 0 ? popFrame(flow) : [];
  ctx.odpActions.push({ type: 'clone', actions: [...bare, push, ...actions] });
}

/** What the tunnel carries of the packet, as a packet type; undefined: its header cannot tell that. */
function carriedType({ packetType, dlType }: Flow, c: TunnelConfig): number | undefined {
  if (c.packetType !== 'legacy_l3') return 0;
  if (dlType < ETH_TYPE_MIN) return undefined;
  return packetType === 0 ? BARE | dlType : packetType;
}

/** Its Ethernet header goes, with its tags. */
function popFrame({ vlanTci0, vlanTci1 }: Flow): OdpAction[] {
  const tags = [vlanTci0, vlanTci1].filter((tci) => (tci & VLAN_CFI) !== 0);
  return [...tags.map((): OdpAction => ({ type: 'pop_vlan' })), { type: 'pop_eth' }];
}

function headerTypeOf(type: TunnelConfig['type'], v6: boolean): number {
  if (type === 'gre') return v6 ? TNL_TYPE_IP6GRE : TNL_TYPE_GRE;
  if (type === 'erspan') return v6 ? TNL_TYPE_IP6ERSPAN : TNL_TYPE_ERSPAN;
  return type === 'vxlan' ? TNL_TYPE_VXLAN : TNL_TYPE_GENEVE;
}

/** Ethernet to the end of the tunnel's header; lengths and checksums are made when it is put on. */
function buildHeader(
  t: Flow,
  c: TunnelConfig,
  src: number,
  dst: number,
  carried: number,
): Uint8Array | undefined {
  const v6 = isTunnelIpv6(t);
  const l4 = ETH_LEN + (v6 ? 40 : 20);
  const isUdp = c.type === 'vxlan' || c.type === 'geneve';
  const tail = isUdp
    ? udpHeader(t, c, v6)
    : c.type === 'gre'
      ? greHeader(t, carried)
      : erspanHeader(t);
  if (!tail) return undefined;
  const bytes = new Uint8Array(l4 + tail.length);
  const dv = new DataView(bytes.buffer);
  setMac(dv, 0, dst);
  setMac(dv, 6, src);
  dv.setUint16(12, v6 ? ETH_P_IPV6 : ETH_P_IP);
  const proto = isUdp ? IPPROTO_UDP : IPPROTO_GRE;
  if (v6) {
    dv.setUint32(ETH_LEN, (0x6000_0000 | (t.tunTos << 20)) >>> 0);
    dv.setUint16(ETH_LEN + 4, tail.length);
    dv.setUint8(ETH_LEN + 6, proto);
    dv.setUint8(ETH_LEN + 7, t.tunTtl);
    bytes.set(t.tunIpv6Src, ETH_LEN + 8);
    bytes.set(t.tunIpv6Dst, ETH_LEN + 24);
  } else {
    dv.setUint16(ETH_LEN, 0x4500 | t.tunTos);
    dv.setUint16(ETH_LEN + 2, bytes.length - ETH_LEN);
    dv.setUint16(ETH_LEN + 6, t.tunFlags & FLOW_TNL_F_DONT_FRAGMENT ? IP_DF : 0);
    dv.setUint8(ETH_LEN + 8, t.tunTtl);
    dv.setUint8(ETH_LEN + 9, proto);
    dv.setUint32(ETH_LEN + 12, t.tunSrc);
    dv.setUint32(ETH_LEN + 16, t.tunDst);
  }
  bytes.set(tail, l4);
  return bytes;
}

function udpHeader(t: Flow, c: TunnelConfig, v6: boolean): Uint8Array {
  const options = c.type === 'geneve' ? tunnelOptions(t) : new Uint8Array();
  const bytes = new Uint8Array(16 + options.length);
  const dv = new DataView(bytes.buffer);
  dv.setUint16(2, c.dstPort);
  dv.setUint16(4, bytes.length);
  if (v6 || t.tunFlags & FLOW_TNL_F_CSUM) dv.setUint16(6, 0xffff);
  if (c.type === 'vxlan') {
    const gbp = c.gbp ? (0x8000_0000 | (t.tunGbpFlags << 16) | t.tunGbpId) >>> 0 : 0;
    dv.setUint32(8, (0x0800_0000 | gbp) >>> 0);
  } else {
    dv.setUint8(8, options.length / 4);
    dv.setUint8(
      9,
      (t.tunFlags & FLOW_TNL_F_OAM ? 0x80 : 0) | (t.tunFlags & FLOW_TNL_F_CRIT ? 0x40 : 0),
    );
    dv.setUint16(10, TRANS_ETHER);
  }
  dv.setUint32(12, Number((t.tunId & 0xff_ffffn) << 8n));
  bytes.set(options, 16);
  return bytes;
}

function greHeader(t: Flow, carried: number): Uint8Array {
  const hasCsum = (t.tunFlags & FLOW_TNL_F_CSUM) !== 0;
  const hasKey = (t.tunFlags & FLOW_TNL_F_KEY) !== 0;
  const hasSeq = (t.tunFlags & FLOW_TNL_F_SEQ) !== 0;
  const keyAt = 4 + (hasCsum ? 4 : 0);
  const bytes = new Uint8Array(keyAt + (hasKey ? 4 : 0) + (hasSeq ? 4 : 0));
  const dv = new DataView(bytes.buffer);
  dv.setUint16(0, (hasCsum ? 0x8000 : 0) | (hasKey ? 0x2000 : 0) | (hasSeq ? GRE_SEQ : 0));
  dv.setUint16(2, carried === 0 ? TRANS_ETHER : carried & 0xffff);
  if (hasKey) dv.setUint32(keyAt, Number(t.tunId & 0xffff_ffffn));
  return bytes;
}

/** draft-foschiano-erspan-03; number and time are put in with each packet. */
function erspanHeader(t: Flow): Uint8Array | undefined {
  const e = erspanOf(t);
  if (!e || (e.ver !== 1 && e.ver !== 2) || t.tunId > MAX_SESSION) return undefined;
  const bytes = new Uint8Array(e.ver === 1 ? 16 : 20);
  const dv = new DataView(bytes.buffer);
  dv.setUint16(0, GRE_SEQ);
  dv.setUint16(2, e.ver === 1 ? ERSPAN_1 : ERSPAN_2);
  dv.setUint32(8, (e.ver << 28) | Number(t.tunId));
  if (e.ver === 1) dv.setUint32(12, e.idx);
  else dv.setUint32(16, ((e.hwid & 0x30) << 4) | ((e.hwid & 15) << 4) | (e.dir << 3));
  return bytes;
}

/** Takes a frame for one of our tunnels out of its way to the host; true: it is done with. */
export function receiveNative(ctx: XlateContext, native: NativeTunnels, port: OfPort): boolean {
  if (!isLocalPort(port)) return false;
  const { flow, wildcards } = ctx;
  const odpPort = native.listener(flow, wildcards);
  if (odpPort !== undefined) {
    ctx.commit();
    ctx.odpActions.push({ type: 'tnl_pop', port: odpPort });
    return true;
  }
  if (native.isInUse) snoop(ctx, native);
  return false;
}

/** Hears who has which address. */
function snoop(ctx: XlateContext, native: NativeTunnels): void {
  const { flow, wildcards, effects } = ctx;
  const bridge = ctx.bridge.name;
  const { neighbours } = native;
  if (flow.dlType === ETH_P_ARP) {
    wildcards.nwSrc = 0xffff_ffff;
    wildcards.nwDst = 0xffff_ffff;
    const isGratuitous = flow.nwSrc === flow.nwDst;
    if (!isGratuitous) wildcards.nwProto = 0xff;
    if (!isGratuitous && flow.nwProto !== ARP_REPLY) return;
    wildcards.arpSha = MAC_BROADCAST;
    const [address, mac] = [formatIpv4(flow.nwSrc), flow.arpSha];
    effects.neighbours.push(() => neighbours.set(bridge, address, mac));
    return;
  }
  if (flow.dlType !== ETH_P_IPV6) return;
  wildcards.nwProto = 0xff;
  if (flow.nwProto !== IPPROTO_ICMPV6 || flow.nwFrag !== 0) return;
  wildcards.tpSrc = 0xffff;
  wildcards.tpDst = 0xffff;
  if (flow.tpSrc !== ND_ADVERT || flow.tpDst !== 0) return;
  wildcards.ndTarget.fill(0xff);
  wildcards.ndTll = MAC_BROADCAST;
  if (flow.ndTll === 0) return;
  const [address, mac] = [formatIpv6(flow.ndTarget), flow.ndTll];
  effects.neighbours.push(() => neighbours.set(bridge, address, mac));
}
