/** Address translation: a free tuple for a new connection, and what a packet is rewritten to. */
import { ETH_P_IP, IPPROTO_TCP, IPPROTO_UDP } from '@heddle/packet';
import type { OdpNat } from '../odp-actions.ts';
import { reversed, type Tuple } from './tuple.ts';

const MIN_EPHEMERAL = 1024;
const MAX_PORT = 65535;
/** Tries before giving up; at most so many ports are looked at for each address. */
const MAX_TRIES = 64;
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
    const candidate = (port: number | undefined): Tuple => {
      const to: Tuple = isSrc
        ? { ...orig, src: addr, srcPort: port ?? orig.srcPort }
        : { ...orig, dst: addr, dstPort: port ?? orig.dstPort };
      return reversed(to);
    };
    if (!ports) {
      const reply = candidate(undefined);
      if (!env.taken(reply)) return reply;
      continue;
    }
    const size = ports.max - ports.min + 1;
    const tries = Math.min(size, MAX_TRIES);
    if (ports.first < ports.min || ports.first > ports.max) {
      const reply = candidate(ports.first);
      if (!env.taken(reply)) return reply;
    }
    const start = Math.min(Math.max(ports.first, ports.min), ports.max) - ports.min;
    for (let k = 0; k < tries; k++) {
      const reply = candidate(ports.min + ((start + k) % size));
      if (!env.taken(reply)) return reply;
    }
  }
  return undefined;
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

/** Where to begin and what to go through: the port as it is, if it may stay. */
function portRange(
  orig: Tuple,
  nat: OdpNat,
  env: NatEnv,
): { min: number; max: number; first: number } {
  const now = nat.direction === 'src' ? orig.srcPort : orig.dstPort;
  if (nat.portMin !== undefined && nat.portMin !== 0) {
    const min = nat.portMin;
    const max = nat.portMax ?? min;
    if (now >= min && now <= max && !nat.random) return { min, max, first: now };
    const pick = nat.random ? env.random() : env.hash(orig);
    return { min, max, first: min + (pick % (max - min + 1)) };
  }
  if (nat.direction === 'dst') return { min: now, max: now, first: now };
  return { min: MIN_EPHEMERAL, max: MAX_PORT, first: now };
}

function toBytes(v: bigint, n: number): Uint8Array {
  return Uint8Array.from({ length: n }, (_, i) => Number((v >> BigInt(8 * (n - 1 - i))) & 0xffn));
}
