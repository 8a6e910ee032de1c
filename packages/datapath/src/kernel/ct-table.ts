/** The programs' connection table as the daemon keeps it (bpf/ct-maps.h). */
import type { BpfMap, MapScan } from '@heddle/linux/bpf/index';
import type { CtEntry } from '../conntrack/format.ts';
import type { IpfStatus } from '../conntrack/ipf.ts';
import { type CtTimeouts, DEFAULT_TIMEOUTS } from '../conntrack/timeouts.ts';
import type { CtFilter, DpConntrack } from '../dpif.ts';
import {
  ANNOUNCED,
  aliasKey,
  DNAT,
  ENTRY,
  entryOf,
  FTP,
  KEY,
  type RawConnection,
  SNAT,
} from './ct-entry.ts';

/** Copied when other programs take over. */
export const CT_TABLES = ['cts', 'ct_aliases', 'ct_parents', 'ct_gains', 'ct_expects'] as const;
export const CT_MEMORY = ['ct_zones', 'ct_globals', 'ct_policies'] as const;

/** struct ct_global, as 32-bit words */
export const GLOBAL = {
  max: 0,
  count: 1,
  defaultLimit: 2,
  noSeqCheck: 3,
  refused: 4,
  evicted: 6,
  expects: 12,
};
const ZONES = 65536;
/** Of a zone that has a limit of its own, namely none. */
const NO_LIMIT = -1;
const POLICIES = 256;
const POLICY_WORDS = 16;
/** A word that the programs do not look at. */
const POLICY_SET = 15;
const ORDER: readonly (keyof CtTimeouts)[] = [
  'tcp_syn_sent',
  'tcp_syn_recv',
  'tcp_established',
  'tcp_fin_wait',
  'tcp_time_wait',
  'tcp_close',
  'udp_first',
  'udp_single',
  'udp_multiple',
  'icmp_first',
  'icmp_reply',
];
type Maps = Readonly<Record<string, BpfMap>>;

/** Limits and times of a table that is new. */
export function resetConntrack(maps: Maps): void {
  const globals = new Int32Array(maps['ct_globals']!.memory());
  globals[0] = maps['cts']!.info.maxEntries;
  const policies = new Uint32Array(maps['ct_policies']!.memory());
  for (let id = 0; id < POLICIES; id++) putPolicy(policies, id, undefined);
}

function putPolicy(
  words: Uint32Array,
  id: number,
  timeouts: Partial<CtTimeouts> | undefined,
): void {
  const policy = { ...DEFAULT_TIMEOUTS, ...timeouts };
  for (const [i, name] of ORDER.entries()) words[id * POLICY_WORDS + i] = policy[name];
  words[id * POLICY_WORDS + POLICY_SET] = timeouts ? 1 : 0;
}

/** Elements that a sweep looks at: all within some twenty seconds, a small table at once. */
const MIN_SLICE = 4096;
const SWEEPS = 200;
/** A pass through the table may take a two hundredth of the time; the next begins within bounds. */
const PASS_SHARE = 200;
const MIN_PAUSE_MS = 500;
const MAX_PAUSE_MS = 5000;
/** Elements after which a flush pauses. */
const FLUSH_SLICE = 4096;

export class CtTable implements DpConntrack {
  readonly #cts: BpfMap;
  readonly #aliases: BpfMap;
  readonly #parents: BpfMap;
  readonly #gains: BpfMap;
  readonly #zones: Int32Array;
  readonly #globals: Int32Array;
  readonly #policies: Uint32Array;
  #scan: MapScan | undefined;
  /** What this pass has cost so far, and when the next may begin. */
  #passMs = 0;
  #nextPassMs = 0;

  readonly ipf: IpfStatus;

  constructor(maps: Maps, ipf: IpfStatus) {
    this.ipf = ipf;
    this.#cts = maps['cts']!;
    this.#aliases = maps['ct_aliases']!;
    this.#parents = maps['ct_parents']!;
    this.#gains = maps['ct_gains']!;
    this.#zones = new Int32Array(maps['ct_zones']!.memory());
    this.#globals = new Int32Array(maps['ct_globals']!.memory());
    this.#policies = new Uint32Array(maps['ct_policies']!.memory());
  }

  /** Connections counted, those that have expired and were not swept yet among them. */
  get count(): number {
    return Atomics.load(this.#globals, GLOBAL.count);
  }

  get maxConnections(): number {
    return this.#globals[GLOBAL.max]!;
  }

  /** No more than the table was made for. */
  set maxConnections(n: number) {
    this.#globals[GLOBAL.max] = Math.min(n, this.#cts.info.maxEntries);
  }

  get defaultLimit(): number {
    return this.#globals[GLOBAL.defaultLimit]!;
  }

  set defaultLimit(n: number) {
    this.#globals[GLOBAL.defaultLimit] = n;
  }

  get checkSeq(): boolean {
    return this.#globals[GLOBAL.noSeqCheck] === 0;
  }

  set checkSeq(on: boolean) {
    this.#globals[GLOBAL.noSeqCheck] = on ? 0 : 1;
  }

  *zoneLimits(): Iterable<readonly [zone: number, limit: number]> {
    for (let zone = 0; zone < ZONES; zone++) {
      const limit = this.#zones[4 * zone]!;
      if (limit !== 0) yield [zone, limit === NO_LIMIT ? 0 : limit];
    }
  }

  setZoneLimit(zone: number, limit: number | undefined): void {
    this.#zones[4 * zone] = limit === undefined ? 0 : limit === 0 ? NO_LIMIT : limit;
  }

  zoneCount(zone: number): number {
    return Atomics.load(this.#zones, 4 * zone + 1);
  }

  setTimeoutPolicy(id: number, timeouts: Partial<CtTimeouts> | undefined): void {
    putPolicy(this.#policies, id, timeouts);
  }

  *timeoutPolicies(): Iterable<readonly [id: number, timeouts: Readonly<CtTimeouts>]> {
    for (let id = 1; id < POLICIES; id++) {
      const at = id * POLICY_WORDS;
      if (this.#policies[at + POLICY_SET] === 0) continue;
      const each = ORDER.map((name, i) => [name, this.#policies[at + i]!] as const);
      yield [id, Object.fromEntries(each) as unknown as CtTimeouts];
    }
  }

  get refused(): number {
    return this.#globals[GLOBAL.refused]!;
  }

  get evicted(): number {
    return this.#globals[GLOBAL.evicted]!;
  }

  *entries(): Iterable<CtEntry> {
    const now = nowNs();
    for (const raw of this.#cts.entries()) {
      const entry = entryOf(raw, now);
      if (entry.timeout >= 0) yield entry;
    }
  }

  *flushing({ zone, which }: CtFilter): Generator<void, number> {
    const now = nowNs();
    let n = 0;
    let since = 0;
    const scan = this.#cts.scan();
    for (let count = scan.next(); count > 0; count = scan.next()) {
      n += this.#removeFrom(scan, count, (i) => {
        const isThere = scan.keys.readUInt16LE(i * KEY.bytes + KEY.zone) === (zone ?? -1);
        if (zone !== undefined && !isThere) return false;
        return which === undefined || which(entryOf(connectionAt(scan, i), now));
      });
      since += count;
      if (since < FLUSH_SLICE) continue;
      since = 0;
      yield;
    }
    return n;
  }

  /** Removes connections whose time is over, a slice of the table at each call. */
  sweep(): void {
    // To go through a table takes the kernel as long as it is large, though it be empty.
    const start = performance.now();
    if (this.#scan === undefined && (this.count === 0 || start < this.#nextPassMs)) return;
    const isDone = this.#sweepSlice();
    const end = performance.now();
    this.#passMs += end - start;
    if (!isDone) return;
    const pause = this.#passMs * PASS_SHARE;
    this.#nextPassMs = end + Math.min(Math.max(pause, MIN_PAUSE_MS), MAX_PAUSE_MS);
    this.#passMs = 0;
  }

  /** True when that was the last slice. */
  #sweepSlice(): boolean {
    const now = nowNs();
    const [low, high] = [now % 2 ** 32, Math.floor(now / 2 ** 32)];
    const slice = Math.max(MIN_SLICE, this.count / SWEEPS);
    for (let seen = 0; seen < slice; ) {
      this.#scan ??= this.#cts.scan();
      const count = this.#scan.next();
      if (count === 0) {
        this.#scan = undefined;
        return true;
      }
      seen += count;
      const { values } = this.#scan;
      this.#removeFrom(this.#scan, count, (i) => {
        const at = i * ENTRY.bytes + ENTRY.expires;
        const left = values.readUInt32LE(at + 4) - high;
        return left < 0 || (left === 0 && values.readUInt32LE(at) <= low);
      });
    }
    return false;
  }

  /** Removes those of a scan's elements that `isChosen`; returns how many there were still. */
  #removeFrom(scan: MapScan, count: number, isChosen: (index: number) => boolean): number {
    let n = 0;
    for (let i = 0; i < count; i++) {
      if (!isChosen(i)) continue;
      const { key, value } = connectionAt(scan, i);
      const flags = value[ENTRY.flags]!;
      if (flags & (SNAT | DNAT)) this.#aliases.delete(aliasKey({ key, value }));
      if (flags & ANNOUNCED) this.#parents.delete(key);
      if (flags & FTP) this.#gains.delete(key);
      if (!this.#cts.delete(key)) continue;
      Atomics.sub(this.#globals, GLOBAL.count, 1);
      Atomics.sub(this.#zones, 4 * key.readUInt16LE(KEY.zone) + 1, 1);
      n++;
    }
    return n;
  }
}

function connectionAt({ keys, values }: MapScan, i: number): RawConnection {
  return {
    key: keys.subarray(i * KEY.bytes, (i + 1) * KEY.bytes),
    value: values.subarray(i * ENTRY.bytes, (i + 1) * ENTRY.bytes),
  };
}

/** CLOCK_MONOTONIC, which the programs use, too. */
export function nowNs(): number {
  const [seconds, ns] = process.hrtime();
  return seconds * 1e9 + ns;
}
