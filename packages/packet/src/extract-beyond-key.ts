/**
 * Headers that flow tables know of and datapaths' keys do not hold: MPLS label stack entries (RFC 3032), the Network Service
 * Header (RFC 8300), what Neighbor Discovery says beside addresses (RFC 4861) and, for texts, IGMP.
 */
import { getBe32 } from './bytes.ts';
import {
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_NSH,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IGMP,
  isMpls,
  ND_NEIGHBOR_ADVERT,
  ND_NEIGHBOR_SOLICIT,
  VLAN_CFI,
} from './constants.ts';
import { extractFlow, PacketLayout, type PacketMetadata } from './extract.ts';
import { TP_SRC } from './extract-l4.ts';
import { Flow } from './flow.ts';
import { ETH_HEADER_LEN, VLAN_HEADER_LEN } from './headers/ethernet.ts';
import { decodeNsh } from './headers/nsh.ts';

const BOS = 0x100;
/** Bytes of an IGMP or ICMP header. */
const TYPE_HEADER_LEN = 8;

/** Fills in what is there of them; `flow` has been extracted from the frame. */
export function extractBeyondKey(frame: Uint8Array, flow: Flow): void {
  if (isMpls(flow.dlType)) extractMpls(frame, flow);
  else if (flow.dlType === ETH_P_NSH) extractNsh(frame, flow);
  else if (isNd(flow)) extractNdExtensions(frame, flow);
}

export function hasBeyondKey(flow: Flow): boolean {
  return isMpls(flow.dlType) || flow.dlType === ETH_P_NSH || isNd(flow);
}

function isNd({ dlType, nwProto, tpSrc: type, tpDst: code }: Flow): boolean {
  if (dlType !== ETH_P_IPV6 || nwProto !== IPPROTO_ICMPV6 || code !== 0) return false;
  return type === ND_NEIGHBOR_SOLICIT || type === ND_NEIGHBOR_ADVERT;
}

/**
 * The flow of a packet as Open vSwitch writes it. Type and code of IGMP, and of ICMP of the other version of
 * IP, stand in the place of ports: no table can match them there.
 */
export function describePacket(frame: Uint8Array, md: PacketMetadata): [Flow, PacketLayout] {
  const layout = new PacketLayout();
  const flow = extractFlow(frame, md, new Flow(), layout);
  extractBeyondKey(frame, flow);
  const { l4, end } = layout;
  if (hasTypeForText(flow) && l4 >= 0 && end - l4 >= TYPE_HEADER_LEN) {
    flow.u8[TP_SRC + 1] = frame[l4]!;
    flow.u8[TP_SRC + 3] = frame[l4 + 1]!;
  }
  return [flow, layout];
}

function hasTypeForText({ dlType, nwProto }: Flow): boolean {
  if (dlType === ETH_P_IP) return nwProto === IPPROTO_IGMP || nwProto === IPPROTO_ICMPV6;
  return dlType === ETH_P_IPV6 && (nwProto === IPPROTO_IGMP || nwProto === IPPROTO_ICMP);
}

/** Where a packet's network header begins; `flow` has been extracted from it. */
function headerOffset(flow: Flow): number {
  if (flow.packetType !== 0) return 0;
  let at = ETH_HEADER_LEN;
  if ((flow.vlanTci0 & VLAN_CFI) !== 0) at += VLAN_HEADER_LEN;
  if ((flow.vlanTci0 & flow.vlanTci1 & VLAN_CFI) !== 0) at += VLAN_HEADER_LEN;
  return at;
}

/** Up to three entries. */
function extractMpls(frame: Uint8Array, flow: Flow): void {
  let at = headerOffset(flow);
  for (const name of ['mplsLse0', 'mplsLse1', 'mplsLse2'] as const) {
    if (at + 4 > frame.length) return;
    flow[name] = getBe32(frame, at);
    if ((flow[name] & BOS) !== 0) return;
    at += 4;
  }
}

/** A packet that is cut short has none. */
function extractNsh(frame: Uint8Array, flow: Flow): void {
  const header = decodeNsh(frame.subarray(headerOffset(flow)))?.header;
  if (!header) return;
  flow.nshFlags = header.flags;
  flow.nshTtl = header.ttl;
  flow.nshMdtype = header.mdtype;
  flow.nshNp = header.np;
  flow.nshPath = header.path;
  [flow.nshC1, flow.nshC2, flow.nshC3, flow.nshC4] = header.context;
}

const ND_HEADER_LEN = 24;
const ND_OPTION_LEN = 8;
const scratchFlow = new Flow();
const scratchLayout = new PacketLayout();

/** The reserved word, and the type of the first option that is a link-layer address. */
function extractNdExtensions(frame: Uint8Array, flow: Flow): void {
  extractFlow(frame, { inPort: 0 }, scratchFlow, scratchLayout);
  const { l4, end } = scratchLayout;
  if (l4 < 0 || end - l4 < ND_HEADER_LEN || !isNd(scratchFlow)) return;
  flow.ndReserved = getBe32(frame, l4 + 4);
  for (let at = l4 + ND_HEADER_LEN; end - at >= ND_OPTION_LEN; ) {
    const length = frame[at + 1]! * 8;
    if (length === 0 || length > end - at) return;
    const isAddress = frame[at] === 1 || frame[at] === 2;
    if (isAddress && length === ND_OPTION_LEN) {
      flow.ndOptionsType = frame[at]!;
      return;
    }
    at += length;
  }
}
