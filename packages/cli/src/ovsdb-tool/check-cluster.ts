/** `check-cluster`: whether the logs of a cluster's servers agree with each other and themselves. */
import { type Json, printSortedJson } from '@heddle/ovsdb';
import { HeddleError } from '@heddle/runtime';
import { print } from '@heddle/runtime/stdio';
import {
  type ClusterHeader,
  type ClusterRecord,
  parseClusterHeader,
  parseClusterRecord,
  shortId,
} from './cluster-log.ts';
import { readClusterRecords } from './files.ts';

/** A server that led in a term, as one log tells. */
interface Leadership {
  readonly term: number;
  readonly leader: string;
  /** The last index of the log by then. */
  readonly lastIndex: number;
  readonly log: ServerLog;
}

export function checkCluster(paths: readonly string[]): 0 {
  const logs: ServerLog[] = [];
  const names = new Map<string, string>();
  for (const path of paths) {
    const [first, ...rest] = readClusterRecords(path);
    const header = parseClusterHeader(first!);
    if (!header.previous) {
      print(`${path} has not joined the cluster, omitting\n`);
      continue;
    }
    const log = new ServerLog(path, header, rest.map(parseClusterRecord), names);
    for (const other of logs) checkSameCluster(log, other);
    const twin = logs.find((other) => other.header.serverId === header.serverId);
    if (twin) {
      throw new HeddleError(
        `Duplicate server ID ${shortId(header.serverId)} in ${path} and ${twin.path}.`,
      );
    }
    names.set(header.serverId, path);
    logs.push(log);
  }
  if (logs.length === 0) throw new HeddleError('all logs are empty');
  for (const log of logs) log.check();
  checkLeaders(logs);
  checkCompleteness(logs);
  checkEntries(logs);
  return 0;
}

function checkSameCluster(log: ServerLog, other: ServerLog): void {
  const [a, b] = [other, log];
  if (a.header.clusterId !== b.header.clusterId) {
    const [x, y] = [a, b].map(({ header }) => shortId(header.clusterId ?? ''));
    throw new HeddleError(`${a.path} has cluster ID ${x} but ${b.path} has cluster ID ${y}`);
  }
  if (a.header.name !== b.header.name) {
    throw new HeddleError(
      `${a.path} is named "${a.header.name}" but ${b.path} is named "${b.header.name}"`,
    );
  }
}

/** Election safety: one leader in a term. */
function checkLeaders(logs: readonly ServerLog[]): void {
  const known = new Map<number, Leadership>();
  for (const leadership of logs.flatMap((log) => log.leaderships)) {
    const { term, leader, log } = leadership;
    const other = known.get(term);
    if (other && other.leader !== leader) {
      throw new HeddleError(
        `term ${term} has two different leaders: ${other.log.path} says that the leader is ${log.nameOf(other.leader)} and ${log.path} says that the leader is ${log.nameOf(leader)}`,
      );
    }
    if (!other) known.set(term, leadership);
  }
}

/** Leader completeness: a leader has all that was committed in earlier terms. */
function checkCompleteness(logs: readonly ServerLog[]): void {
  const commits = logs.flatMap((log) => log.commits.map((commit) => ({ ...commit, log })));
  for (const { term, leader, lastIndex, log } of logs.flatMap((l) => l.leaderships)) {
    if (leader !== log.header.serverId) continue;
    const missing = commits.filter((c) => c.term < term && c.index > lastIndex);
    const worst = missing.reduce((a, b) => (b.index > a.index ? b : a), missing[0]!);
    if (missing.length === 0) continue;
    throw new HeddleError(
      `leader ${log.path} for term ${term} has log entries only up to index ${lastIndex}, but index ${worst.index} was committed in a previous term (e.g. by ${worst.log.path})`,
    );
  }
}

/** Log matching: entries of the same index and term are the same. */
function checkEntries(logs: readonly ServerLog[]): void {
  const known = new Map<string, { text: string; log: ServerLog }>();
  for (const log of logs) {
    for (const [index, { term, text }] of log.entries) {
      const key = `${index} ${term}`;
      const other = known.get(key);
      if (other && other.text !== text) {
        throw new HeddleError(
          `log entries with index ${index} differ:\n${other.log.path} has ${other.text}\n${log.path} has ${text}`,
        );
      }
      if (!other) known.set(key, { text, log });
    }
  }
}

class ServerLog {
  readonly path: string;
  readonly header: ClusterHeader;
  readonly leaderships: Leadership[] = [];
  readonly commits: { readonly term: number; readonly index: number }[] = [];
  readonly entries = new Map<number, { readonly term: number; readonly text: string }>();
  readonly #records: readonly ClusterRecord[];
  readonly #names: ReadonlyMap<string, string>;
  #term: number;
  #lastIndex: number;
  #lastTerm: number;
  #commitIndex: number;
  #vote: string | undefined;
  #leader: { readonly id: string; readonly record: number } | undefined;

  constructor(
    path: string,
    header: ClusterHeader,
    records: readonly ClusterRecord[],
    names: ReadonlyMap<string, string>,
  ) {
    const { index, term } = header.previous!;
    this.path = path;
    this.header = header;
    this.#records = records;
    this.#names = names;
    this.#term = term;
    this.#lastTerm = term;
    this.#lastIndex = index;
    this.#commitIndex = index;
  }

  /** A server's file, where it is among those that are checked. */
  nameOf(serverId: string): string {
    return this.#names.get(serverId) ?? shortId(serverId);
  }

  check(): void {
    this.#records.forEach((record, i) => {
      const number = i + 1;
      if (record.kind === 'commit') this.#commit(record, number);
      else if (record.kind !== 'note') this.#event(record, number);
    });
  }

  #event(record: ClusterRecord, number: number): void {
    if (record.kind === 'entry') {
      this.#entry(record, number);
      return;
    }
    if (record.term > this.#term) {
      this.#term = record.term;
      this.#vote = undefined;
      this.#leader = undefined;
    }
    if (record.term < this.#term) return;
    if (record.kind === 'vote') this.#voted(record, number);
    else if (record.kind === 'leader') this.#led(record, number);
  }

  #voted({ vote, term }: ClusterRecord, number: number): void {
    if (this.#vote !== undefined && this.#vote !== vote) {
      this.#fail(
        number,
        `votes for ${this.nameOf(vote)} in term ${term} but a previous record for the same term voted for ${this.nameOf(this.#vote)}`,
      );
    }
    this.#vote = vote;
  }

  #led({ leader, term }: ClusterRecord, number: number): void {
    if (this.#leader && this.#leader.id !== leader) {
      const { id, record } = this.#leader;
      this.#fail(
        number,
        `reports leader ${this.nameOf(leader)} for term ${term} but record ${record} previously reported the leader as ${this.nameOf(id)} in that term`,
      );
    }
    this.#leader ??= { id: leader, record: number };
    this.leaderships.push({ term, leader, lastIndex: this.#lastIndex, log: this });
  }

  #entry(record: ClusterRecord, number: number): void {
    const { index, term } = record;
    const end = this.#lastIndex + 1;
    if (index < end) {
      const change = `log from ${end} to ${index} entries`;
      if (index < this.#commitIndex) {
        this.#fail(
          number,
          `attempts to truncate ${change}, but commit index is already ${this.#commitIndex}`,
        );
      }
      print(`${this.path}: record ${number} truncates ${change}\n`);
      for (let i = index; i < end; i++) this.entries.delete(i);
      this.#lastIndex = index - 1;
      this.#lastTerm = this.entries.get(index - 1)?.term ?? this.header.previous!.term;
    } else if (index > end) this.#fail(number, `skips from index ${end - 1} to ${index}`);
    if (term < this.#lastTerm) {
      this.#fail(
        number,
        `with index ${index} term ${term} precedes previous entry's term ${this.#lastTerm}`,
      );
    }
    this.#lastIndex = index;
    this.#lastTerm = term;
    this.entries.set(index, { term, text: printSortedJson(comparable(record)) });
  }

  #commit({ commitIndex }: ClusterRecord, number: number): void {
    if (commitIndex < this.#commitIndex) {
      this.#fail(number, `regresses commit index from ${this.#commitIndex} to ${commitIndex}`);
    }
    if (commitIndex > this.#lastIndex) {
      this.#fail(
        number,
        `advances commit index to ${commitIndex} but last log index is ${this.#lastIndex}`,
      );
    }
    this.#commitIndex = commitIndex;
    this.commits.push({ term: this.#term, index: commitIndex });
  }

  #fail(record: number, what: string): never {
    throw new HeddleError(`${this.path}: record ${record} ${what}`);
  }
}

/** What must be the same in every log. */
function comparable({ term, txn, eid, servers, electionTimer }: ClusterRecord): Json {
  return {
    term,
    ...(txn && eid !== undefined ? { data: [txn.schema ?? null, txn.data ?? null], eid } : {}),
    ...(servers ? { servers } : {}),
    ...(electionTimer === undefined ? {} : { election_timer: electionTimer }),
  };
}
