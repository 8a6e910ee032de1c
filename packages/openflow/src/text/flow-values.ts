/**
 * Values of flows in text that go to the wire as they are: where one differs between two lines,
 * so do as many bytes of their messages, and nothing else.
 */

/** How a value is written, and how many bytes it has. */
export type ValueKind = 'u16' | 'port' | 'u32' | 'u64' | 'ipv4' | 'mac';

const KINDS: readonly ValueKind[] = ['u16', 'port', 'u32', 'u64', 'ipv4', 'mac'];
export const VALUE_BYTES: readonly number[] = [2, 2, 4, 8, 4, 6];
const U16 = 0;
const PORT = 1;
const U32 = 2;
const U64 = 3;
const IPV4 = 4;
/** Above are those that are reserved. */
const MAX_PORT = 0x7fff;

const numbered = (name: string, n: number) => Array.from({ length: n }, (_, i) => `${name}${i}`);
const KEYS: Readonly<Record<ValueKind, readonly string[]>> = {
  u16: [
    ...['priority', 'idle_timeout', 'hard_timeout', 'tp_src', 'tp_dst'],
    ...['tcp_src', 'tcp_dst', 'udp_src', 'udp_dst', 'sctp_src', 'sctp_dst'],
  ],
  port: ['in_port'],
  u32: ['ct_mark', 'pkt_mark', ...numbered('reg', 16)],
  u64: ['cookie', 'metadata', 'tun_id', 'tunnel_id'],
  ipv4: ['nw_src', 'nw_dst', 'ip_src', 'ip_dst', 'arp_spa', 'arp_tpa'],
  mac: ['dl_src', 'dl_dst', 'eth_src', 'eth_dst', 'arp_sha', 'arp_tha'],
};

/** By the hash of a key (`hashKey`): an index into the kinds. */
export const KEY_KINDS: ReadonlyMap<number, number> = new Map(
  KINDS.flatMap((kind, i) => KEYS[kind].map((key) => [hashKey(key), i] as const)),
);

export function hashKey(key: string): number {
  let hash = 0;
  for (let i = 0; i < key.length; i++) hash = keyHash(hash, key.charCodeAt(i));
  return hash;
}

export function keyHash(hash: number, c: number): number {
  return (Math.imul(hash, 31) + c) | 0;
}

/** The value that was read last: its bytes from the first, four in each. */
export const value = { high: 0, low: 0 };

/** Reads the value that begins at `at`; returns where it ends, -1 when it takes more to read it. */
export function readValue(kind: number, text: Uint8Array, at: number, end: number): number {
  switch (kind) {
    case U16:
      return readDecimal(text, at, end, 0xffff);
    case PORT:
      return readDecimal(text, at, end, MAX_PORT);
    case U32:
    case U64:
      return text[at] === ZERO && (text[at + 1]! | 0x20) === LETTER_X
        ? readHex(text, at + 2, end, kind === U32 ? 8 : 15)
        : readDecimal(text, at, end, 999_999_999);
    case IPV4:
      return readIpv4(text, at, end);
    default:
      return readMac(text, at, end);
  }
}

const ZERO = 0x30;
const NINE = 0x39;
const DOT = 0x2e;
const COLON = 0x3a;
const LETTER_X = 0x78;

function readDecimal(text: Uint8Array, from: number, end: number, max: number): number {
  let v = 0;
  let at = from;
  for (; at < end; at++) {
    const c = text[at]!;
    if (c < ZERO || c > NINE) break;
    v = v * 10 + (c - ZERO);
    if (v > max) return -1;
  }
  // Numbers that begin with 0 are octal ones.
  if (at === from || (text[from] === ZERO && at - from > 1)) return -1;
  value.high = 0;
  value.low = v;
  return at;
}

function readHex(text: Uint8Array, from: number, end: number, digits: number): number {
  let high = 0;
  let low = 0;
  let at = from;
  for (; at < end; at++) {
    const digit = hexDigit(text[at]!);
    if (digit < 0) break;
    if (at - from === digits) return -1;
    high = (high << 4) | (low >>> 28);
    low = (low << 4) | digit;
  }
  if (at === from) return -1;
  value.high = high;
  value.low = low;
  return at;
}

function readIpv4(text: Uint8Array, from: number, end: number): number {
  let at = from;
  let v = 0;
  for (let part = 0; part < 4; part++) {
    if (part > 0 && text[at++] !== DOT) return -1;
    let octet = 0;
    const first = at;
    for (; at < end && at - first < 3; at++) {
      const c = text[at]!;
      if (c < ZERO || c > NINE) break;
      octet = octet * 10 + (c - ZERO);
    }
    if (at === first || octet > 255) return -1;
    v = (v << 8) | octet;
  }
  value.high = 0;
  value.low = v;
  return at;
}

function readMac(text: Uint8Array, from: number, end: number): number {
  if (end - from < 17) return -1;
  let high = 0;
  let low = 0;
  for (let i = 0; i < 6; i++) {
    const at = from + 3 * i;
    const a = hexDigit(text[at]!);
    const b = hexDigit(text[at + 1]!);
    if (a < 0 || b < 0 || (i < 5 && text[at + 2] !== COLON)) return -1;
    if (i < 2) high = (high << 8) | (a << 4) | b;
    else low = (low << 8) | (a << 4) | b;
  }
  value.high = high;
  value.low = low;
  return from + 17;
}

function hexDigit(c: number): number {
  if (c >= ZERO && c <= NINE) return c - ZERO;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** A value in text that differs from the given one in every byte. */
export function otherValue(kind: number, high: number, low: number): string {
  const bytes = Array.from({ length: VALUE_BYTES[kind]! }, (_, i) => {
    const shift = 8 * (VALUE_BYTES[kind]! - 1 - i);
    return ((shift < 32 ? low >>> shift : high >>> (shift - 32)) & 0xff) ^ 0x55;
  });
  const hex = bytes.map((b) => b.toString(16).padStart(2, '0'));
  if (kind === IPV4) return bytes.join('.');
  if (kind === U16 || kind === PORT) return String(bytes[0]! * 256 + bytes[1]!);
  return kind === U32 || kind === U64 ? `0x${hex.join('')}` : hex.join(':');
}

/** Writes the last bytes of a value. */
export function putValue(
  out: Uint8Array,
  at: number,
  size: number,
  high: number,
  low: number,
): void {
  let rest = low;
  for (let i = size - 1; i >= 0; i--) {
    out[at + i] = rest;
    rest = size - i === 4 ? high : rest >>> 8;
  }
}
