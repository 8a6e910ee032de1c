/**
 * Frames from nested parts, checksums filled in:
 * `ethernet({ dst, src }, vlan({ vid: 10 }, ipv4({ src, dst }, udp({ src: 1, dst: 2 }, body))))`.
 */
import { parseIpv4, parseIpv6, parseMac } from './address.ts';
import { checksum, csumAdd, csumFinish } from './checksum.ts';
import {
  ETH_P_8021Q,
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from './constants.ts';
import { setMac } from './headers/ethernet.ts';

/** A part of a packet: its number in the layer below and its bytes. */
export interface Part {
  /** Ethernet type or IP protocol. */
  readonly proto: number;
  readonly bytes: Uint8Array;
  /** Offset of a checksum that covers the pseudo-header, too. */
  readonly pseudoCsumAt?: number;
}

export type MacLike = number | string;
export type Ipv4Like = number | string;
export type Ipv6Like = Uint8Array | string;

function mac(m: MacLike): number {
  const value = typeof m === 'number' ? m : parseMac(m);
  if (value === undefined) throw new Error(`bad MAC ${m}`);
  return value;
}

function ip4(a: Ipv4Like): number {
  const value = typeof a === 'number' ? a : parseIpv4(a);
  if (value === undefined) throw new Error(`bad IPv4 address ${a}`);
  return value;
}

function ip6(a: Ipv6Like): Uint8Array {
  const value = typeof a === 'string' ? parseIpv6(a) : a;
  if (value === undefined) throw new Error(`bad IPv6 address ${a}`);
  return value;
}

function buffer(length: number): [Uint8Array, DataView] {
  const bytes = new Uint8Array(length);
  return [bytes, new DataView(bytes.buffer)];
}

export function raw(proto: number, bytes: Uint8Array = new Uint8Array()): Part {
  return { proto, bytes };
}

export function ethernet(h: { dst: MacLike; src: MacLike }, payload: Part): Uint8Array {
  const [bytes, dv] = buffer(14 + payload.bytes.length);
  setMac(dv, 0, mac(h.dst));
  setMac(dv, 6, mac(h.src));
  dv.setUint16(12, payload.proto);
  bytes.set(payload.bytes, 14);
  return bytes;
}

/** Zero bytes up to the smallest Ethernet frame (60 bytes without FCS), or to `length`. */
export function pad(frame: Uint8Array, length = 60): Uint8Array {
  const padded = new Uint8Array(Math.max(length, frame.length));
  padded.set(frame);
  return padded;
}

export function vlan(
  h: { vid: number; pcp?: number; dei?: boolean; tpid?: number },
  payload: Part,
): Part {
  const [bytes, dv] = buffer(4 + payload.bytes.length);
  dv.setUint16(0, ((h.pcp ?? 0) << 13) | (h.dei ? 0x1000 : 0) | h.vid);
  dv.setUint16(2, payload.proto);
  bytes.set(payload.bytes, 4);
  return { proto: h.tpid ?? ETH_P_8021Q, bytes };
}

export interface ArpHeader {
  readonly op: number;
  readonly sha: MacLike;
  readonly spa: Ipv4Like;
  readonly tha?: MacLike;
  readonly tpa: Ipv4Like;
}

/** `proto` 0x8035 makes it RARP. */
export function arp(h: ArpHeader, proto = ETH_P_ARP): Part {
  const [bytes, dv] = buffer(28);
  dv.setUint32(0, 0x0001_0800);
  dv.setUint16(4, 0x0604);
  dv.setUint16(6, h.op);
  setMac(dv, 8, mac(h.sha));
  dv.setUint32(14, ip4(h.spa));
  setMac(dv, 18, mac(h.tha ?? 0));
  dv.setUint32(24, ip4(h.tpa));
  return { proto, bytes };
}

export interface Ipv4Header {
  readonly src: Ipv4Like;
  readonly dst: Ipv4Like;
  readonly tos?: number;
  readonly ttl?: number;
  readonly id?: number;
  readonly df?: boolean;
  /** More fragments. */
  readonly mf?: boolean;
  /** Fragment offset in units of 8 bytes. */
  readonly fragOff?: number;
  /** A multiple of 4 bytes. */
  readonly options?: Uint8Array;
}

export function ipv4(h: Ipv4Header, payload: Part): Part {
  const options = h.options ?? new Uint8Array();
  const headerLen = 20 + options.length;
  const [bytes, dv] = buffer(headerLen + payload.bytes.length);
  dv.setUint8(0, 0x40 | (headerLen / 4));
  dv.setUint8(1, h.tos ?? 0);
  dv.setUint16(2, bytes.length);
  dv.setUint16(4, h.id ?? 0);
  dv.setUint16(6, (h.df ? 0x4000 : 0) | (h.mf ? 0x2000 : 0) | (h.fragOff ?? 0));
  dv.setUint8(8, h.ttl ?? 64);
  dv.setUint8(9, payload.proto);
  dv.setUint32(12, ip4(h.src));
  dv.setUint32(16, ip4(h.dst));
  bytes.set(options, 20);
  dv.setUint16(10, checksum(dv, 0, headerLen));
  bytes.set(payload.bytes, headerLen);
  fillPseudoCsum(dv, payload, 12, 4, headerLen);
  return { proto: ETH_P_IP, bytes };
}

export interface Ipv6Header {
  readonly src: Ipv6Like;
  readonly dst: Ipv6Like;
  readonly tos?: number;
  readonly label?: number;
  readonly hopLimit?: number;
}

export function ipv6(h: Ipv6Header, payload: Part): Part {
  const [bytes, dv] = buffer(40 + payload.bytes.length);
  dv.setUint32(0, 0x6000_0000 | ((h.tos ?? 0) << 20) | (h.label ?? 0));
  dv.setUint16(4, payload.bytes.length);
  dv.setUint8(6, payload.proto);
  dv.setUint8(7, h.hopLimit ?? 64);
  bytes.set(ip6(h.src), 8);
  bytes.set(ip6(h.dst), 24);
  bytes.set(payload.bytes, 40);
  fillPseudoCsum(dv, payload, 8, 16, 40);
  return { proto: ETH_P_IPV6, bytes };
}

/** A fragment header; `off` in units of 8 bytes. */
export function ipv6Fragment(h: { off: number; mf: boolean; id?: number }, payload: Part): Part {
  const [bytes, dv] = buffer(8 + payload.bytes.length);
  dv.setUint8(0, payload.proto);
  dv.setUint16(2, (h.off << 3) | (h.mf ? 1 : 0));
  dv.setUint32(4, h.id ?? 1);
  bytes.set(payload.bytes, 8);
  return { proto: 44, bytes };
}

/** Hop-by-hop (0), routing (43) or destination options (60), filled with Pad1 or zeros. */
export function ipv6Extension(proto: number, payload: Part, units = 0): Part {
  const [bytes] = buffer(8 * (units + 1) + payload.bytes.length);
  bytes[0] = payload.proto;
  bytes[1] = units;
  bytes.set(payload.bytes, 8 * (units + 1));
  return { proto, bytes };
}

function fillPseudoCsum(
  dv: DataView,
  payload: Part,
  addresses: number,
  addressBytes: number,
  l4: number,
): void {
  if (payload.pseudoCsumAt === undefined) return;
  const length = payload.bytes.length;
  const sum = csumAdd(dv, addresses, 2 * addressBytes, payload.proto + length);
  const csum = csumFinish(csumAdd(dv, l4, length, sum));
  dv.setUint16(
    l4 + payload.pseudoCsumAt,
    csum === 0 && payload.proto === IPPROTO_UDP ? 0xffff : csum,
  );
}

export interface TcpHeader {
  readonly src: number;
  readonly dst: number;
  readonly flags?: number;
  readonly seq?: number;
  readonly ack?: number;
  readonly window?: number;
  /** A multiple of 4 bytes. */
  readonly options?: Uint8Array;
}

export function tcp(h: TcpHeader, body: Uint8Array = new Uint8Array()): Part {
  const options = h.options ?? new Uint8Array();
  const headerLen = 20 + options.length;
  const [bytes, dv] = buffer(headerLen + body.length);
  dv.setUint16(0, h.src);
  dv.setUint16(2, h.dst);
  dv.setUint32(4, h.seq ?? 0);
  dv.setUint32(8, h.ack ?? 0);
  dv.setUint16(12, ((headerLen / 4) << 12) | (h.flags ?? 0));
  dv.setUint16(14, h.window ?? 0xffff);
  bytes.set(options, 20);
  bytes.set(body, headerLen);
  return { proto: IPPROTO_TCP, bytes, pseudoCsumAt: 16 };
}

/** `csum: false` leaves the checksum zero: none given (RFC 768). */
export function udp(
  h: { src: number; dst: number; csum?: boolean },
  body: Uint8Array = new Uint8Array(),
): Part {
  const [bytes, dv] = buffer(8 + body.length);
  dv.setUint16(0, h.src);
  dv.setUint16(2, h.dst);
  dv.setUint16(4, bytes.length);
  bytes.set(body, 8);
  const part = { proto: IPPROTO_UDP, bytes };
  return h.csum === false ? part : { ...part, pseudoCsumAt: 6 };
}

export function icmp(h: { type: number; code?: number; rest?: number }, body?: Uint8Array): Part {
  const bytes = icmpBytes(h, body);
  const dv = new DataView(bytes.buffer);
  dv.setUint16(2, checksum(dv, 0, bytes.length));
  return { proto: IPPROTO_ICMP, bytes };
}

export function icmpv6(h: { type: number; code?: number; rest?: number }, body?: Uint8Array): Part {
  return { proto: IPPROTO_ICMPV6, bytes: icmpBytes(h, body), pseudoCsumAt: 2 };
}

function icmpBytes(
  h: { type: number; code?: number; rest?: number },
  body: Uint8Array = new Uint8Array(),
): Uint8Array {
  const [bytes, dv] = buffer(8 + body.length);
  dv.setUint8(0, h.type);
  dv.setUint8(1, h.code ?? 0);
  dv.setUint32(4, h.rest ?? 0);
  bytes.set(body, 8);
  return bytes;
}

/** Neighbour solicitation (135) or advertisement (136) with link-layer address options. */
export function nd(h: { type: number; target: Ipv6Like; sll?: MacLike; tll?: MacLike }): Part {
  const options = [h.sll, h.tll].flatMap((m, i) => (m === undefined ? [] : [[i + 1, m] as const]));
  const [body, dv] = buffer(16 + 8 * options.length);
  body.set(ip6(h.target));
  options.forEach(([kind, m], i) => {
    dv.setUint16(16 + 8 * i, (kind << 8) | 1);
    setMac(dv, 18 + 8 * i, mac(m));
  });
  return icmpv6({ type: h.type }, body);
}
