/** Connections that other connections announce in their payload: FTP (RFC 959, 2428), TFTP (RFC 1350). */
import type { OdpNat } from '../odp-actions.ts';
import type { Connection } from './connection.ts';
import type { Conntrack, TrackedPacket } from './conntrack.ts';
import { type Tuple, tupleKey } from './tuple.ts';

/** A connection that is to come. */
export interface Expectation {
  /** Of its first packet; the source port may be any. */
  readonly tuple: Tuple;
  readonly zone: number;
  readonly parent: Connection;
  /** How it is to be translated. */
  readonly nat: OdpNat | undefined;
  readonly expiresMs: number;
}

const MAX_EXPECTATIONS = 10_000;

export class AlgTracker {
  readonly #byTuple = new Map<string, Expectation>();

  expectations(): Iterable<Expectation> {
    return this.#byTuple.values();
  }

  expected(tuple: Tuple, zone: number, nowMs: number): Expectation | undefined {
    if (this.#byTuple.size === 0) return undefined;
    const found = this.#byTuple.get(key(tuple, zone));
    return found && found.expiresMs > nowMs ? found : undefined;
  }

  expect(e: Expectation): void {
    if (this.#byTuple.size < MAX_EXPECTATIONS) this.#byTuple.set(key(e.tuple, e.zone), e);
  }

  forget(e: Expectation): void {
    this.#byTuple.delete(key(e.tuple, e.zone));
  }

  forgetParent(parent: Connection): void {
    if (this.#byTuple.size === 0) return;
    for (const e of this.#byTuple.values()) if (e.parent === parent) this.forget(e);
  }

  sweep(nowMs: number): void {
    for (const e of this.#byTuple.values()) if (e.expiresMs <= nowMs) this.forget(e);
  }

  inspect(_ct: Conntrack, _packet: TrackedPacket, _conn: Connection, _isReply: boolean): void {}
}

function key(t: Tuple, zone: number): string {
  return tupleKey({ ...t, srcPort: 0 }, zone);
}
