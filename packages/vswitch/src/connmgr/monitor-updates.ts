/**
 * What a connection hears of the flows that it monitors. When it does not read, updates pause: from
 * then on it hears of flows that go, and of those that came or changed when it has read. What waits
 * are flows of the tables, so it cannot outgrow them.
 */
import { isDeepStrictEqual } from 'node:util';
import type { FlowUpdate } from '@heddle/openflow';
import type { FlowChange, FlowChanges } from '../ofproto/flow-changes.ts';
import type { Rule, RuleState } from '../ofproto/rule.ts';
import type { Connmgr } from './connmgr.ts';
import { type HeardUpdate, heardOf } from './flow-monitor.ts';
import { isThere } from './handle-flows.ts';
import type { OfConn } from './ofconn.ts';

/** A peer that lets this much pile up is told no more until it reads. */
const BACKLOG_BYTES = 128 * 1024;
const UPDATES_PER_TURN = 2000;

interface Pending {
  readonly type: 'add' | 'modify';
  /** The peer has heard of the flow, or of one of the same match and priority. */
  readonly isKnown: boolean;
}

export class MonitorUpdates {
  readonly #mgr: Connmgr;
  readonly #conn: OfConn;
  #pending: Map<Rule, Pending> | undefined;

  constructor(mgr: Connmgr, conn: OfConn) {
    this.#mgr = mgr;
    this.#conn = conn;
  }

  /** `isOwn`: the connection has asked for them, by a message of `xid`. */
  tell(changes: FlowChanges, isOwn: boolean, xid: number): void {
    if (!this.#pending && this.#conn.channel.backlog > BACKLOG_BYTES) this.#stop();
    const updates: FlowUpdate[] = [];
    const hear = (heard: HeardUpdate): void => {
      if (heard === 'abbreviated') {
        if (updates.at(-1)?.event !== 'abbrev') updates.push({ event: 'abbrev', xid });
      } else if (heard) updates.push(heard);
    };
    for (const change of changes.list) for (const heard of this.#heard(change, isOwn)) hear(heard);
    this.#send(updates);
  }

  *#heard(change: FlowChange, isOwn: boolean): IterableIterator<HeardUpdate> {
    if (change.type === 'group') return;
    if (change.type === 'clear') {
      for (const rule of change.rules.rules()) yield this.#removed(rule, change.reason, isOwn);
      return;
    }
    const { rule } = change;
    if (change.type === 'delete') {
      yield this.#removed(rule, change.reason, isOwn);
      return;
    }
    const before = change.type === 'add' ? change.replaced?.state : change.before;
    const isModified = change.type === 'modify' || change.isModified === true;
    if (isModified && before && isSame(rule.state, before)) return;
    const type = isModified ? 'modify' : 'add';
    const heard = heardOf(this.#conn, { type, rule, reason: 0, before: before?.actions }, isOwn);
    if (!this.#pending || heard === undefined || heard === 'abbreviated') {
      yield heard;
      return;
    }
    const known = change.type === 'add' ? change.replaced : rule;
    const waiting = known && this.#pending.get(known);
    if (known) this.#pending.delete(known);
    const isKnown = waiting ? waiting.isKnown : known !== undefined;
    this.#pending.set(rule, { type: waiting?.type ?? type, isKnown });
  }

  #removed(rule: Rule, reason: number, isOwn: boolean): HeardUpdate {
    const waiting = this.#pending?.get(rule);
    this.#pending?.delete(rule);
    if (waiting && !waiting.isKnown) return undefined;
    return heardOf(this.#conn, { type: 'delete', rule, reason }, isOwn);
  }

  #stop(): void {
    this.#pending = new Map();
    this.#sendPause('paused');
    void this.#conn.channel.drained().then(() => this.#goOn());
  }

  #goOn(): void {
    const conn = this.#conn;
    const pending = this.#pending;
    if (!pending || !conn.channel.isOpen) return;
    const updates: FlowUpdate[] = [];
    for (const [rule, { type }] of pending) {
      if (updates.length >= UPDATES_PER_TURN) break;
      pending.delete(rule);
      if (!isThere(this.#mgr, rule)) continue;
      const heard = heardOf(conn, { type, rule, reason: 0 }, false);
      if (heard && heard !== 'abbreviated') updates.push(heard);
    }
    this.#send(updates);
    if (pending.size > 0) {
      void conn.channel.drained().then(() => setImmediate(() => this.#goOn()));
      return;
    }
    this.#pending = undefined;
    this.#sendPause('resumed');
  }

  #send(updates: readonly FlowUpdate[]): void {
    if (updates.length > 0) this.#conn.send(0, { type: 'flow_monitor_reply', updates });
  }

  /** A message of its own before OpenFlow 1.4. */
  #sendPause(event: 'paused' | 'resumed'): void {
    if (this.#conn.version >= 5) this.#send([{ event }]);
    else this.#conn.send(0, { type: `flow_monitor_${event}` });
  }
}

/** As upstream, which does not tell of a modification that leaves cookie and actions as they were. */
function isSame(a: RuleState, b: RuleState): boolean {
  return (
    a.cookie === b.cookie && (a.actions === b.actions || isDeepStrictEqual(a.actions, b.actions))
  );
}
