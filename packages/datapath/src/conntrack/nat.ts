/** Address translation: a free tuple for a new connection, and what a packet is rewritten to. */
import { ETH_P_IP, IPPROTO_TCP, IPPROTO_UDP } from '@heddle/packet';
import type { OdpNat } from '../odp-actions.ts';
import { reversed, type Tuple } from './tuple.ts';

/** Ports that are tried near the first one; then so many elsewhere, half as many each time. */
const NEAR = 128;
const FEWEST = 16;
/** Addresses of a range that are tried. */
const MAX_ADDRESSES = 4;

export function hasPorts(t: Pick<Tuple, 'proto'>): boolean {
  return t.proto === IPPROTO_TCP || t.proto === IPPROTO_UDP;
}

export interface NatEnv {
  /** Whether answers would arrive with a tuple that is some connection's already. */
  taken(reply: Tuple): boolean;
  /** 0 up to 2^32 - 1, equal for equal tuples. */
  hash(t: Tuple): number;
  /** 0 up to 2^32 - 1. */
  random(): number;
}

/** The tuple that answers will arrive with; undefined when none is free. */
export function translate(orig: Tuple, nat: OdpNat, env: NatEnv): Tuple | undefined {
  const isSrc = nat.direction === 'src';
  const addresses = addressRange(orig, nat, env);
  const ports = hasPorts(orig) ? portRange(orig, nat, env) : undefined;
  for (let i = 0; i < addresses.count; i++) {
    const addr = addresses.at(i);
    for (const { srcPort, dstPort } of candidates(orig, isSrc, ports, env)) {
      const to = isSrc ? { src: addr, dst: orig.dst } : { src: orig.src, dst: addr };
      const reply = reversed({ ...orig, ...to, srcPort, dstPort });
      if (!env.taken(reply)) return reply;
    }
  }
  return undefined;
}

type Ports = Pick<Tuple, 'srcPort' | 'dstPort'>;

/** With one address: the translated end's ports, and for a destination the source's after them. */
function* candidates(
  orig: Tuple,
  isSrc: boolean,
  ports: PortRange | undefined,
  env: NatEnv,
): Iterable<Ports> {
  const { srcPort, dstPort } = orig;
  if (!ports) {
    yield { srcPort, dstPort };
    return;
  }
  const hash = env.hash(orig);
  for (const port of numbers(ports, hash)) {
    yield isSrc ? { srcPort: port, dstPort } : { srcPort, dstPort: port };
  }
  if (isSrc) return;
  const { first } = ports;
  const source = { ...kindOf(srcPort), first: srcPort };
  for (const port of numbersWithin(source, hash)) yield { srcPort: port, dstPort: first };
}

function* numbers(range: PortRange, hash: number): Iterable<number> {
  const { min, max, first } = range;
  if (first < min || first > max) yield first;
  yield* numbersWithin(range, hash);
}

/** Near the first, and then elsewhere. */
function* numbersWithin({ min, max, first }: PortRange, hash: number): Iterable<number> {
  const size = max - min + 1;
  let from = Math.min(Math.max(first, min), max) - min;
  for (let tries = NEAR, round = 1; tries >= FEWEST; tries >>= 1, round++) {
    for (let k = 0; k < Math.min(tries, size); k++) yield min + ((from + k) % size);
    if (size <= NEAR) return;
    from = (Math.imul(hash + round, 0x9e3779b1) >>> 0) % size;
  }
}

/** Where to look for a port that nobody has asked for: privileged ones stay so, as in Linux. */
function kindOf(port: number): { min: number; max: number } {
  if (port < 512) return { min: 1, max: 511 };
  return port < 1024 ? { min: 600, max: 1023 } : { min: 1024, max: 65535 };
}

interface Addresses {
  readonly count: number;
  at(i: number): Uint8Array;
}

/** All of the range, beginning with the one that the tuple's hash picks. */
function addressRange(orig: Tuple, nat: OdpNat, env: NatEnv): Addresses {
  const now = nat.direction === 'src' ? orig.src : orig.dst;
  if (nat.min === undefined) return { count: 1, at: () => now };
  const size = (nat.max ?? nat.min) - nat.min + 1n;
  // An all-zero address keeps what is there and only sees to it that tuples are unique.
  if (nat.min === 0n && size === 1n) return { count: 1, at: () => now };
  const start = BigInt(nat.random ? env.random() : env.hash(orig)) % size;
  const bytes = orig.dlType === ETH_P_IP ? 4 : 16;
  return {
    count: Number(size < BigInt(MAX_ADDRESSES) ? size : BigInt(MAX_ADDRESSES)),
    at: (i) => toBytes(nat.min! + ((start + BigInt(i)) % size), bytes),
  };
}

interface PortRange {
  readonly min: number;
  readonly max: number;
  readonly first: number;
}

/** Where to begin and what to go through: the port as it is, if it may stay. */
function portRange(orig: Tuple, nat: OdpNat, env: NatEnv): PortRange {
  const now = nat.direction === 'src' ? orig.srcPort : orig.dstPort;
  if (nat.portMin !== undefined && nat.portMin !== 0) {
    const min = nat.portMin;
    const max = nat.portMax ?? min;
    if (now >= min && now <= max && !nat.random) return { min, max, first: now };
    const pick = nat.random ? env.random() : env.hash(orig);
    return { min, max, first: min + (pick % (max - min + 1)) };
  }
  if (nat.direction === 'dst') return { min: now, max: now, first: now };
  return { ...kindOf(now), first: now };
}

function toBytes(v: bigint, n: number): Uint8Array {
  return Uint8Array.from({ length: n }, (_, i) => Number((v >> BigInt(8 * (n - 1 - i))) & 0xffn));
}
