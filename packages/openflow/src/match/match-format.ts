/** A match as ovs-ofctl and ofproto/trace print it (ovs-fields(7)). */
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_RARP,
  formatIpv6,
  formatMac,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  VLAN_CFI,
} from '@heddle/packet';
import { OFP_DEFAULT_PRIORITY } from '../constants.ts';
import type { Match } from '../match.ts';
import type { Colors } from './colors.ts';
import { fieldPlan } from './field-plan.ts';
import { CT_STATE, formatFlags, formatFlagsMasked, TCP_FLAGS } from './flag-text.ts';
import { named } from './match-field.ts';
import { formatPort, type PortNames } from './ofp-port.ts';
import { protocolName } from './protocol-name.ts';
import {
  ALL_TUN_FLAGS,
  formatIpv4Masked,
  formatPacketType,
  formatQueue,
  hex,
  hex2,
  hex4,
  hex32,
  hexOfBytes,
  hexOr0,
  prefixOf,
  tunFlagsText,
} from './value-text.ts';

export interface MatchFormat {
  /** The default one is not shown. */
  readonly priority?: number;
  readonly names?: PortNames | undefined;
  readonly colors?: Colors | undefined;
  /** A packet's flow: addresses of both families and all flags of its tunnel. */
  readonly isFlow?: boolean;
}

const ALL_MAC = 0xffff_ffff_ffff;
const ALL_64 = 0xffff_ffff_ffff_ffffn;
const ALL_128 = (1n << 128n) - 1n;
const FRAG_TEXT: Readonly<Record<number, string>> = {
  // mask << 2 | value
  12: 'no',
  13: 'first',
  14: '<error>',
  15: 'later',
  4: 'no',
  5: 'yes',
  8: 'not_later',
  10: 'later',
};

export function formatMatch(match: Match, options: MatchFormat = {}): string {
  return new MatchWriter(match, options).write();
}

class MatchWriter {
  readonly #match: Match;
  readonly #options: MatchFormat;
  readonly #colors: Colors | undefined;
  #text = '';

  constructor(match: Match, options: MatchFormat) {
    this.#match = match;
    this.#options = options;
    this.#colors = options.colors;
  }

  write(): string {
    const { priority } = this.#options;
    if (priority !== undefined && priority !== OFP_DEFAULT_PRIORITY) {
      const c = this.#colors;
      this.#text += c ? `${c.special('priority=')}${priority},` : `priority=${priority},`;
    }
    this.#metadata();
    const { key, mask } = this.#match;
    let type = key.dlType;
    if (mask.packetType !== 0) {
      const packetType = key.packetType;
      if (packetType !== 0) this.#text += `packet_type=${formatPacketType(packetType)},`;
      else if (mask.recircId !== 0) this.#text += 'eth,';
      if (packetType >>> 16 === 1) type = packetType & 0xffff;
    }
    const { name, saysProto } = protocolName(this.#match);
    if (name !== '') this.#text += `${this.#colors?.value(name) ?? name},`;
    this.#registers();
    if (isTunnelShown(this.#match)) this.#tunnel();
    if (!isZero(mask.u32, METADATA_WORD, 2)) {
      this.#number64('metadata', key.metadata, mask.metadata);
    }
    if (mask.inPort !== 0) {
      this.#put('in_port', formatPort(key.inPort & 0xffff, this.#options.names));
    }
    this.#vlan(key.vlanTci0, mask.vlanTci0, '');
    this.#vlan(key.vlanTci1, mask.vlanTci1, '1');
    if (mask.dlSrc !== 0) this.#mac('dl_src', key.dlSrc, mask.dlSrc);
    if (mask.dlDst !== 0) this.#mac('dl_dst', key.dlDst, mask.dlDst);
    if (mask.dlType !== 0 && name === '') this.#put('dl_type', hex4(key.dlType));
    this.#nsh();
    this.#network(type, saysProto);
    // Each word ends with a comma.
    return this.#text.slice(0, -1);
  }

  #put(name: string, value: string): void {
    this.#text +=
      this.#colors === undefined
        ? `${name}=${value},`
        : `${this.#colors.param(`${name}=`)}${value},`;
  }

  #plain(name: string, value: string): void {
    this.#text += `${name}=${value},`;
  }

  #metadata(): void {
    const { key, mask } = this.#match;
    const { names } = this.#options;
    this.#number32('pkt_mark', key.pktMark, mask.pktMark);
    this.#number32('recirc_id', key.recircId, mask.recircId);
    this.#number32('dp_hash', key.dpHash, mask.dpHash);
    if (mask.conjId !== 0) {
      const name = this.#colors?.param('conj_id') ?? 'conj_id';
      this.#text += `${name}=${key.conjId},`;
    }
    if (mask.skbPriority !== 0) this.#put('skb_priority', formatQueue(key.skbPriority));
    if (mask.actsetOutput !== 0) {
      this.#put('actset_output', formatPort(key.actsetOutput & 0xffff, names));
    }
    const states = mask.ctState & CT_STATE.all;
    if (states === CT_STATE.all) this.#put('ct_state', formatFlags(CT_STATE, key.ctState));
    else if (states !== 0) {
      this.#put('ct_state', formatFlagsMasked(CT_STATE, key.ctState, states));
    }
    if (mask.ctZone !== 0) this.#number16('ct_zone', key.ctZone, mask.ctZone);
    this.#number32('ct_mark', key.ctMark, mask.ctMark);
    if (!isZero(mask.u32, CT_LABEL_WORD, 4)) this.#ctLabel();
    if (mask.ctNwSrc !== 0) this.#ip('ct_nw_src', key.ctNwSrc, mask.ctNwSrc);
    if (!isZero(mask.u32, CT_IPV6_SRC_WORD, 4)) {
      this.#ipv6('ct_ipv6_src', key.ctIpv6Src, mask.ctIpv6Src);
    }
    if (mask.ctNwDst !== 0) this.#ip('ct_nw_dst', key.ctNwDst, mask.ctNwDst);
    if (!isZero(mask.u32, CT_IPV6_SRC_WORD + 4, 4)) {
      this.#ipv6('ct_ipv6_dst', key.ctIpv6Dst, mask.ctIpv6Dst);
    }
    if (mask.ctNwProto === 0) return;
    this.#put('ct_nw_proto', String(key.ctNwProto));
    this.#number16('ct_tp_src', key.ctTpSrc, mask.ctTpSrc);
    this.#number16('ct_tp_dst', key.ctTpDst, mask.ctTpDst);
  }

  #ctLabel(): void {
    const { key, mask } = this.#match;
    const exact = mask.ctLabel === ALL_128;
    this.#put(
      'ct_label',
      exact ? hexOr0(key.ctLabel) : `${hexOr0(key.ctLabel)}/${hexOr0(mask.ctLabel)}`,
    );
  }

  #registers(): void {
    const { key, mask } = this.#match;
    if (isZero(mask.u32, REG0_WORD, 16)) return;
    for (let i = 0; i < 16; i++) {
      const name = `reg${i}` as 'reg0';
      if (mask.u32[REG0_WORD + i] !== 0) this.#number32(name, key[name], mask[name]);
    }
  }

  #tunnel(): void {
    const { key, mask } = this.#match;
    this.#number64('tun_id', key.tunId, mask.tunId);
    if (!isZero(mask.u32, TUN_IPV4_SRC_WORD, 2)) {
      this.#ip('tun_src', key.tunSrc, mask.tunSrc);
      this.#ip('tun_dst', key.tunDst, mask.tunDst);
    }
    if (!isZero(mask.u32, TUN_IPV6_SRC_WORD, 8)) {
      this.#ipv6('tun_ipv6_src', key.tunIpv6Src, mask.tunIpv6Src);
      this.#ipv6('tun_ipv6_dst', key.tunIpv6Dst, mask.tunIpv6Dst);
    }
    if (mask.tunGbpId !== 0) this.#number16('tun_gbp_id', key.tunGbpId, mask.tunGbpId);
    if (mask.tunGbpFlags !== 0) this.#plain('tun_gbp_flags', hexOr0(key.tunGbpFlags));
    if (mask.tunTos !== 0) this.#plain('tun_tos', key.tunTos.toString(16));
    if (mask.tunTtl !== 0) this.#plain('tun_ttl', String(key.tunTtl));
    this.#erspan();
    if (mask.tunGtpuFlags !== 0) this.#plain('gtpu_flags', hexOr0(key.tunGtpuFlags));
    if (mask.tunGtpuMsgtype !== 0) this.#plain('gtpu_msgtype', String(key.tunGtpuMsgtype));
    if (mask.tunFlags !== 0) {
      const bits = this.#options.isFlow ? ALL_TUN_FLAGS : mask.tunFlags;
      this.#put('tun_flags', tunFlagsText(key.tunFlags, bits));
    }
    const options = this.#match.tunMetadata;
    const sorted = options.length > 1 ? options.toSorted((a, b) => a.index - b.index) : options;
    for (const { index, value, mask: bits, isExact } of sorted) {
      const exact = isExact === true || isExactFromFirstBit(bits);
      const text = hexOfBytes(value);
      const all = isExact !== true && bits.every((b) => b === 0);
      this.#text += `tun_metadata${index}`;
      if (!all) this.#text += exact ? `=${text}` : `=${text}/${hexOfBytes(bits)}`;
      this.#text += ',';
    }
  }

  #erspan(): void {
    const { key, mask } = this.#match;
    if (mask.tunErspanVer === 0) return;
    this.#plain('tun_erspan_ver', String(key.tunErspanVer));
    if (key.tunErspanVer === 1 && mask.tunErspanIdx !== 0) {
      this.#plain('tun_erspan_idx', hexOr0(key.tunErspanIdx));
    }
    if (key.tunErspanVer !== 2) return;
    if (mask.tunErspanDir !== 0) this.#plain('tun_erspan_dir', String(key.tunErspanDir));
    if (mask.tunErspanHwid !== 0) this.#plain('tun_erspan_hwid', hexOr0(key.tunErspanHwid));
  }

  #vlan(tci: number, mask: number, suffix: string): void {
    if (mask === 0) return;
    const vid = mask & 0xfff;
    const pcp = mask & 0xe000;
    const whole = (vid === 0 || vid === 0xfff) && (pcp === 0 || pcp === 0xe000);
    if ((mask & tci & VLAN_CFI) === 0 || !whole || (vid | pcp) === 0) {
      const text = mask === 0xffff ? hex4(tci) : `${hex4(tci)}/${hex4(mask)}`;
      this.#put(`vlan_tci${suffix}`, text);
      return;
    }
    if (vid !== 0) this.#put(`dl_vlan${suffix}`, String(tci & 0xfff));
    if (pcp !== 0) this.#put(`dl_vlan_pcp${suffix}`, String(tci >>> 13));
  }

  #nsh(): void {
    const { key, mask } = this.#match;
    if (isZero(mask.u32, NSH_WORD, 6)) return;
    if (mask.nshFlags === 0xff) this.#put('nsh_flags', String(key.nshFlags));
    else if (mask.nshFlags !== 0) {
      this.#put('nsh_flags', `${hex2(key.nshFlags)}/${hex2(mask.nshFlags)}`);
    }
    if (mask.nshTtl !== 0) this.#put('nsh_ttl', String(key.nshTtl));
    if (mask.nshMdtype !== 0) this.#put('nsh_mdtype', String(key.nshMdtype));
    if (mask.nshNp !== 0) this.#put('nsh_np', String(key.nshNp));
    if (mask.nshPath >>> 8 !== 0) this.#put('nsh_spi', hex(key.nshPath >>> 8));
    if ((mask.nshPath & 0xff) !== 0) this.#put('nsh_si', String(key.nshPath & 0xff));
    // Other types have no contexts, which upstream does not show unless it knows.
    if (key.nshMdtype !== 1) return;
    for (const c of ['C1', 'C2', 'C3', 'C4'] as const) {
      const bits = mask[`nsh${c}`];
      const text = hex(key[`nsh${c}`]);
      if (bits === 0xffff_ffff) this.#put(`nsh_${c.toLowerCase()}`, text);
      else if (bits !== 0) this.#put(`nsh_${c.toLowerCase()}`, `${text}/${hex(bits)}`);
    }
  }

  #network(type: number, saysProto: boolean): void {
    const { key, mask } = this.#match;
    const isArp = type === ETH_P_ARP || type === ETH_P_RARP;
    if (type === ETH_P_IPV6) {
      if (!isZero(mask.u32, NW_SRC_WORD, 4)) this.#ipv6('ipv6_src', key.ipv6Src, mask.ipv6Src);
      if (!isZero(mask.u32, NW_SRC_WORD + 4, 4)) this.#ipv6('ipv6_dst', key.ipv6Dst, mask.ipv6Dst);
      if (mask.ipv6Label !== 0) {
        const exact = (mask.ipv6Label & 0xfffff) === 0xfffff;
        const bits = exact ? '' : `/0x${mask.ipv6Label.toString(16).padStart(5, '0')}`;
        this.#put('ipv6_label', `0x${key.ipv6Label.toString(16).padStart(5, '0')}${bits}`);
      }
    } else {
      if (mask.nwSrc !== 0) this.#ip(isArp ? 'arp_spa' : 'nw_src', key.nwSrc, mask.nwSrc);
      if (mask.nwDst !== 0) this.#ip(isArp ? 'arp_tpa' : 'nw_dst', key.nwDst, mask.nwDst);
    }
    if (mask.nwProto !== 0 && !saysProto) {
      this.#put(isArp ? 'arp_op' : 'nw_proto', String(key.nwProto));
    }
    if (isArp) {
      if (mask.arpSha !== 0) this.#mac('arp_sha', key.arpSha, mask.arpSha);
      if (mask.arpTha !== 0) this.#mac('arp_tha', key.arpTha, mask.arpTha);
    }
    if ((mask.nwTos & 0xfc) !== 0) this.#put('nw_tos', String(key.nwTos & 0xfc));
    if ((mask.nwTos & 3) !== 0) this.#put('nw_ecn', String(key.nwTos & 3));
    if (mask.nwTtl !== 0) this.#put('nw_ttl', String(key.nwTtl));
    if (mask.mplsLse0 !== 0) this.#mpls();
    const frag = mask.nwFrag & 3;
    if (frag !== 0) this.#put('nw_frag', FRAG_TEXT[(frag << 2) | (key.nwFrag & 3)] ?? '<error>');
    this.#transport(type);
  }

  #mpls(): void {
    const { mplsLse0: lse } = this.#match.key;
    const { mplsLse0: mask } = this.#match.mask;
    if (mask >>> 12 !== 0) this.#put('mpls_label', String(lse >>> 12));
    if ((mask & 0xe00) !== 0) this.#put('mpls_tc', String((lse >>> 9) & 7));
    if ((mask & 0xff) !== 0) this.#put('mpls_ttl', String(lse & 0xff));
    if ((mask & 0x100) !== 0) this.#put('mpls_bos', String((lse >>> 8) & 1));
    const { key, mask: wild } = this.#match;
    this.#lse('mpls_lse1', key.mplsLse1, wild.mplsLse1);
    this.#lse('mpls_lse2', key.mplsLse2, wild.mplsLse2);
  }

  /** An entry below the outermost one. */
  #lse(name: string, value: number, mask: number): void {
    if (mask === 0xffff_ffff) this.#put(name, String(value));
    else if (mask !== 0) this.#put(name, `${hex32(value)}/${hex32(mask)}`);
  }

  #transport(type: number): void {
    const { key, mask } = this.#match;
    const proto = key.nwProto;
    if (type === ETH_P_IP && proto === IPPROTO_ICMP) {
      this.#number16('icmp_type', key.tpSrc, mask.tpSrc);
      this.#number16('icmp_code', key.tpDst, mask.tpDst);
    } else if (type === ETH_P_IPV6 && proto === IPPROTO_ICMPV6) {
      this.#number16('icmp_type', key.tpSrc, mask.tpSrc);
      this.#number16('icmp_code', key.tpDst, mask.tpDst);
      if (!isZero(mask.u32, ND_TARGET_WORD, 4)) {
        this.#ipv6('nd_target', key.ndTarget, mask.ndTarget);
      }
      if (mask.ndSll !== 0) this.#mac('nd_sll', key.ndSll, mask.ndSll);
      if (mask.ndTll !== 0) this.#mac('nd_tll', key.ndTll, mask.ndTll);
      if (mask.ndReserved !== 0) this.#put('nd_reserved', String(key.ndReserved));
      if (mask.ndOptionsType !== 0) this.#put('nd_options_type', String(key.ndOptionsType));
    } else {
      this.#number16('tp_src', key.tpSrc, mask.tpSrc);
      this.#number16('tp_dst', key.tpDst, mask.tpDst);
    }
    const flags = mask.tcpFlags;
    if (flags === 0 || proto !== IPPROTO_TCP || (type !== ETH_P_IP && type !== ETH_P_IPV6)) return;
    const exact = (flags & TCP_FLAGS.all) === TCP_FLAGS.all;
    const value = key.tcpFlags;
    this.#put(
      'tcp_flags',
      exact ? formatFlags(TCP_FLAGS, value) : formatFlagsMasked(TCP_FLAGS, value, flags),
    );
  }

  /** Types and codes have 8 bits in a slot of 16. */
  #number16(name: string, value: number, mask: number): void {
    if (mask === 0) return;
    this.#put(name, mask === 0xffff ? String(value) : `${hex(value)}/${hex(mask)}`);
  }

  #number32(name: string, value: number, mask: number): void {
    if (mask === 0) return;
    this.#put(name, mask === 0xffff_ffff ? hexOr0(value) : `${hexOr0(value)}/${hexOr0(mask)}`);
  }

  #number64(name: string, value: bigint, mask: bigint): void {
    if (mask === 0n) return;
    this.#put(name, mask === ALL_64 ? hexOr0(value) : `${hexOr0(value)}/${hexOr0(mask)}`);
  }

  #mac(name: string, value: number, mask: number): void {
    this.#put(name, mask === ALL_MAC ? formatMac(value) : `${formatMac(value)}/${formatMac(mask)}`);
  }

  #ip(name: string, value: number, mask: number): void {
    if (mask !== 0) this.#put(name, formatIpv4Masked(value, mask));
  }

  #ipv6(name: string, value: Uint8Array, mask: Uint8Array): void {
    const bits = prefixOf(mask);
    if (bits === 0) return;
    const suffix = bits === 128 ? '' : `/${bits ?? formatIpv6(mask)}`;
    this.#put(name, `${formatIpv6(value)}${suffix}`);
  }
}

const wordOf = (name: string) => fieldPlan(named(name)).offset >> 2;
const CT_LABEL_WORD = wordOf('ct_label');
const CT_IPV6_SRC_WORD = wordOf('ct_ipv6_src');
const REG0_WORD = wordOf('reg0');
const TUN_ID_WORD = wordOf('tun_id');
const TUN_IPV6_SRC_WORD = wordOf('tun_ipv6_src');
const TUN_IPV4_SRC_WORD = wordOf('tun_src');
const TUN_FLAGS_WORD = wordOf('tun_flags');
const TUN_GBP_WORD = wordOf('tun_gbp_id');
const TUN_ERSPAN_WORD = wordOf('tun_erspan_ver');
const TUN_GTPU_WORD = wordOf('tun_gtpu_msgtype');
const METADATA_WORD = wordOf('metadata');
const NSH_WORD = wordOf('nsh_flags');
const NW_SRC_WORD = wordOf('ipv6_src');
const ND_TARGET_WORD = wordOf('nd_target');

function isZero(words: Uint32Array, first: number, count: number): boolean {
  for (let i = first; i < first + count; i++) if (words[i] !== 0) return false;
  return true;
}

/** Whether a match has any of the fields of tunnels. */
/** How long an option is nobody says: bytes that are not looked at ahead of others are not part of it. */
function isExactFromFirstBit(mask: Uint8Array): boolean {
  const first = mask.findIndex((byte) => byte !== 0);
  return first >= 0 && mask.subarray(first).every((byte) => byte === 0xff);
}

function isTunnelShown({ mask: { u32 }, tunMetadata }: Match): boolean {
  return (
    tunMetadata.length > 0 ||
    !isZero(u32, TUN_ID_WORD, TUN_FLAGS_WORD + 1 - TUN_ID_WORD) ||
    u32[TUN_GBP_WORD] !== 0 ||
    !isZero(u32, TUN_IPV4_SRC_WORD, 2) ||
    !isZero(u32, TUN_ERSPAN_WORD, TUN_GTPU_WORD + 1 - TUN_ERSPAN_WORD)
  );
}
