/**
 * Changes of sets and maps whose cost grows with the change: sets may have a hundred thousand
 * elements of which a transaction adds one.
 */
import { type Atom, compareAtoms } from './atom.ts';
import { type ColumnType, type Datum, findKey, makeDatum } from './datum.ts';

/** Adds elements; keys that a map has already keep their values. */
export function insertElements(datum: Datum, added: Datum): Datum {
  const keys: Atom[] = [];
  const values: Atom[] | undefined = datum.values && [];
  added.keys.forEach((key, i) => {
    if (findKey(datum, key) >= 0) return;
    keys.push(key);
    values?.push(added.values![i]!);
  });
  return keys.length === 0 ? datum : edit(datum, [], keys, values);
}

/** Removes elements; from a map those only whose values are equal, too, unless `byKey`. */
export function removeElements(datum: Datum, removed: Datum, byKey: boolean): Datum {
  const gone: number[] = [];
  removed.keys.forEach((key, i) => {
    const at = findKey(datum, key);
    if (at < 0) return;
    if (byKey || !removed.values || removed.values[i] === datum.values![at]) gone.push(at);
  });
  return gone.length === 0 ? datum : edit(datum, gone, [], datum.values && []);
}

/** Where two datums differ: from `start` on, up to the given ends. */
interface Range {
  readonly start: number;
  readonly fromEnd: number;
  readonly toEnd: number;
}

/** Smaller sets are compared as fast as remembered. */
const MIN_REMEMBERED = 16;
/**
 * The differences of pairs seen last: one change of a large set is looked at several times, for
 * references, the file and monitors.
 */
const remembered: { from: Datum; to: Datum; range: Range }[] = [];
const REMEMBERED = 8;
let oldest = 0;
/** More changes of one set than this are not made one by one. */
const MANY = 500;

function differingRange(from: Datum, to: Datum): Range {
  if (to.keys.length < MIN_REMEMBERED) return findRange(from, to);
  const known = remembered.find((r) => r.to === to && r.from === from);
  if (known) return known.range;
  const range = findRange(from, to);
  remember(from, to, range);
  return range;
}

function remember(from: Datum, to: Datum, range: Range): void {
  if (to.keys.length < MIN_REMEMBERED) return;
  remembered[oldest] = { from, to, range };
  oldest = (oldest + 1) % REMEMBERED;
}

function findRange(from: Datum, to: Datum): Range {
  const [a, b, av, bv] = [from.keys, to.keys, from.values, to.values];
  const same = (i: number, j: number) => a[i] === b[j] && (!av || av[i] === bv![j]);
  let start = 0;
  let [fromEnd, toEnd] = [a.length, b.length];
  while (start < fromEnd && start < toEnd && same(start, start)) start++;
  while (fromEnd > start && toEnd > start && same(fromEnd - 1, toEnd - 1)) {
    fromEnd--;
    toEnd--;
  }
  return { start, fromEnd, toEnd };
}

/** The elements of `to` that change `from` into it: RFC-style `update2` diffs (ovsdb-server(7)). */
export function diffDatum(type: ColumnType, from: Datum, to: Datum): Datum {
  if (type.max === 1) return to;
  const { start, fromEnd, toEnd } = differingRange(from, to);
  const slice = (d: Datum, end: number): Datum =>
    d.values
      ? { keys: d.keys.slice(start, end), values: d.values.slice(start, end) }
      : { keys: d.keys.slice(start, end) };
  const [before, after] = [slice(from, fromEnd), slice(to, toEnd)];
  const keys: Atom[] = [];
  const values: Atom[] = [];
  before.keys.forEach((key, i) => {
    const at = findKey(after, key);
    if (at >= 0 && (!type.value || after.values![at] === before.values![i])) return;
    keys.push(key);
    if (type.value) values.push(at < 0 ? before.values![i]! : after.values![at]!);
  });
  after.keys.forEach((key, i) => {
    if (findKey(before, key) >= 0) return;
    keys.push(key);
    if (type.value) values.push(after.values![i]!);
  });
  return type.value ? makeDatum(keys, values) : makeDatum(keys);
}

/** Applies what `diffDatum` made. */
export function applyDiff(type: ColumnType, from: Datum, diff: Datum): Datum {
  if (type.max === 1) return diff;
  const gone: number[] = [];
  const keys: Atom[] = [];
  const values: Atom[] | undefined = type.value && [];
  diff.keys.forEach((key, i) => {
    const at = findKey(from, key);
    const value = diff.values?.[i];
    if (at >= 0) gone.push(at);
    if (at >= 0 && (!type.value || from.values![at] === value)) return;
    keys.push(key);
    values?.push(value!);
  });
  return edit(from, gone, keys, values);
}

/** Calls back for each key that only one of two sets (or maps' keys) has. */
export function forEachDifference(
  from: Datum,
  to: Datum,
  removed: (key: Atom) => void,
  added: (key: Atom) => void,
): void {
  const { start, fromEnd, toEnd } = differingRange(from, to);
  const [before, after] = [from.keys, to.keys];
  let [i, j] = [start, start];
  while (i < fromEnd || j < toEnd) {
    const order = i === fromEnd ? 1 : j === toEnd ? -1 : compareAtoms(before[i]!, after[j]!);
    if (order <= 0) i++;
    if (order >= 0) j++;
    if (order < 0) removed(before[i - 1]!);
    if (order > 0) added(after[j - 1]!);
  }
}

/** Takes the elements at `gone` out and puts new ones in; all are in ascending order. */
function edit(
  datum: Datum,
  gone: readonly number[],
  keys: readonly Atom[],
  values: readonly Atom[] | undefined,
): Datum {
  if (gone.length + keys.length > MANY) return rebuild(datum, gone, keys, values);
  if (gone.length + keys.length === 1) return editOne(datum, gone[0], keys[0], values);
  const from = datum.keys;
  // Stretches of the old arrays are copied as such, which is many times faster than atom by atom.
  const outKeys: (readonly Atom[])[] = [];
  const outValues: (readonly Atom[])[] | undefined = values && [];
  let at = 0;
  let g = 0;
  const copyTo = (end: number) => {
    while (at < end) {
      const stop = Math.min(gone[g] ?? end, end);
      outKeys.push(from.slice(at, stop));
      outValues?.push(datum.values!.slice(at, stop));
      at = stop;
      if (gone[g] !== at || at === end) break;
      g++;
      at++;
    }
  };
  let start = gone[0] ?? from.length;
  keys.forEach((key, i) => {
    copyTo(lowerBound(from, key, at));
    if (at < start) start = at;
    outKeys.push([key]);
    outValues?.push([values![i]!]);
  });
  const fromEnd = Math.max(at, (gone.at(-1) ?? -1) + 1);
  copyTo(from.length);
  const result = sorted(join(outKeys), outValues && join(outValues));
  const toEnd = result.keys.length - (from.length - fromEnd);
  remember(datum, result, { start, fromEnd, toEnd });
  return result;
}

/** `edit` for one element, in or out, as fast as it can be. */
function editOne(
  datum: Datum,
  gone: number | undefined,
  key: Atom | undefined,
  values: readonly Atom[] | undefined,
): Datum {
  const start = gone ?? lowerBound(datum.keys, key!, 0);
  const replace = (atoms: readonly Atom[], atom: Atom | undefined) =>
    atom === undefined ? atoms.toSpliced(start, 1) : atoms.toSpliced(start, 0, atom);
  const result = sorted(replace(datum.keys, key), values && replace(datum.values!, values[0]));
  const [fromEnd, toEnd] = gone === undefined ? [start, start + 1] : [start + 1, start];
  remember(datum, result, { start, fromEnd, toEnd });
  return result;
}

/** What `edit` does, at a cost that grows with the set only. */
function rebuild(
  datum: Datum,
  gone: readonly number[],
  keys: readonly Atom[],
  values: readonly Atom[] | undefined,
): Datum {
  const out = new Set(gone);
  const kept = datum.keys.filter((_, i) => !out.has(i)).concat(keys);
  if (!values) return makeDatum(kept);
  return makeDatum(kept, datum.values!.filter((_, i) => !out.has(i)).concat(values));
}

function join(parts: readonly (readonly Atom[])[]): readonly Atom[] {
  return ([] as Atom[]).concat(...parts);
}

/** A datum of keys in order: without the walk through them that `makeDatum` does. */
function sorted(keys: readonly Atom[], values: readonly Atom[] | undefined): Datum {
  if (keys.length < 2) return makeDatum(keys, values);
  return values ? { keys, values } : { keys };
}

/** The first position from `from` on whose key is not less. */
function lowerBound(keys: readonly Atom[], key: Atom, from: number): number {
  let [low, high] = [from, keys.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareAtoms(keys[middle]!, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
