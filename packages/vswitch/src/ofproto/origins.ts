/** Who has set up flows: a number in each of them, and what it stands for. */

export type FlowOrigin =
  /** The management socket: `ovs-ofctl`, as a rule. */
  | { readonly kind: 'management'; readonly version: number }
  | { readonly kind: 'controller'; readonly target: string; readonly version: number }
  /** A `learn` action of a flow in that table. */
  | { readonly kind: 'learn'; readonly table: number }
  /** What a bridge without controllers starts with. */
  | { readonly kind: 'switch' };

export const ORIGIN_SWITCH = 0;

/** So many tell apart whoever has ever spoken to a switch; more are taken for the last. */
const MAX_ORIGINS = 1000;

const origins: FlowOrigin[] = [{ kind: 'switch' }];
const numbers = new Map<string, number>();

/** The number of an origin; equal ones have the same. */
export function originNumber(origin: FlowOrigin): number {
  const key = JSON.stringify(origin);
  let number = numbers.get(key);
  if (number === undefined) {
    number = Math.min(origins.length, MAX_ORIGINS);
    origins[number] = origin;
    if (numbers.size < MAX_ORIGINS) numbers.set(key, number);
  }
  return number;
}

export function originOf(number: number): FlowOrigin {
  return origins[number] ?? { kind: 'switch' };
}
