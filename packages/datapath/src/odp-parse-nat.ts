/** `nat(...)` of `ct(...)` from its text. */
import { parseIpv6 } from '@heddle/packet';
import type { OdpNat } from './odp-actions.ts';
import { ScanError, type Scanner } from './odp-scan.ts';

const IPV6 = /\[([0-9a-fA-F:.]+)\]|([0-9a-fA-F:.]+)/y;

/** Ranges said one after the other have what the last one leaves of those before. */
interface Range {
  family: 4 | 6;
  /** An IPv4 address is in the first four bytes. */
  readonly min: Uint8Array;
  readonly max: Uint8Array;
  portMin: number;
  portMax: number;
}

/** Behind `nat(`, up to the closing parenthesis; throws a `ScanError`. */
export function scanNat(s: Scanner): OdpNat {
  const found = { persistent: false, hash: false, random: false };
  let direction: 'src' | 'dst' | undefined;
  let range: Range | undefined;
  while (!s.sees(')')) {
    s.skip(/[\s,]/);
    const word = WORDS.find((w) => s.take(w)) ?? s.fail();
    if (word !== 'src' && word !== 'dst') found[word] = true;
    else {
      if (direction !== undefined && direction !== word) s.fail();
      direction = word;
      if (!s.take('=')) continue;
      range ??= emptyRange();
      scanRange(s, range);
    }
  }
  if (found.hash && found.random) s.fail();
  if (direction === undefined) return {};
  // Without an address there is nothing that they could choose.
  return range ? { direction, ...rangeOf(s, range), ...said(found) } : { direction };
}

const WORDS = ['src', 'dst', 'persistent', 'hash', 'random'] as const;

function said(flags: Record<'persistent' | 'hash' | 'random', boolean>): OdpNat {
  return Object.fromEntries(Object.entries(flags).filter(([, isSaid]) => isSaid));
}

function emptyRange(): Range {
  return { family: 4, min: new Uint8Array(16), max: new Uint8Array(16), portMin: 0, portMax: 0 };
}

function scanRange(s: Scanner, range: Range): void {
  range.family = scanIpv4(s, range.min) ? 4 : scanIpv6(s, range.min);
  if (s.take('-')) {
    if (range.family === 6) scanIpv6(s, range.max);
    else if (!scanIpv4(s, range.max)) s.fail();
  }
  if (!s.take(':')) return;
  range.portMin = s.decimal(16);
  if (s.take('-')) range.portMax = s.decimal(16);
}

/** Whether there was one; else the scanner stays where it is. */
function scanIpv4(s: Scanner, to: Uint8Array): boolean {
  const start = s.at;
  try {
    new DataView(to.buffer).setUint32(0, s.ipv4());
    return true;
  } catch (error) {
    if (!(error instanceof ScanError)) throw error;
    s.at = start;
    return false;
  }
}

function scanIpv6(s: Scanner, to: Uint8Array): 6 {
  const [, bracketed, plain] = s.match(IPV6) ?? s.fail();
  to.set(parseIpv6(bracketed ?? plain!) ?? s.fail());
  return 6;
}

function rangeOf(s: Scanner, { family, min, max, portMin, portMax }: Range): OdpNat {
  const number = (b: Uint8Array): bigint =>
    b.subarray(0, family === 4 ? 4 : 16).reduce((v, byte) => (v << 8n) | BigInt(byte), 0n);
  const [first, last] = [number(min), number(max)];
  if ((last !== 0n && last < first) || (portMax !== 0 && portMax < portMin)) s.fail();
  return {
    family,
    min: first,
    max: last === 0n ? first : last,
    ...(portMin !== 0 && { portMin, portMax: portMax === 0 ? portMin : portMax }),
  };
}
