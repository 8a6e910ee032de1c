/** The monitors of one client. */
import {
  isUuid,
  type Json,
  jsonEquals,
  OvsdbError,
  printJson,
  printSortedJson,
} from '../notation/index.ts';
import { Audience, joinAudience, type Member, notification } from './audience.ts';
import type { Commit, Database } from './database.ts';
import { Monitor, type MonitorVersion } from './monitor.ts';
import type { Outbox } from './outbox.ts';
import { PendingChanges } from './pending-changes.ts';

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

class ActiveMonitor implements Member {
  readonly db: Database;
  readonly requests: Json;
  readonly version: MonitorVersion;
  readonly #outbox: Outbox;
  id: Json;
  idText: string;
  audience: Audience;
  /** Nobody else is of the audience: its conditions may change. */
  #isPrivate = false;
  /** What the client is to be told of when it takes more. */
  #pending: { changes: PendingChanges; lastId: string } | undefined;

  constructor(outbox: Outbox, db: Database, id: Json, requests: Json, version: MonitorVersion) {
    this.#outbox = outbox;
    this.db = db;
    this.requests = requests;
    this.version = version;
    this.id = id;
    this.idText = printJson(id);
    this.audience = joinAudience(db, requests, version, this);
  }

  get monitor(): Monitor {
    return this.audience.monitor;
  }

  stop(): void {
    this.audience.leave(this);
  }

  changed(commit: Commit, message: (idText: string) => string): void {
    if (!this.#outbox.isFull && !this.#pending) {
      this.#outbox.notify(message(this.idText));
      return;
    }
    this.#pending ??= { changes: new PendingChanges(), lastId: commit.id };
    this.#pending.changes.add(commit.changes);
    this.#pending.lastId = commit.id;
  }

  /** Tells what there was no room to tell. */
  catchUp(): void {
    if (!this.#pending) return;
    const { changes, lastId } = this.#pending;
    this.#pending = undefined;
    const updates = this.monitor.updatesText(changes.changes());
    if (updates !== undefined) this.#tell(lastId, updates);
  }

  /** Replaces conditions, tells what they bring in and take out, and takes another name. */
  change(id: Json, requests: Json): void {
    this.catchUp();
    const monitor = this.#isPrivate
      ? this.monitor
      : new Monitor(this.db.tables, this.requests, this.version);
    const updates = monitor.changeConditions(this.db.tables, requests, this.db.durableRows());
    if (!this.#isPrivate) {
      this.stop();
      this.audience = new Audience(this.db, monitor);
      this.audience.join(this);
      this.#isPrivate = true;
    }
    this.id = id;
    this.idText = printJson(id);
    if (Object.keys(updates).length > 0) this.#tell(this.db.lastId, printJson(updates as Json));
  }

  #tell(lastId: string, updates: string): void {
    this.#outbox.notify(notification(this.monitor, this.idText, lastId, updates));
  }
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
    const id = params[1] ?? null;
    if (this.#find(id))
      throw new OvsdbError('syntax error', 'duplicate monitor ID', printSortedJson(id));
    const active = new ActiveMonitor(this.#outbox, db, id, params[2] ?? null, version);
    // As upstream, what is monitored is judged before where to resume.
    const wrong = version === 3 ? wrongLastId(params[3]!) : undefined;
    if (wrong) {
      active.stop();
      throw wrong;
    }
    this.#monitors.push(active);
    return version < 3
      ? new Pieces(active.monitor.initial(db.durableRows()))
      : since(active, params[3] as string);
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
    if (active.version === 1) return {};
    active.change(params[1] ?? active.id, params[2] ?? null);
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
    for (const active of this.#monitors) active.catchUp();
  }

  #remove(active: ActiveMonitor): void {
    active.stop();
    this.#monitors.splice(this.#monitors.indexOf(active), 1);
  }

  #find(id: Json): ActiveMonitor | undefined {
    return this.#monitors.find((m) => jsonEquals(m.id, id));
  }
}

function wrongLastId(last: Json): OvsdbError | undefined {
  const wrong = (what: string) => new OvsdbError('syntax error', what, printSortedJson(last));
  if (typeof last !== 'string') return wrong('last-txn-id must be string');
  return isUuid(last) ? undefined : wrong('last-txn-id must be UUID format.');
}

/** [found, last id, updates]: what the client missed, or everything when that is not known. */
function since({ db, monitor }: ActiveMonitor, last: string): Json | Pieces {
  if (last === db.lastId) return [true, db.lastId, {}];
  const at = db.historyAfter(last);
  if (at === undefined || db.history.at(-1)?.id !== db.lastId) {
    return new Pieces(monitor.initial(db.durableRows()), `[false,"${db.lastId}",`, ']');
  }
  const missed = new PendingChanges();
  for (const commit of db.history.slice(at)) missed.add(commit.changes);
  return [true, db.lastId, (monitor.updates(missed.changes()) ?? {}) as Json];
}
