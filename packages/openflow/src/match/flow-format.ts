/** A packet's flow as ofproto/trace prints it: every field that the packet has. */
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_MPLS_MC,
  ETH_P_MPLS_UC,
  ETH_P_NSH,
  ETH_P_RARP,
  FLOW_TNL_F_KEY,
  Flow,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IGMP,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  isTunnelled,
  ND_NEIGHBOR_ADVERT,
  ND_NEIGHBOR_SOLICIT,
} from '@heddle/packet';
import { Match, type TunMetadataMatch } from '../match.ts';
import { fieldPlan } from './field-plan.ts';
import { named, toBytes } from './match-field.ts';
import { formatMatch } from './match-format.ts';
import type { PortNames } from './ofp-port.ts';
import { saysValidConnection } from './prerequisites.ts';

/** Words of a flow and the bits in them that fields have. */
interface Words {
  readonly indices: Uint8Array;
  readonly bits: Uint32Array;
}

function wordsOf(...names: string[]): Words {
  const { u8, u32 } = new Flow();
  for (const name of names) {
    const { offset, slotSize } = fieldPlan(named(name));
    u8.fill(0xff, offset, offset + slotSize);
  }
  const indices = [...u32.keys()].filter((i) => u32[i] !== 0);
  return { indices: Uint8Array.from(indices), bits: Uint32Array.from(indices, (i) => u32[i]!) };
}

const numbered = (name: string, n: number) => Array.from({ length: n }, (_, i) => `${name}${i}`);
/** Shown where they are not zero. */
const METADATA = [
  ...[
    'in_port',
    'pkt_mark',
    'recirc_id',
    'dp_hash',
    'conj_id',
    'skb_priority',
    'metadata',
    'tun_id',
  ],
  ...['ct_state', 'ct_zone', 'ct_mark', 'ct_label'],
  ...numbered('reg', 16),
].map((name) => wordsOf(name));
/** Shown of packets that come from a tunnel. */
const TUNNEL = wordsOf(
  ...['tun_src', 'tun_dst', 'tun_ipv6_src', 'tun_ipv6_dst', 'tun_gbp_id', 'tun_gbp_flags'],
  ...['tun_flags', 'tun_erspan_ver', 'tun_gtpu_flags', 'tun_gtpu_msgtype'],
);
const ALWAYS = wordsOf('packet_type');
const ETHERNET = wordsOf('eth_src', 'eth_dst', 'eth_type', 'vlan_tci');
const IP = wordsOf('nw_proto', 'nw_tos', 'nw_ttl', 'ip_frag');
const IPV4 = wordsOf('ip_src', 'ip_dst');
const IPV6 = wordsOf('ipv6_src', 'ipv6_dst', 'ipv6_label');
const ARP = wordsOf('nw_proto', 'arp_spa', 'arp_tpa', 'arp_sha', 'arp_tha');
const PORTS = wordsOf('tcp_src', 'tcp_dst');
const TCP_FLAGS = wordsOf('tcp_flags');
const ND = wordsOf('nd_target', 'nd_sll', 'nd_tll');
const MPLS = wordsOf('mpls_label');
const NSH = wordsOf(
  ...['nsh_flags', 'nsh_ttl', 'nsh_mdtype', 'nsh_np', 'nsh_spi'],
  ...['nsh_c1', 'nsh_c2', 'nsh_c3', 'nsh_c4'],
);

/** The line `Flow: ...` without its head; `inPort` is an OpenFlow port. */
export function formatFlow(flow: Flow, names?: PortNames, inPort = flow.inPort): string {
  const [key, mask] = [scratchKey, scratchMask];
  key.copyFrom(flow);
  key.inPort = inPort;
  mask.clear();
  for (let i = 0; i < METADATA.length; i++) {
    const words = METADATA[i]!;
    if (!isZero(key, words)) show(mask, words);
  }
  tunnel(key, mask);
  show(mask, ALWAYS);
  if (key.packetType === 0) show(mask, ETHERNET);
  if (key.packetType === 0 && key.vlanTci0 !== 0) mask.vlanTci1 = 0xffff;
  if (key.ctNwProto !== 0) {
    // Untracked or invalid, the packet belongs to no connection.
    if (saysValidConnection({ key, mask })) showTuple(key, mask);
  } else if (key.packetType !== 0) showOuterTuple(key, mask);
  network(key, mask);
  return formatMatch(new Match(key, mask, tunnelOptions(key)), { names, isFlow: true });
}

/** What a line is made of, one at a time. */
const scratchKey = new Flow();
const scratchMask = new Flow();

function isZero({ u32 }: Flow, { indices, bits }: Words): boolean {
  for (let i = 0; i < indices.length; i++) if ((u32[indices[i]!]! & bits[i]!) !== 0) return false;
  return true;
}

function show({ u32 }: Flow, { indices, bits }: Words): void {
  for (let i = 0; i < indices.length; i++) u32[indices[i]!]! |= bits[i]!;
}

const ALL_64 = (1n << 64n) - 1n;

/** A tunnel's packet has a destination to tell of. */
function tunnel(key: Flow, mask: Flow): void {
  if (!isTunnelled(key)) return;
  mask.tunId = (key.tunFlags & FLOW_TNL_F_KEY) === 0 ? 0n : ALL_64;
  show(mask, TUNNEL);
  mask.tunTos = 0xff;
  mask.tunTtl = 0xff;
  if (key.tunErspanVer === 1) mask.tunErspanIdx = 0xffff_ffff;
  if (key.tunErspanVer === 2) {
    mask.tunErspanDir = 0xff;
    mask.tunErspanHwid = 0xff;
  }
}

/** The options that are there. */
function tunnelOptions(key: Flow): readonly TunMetadataMatch[] {
  const { tlv } = key;
  if (!tlv || !isTunnelled(key)) return NO_OPTIONS;
  return tlv.mappings
    .filter(({ index }) => tlv.isPresent(key, index))
    .map(({ index, optionLen }) => ({
      index,
      value: toBytes(tlv.get(key, index), optionLen),
      mask: new Uint8Array(optionLen).fill(0xff),
      isExact: true,
    }));
}

const NO_OPTIONS: readonly TunMetadataMatch[] = [];

/** As upstream writes it, whatever name space a packet type is of. */
function networkType({ packetType, dlType }: Flow): number {
  return packetType === 0 ? dlType : packetType & 0xffff;
}

/** Of an IP packet without Ethernet header both addresses are shown, whatever they are. */
function showOuterTuple(key: Flow, mask: Flow): void {
  const type = networkType(key);
  if (type === key.dlType) return;
  if (type === ETH_P_IP) {
    mask.ctNwSrc = 0xffff_ffff;
    mask.ctNwDst = 0xffff_ffff;
  } else if (type === ETH_P_IPV6) {
    mask.ctIpv6Src.fill(0xff);
    mask.ctIpv6Dst.fill(0xff);
  }
}

/** The tuple that a connection began with, of packets that could have one. */
function showTuple(key: Flow, mask: Flow): void {
  const type = networkType(key);
  if (type !== ETH_P_IP && type !== ETH_P_IPV6 && type !== ETH_P_NSH) return;
  mask.ctNwProto = 0xff;
  mask.ctTpSrc = 0xffff;
  mask.ctTpDst = 0xffff;
  if (type === ETH_P_IP) {
    mask.ctNwSrc = 0xffff_ffff;
    mask.ctNwDst = 0xffff_ffff;
  } else if (type === ETH_P_IPV6 && !isNd(key)) {
    // Of ND upstream shows no addresses.
    mask.ctIpv6Src.fill(0xff);
    mask.ctIpv6Dst.fill(0xff);
  }
}

function isNd({ nwProto, tpSrc, tpDst }: Flow): boolean {
  const isType = tpSrc === ND_NEIGHBOR_SOLICIT || tpSrc === ND_NEIGHBOR_ADVERT;
  return nwProto === IPPROTO_ICMPV6 && tpDst === 0 && isType;
}

const MPLS_BOS = 0x100;

function showInnerLabels(key: Flow, mask: Flow): void {
  mask.mplsLse1 = 0xffff_ffff;
  if ((key.mplsLse1 & MPLS_BOS) === 0) mask.mplsLse2 = 0xffff_ffff;
}

function network(key: Flow, mask: Flow): void {
  const type = networkType(key);
  switch (type) {
    case ETH_P_IP:
    case ETH_P_IPV6:
      show(mask, type === ETH_P_IP ? IPV4 : IPV6);
      show(mask, IP);
      if ((key.nwFrag & 3) !== 3 || (type === ETH_P_IPV6 && key.nwProto === IPPROTO_ICMPV6))
        transport(key, type === ETH_P_IPV6, mask);
      return;
    case ETH_P_ARP:
    case ETH_P_RARP:
      show(mask, ARP);
      return;
    case ETH_P_MPLS_UC:
    case ETH_P_MPLS_MC:
      show(mask, MPLS);
      if ((key.mplsLse0 & MPLS_BOS) === 0) showInnerLabels(key, mask);
      return;
    case ETH_P_NSH:
      // Below a label there is none to be seen.
      if (key.dlType !== ETH_P_NSH) return;
      show(mask, NSH);
      show(mask, IP);
  }
}

function transport(key: Flow, v6: boolean, mask: Flow): void {
  switch (key.nwProto) {
    case IPPROTO_TCP:
      if (key.packetType === 0 || key.packetType >>> 16 === 1) show(mask, TCP_FLAGS);
      show(mask, PORTS);
      return;
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
      show(mask, PORTS);
      return;
    case IPPROTO_ICMP:
    case IPPROTO_IGMP:
      show(mask, PORTS);
      return;
    case IPPROTO_ICMPV6:
      show(mask, PORTS);
      if (v6 && isNd(key)) show(mask, ND);
  }
}
