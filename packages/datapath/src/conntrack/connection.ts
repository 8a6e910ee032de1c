/** A tracked connection, and how packets move it from state to state. */
import { IPPROTO_TCP, TCP_ACK } from '@heddle/packet';
import type { TrackedFrame } from './read-packet.ts';
import { ackOffset, type SeqAdjusts } from './seq-adjust.ts';
import {
  type CtUpdate,
  newTcpConn,
  readSegment,
  type Segment,
  TCPS,
  type TcpConn,
  tcpMayBegin,
  updateTcp,
} from './tcp.ts';
import type { CtTimeout, CtTimeouts } from './timeouts.ts';
import { isIcmp, isIcmpRequest, reversed, type Tuple } from './tuple.ts';

export type OtherState = 'first' | 'multiple' | 'bidirectional';

export interface Connection {
  /** Of the first packet, before translation. */
  readonly orig: Tuple;
  /** Of the answers to it, as they arrive. */
  reply: Tuple;
  readonly zone: number;
  readonly tcp: TcpConn | undefined;
  other: OtherState;
  expiresMs: number;
  mark: number;
  label: bigint;
  /** Which sides of the first packet are translated. */
  natSrc: boolean;
  natDst: boolean;
  /** `ftp` or `tftp`. */
  readonly helper: string | undefined;
  /** Of the connection that announced this one. */
  parent: Tuple | undefined;
  /** Of `TimeoutPolicies`. */
  readonly policy: number;
  /** Where text that was rewritten has another length. */
  adjusts: SeqAdjusts | undefined;
  dead: boolean;
}

/** Whether a packet may be a connection's first. */
export function mayBegin(frame: TrackedFrame, tuple: Tuple): boolean {
  if (tuple.proto === IPPROTO_TCP) {
    return tcpMayBegin(readSegment(frame.dv, frame.layout.l4, frame.layout.end));
  }
  return !isIcmp(tuple) || isIcmpRequest(tuple.dlType, tuple.icmpType);
}

export function newConnection(
  frame: TrackedFrame,
  orig: Tuple,
  about: Pick<Connection, 'zone' | 'helper' | 'policy'>,
  times: { readonly timeouts: Readonly<CtTimeouts>; readonly nowMs: number },
): Connection {
  const isTcp = orig.proto === IPPROTO_TCP;
  const { dv, layout } = frame;
  const first: CtTimeout = isTcp ? 'tcp_syn_sent' : isIcmp(orig) ? 'icmp_first' : 'udp_first';
  return {
    orig,
    reply: reversed(orig),
    ...about,
    tcp: isTcp ? newTcpConn(readSegment(dv, layout.l4, layout.end)) : undefined,
    other: 'first',
    expiresMs: times.nowMs + times.timeouts[first] * 1000,
    mark: 0,
    label: 0n,
    natSrc: false,
    natDst: false,
    parent: undefined,
    adjusts: undefined,
    dead: false,
  };
}

/** Whether a connection can be spared in a full table: over, or not answered yet. */
export function isSpare({ expiresMs, tcp, other }: Connection, nowMs: number): boolean {
  if (expiresMs <= nowMs) return true;
  if (!tcp) return other !== 'bidirectional';
  const [orig, reply] = tcp;
  const isOver = orig.state >= TCPS.FIN_WAIT_2 && reply.state >= TCPS.FIN_WAIT_2;
  return reply.state === TCPS.CLOSED || isOver;
}

export function updateConnection(
  conn: Connection,
  frame: TrackedFrame,
  isReply: boolean,
  checkSeq: boolean,
  times: { readonly timeouts: Readonly<CtTimeouts>; readonly nowMs: number },
): CtUpdate {
  const { update, timeout } = step(conn, frame, isReply, checkSeq);
  if (timeout) conn.expiresMs = times.nowMs + times.timeouts[timeout] * 1000;
  return update;
}

/** With an acknowledgement of what the other end has sent itself. */
function asSent(segment: Segment, adjusts: SeqAdjusts | undefined, isReply: boolean): Segment {
  if (!adjusts || (segment.flags & TCP_ACK) === 0) return segment;
  const { ack } = segment;
  return { ...segment, ack: (ack - ackOffset(adjusts[isReply ? 0 : 1], ack)) >>> 0 };
}

function step(
  conn: Connection,
  { dv, layout }: TrackedFrame,
  isReply: boolean,
  checkSeq: boolean,
): { update: CtUpdate; timeout?: CtTimeout } {
  if (conn.tcp) {
    const segment = readSegment(dv, layout.l4, layout.end);
    return updateTcp(conn.tcp, isReply, asSent(segment, conn.adjusts, isReply), checkSeq);
  }
  if (isIcmp(conn.orig)) {
    if (isReply) conn.other = 'bidirectional';
    return conn.other === 'bidirectional'
      ? { update: 'valid', timeout: 'icmp_reply' }
      : { update: 'valid_new', timeout: 'icmp_first' };
  }
  if (isReply) conn.other = 'bidirectional';
  else if (conn.other === 'first') conn.other = 'multiple';
  return conn.other === 'bidirectional'
    ? { update: 'valid', timeout: 'udp_multiple' }
    : { update: 'valid_new', timeout: 'udp_single' };
}
