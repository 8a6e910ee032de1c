/** Reads what a daemon has left for the next one: JSON, which anything may have become of. */

export type Json = Readonly<Record<string, unknown>>;

export function objectOf(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null ? (value as Json) : undefined;
}

/** Numbers of 64 bits are texts. */
export function bigOf(value: unknown): bigint | undefined {
  return typeof value === 'string' && /^\d{1,20}$/.test(value)
    ? BigInt.asUintN(64, BigInt(value))
    : undefined;
}

/** Those keys of an object, when all of them are numbers. */
export function numbersOf<K extends string>(
  value: unknown,
  keys: readonly K[],
): Record<K, number> | undefined {
  const from = objectOf(value);
  if (!from || !keys.every((key) => Number.isFinite(from[key]))) return undefined;
  return Object.fromEntries(keys.map((key) => [key, from[key]])) as Record<K, number>;
}

export function flagsOf<K extends string>(
  value: unknown,
  keys: readonly K[],
): Record<K, boolean> | undefined {
  const from = objectOf(value);
  if (!from || !keys.every((key) => typeof from[key] === 'boolean')) return undefined;
  return Object.fromEntries(keys.map((key) => [key, from[key]])) as Record<K, boolean>;
}
