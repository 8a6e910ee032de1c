/** The `hash` action: a number for the next lookup, equal for packets of one connection. */
import { ETH_P_IP, ETH_P_IPV6, type Flow, KEY_SLOTS, kindSize } from '@heddle/packet';
import type { HashAlgorithm } from '../odp-actions.ts';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

function bytesOf(flow: Flow, name: string): Uint8Array {
  const { offset, kind } = KEY_SLOTS.get(name)!;
  return flow.u8.subarray(offset, offset + kindSize(kind));
}

function mix(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, FNV_PRIME);
}

/** `sym_l4` is the same in both directions. Never 0, which stands for no hash. */
export function dpHash(flow: Flow, algorithm: HashAlgorithm, basis: number): number {
  const isIp = flow.dlType === ETH_P_IP || flow.dlType === ETH_P_IPV6;
  const hasPorts = isIp && (flow.nwFrag & 2) === 0 && [6, 17, 132].includes(flow.nwProto);
  const pairs = isIp ? [['ipv6Src', 'ipv6Dst']] : [['dlSrc', 'dlDst']];
  if (hasPorts) pairs.push(['tpSrc', 'tpDst']);
  let hash = FNV_OFFSET ^ basis;
  for (const [from, to] of pairs) {
    const [a, b] = [bytesOf(flow, from!), bytesOf(flow, to!)];
    for (let i = 0; i < a.length; i++) {
      hash = algorithm === 'l4' ? mix(mix(hash, a[i]!), b[i]!) : mix(hash, a[i]! ^ b[i]!);
    }
  }
  hash = mix(mix(hash, flow.dlType & 0xff), isIp ? flow.nwProto : 0);
  // The avalanche of MurmurHash3: buckets are chosen by the low bits.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0 || 1;
}
