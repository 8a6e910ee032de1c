/** The monitors of one client. */
import {
  isUuid,
  type Json,
  jsonEquals,
  OvsdbError,
  printJson,
  printSortedJson,
} from '../notation/index.ts';
import type { Commit, Database } from './database.ts';
import { Monitor, type MonitorVersion } from './monitor.ts';
import type { Outbox } from './outbox.ts';
import { PendingChanges } from './pending-changes.ts';

const UPDATE_METHODS: Readonly<Record<MonitorVersion, string>> = {
  1: 'update',
  2: 'update2',
  3: 'update3',
};

/** A result as JSON text, to be made piece by piece. */
export class Pieces {
  readonly #before: string;
  readonly #inner: Iterator<string>;
  readonly #after: string;

  constructor(inner: Iterator<string>, before = '', after = '') {
    this.#inner = inner;
    this.#before = before;
    this.#after = after;
  }

  *between(before: string, after: string): Generator<string, undefined> {
    yield before + this.#before;
    for (let next = this.#inner.next(); !next.done; next = this.#inner.next()) yield next.value;
    yield this.#after + after;
    return undefined;
  }
}

interface ActiveMonitor {
  id: Json;
  readonly db: Database;
  readonly monitor: Monitor;
  readonly stop: () => void;
  /** What the client is to be told of when it takes more. */
  pending: { changes: PendingChanges; lastId: string } | undefined;
}

/**
 * A client that does not take its updates gets one update for all of them when it does: it costs no
 * more memory than the rows that have changed.
 */
export class SessionMonitors {
  readonly #outbox: Outbox;
  readonly #monitors: ActiveMonitor[] = [];

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  get count(): number {
    return this.#monitors.length;
  }

  /** [<db-name>, <json-value>, <monitor-requests>] and, with version 3, <last-txn-id> */
  open(db: Database, params: readonly Json[], version: MonitorVersion): Json | Pieces {
    if (params.length !== (version === 3 ? 4 : 3)) {
      throw new OvsdbError('syntax error', 'invalid parameters', printSortedJson(params));
    }
    const last = params[3];
    if (version === 3 && typeof last !== 'string') {
      throw new OvsdbError('syntax error', 'last-txn-id must be string', printSortedJson(last!));
    }
    if (version === 3 && !isUuid(last as string)) {
      const what = 'last-txn-id must be UUID format.';
      throw new OvsdbError('syntax error', what, printSortedJson(last!));
    }
    const id = params[1] ?? null;
    if (this.#find(id))
      throw new OvsdbError('syntax error', 'duplicate monitor ID', printSortedJson(id));
    const monitor = new Monitor(db.tables, params[2] ?? null, version, db.seqno);
    const stop = db.onCommit((commit) => this.#changed(active, commit));
    const active: ActiveMonitor = { id, db, monitor, stop, pending: undefined };
    this.#monitors.push(active);
    return version < 3 ? new Pieces(monitor.initial()) : since(db, monitor, last as string);
  }

  change(params: readonly Json[]): Json {
    const active = this.#find(params[0] ?? null);
    if (params.length !== 3) {
      throw new OvsdbError('syntax error', 'invalid parameters', printSortedJson(params));
    }
    if (!active) {
      const syntax = printSortedJson(params[0]!);
      throw new OvsdbError('syntax error', 'unknown monitor session', syntax);
    }
    // Conditions are of later versions: upstream takes the request and does nothing.
    if (active.monitor.version === 1) return {};
    const updates = active.monitor.changeConditions(active.db.tables, params[2] ?? null);
    active.id = params[1] ?? active.id;
    if (Object.keys(updates).length > 0) {
      this.#tell(active, active.db.lastId, printJson(updates as Json));
    }
    return {};
  }

  cancel(params: readonly Json[]): Json {
    if (params.length !== 1) throw new OvsdbError('invalid parameters');
    const active = this.#find(params[0] ?? null);
    if (!active) throw new OvsdbError('unknown monitor');
    this.#remove(active);
    return {};
  }

  /** Ends the monitors of a database; returns their ids. */
  drop(db: Database): Json[] {
    const gone = this.#monitors.filter((m) => m.db === db);
    for (const active of gone) this.#remove(active);
    return gone.map(({ id }) => id);
  }

  stop(): void {
    for (const m of this.#monitors.splice(0)) m.stop();
  }

  /** Tells what there was no room to tell. */
  catchUp(): void {
    for (const active of this.#monitors) {
      if (!active.pending) continue;
      const { changes, lastId } = active.pending;
      active.pending = undefined;
      const updates = active.monitor.updates(changes.changes());
      if (updates) this.#tell(active, lastId, printJson(updates as Json));
    }
  }

  #changed(active: ActiveMonitor, commit: Commit): void {
    const { monitor } = active;
    if (commit.seqno <= monitor.seqno) return;
    if (this.#outbox.isFull || active.pending) {
      active.pending ??= { changes: new PendingChanges(), lastId: commit.id };
      active.pending.changes.add(commit.changes);
      active.pending.lastId = commit.id;
      return;
    }
    const updates = monitor.updatesText(commit);
    if (updates !== undefined) this.#tell(active, commit.id, updates);
  }

  #tell({ id, monitor: { version } }: ActiveMonitor, lastId: string, updates: string): void {
    const last = version === 3 ? `"${lastId}",` : '';
    const params = `${printJson(id)},${last}${updates}`;
    this.#outbox.notify(`{"id":null,"method":"${UPDATE_METHODS[version]}","params":[${params}]}`);
  }

  #remove(active: ActiveMonitor): void {
    active.stop();
    this.#monitors.splice(this.#monitors.indexOf(active), 1);
  }

  #find(id: Json): ActiveMonitor | undefined {
    return this.#monitors.find((m) => jsonEquals(m.id, id));
  }
}

/** [found, last id, updates]: what the client missed, or everything when that is not known. */
function since(db: Database, monitor: Monitor, last: string): Json | Pieces {
  const at = db.history.findIndex((c) => c.id === last);
  if (last === db.lastId) return [true, db.lastId, {}];
  if (at < 0 || db.history.at(-1)?.id !== db.lastId) {
    return new Pieces(monitor.initial(), `[false,"${db.lastId}",`, ']');
  }
  const missed = new PendingChanges();
  for (const commit of db.history.slice(at + 1)) missed.add(commit.changes);
  return [true, db.lastId, (monitor.updates(missed.changes()) ?? {}) as Json];
}
