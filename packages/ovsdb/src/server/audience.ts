/** Monitors of a database that ask for the same see the same: what they see is printed once. */
import { coverage } from '@heddle/runtime';
import { type Json, printJson } from '../notation/index.ts';
import type { Commit, Database } from './database.ts';
import { Monitor, type MonitorVersion } from './monitor.ts';

const updatesSent = coverage.counter('ovsdb_update');
const UPDATE_METHODS: Readonly<Record<MonitorVersion, string>> = {
  1: 'update',
  2: 'update2',
  3: 'update3',
};

/** One client's monitor. */
export interface Member {
  /** Its name, as JSON text. */
  readonly idText: string;
  /** A commit that it sees; `message` gives the notification for a monitor of a name. */
  changed(commit: Commit, message: (idText: string) => string): void;
}

/** Those that are told the same. */
export class Audience {
  readonly monitor: Monitor;
  readonly #db: Database;
  readonly #members = new Set<Member>();
  #stop: (() => void) | undefined;

  constructor(db: Database, monitor: Monitor) {
    this.#db = db;
    this.monitor = monitor;
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  join(member: Member): void {
    this.#members.add(member);
    this.#stop ??= this.#db.onCommit((commit) => this.#committed(commit));
  }

  leave(member: Member): void {
    this.#members.delete(member);
    if (!this.isEmpty) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  #committed(commit: Commit): void {
    const updates = this.monitor.updatesText(commit.changes);
    if (updates === undefined) return;
    let known: { idText: string; message: string } | undefined;
    const message = (idText: string) => {
      // Clients of a kind name their monitors the same.
      if (known?.idText !== idText) {
        known = { idText, message: notification(this.monitor, idText, commit.id, updates) };
      }
      return known.message;
    };
    for (const member of this.#members) member.changed(commit, message);
    updatesSent.add(this.#members.size);
  }
}

/** The text of an update notification. */
export function notification(
  { version }: Monitor,
  idText: string,
  lastId: string,
  updates: string,
): string {
  const params = version === 3 ? `${idText},"${lastId}",${updates}` : `${idText},${updates}`;
  return `{"id":null,"method":"${UPDATE_METHODS[version]}","params":[${params}]}`;
}

/** The audiences of a database, by what they ask for. */
const audiences = new WeakMap<Database, Map<string, Audience>>();

/** Finds or founds the audience of a request; throws OvsdbError for one that is wrong. */
export function joinAudience(
  db: Database,
  requests: Json,
  version: MonitorVersion,
  member: Member,
): Audience {
  const key = `${version} ${printJson(requests)}`;
  let known = audiences.get(db);
  if (!known) {
    known = new Map();
    audiences.set(db, known);
  }
  let audience = known.get(key);
  if (!audience || audience.isEmpty) {
    audience = new Audience(db, new Monitor(db.tables, requests, version));
    for (const [other, { isEmpty }] of known) if (isEmpty) known.delete(other);
    known.set(key, audience);
  }
  audience.join(member);
  return audience;
}
