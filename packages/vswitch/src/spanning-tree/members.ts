/** Which ports of a bridge may be part of a spanning tree, and how their rows are read. */
import type { OfPort } from '../ofproto.ts';
import type { PortRow } from '../port-config.ts';

/** A port of one interface that is a link to somewhere. */
export interface TreeMember {
  readonly port: OfPort;
  readonly row: PortRow;
  readonly isUp: boolean;
  /** Bits a second, where it is known. */
  readonly speed: number | undefined;
}

/** Digits at the start of a text as strtoul(3) reads them; `fallback` when there is no text. */
export function numberOf(
  config: ReadonlyMap<string, string>,
  key: string,
  fallback: number,
): number {
  const text = config.get(key);
  if (text === undefined) return fallback;
  const n = Number.parseInt(text, 10);
  return Number.isSafeInteger(n) ? n : 0;
}

export function clamp(n: number, min: number, max: number): number {
  return Math.min(Math.max(n, min), max);
}

/** What has no speed counts as 10 Gb/s, as devices without hardware behind them do. */
const DEFAULT_SPEED = 10e9;

/** The cost of the first speed that the link has at least. */
export function costOf(
  speed: number | undefined,
  costs: readonly (readonly [bitsPerSecond: number, cost: number])[],
): number {
  const bits = speed || DEFAULT_SPEED;
  const found = costs.find(([least]) => bits >= least) ?? costs.at(-1)!;
  return found[1];
}

/**
 * Gives each port its number in the tree: the one asked for, else the lowest that is free, in the
 * order of OpenFlow's numbers. A number that is taken, or is none, keeps a port out.
 */
export function numberPorts(
  members: readonly TreeMember[],
  key: string,
  max: number,
  refuse: (member: TreeMember, why: string) => void,
): ReadonlyMap<TreeMember, number> {
  const numbers = new Map<TreeMember, number>();
  const taken = new Set<number>();
  for (const member of members) {
    const text = member.row.other_config.get(key);
    if (text === undefined) continue;
    const n = Number.parseInt(text, 10);
    if (!(n >= 1 && n <= max)) refuse(member, `invalid ${key}`);
    else if (taken.has(n)) refuse(member, `${key} already used`);
    else {
      taken.add(n);
      numbers.set(member, n);
    }
  }
  const others = members.filter(({ row }) => !row.other_config.has(key));
  let next = 1;
  for (const member of others.sort((a, b) => a.port.ofport - b.port.ofport)) {
    while (taken.has(next)) next++;
    if (next > max) refuse(member, 'too many ports');
    else {
      taken.add(next);
      numbers.set(member, next);
    }
  }
  return numbers;
}
