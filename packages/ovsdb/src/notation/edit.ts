/**
 * Changes of sets and maps whose cost grows with the change: sets may have a hundred thousand
 * elements of which a transaction adds one.
 */
import { type Atom, compareAtoms } from './atom.ts';
import {
  type ColumnType,
  type Datum,
  datumSize,
  findKey,
  makeDatum,
  onlyKey,
  sortedDatum,
} from './datum.ts';
import { LargeSet, MAX_PLAIN } from './large-set.ts';

/** The difference of datums that have fewer elements together is found as fast as looked up. */
const WORTH_KEEPING = 8;
/** A set that has become smaller than this is no large one any more. */
const MIN_LARGE = MAX_PLAIN / 2;

/** Adds elements; keys that a map has already keep their values. */
export function insertElements(datum: Datum, added: Datum): Datum {
  if (datum instanceof LargeSet) {
    const only = onlyKey(added);
    if (only !== undefined) return insertOne(datum, only);
    const missing = added.keys.filter((key) => !datum.has(key));
    return editLarge(datum, [], missing);
  }
  const keys: Atom[] = [];
  const values: Atom[] | undefined = datum.values && [];
  added.keys.forEach((key, i) => {
    if (findKey(datum, key) >= 0) return;
    keys.push(key);
    values?.push(added.values![i]!);
  });
  return keys.length === 0 ? datum : edit(datum, [], keys, values);
}

/** What most transactions do that change a large set. */
function insertOne(set: LargeSet, key: Atom): LargeSet {
  const edited = set.with(key);
  if (edited !== set) noteDifference(set, edited, [], [key]);
  return edited;
}

/** Removes elements; from a map those only whose values are equal, too, unless `byKey`. */
export function removeElements(datum: Datum, removed: Datum, byKey: boolean): Datum {
  if (datum instanceof LargeSet) {
    const there = removed.keys.filter((key) => datum.has(key));
    return editLarge(datum, there, []);
  }
  const gone: number[] = [];
  removed.keys.forEach((key, i) => {
    const at = findKey(datum, key);
    if (at < 0) return;
    if (byKey || !removed.values || removed.values[i] === datum.values![at]) gone.push(at);
  });
  return gone.length === 0 ? datum : edit(datum, gone, [], datum.values && []);
}

/** What is left of two datums without what both have at their ends. */
interface Differing {
  readonly before: Datum;
  readonly after: Datum;
}

/** A transaction, its record and its monitors ask for the difference of the same sets. */
let latest: (Differing & { readonly from: Datum; readonly to: Datum }) | undefined;

function differing(from: Datum, to: Datum): Differing {
  if (datumSize(from) + datumSize(to) < WORTH_KEEPING) return trim(from, to);
  if (latest?.from !== from || latest.to !== to) {
    let [before, after] = [from, to];
    if (from instanceof LargeSet && to instanceof LargeSet) {
      const keys = from.differing(to);
      [before, after] = [{ keys: keys.before }, { keys: keys.after }];
    }
    latest = { from, to, ...trim(before, after) };
  }
  return latest;
}

/** Keeps what has just been found out. */
function noteDifference(from: Datum, to: Datum, gone: readonly Atom[], added: readonly Atom[]) {
  latest = { from, to, before: { keys: gone }, after: { keys: added } };
}

function trim(from: Datum, to: Datum): Differing {
  const { keys: a, values: av } = from;
  const { keys: b, values: bv } = to;
  const same = (i: number, j: number) => a[i] === b[j] && (!av || av[i] === bv![j]);
  let start = 0;
  let endA = a.length;
  let endB = b.length;
  while (start < endA && start < endB && same(start, start)) start++;
  while (endA > start && endB > start && same(endA - 1, endB - 1)) {
    endA--;
    endB--;
  }
  return { before: slice(a, av, start, endA), after: slice(b, bv, start, endB) };
}

function slice(
  keys: readonly Atom[],
  values: readonly Atom[] | undefined,
  start: number,
  end: number,
): Datum {
  const part = keys.slice(start, end);
  return values ? { keys: part, values: values.slice(start, end) } : { keys: part };
}

/** How many elements two datums have in memory that they do not share. */
export function differenceSize(from: Datum, to: Datum): number {
  if (!(from instanceof LargeSet && to instanceof LargeSet)) return datumSize(from) + datumSize(to);
  return from.differingSize(to);
}

/** The elements of `to` that change `from` into it: RFC-style `update2` diffs (ovsdb-server(7)). */
export function diffDatum(type: ColumnType, from: Datum, to: Datum): Datum {
  if (type.max === 1) return to;
  const { before, after } = differing(from, to);
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
  if (from instanceof LargeSet) {
    const there = diff.keys.filter((key) => from.has(key));
    const missing = diff.keys.filter((key) => !from.has(key));
    return editLarge(from, there, missing);
  }
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
  const d = differing(from, to);
  const [before, after] = [d.before.keys, d.after.keys];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    const order =
      i === before.length ? 1 : j === after.length ? -1 : compareAtoms(before[i]!, after[j]!);
    if (order <= 0) i++;
    if (order >= 0) j++;
    if (order < 0) removed(before[i - 1]!);
    if (order > 0) added(after[j - 1]!);
  }
}

/** More changes of one datum than this are not made one by one. */
const MANY = 100;

/** Takes the elements at `gone` out and puts new ones in; all are in ascending order. */
function edit(
  datum: Datum,
  gone: readonly number[],
  keys: readonly Atom[],
  values: readonly Atom[] | undefined,
): Datum {
  if (gone.length + keys.length > MANY) return rebuild(datum, gone, keys, values);
  const outKeys = datum.keys.slice();
  const outValues = values && datum.values!.slice();
  // From the end, so that positions in front stay.
  for (const at of gone.toReversed()) {
    outKeys.splice(at, 1);
    outValues?.splice(at, 1);
  }
  keys.forEach((key, i) => {
    const at = lowerBound(outKeys, key);
    outKeys.splice(at, 0, key);
    outValues?.splice(at, 0, values![i]!);
  });
  return outKeys.length < 2 ? makeDatum(outKeys, outValues) : sortedDatum(outKeys, outValues);
}

/** `edit` of a large set, by its atoms. */
function editLarge(set: LargeSet, gone: readonly Atom[], added: readonly Atom[]): Datum {
  if (gone.length === 0 && added.length === 0) return set;
  if (set.size + added.length - gone.length <= MIN_LARGE) {
    const out = new Set(gone);
    return makeDatum(set.keys.filter((key) => !out.has(key)).concat(added));
  }
  const edited = set.edited(gone, added);
  noteDifference(set, edited, gone, added);
  return edited;
}

/** What `edit` does, at a cost that grows with the datum only. */
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

/** The first position whose key is not less. */
function lowerBound(keys: readonly Atom[], key: Atom): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareAtoms(keys[middle]!, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
