/**
 * Entries of flow statistics (OpenFlow 1.1 to 1.4) as others before them: flows of one mask and state
 * differ in counters, times, priority and values of a few fields, for which the rest is copied.
 */
import { Flow } from '@heddle/packet';
import type { ByteWriter } from '../actions/byte-writer.ts';
import type { OfpVersion } from '../constants.ts';
import { type MatchValue, matchValues } from '../match/match-values.ts';
import type { FlowStats } from '../messages.ts';

const MATCH = 48;
const MOST_RECENT = 4;
/** So many entries in a row that were of no use: from then on few are kept. */
const PATIENCE = 32;

/** What flows of the same entry have in common beside their masks. */
type Alike = Pick<
  FlowStats,
  'tableId' | 'idleTimeout' | 'hardTimeout' | 'importance' | 'flags' | 'actions'
>;

interface Entry {
  readonly version: OfpVersion;
  readonly like: Alike;
  readonly mask: Flow;
  readonly bytes: Uint8Array;
  readonly values: readonly MatchValue[];
  /** Words of keys, the bits in them that are no values, and what these are. */
  readonly words: Uint8Array;
  readonly bits: Uint32Array;
  readonly same: Uint32Array;
}

const recent: Entry[] = [];
let unused = 0;

/** Appends the entry if it is as one of those that came last but for values. */
export function putKnownFlow(w: ByteWriter, flow: FlowStats, version: OfpVersion): boolean {
  const { match } = flow;
  if (!match.isMaskFixed) return false;
  for (let i = 0; i < recent.length; i++) {
    const entry = recent[i]!;
    if (entry.mask !== match.mask || entry.version !== version) continue;
    if (!isAlike(flow, entry.like) || !hasSame(entry, match.key)) continue;
    putEntry(w, entry, flow, match.key);
    unused = 0;
    return true;
  }
  return false;
}

function isAlike(a: Alike, b: Alike): boolean {
  return (
    a.actions === b.actions &&
    a.flags === b.flags &&
    a.tableId === b.tableId &&
    a.idleTimeout === b.idleTimeout &&
    a.hardTimeout === b.hardTimeout &&
    a.importance === b.importance
  );
}

function hasSame({ words, bits, same }: Entry, { u32 }: Flow): boolean {
  for (let i = 0; i < words.length; i++) {
    if ((u32[words[i]!]! & bits[i]!) >>> 0 !== same[i]) return false;
  }
  return true;
}

function putEntry(w: ByteWriter, { bytes, values }: Entry, flow: FlowStats, { u8: key }: Flow) {
  const start = w.grow(bytes.length);
  const { u8 } = w;
  u8.set(bytes, start);
  putVarying(w, start, flow);
  for (let i = 0; i < values.length; i++) {
    const { off, size, to } = values[i]!;
    for (let n = 0; n < size; n++) u8[start + off + n] = key[to + n]!;
  }
}

/** What differs from flow to flow, but for the match. */
export function putVarying({ dv }: ByteWriter, start: number, flow: FlowStats): void {
  dv.setUint32(start + 4, flow.durationSec);
  dv.setUint32(start + 8, flow.durationNsec);
  dv.setUint16(start + 12, flow.priority);
  dv.setBigUint64(start + 24, flow.cookie);
  dv.setBigUint64(start + 32, flow.packetCount);
  dv.setBigUint64(start + 40, flow.byteCount);
}

/** Keeps the entry from `start` on, of a flow whose mask nobody writes to. */
export function rememberFlow(
  w: ByteWriter,
  start: number,
  flow: FlowStats,
  version: OfpVersion,
): void {
  const { key, mask, tunMetadata, isMaskFixed } = flow.match;
  if (!isMaskFixed || tunMetadata.length > 0) return;
  if (unused++ > PATIENCE && unused % PATIENCE !== 0) return;
  const bytes = w.u8.slice(start, w.length);
  const matchLength = (bytes[MATCH + 2]! << 8) | bytes[MATCH + 3]!;
  const values = matchValues(bytes, MATCH + 4, MATCH + matchLength);
  const open = new Flow();
  for (const { to, size } of values) open.u8.fill(0xff, to, to + size);
  const words = Uint8Array.from([...mask.u32.keys()].filter((i) => mask.u32[i] !== 0));
  const bits = Uint32Array.from(words, (i) => ~open.u32[i]!);
  const same = Uint32Array.from(words, (i, n) => key.u32[i]! & bits[n]!);
  const { tableId, idleTimeout, hardTimeout, importance, flags, actions } = flow;
  const like = { tableId, idleTimeout, hardTimeout, importance, flags, actions };
  if (recent.length === MOST_RECENT) recent.pop();
  recent.unshift({ version, like, mask, bytes, values, words, bits, same });
}
