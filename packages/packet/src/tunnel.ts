/** What of a flow belongs to the tunnel that a packet came by, or is to go by. */

import { getBe32 } from './bytes.ts';
import { type Flow, zeroWords } from './flow.ts';
import { FLOW_WORDS, KEY_SLOTS } from './key-layout.ts';
import { TUN_OPTS_INLINE } from './tunnel-options.ts';

/** Ranges of 32-bit words. */
const FIRST = KEY_SLOTS.get('tunId')!.offset / 4;
const END = KEY_SLOTS.get('dlDst')!.offset / 4;
const MORE = KEY_SLOTS.get('tunGbpId')!.offset / 4;
const MORE_END = KEY_SLOTS.get('tunDst')!.offset / 4 + 1;
const METADATA = KEY_SLOTS.get('tunMetadataPresent')!.offset / 4;
const TUN_OPTS = KEY_SLOTS.get('tunOpts')!.offset;
/** The words with ERSPAN's fields. */
const ERSPAN = KEY_SLOTS.get('tunErspanIdx')!.offset / 4 - 1;
const ERSPAN_END = ERSPAN + 3;

/** All that datapaths know of a tunnel, with options as they are on the wire. */
export function copyTunnel(from: Flow, to: Flow): void {
  for (let i = FIRST; i < END; i++) to.u32[i] = from.u32[i]!;
  for (let i = MORE; i < MORE_END; i++) to.u32[i] = from.u32[i]!;
}

/** The same with options by field, as the OpenFlow pipeline sees them. */
export function copyTunnelFields(from: Flow, to: Flow): void {
  copyTunnel(from, to);
  for (let i = ERSPAN; i < ERSPAN_END; i++) to.u32[i] = from.u32[i]!;
  for (let i = METADATA; i < FLOW_WORDS; i++) to.u32[i] = from.u32[i]!;
}

export function clearTunnel(flow: Flow): void {
  zeroWords(flow.u32, FIRST, END);
  zeroWords(flow.u32, MORE, MORE_END);
}

/** The same with options by field. */
export function clearTunnelFields(flow: Flow): void {
  clearTunnel(flow);
  zeroWords(flow.u32, ERSPAN, ERSPAN_END);
  zeroWords(flow.u32, METADATA, FLOW_WORDS);
}

/** What an ERSPAN header tells; of version 1 the index, of version 2 direction and hardware id. */
export interface Erspan {
  readonly ver: number;
  readonly idx: number;
  readonly dir: number;
  readonly hwid: number;
}

/** A key's: it lies where options do, of which such a tunnel has none. */
export function erspanOf({ tunOptsLen, u8 }: Flow): Erspan | undefined {
  const ver = u8[TUN_OPTS]!;
  if (tunOptsLen !== 0 || ver === 0) return undefined;
  return { ver, idx: getBe32(u8, TUN_OPTS + 4), dir: u8[TUN_OPTS + 1]!, hwid: u8[TUN_OPTS + 2]! };
}

export function putErspan(flow: Flow, { ver, idx, dir, hwid }: Erspan): void {
  const opts = new Uint8Array(TUN_OPTS_INLINE);
  opts.set([ver, dir, hwid, 0, idx >>> 24, idx >>> 16, idx >>> 8, idx]);
  flow.tunOptsLen = 0;
  flow.tunOpts = opts;
}

/** From the key to the fields of the OpenFlow pipeline. */
export function readErspan(flow: Flow): void {
  const found = erspanOf(flow);
  if (!found) return;
  flow.tunErspanVer = found.ver;
  flow.tunErspanIdx = found.idx;
  flow.tunErspanDir = found.dir;
  flow.tunErspanHwid = found.hwid;
}

/** Whether a mask looks at any of the fields. */
export function looksAtErspan({ u32 }: Flow): boolean {
  for (let i = ERSPAN; i < ERSPAN_END; i++) if (u32[i] !== 0) return true;
  return false;
}

/** Of addresses those of the packet's family: no packet has others. */
export function fillTunnel(mask: Flow, key: Flow): void {
  mask.u32.fill(0xffff_ffff, FIRST, ADDRESSES);
  mask.u32.fill(0xffff_ffff, ADDRESSES_END, END);
  mask.u32.fill(0xffff_ffff, MORE, ADDRESSES_IPV4);
  fillTunnelAddresses(mask, key);
}

export function fillTunnelAddresses(mask: Flow, { tunDst }: Flow): void {
  if (tunDst !== 0) mask.u32.fill(0xffff_ffff, ADDRESSES_IPV4, MORE_END);
  else mask.u32.fill(0xffff_ffff, ADDRESSES, ADDRESSES_END);
}

export function sameTunnel(a: Flow, b: Flow): boolean {
  for (let i = FIRST; i < END; i++) if (a.u32[i] !== b.u32[i]) return false;
  for (let i = MORE; i < MORE_END; i++) if (a.u32[i] !== b.u32[i]) return false;
  return true;
}

/** Whether a packet came by a tunnel: it has the tunnel's destination. */
export function isTunnelled({ u32 }: Flow): boolean {
  if (u32[DST_IPV4] !== 0) return true;
  for (let i = DST_IPV6; i < DST_IPV6 + 4; i++) if (u32[i] !== 0) return true;
  return false;
}

/** Whether the tunnel's header is of IPv6: an IPv4 destination goes before one of IPv6. */
export function isTunnelIpv6(flow: Flow): boolean {
  return flow.u32[DST_IPV4] === 0 && isTunnelled(flow);
}

/** 16 bytes, of which an IPv4 address has the first four; it goes before one of IPv6. */
export function tunnelSource(flow: Flow): Uint8Array {
  return oneOf(flow.tunSrc, flow.tunIpv6Src);
}

/** As `tunnelSource`. */
export function tunnelDestination(flow: Flow): Uint8Array {
  return oneOf(flow.tunDst, flow.tunIpv6Dst);
}

/** Takes the place of an address of the other family. */
export function setTunnelSource(flow: Flow, address: Uint8Array): void {
  flow.tunSrc = ipv4Of(address);
  flow.tunIpv6Src = ipv6Of(address);
}

/** As `setTunnelSource`. */
export function setTunnelDestination(flow: Flow, address: Uint8Array): void {
  flow.tunDst = ipv4Of(address);
  flow.tunIpv6Dst = ipv6Of(address);
}

/** Whether an address that has room for either family is of IPv6. */
export function isIpv6Endpoint(address: Uint8Array): boolean {
  for (let i = 4; i < 16; i++) if (address[i] !== 0) return true;
  return false;
}

function oneOf(ipv4: number, ipv6: Uint8Array): Uint8Array {
  if (ipv4 === 0) return ipv6.slice();
  return Uint8Array.of(ipv4 >>> 24, ipv4 >>> 16, ipv4 >>> 8, ipv4, ...NO_IPV6.subarray(4));
}

function ipv4Of(address: Uint8Array): number {
  return isIpv6Endpoint(address) ? 0 : getBe32(address, 0);
}

function ipv6Of(address: Uint8Array): Uint8Array {
  return isIpv6Endpoint(address) ? address : NO_IPV6;
}

const NO_IPV6 = new Uint8Array(16);
const ADDRESSES = KEY_SLOTS.get('tunIpv6Src')!.offset / 4;
const ADDRESSES_END = KEY_SLOTS.get('tunFlags')!.offset / 4;
const ADDRESSES_IPV4 = KEY_SLOTS.get('tunSrc')!.offset / 4;
const DST_IPV6 = KEY_SLOTS.get('tunIpv6Dst')!.offset / 4;
const DST_IPV4 = KEY_SLOTS.get('tunDst')!.offset / 4;
