/** What of a flow belongs to the tunnel that a packet came by, or is to go by. */

import type { Flow } from './flow.ts';
import { FLOW_WORDS, KEY_SLOTS } from './key-layout.ts';

/** Bytes of Geneve options that a key can hold. */
export const TUN_OPTS_MAX = 12;

/** Ranges of 32-bit words. */
const FIRST = KEY_SLOTS.get('tunId')!.offset / 4;
const END = KEY_SLOTS.get('dlDst')!.offset / 4;
const MORE = KEY_SLOTS.get('tunGbpId')!.offset / 4;
const MORE_END = MORE + 4;
const METADATA = KEY_SLOTS.get('tunMetadataPresent')!.offset / 4;

/** `dst` where a tunnel's key begins, up to its options as they are on the wire. */
export function copyTunnel(from: Flow, to: Flow): void {
  for (let i = FIRST; i < END; i++) to.u32[i] = from.u32[i]!;
  for (let i = MORE; i < MORE_END; i++) to.u32[i] = from.u32[i]!;
}

/** The same with options by field, as the OpenFlow pipeline sees them. */
export function copyTunnelFields(from: Flow, to: Flow): void {
  copyTunnel(from, to);
  for (let i = METADATA; i < FLOW_WORDS; i++) to.u32[i] = from.u32[i]!;
}

export function clearTunnel(flow: Flow): void {
  flow.u32.fill(0, FIRST, END);
  flow.u32.fill(0, MORE, MORE_END);
}

/** The same with options by field. */
export function clearTunnelFields(flow: Flow): void {
  clearTunnel(flow);
  flow.u32.fill(0, METADATA);
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
