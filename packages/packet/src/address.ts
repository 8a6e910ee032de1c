/** Text of MAC, IPv4 and IPv6 addresses (RFC 5952 for IPv6, as inet_ntop prints it). */
import { getBe32 } from './bytes.ts';

export function formatMac(mac: number): string {
  const high = Math.floor(mac / 2 ** 32);
  const low = mac >>> 0;
  return `${HEX[(high >>> 8) & 0xff]}:${HEX[high & 0xff]}:${HEX[low >>> 24]}:${HEX[(low >>> 16) & 0xff]}:${HEX[(low >>> 8) & 0xff]}:${HEX[low & 0xff]}`;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Undefined unless six groups of one or two hex digits. */
export function parseMac(text: string): number | undefined {
  if (!/^([0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2}$/.test(text)) return undefined;
  return text.split(':').reduce((mac, byte) => mac * 256 + Number.parseInt(byte, 16), 0);
}

/** I/G bit: multicast and broadcast. */
export function isMulticastMac(mac: number): boolean {
  return (Math.floor(mac / 0x100_0000_0000) & 1) === 1;
}

/** U/L bit (IEEE 802): made up by somebody, not a piece of hardware's. */
export function isLocalMac(mac: number): boolean {
  return (Math.floor(mac / 0x200_0000_0000) & 1) === 1;
}

export const MAC_BROADCAST = 0xffff_ffff_ffff;

export function formatIpv4(ip: number): string {
  return `${ip >>> 24}.${(ip >>> 16) & 0xff}.${(ip >>> 8) & 0xff}.${ip & 0xff}`;
}

/** Four decimal numbers without leading zeros, as inet_pton. */
export function parseIpv4(text: string): number | undefined {
  let ip = 0;
  let part = -1;
  let parts = 0;
  for (let i = 0; i <= text.length; i++) {
    const digit = i === text.length ? DOT : text.charCodeAt(i) - ZERO;
    if (digit === DOT) {
      if (part < 0 || part > 255) return undefined;
      ip = ip * 256 + part;
      part = -1;
      parts++;
    } else {
      // After a zero nothing follows.
      if (digit < 0 || digit > 9 || part === 0 || part > 255) return undefined;
      part = part < 0 ? digit : part * 10 + digit;
    }
  }
  return parts === 4 ? ip : undefined;
}

const ZERO = 0x30;
/** As a digit. */
const DOT = 0x2e - ZERO;

export function formatIpv6(ip: Uint8Array): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((ip[i]! << 8) | ip[i + 1]!);
  const [start, length] = longestZeroRun(groups);
  const v4 = embeddedIpv4(ip, start, length, groups);
  if (v4 !== undefined) return v4;
  const hex = (part: number[]): string => part.map((g) => g.toString(16)).join(':');
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

/** inet_ntop writes ::a.b.c.d and ::ffff:a.b.c.d with dots. */
function embeddedIpv4(
  ip: Uint8Array,
  start: number,
  length: number,
  groups: number[],
): string | undefined {
  if (start !== 0) return undefined;
  const dotted = formatIpv4(getBe32(ip, 12));
  if (length === 6) return `::${dotted}`;
  return length === 5 && groups[5] === 0xffff ? `::ffff:${dotted}` : undefined;
}

function longestZeroRun(groups: number[]): [start: number, length: number] {
  let best: [number, number] = [-1, 0];
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > best[1]) best = [i, n];
  }
  return best;
}

export function parseIpv6(text: string): Uint8Array | undefined {
  const sides = text.split('::');
  if (sides.length > 2) return undefined;
  const head = parseGroups(sides[0]!, sides.length === 1);
  const tail = sides.length === 2 ? parseGroups(sides[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (sides.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const ip = new Uint8Array(16);
  groups.forEach((g, i) => {
    ip[2 * i] = g >>> 8;
    ip[2 * i + 1] = g;
  });
  return ip;
}

/** `last`: a dotted IPv4 address may end the text. */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    const v4 = last && i === parts.length - 1 && part.includes('.') ? parseIpv4(part) : undefined;
    if (v4 !== undefined) groups.push(v4 >>> 16, v4 & 0xffff);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}
