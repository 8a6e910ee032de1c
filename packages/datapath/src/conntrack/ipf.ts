/**
 * Fragments on their way through `ct`: held until all of a packet are there. It behaves as Open
 * vSwitch's (`dpctl/ipf-get-status`), but what expires is dropped, where that sends it on in the
 * place of some later packet.
 */
import { ETH_P_IP, formatIpv4, formatIpv6 } from '@heddle/packet';
import { type Fragment, readFragment } from './fragment.ts';

export const IPF_MIN_SIZE = 400;
export const IPF_MAX_FRAGMENTS = 5000;
const TIMEOUT_MS = 15_000;

/** Settings and counters of one address family. */
export class IpfFamily {
  isEnabled = true;
  /** L3 header and data, of all fragments but the last. */
  minSize: number;
  accepted = 0;
  completed = 0;
  expired = 0;
  tooSmall = 0;
  overlapped = 0;
  readonly purged = 0;

  constructor(minSize: number) {
    this.minSize = minSize;
  }
}

/** A fragment, and what waits for its packet. */
export interface IpfPart<T> {
  readonly fragment: Fragment;
  readonly waiting: T;
}

interface List<T> {
  /** By offset. */
  readonly parts: IpfPart<T>[];
  readonly expiresMs: number;
  readonly text: string;
}

/** Settings and state for people. */
export interface IpfStatus {
  readonly v4: IpfFamily;
  readonly v6: IpfFamily;
  maxFragments: number;
  /** Fragments that are held. */
  readonly held: number;
  /** Packets that are not complete, in words. */
  lists(): Iterable<string>;
}

export class Ipf<T> implements IpfStatus {
  readonly v4 = new IpfFamily(1200);
  readonly v6 = new IpfFamily(1280);
  maxFragments = 1000;
  held = 0;
  readonly #lists = new Map<string, List<T>>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** All parts in order when this one was the last to come; `refused`: it is on its own. */
  add(
    bytes: Uint8Array,
    where: { readonly zone: number; readonly recircId: number },
    waiting: T,
  ): readonly IpfPart<T>[] | 'held' | 'refused' {
    this.#expire();
    const fragment = readFragment(bytes);
    if (!fragment) return 'refused';
    const family = fragment.dlType === ETH_P_IP ? this.v4 : this.v6;
    if (!family.isEnabled) return 'refused';
    if (!fragment.isLast && fragment.end - fragment.l3 < family.minSize) {
      family.tooSmall++;
      return 'refused';
    }
    if (this.held >= this.maxFragments) return 'refused';
    const key = keyOf(fragment, where);
    let list = this.#lists.get(key);
    if (!list) {
      list = { parts: [], expiresMs: this.#nowMs() + TIMEOUT_MS, text: key };
      this.#lists.set(key, list);
    }
    if (!insert(list.parts, { fragment, waiting })) {
      family.overlapped++;
      return 'refused';
    }
    family.accepted++;
    this.held++;
    if (!isComplete(list.parts)) return 'held';
    this.#lists.delete(key);
    this.held -= list.parts.length;
    family.completed += list.parts.length;
    return list.parts;
  }

  *lists(): Iterable<string> {
    this.#expire();
    for (const { text, parts } of this.#lists.values())
      yield `(${text},num_fragments=${parts.length},state=${stateOf(parts)})`;
  }

  #expire(): void {
    const now = this.#nowMs();
    // In the order in which they began.
    for (const [key, { parts, expiresMs }] of this.#lists) {
      if (expiresMs > now) return;
      this.#lists.delete(key);
      this.held -= parts.length;
      const isV4 = parts[0]?.fragment.dlType === ETH_P_IP;
      (isV4 ? this.v4 : this.v6).expired += parts.length;
    }
  }
}

function keyOf(f: Fragment, where: { readonly zone: number; readonly recircId: number }): string {
  const { bytes, l3, id, dlType, proto } = f;
  const address = (at: number): string =>
    dlType === ETH_P_IP
      ? formatIpv4(new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0))
      : formatIpv6(bytes.subarray(at, at + 16));
  const [src, dst] = dlType === ETH_P_IP ? [l3 + 12, l3 + 16] : [l3 + 8, l3 + 24];
  return (
    `src=${address(src)},dst=${address(dst)},recirc_id=${where.recircId},ip_id=${id},` +
    `dl_type=0x${dlType.toString(16)},zone=${where.zone},nw_proto=${dlType === ETH_P_IP ? proto : 0}`
  );
}

/** False when it overlaps what is there (RFC 5722). */
function insert<T>(parts: IpfPart<T>[], part: IpfPart<T>): boolean {
  const { offset } = part.fragment;
  const i = parts.findIndex(({ fragment }) => fragment.offset >= offset);
  const at = i < 0 ? parts.length : i;
  const before = parts[at - 1];
  const after = parts[at];
  if (before && endOf(before.fragment) > offset) return false;
  if (after && endOf(part.fragment) > after.fragment.offset) return false;
  parts.splice(at, 0, part);
  return true;
}

function endOf({ offset, start, end }: Fragment): number {
  return offset + end - start;
}

function isComplete<T>(parts: readonly IpfPart<T>[]): boolean {
  let at = 0;
  for (const { fragment } of parts) {
    if (fragment.offset !== at) return false;
    at = endOf(fragment);
  }
  return parts.at(-1)?.fragment.isLast === true;
}

function stateOf<T>(parts: readonly IpfPart<T>[]): string {
  const hasFirst = parts[0]?.fragment.offset === 0;
  const hasLast = parts.some(({ fragment }) => fragment.isLast);
  if (hasFirst && hasLast) return 'first/last frag';
  return hasFirst ? 'first frag' : hasLast ? 'last frag' : 'other frag';
}
