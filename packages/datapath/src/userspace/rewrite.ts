/** The `set` action: header fields rewritten under a mask, checksums kept right (RFC 1624). */
import {
  ARP_SHA_OFF,
  ARP_SPA_OFF,
  ARP_THA_OFF,
  ARP_TPA_OFF,
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_RARP,
  type Flow,
  ICMP_CSUM_OFF,
  IP_CSUM_OFF,
  IP_DST_OFF,
  IP_SRC_OFF,
  IP_TOS_OFF,
  IP_TTL_OFF,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV6_DST_OFF,
  IPV6_HLIM_OFF,
  IPV6_SRC_OFF,
  KEY_SLOTS,
  type PacketLayout,
  recalcCsum16,
  SCTP_CSUM_OFF,
  SCTP_HEADER_LEN,
  setIpv6FlowLabel,
  setIpv6TrafficClass,
  TCP_CSUM_OFF,
  TCP_HEADER_LEN,
  tcpHeaderLen,
  UDP_CSUM_OFF,
  UDP_HEADER_LEN,
} from '@heddle/packet';
import { sctpChecksum } from './crc32c.ts';

function slot(name: string): number {
  return KEY_SLOTS.get(name)!.offset;
}

const DL_DST = slot('dlDst');
const DL_SRC = slot('dlSrc');
const NW_SRC = slot('nwSrc');
const NW_DST = slot('nwDst');
const NW_PROTO = slot('nwProto');
const NW_TOS = slot('nwTos');
const NW_TTL = slot('nwTtl');
const TP_SRC = slot('tpSrc');
const TP_DST = slot('tpDst');
const ND_TARGET = slot('ndTarget');
const SHA = slot('arpSha');
const THA = slot('arpTha');

/** A frame whose bytes may be changed, with what extraction found in it. */
export interface Rewritable {
  readonly bytes: Uint8Array;
  readonly dv: DataView;
  readonly flow: Flow;
  readonly layout: PacketLayout;
  /**
   * Offset of a transport checksum that the device is to complete: it holds the sum of the
   * pseudo-header, not inverted. -1 when there is none.
   */
  readonly partialCsum?: number;
}

export function rewrite(p: Rewritable, key: Flow, mask: Flow): void {
  const rewriter = new Rewriter(p, key, mask);
  rewriter.copy(DL_DST, 0, 6);
  rewriter.copy(DL_SRC, 6, 6);
  if (p.layout.l3 < 0) return;
  switch (p.flow.dlType) {
    case ETH_P_IP:
      rewriter.ipv4();
      break;
    case ETH_P_IPV6:
      rewriter.ipv6();
      break;
    case ETH_P_ARP:
    case ETH_P_RARP:
      rewriter.arp();
      break;
  }
}

class Rewriter {
  readonly #p: Rewritable;
  readonly #key: Uint8Array;
  readonly #mask: Uint8Array;
  readonly #label: readonly [value: number, mask: number];

  constructor(p: Rewritable, key: Flow, mask: Flow) {
    this.#p = p;
    this.#key = key.u8;
    this.#mask = mask.u8;
    this.#label = [key.ipv6Label, mask.ipv6Label];
  }

  /** Bytes that no checksum covers: `length` of the key from `at` to `off` of the frame. */
  copy(at: number, off: number, length: number): void {
    const b = this.#p.bytes;
    for (let i = 0; i < length; i++) b[off + i] = this.#byte(at + i, b[off + i]!);
  }

  #byte(at: number, old: number): number {
    const m = this.#mask[at]!;
    return (old & ~m) | (this.#key[at]! & m);
  }

  #wanted(at: number, length: number): boolean {
    for (let i = 0; i < length; i++) if (this.#mask[at + i] !== 0) return true;
    return false;
  }

  /** Bytes covered by the checksums at the given offsets (0: none), in 16-bit words of the frame. */
  #copySummed(at: number, off: number, length: number, ...csums: number[]): void {
    if (!this.#wanted(at, length)) return;
    const { dv } = this.#p;
    for (let i = 0; i < length; i += 2) {
      const was = dv.getUint16(off + i);
      const now = (this.#byte(at + i, was >>> 8) << 8) | this.#byte(at + i + 1, was & 0xff);
      dv.setUint16(off + i, now);
      for (const csum of csums) this.#update(csum, was, now);
    }
  }

  #update(csum: number, was: number, now: number): void {
    if (csum === 0 || was === now) return;
    const { dv } = this.#p;
    if (csum === this.#p.partialCsum) {
      dv.setUint16(csum, ~recalcCsum16(~dv.getUint16(csum) & 0xffff, was, now) & 0xffff);
      return;
    }
    const updated = recalcCsum16(dv.getUint16(csum), was, now);
    const isUdp = this.#p.flow.nwProto === IPPROTO_UDP && csum === this.#p.layout.l4 + UDP_CSUM_OFF;
    dv.setUint16(csum, updated === 0 && isUdp ? 0xffff : updated);
  }

  /** A byte of an IPv4 header. */
  #ipv4Byte(at: number, off: number): void {
    const { dv, bytes, layout } = this.#p;
    const word = off & ~1;
    const was = dv.getUint16(word);
    bytes[off] = this.#byte(at, bytes[off]!);
    this.#update(layout.l3 + IP_CSUM_OFF, was, dv.getUint16(word));
  }

  /** Offset of the transport checksum, 0 when there is none; `pseudo`: if it covers addresses. */
  #l4Csum(pseudo: boolean): number {
    const { flow, layout, dv } = this.#p;
    const { l4 } = layout;
    if (l4 < 0) return 0;
    // What covers the pseudo-header only is touched by addresses, and completed later.
    const partial = this.#p.partialCsum ?? -1;
    if (partial > l4) return pseudo ? partial : 0;
    const size = layout.end - l4;
    switch (flow.nwProto) {
      case IPPROTO_TCP:
        return size >= TCP_HEADER_LEN ? l4 + TCP_CSUM_OFF : 0;
      case IPPROTO_UDP: {
        const given = size >= UDP_HEADER_LEN && dv.getUint16(l4 + UDP_CSUM_OFF) !== 0;
        return given ? l4 + UDP_CSUM_OFF : 0;
      }
      case IPPROTO_ICMPV6:
        return flow.dlType === ETH_P_IPV6 && size >= 4 ? l4 + ICMP_CSUM_OFF : 0;
      case IPPROTO_ICMP:
        return !pseudo && flow.dlType === ETH_P_IP && size >= 4 ? l4 + ICMP_CSUM_OFF : 0;
      default:
        return 0;
    }
  }

  ipv4(): void {
    const { l3 } = this.#p.layout;
    const header = l3 + IP_CSUM_OFF;
    const l4 = this.#l4Csum(true);
    this.#copySummed(NW_SRC, l3 + IP_SRC_OFF, 4, header, l4);
    this.#copySummed(NW_DST, l3 + IP_DST_OFF, 4, header, l4);
    this.#ipv4Byte(NW_TOS, l3 + IP_TOS_OFF);
    this.#ipv4Byte(NW_TTL, l3 + IP_TTL_OFF);
    this.#transport();
  }

  ipv6(): void {
    const { dv, bytes } = this.#p;
    const { l3 } = this.#p.layout;
    const l4 = this.#l4Csum(true);
    this.#copySummed(NW_SRC, l3 + IPV6_SRC_OFF, 16, l4);
    this.#copySummed(NW_DST, l3 + IPV6_DST_OFF, 16, l4);
    const word = dv.getUint32(l3);
    if (this.#wanted(NW_TOS, 1)) {
      setIpv6TrafficClass(dv, l3, this.#byte(NW_TOS, (word >>> 20) & 0xff));
    }
    const [label, bits] = this.#label;
    if (bits !== 0) setIpv6FlowLabel(dv, l3, (word & 0xfffff & ~bits) | (label & bits));
    bytes[l3 + IPV6_HLIM_OFF] = this.#byte(NW_TTL, bytes[l3 + IPV6_HLIM_OFF]!);
    this.#transport();
  }

  arp(): void {
    const { l3 } = this.#p.layout;
    // The operation has 16 bits, the key its low 8: written in full, the others are zero.
    if (this.#mask[NW_PROTO] === 0xff) this.#p.bytes[l3 + 6] = 0;
    this.copy(NW_PROTO, l3 + 7, 1);
    this.copy(SHA, l3 + ARP_SHA_OFF, 6);
    this.copy(NW_SRC, l3 + ARP_SPA_OFF, 4);
    this.copy(THA, l3 + ARP_THA_OFF, 6);
    this.copy(NW_DST, l3 + ARP_TPA_OFF, 4);
  }

  #transport(): void {
    const { flow, layout } = this.#p;
    const { l4, end } = layout;
    if (l4 < 0 || (!this.#wanted(TP_SRC, 4) && !this.#wanted(ND_TARGET, 28))) return;
    const size = end - l4;
    switch (flow.nwProto) {
      case IPPROTO_TCP:
        // One with a bad data offset has no ports (see extraction), so none are written.
        if (size < TCP_HEADER_LEN || tcpHeaderLen(this.#p.dv, l4) < TCP_HEADER_LEN) return;
        if (tcpHeaderLen(this.#p.dv, l4) > size) return;
        this.#copySummed(TP_SRC, l4, 4, this.#l4Csum(false));
        break;
      case IPPROTO_UDP:
        if (size >= UDP_HEADER_LEN) this.#copySummed(TP_SRC, l4, 4, this.#l4Csum(false));
        break;
      case IPPROTO_SCTP:
        if (size >= SCTP_HEADER_LEN) this.#sctp(l4, end);
        break;
      case IPPROTO_ICMP:
      case IPPROTO_ICMPV6:
        if (this.#l4Csum(false) !== 0) this.#icmp(l4, end);
        break;
    }
  }

  /** A wrong checksum stays wrong: the receiver must still see that the packet was damaged. */
  #sctp(l4: number, end: number): void {
    const { bytes, dv } = this.#p;
    if (this.#p.partialCsum === l4 + SCTP_CSUM_OFF) {
      this.copy(TP_SRC, l4, 4);
      return;
    }
    const old = dv.getUint32(l4 + SCTP_CSUM_OFF);
    const was = sctpChecksum(bytes, l4, end);
    this.copy(TP_SRC, l4, 4);
    dv.setUint32(l4 + SCTP_CSUM_OFF, (old ^ was ^ sctpChecksum(bytes, l4, end)) >>> 0);
  }

  #icmp(l4: number, end: number): void {
    const { dv, bytes, flow } = this.#p;
    const csum = this.#l4Csum(false);
    const was = dv.getUint16(l4);
    bytes[l4] = this.#byte(TP_SRC + 1, was >>> 8);
    bytes[l4 + 1] = this.#byte(TP_DST + 1, was & 0xff);
    this.#update(csum, was, dv.getUint16(l4));
    const isNd = flow.dlType === ETH_P_IPV6 && (flow.tpSrc === 135 || flow.tpSrc === 136);
    if (isNd && flow.tpDst === 0 && end - l4 >= 24) this.#nd(l4, end, csum);
  }

  /** Options that are there are rewritten, none is added. */
  #nd(l4: number, end: number, csum: number): void {
    const { bytes } = this.#p;
    this.#copySummed(ND_TARGET, l4 + 8, 16, csum);
    for (let off = l4 + 24; end - off >= 8; off += bytes[off + 1]! * 8) {
      if (bytes[off + 1] === 0) return;
      if (bytes[off + 1] !== 1) continue;
      if (bytes[off] === 1) this.#copySummed(SHA, off + 2, 6, csum);
      if (bytes[off] === 2) this.#copySummed(THA, off + 2, 6, csum);
    }
  }
}
