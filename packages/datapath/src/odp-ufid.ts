import { type Flow, flowAnd, flowHash } from '@heddle/packet';

/** Unique flow id: 32 hex digits, a pure function of mask and masked key. */
export function flowUfid(key: Flow, mask: Flow): string {
  const masked = flowAnd(key, mask);
  const of = (flow: Flow, basis: number): string =>
    flowHash(flow, basis).toString(16).padStart(8, '0');
  const first = flowHash(mask, 1);
  const second = flowHash(mask, 0x9e3779b9);
  return of(masked, first) + of(masked, second) + of(masked, first ^ 0x85ebca6b) + of(mask, second);
}
