/** What the switch needs of a spanning tree protocol, whichever it is. */

/** What a port does in the tree; undefined for a port that has no part in it. */
export type TreeState = 'disabled' | 'blocking' | 'listening' | 'learning' | 'forwarding';

/** Whether addresses are learned from what comes in. */
export function learns(state: TreeState | undefined): boolean {
  return state === 'learning' || forwards(state);
}

/** Whether packets pass, in either direction. */
export function forwards(state: TreeState | undefined): boolean {
  return state === undefined || state === 'forwarding';
}

/** Clocks have fractions: what is due within so little is due now. In milliseconds. */
export const CLOCK_GRAIN_MS = 0.01;

export interface BpduToSend<P> {
  readonly port: P;
  readonly pdu: Uint8Array;
}

/** A protocol entity: no I/O, time is told. `P` is what ports are known by. */
export interface SpanningTree<P> {
  /** When `run` has something to do next. */
  readonly nextMs: number;
  run(nowMs: number): void;
  receive(port: P, pdu: Uint8Array, nowMs: number): void;
  /** undefined: the port has no part in it. */
  stateOf(port: P): TreeState | undefined;
  /** What to send, once. */
  takeBpdus(): readonly BpduToSend<P>[];
  /** Ports whose addresses are to be forgotten, once. */
  takeFlushes(): ReadonlySet<P>;
  /** Addresses are forgotten after so long while the topology changes (802.1D-1998, 7.9.2). */
  readonly ageingMs: number | undefined;
  /** Sets off a topology change by hand. */
  changeTopology(nowMs: number): void;
}

export function bridgeIdOf(priority: number, address: number): bigint {
  return (BigInt(priority) << 48n) | BigInt(address);
}

export function priorityOf(bridgeId: bigint): number {
  return Number(bridgeId >> 48n);
}

export function addressOf(bridgeId: bigint): number {
  return Number(bridgeId & 0xffff_ffff_ffffn);
}
