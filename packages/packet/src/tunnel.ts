/** What of a flow belongs to the tunnel that a packet came by, or is to go by. */

import { getBe32 } from './bytes.ts';
import { type Flow, zeroWords } from './flow.ts';
import { FLOW_WORDS, KEY_SLOTS } from './key-layout.ts';
import { TUN_OPTS_INLINE } from './tunnel-options.ts';

/** Ranges of 32-bit words. */
const FIRST = KEY_SLOTS.get('tunId')!.offset / 4;
const END = KEY_SLOTS.get('dlDst')!.offset / 4;
const MORE = KEY_SLOTS.get('tunGbpId')!.offset / 4;
const MORE_END = MORE + 4;
const METADATA = KEY_SLOTS.get('tunMetadataPresent')!.offset / 4;
const TUN_OPTS = KEY_SLOTS.get('tunOpts')!.offset;
/** The words with ERSPAN's fields. */
const ERSPAN = KEY_SLOTS.get('tunErspanIdx')!.offset / 4 - 1;
const ERSPAN_END = ERSPAN + 3;

/** `dst` where a tunnel's key begins, up to its options as they are on the wire. */
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

export function fillTunnel(mask: Flow): void {
  mask.u32.fill(0xffff_ffff, FIRST, END);
  mask.u32.fill(0xffff_ffff, MORE, MORE_END);
}

export function sameTunnel(a: Flow, b: Flow): boolean {
  for (let i = FIRST; i < END; i++) if (a.u32[i] !== b.u32[i]) return false;
  for (let i = MORE; i < MORE_END; i++) if (a.u32[i] !== b.u32[i]) return false;
  return true;
}

/** Whether a packet came by a tunnel: it has the tunnel's destination. */
export function isTunnelled(flow: Flow): boolean {
  return !isZero(flow.u8, TUN_DST, 16);
}

/** Whether the tunnel's addresses are of IPv6; those of IPv4 have four bytes. */
export function isTunnelIpv6(flow: Flow): boolean {
  return !isZero(flow.u8, TUN_DST + 4, 12) || !isZero(flow.u8, TUN_SRC + 4, 12);
}

const TUN_SRC = KEY_SLOTS.get('tunIpv6Src')!.offset;
const TUN_DST = KEY_SLOTS.get('tunIpv6Dst')!.offset;

function isZero(u8: Uint8Array, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) if (u8[i] !== 0) return false;
  return true;
}
