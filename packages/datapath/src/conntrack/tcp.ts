/**
 * TCP as a firewall between the ends sees it: which states they are in and which sequence numbers
 * they may use (G. van Rooij, "Real Stateful TCP Packet Filtering in IP Filter", 2001).
 */
import {
  TCP_ACK,
  TCP_FIN,
  TCP_PSH,
  TCP_RST,
  TCP_SYN,
  TCP_URG,
  tcpAck,
  tcpFlags,
  tcpHeaderLen,
  tcpSeq,
} from '@heddle/packet';
import type { CtTimeout } from './timeouts.ts';

/** In the order in which a connection goes through them; the rest of the names are never shown. */
export const TCPS = {
  CLOSED: 0,
  SYN_SENT: 2,
  SYN_RECV: 3,
  ESTABLISHED: 4,
  FIN_WAIT_1: 6,
  CLOSING: 7,
  FIN_WAIT_2: 9,
  TIME_WAIT: 10,
} as const;

export const TCP_STATE_NAMES = [
  'CLOSED',
  'LISTEN',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'CLOSE_WAIT',
  'FIN_WAIT_1',
  'CLOSING',
  'LAST_ACK',
  'FIN_WAIT_2',
  'TIME_WAIT',
] as const;

/** Window scale: bits 0-3 the shift, then whether it is known, and whether it is unknown. */
const WS_SHIFT = 0x0f;
const WS_GIVEN = 0x80;
const WS_UNKNOWN = 0x40;
/** What an unknown scale may be at most (RFC 7323). */
const WS_MAX = 14;

const MAX_ACK_WINDOW = 0xffff + 1500;

export interface TcpPeer {
  state: number;
  /** Highest sequence number sent so far, and the highest that it may send. */
  seqLo: number;
  seqHi: number;
  maxWin: number;
  wscale: number;
}

/** The originator, and the other end. */
export type TcpConn = readonly [TcpPeer, TcpPeer];

/** For people: whether windows are scaled, and whether the connection was picked up in the middle. */
export function scaleFlags(wscale: number): ('WINDOW_SCALE' | 'BE_LIBERAL')[] {
  if (wscale & WS_UNKNOWN) return ['BE_LIBERAL'];
  return wscale & WS_GIVEN ? ['WINDOW_SCALE'] : [];
}

export type CtUpdate = 'valid' | 'valid_new' | 'invalid' | 'new';

/** The numbers of a segment that matter here. */
export interface Segment {
  readonly flags: number;
  readonly seq: number;
  readonly ack: number;
  readonly win: number;
  readonly length: number;
  /** Window scale option. */
  readonly scale: number | undefined;
}

export function readSegment(dv: DataView, l4: number, end: number): Segment {
  const flags = tcpFlags(dv, l4) & 0x3f;
  return {
    flags,
    seq: tcpSeq(dv, l4),
    ack: tcpAck(dv, l4),
    win: dv.getUint16(l4 + 14),
    length: end - l4 - tcpHeaderLen(dv, l4),
    scale:
      (flags & TCP_SYN) === 0 ? undefined : windowScale(dv, l4 + 20, l4 + tcpHeaderLen(dv, l4)),
  };
}

/** RFC 9293, 3.1, and RFC 7323, 2.2. */
function windowScale(dv: DataView, at: number, end: number): number | undefined {
  let off = at;
  while (end - off >= 3) {
    const kind = dv.getUint8(off);
    if (kind === 0) return undefined;
    if (kind === 1) {
      off++;
      continue;
    }
    const length = dv.getUint8(off + 1);
    if (kind === 3) return Math.min(dv.getUint8(off + 2), WS_MAX);
    off += length < 2 ? 2 : length;
  }
  return undefined;
}

/** Flags that no end sends in earnest. */
function impossible(flags: number): boolean {
  if ((flags & TCP_SYN) !== 0 && (flags & (TCP_RST | TCP_FIN)) !== 0) return true;
  if ((flags & (TCP_SYN | TCP_ACK | TCP_RST)) === 0) return true;
  return (flags & TCP_ACK) === 0 && (flags & (TCP_FIN | TCP_PSH | TCP_URG)) !== 0;
}

/** A connection begins with a SYN, or is picked up in the middle; half open ones are not taken. */
export function tcpMayBegin({ flags }: Segment): boolean {
  const half = TCP_SYN | TCP_ACK;
  return !impossible(flags) && (flags & half) !== half;
}

export function newTcpConn(seg: Segment): TcpConn {
  const isSyn = (seg.flags & TCP_SYN) !== 0;
  const src: TcpPeer = {
    state: TCPS.SYN_SENT,
    seqLo: seg.seq,
    seqHi: (seg.seq + seg.length + 1) >>> 0,
    maxWin: Math.max(seg.win, 1),
    wscale: 0,
  };
  const dst: TcpPeer = { state: TCPS.CLOSED, seqLo: 0, seqHi: 1, maxWin: 1, wscale: 0 };
  if (isSyn) {
    src.seqHi = (src.seqHi + 1) >>> 0;
    if (seg.scale !== undefined) {
      src.wscale = seg.scale | WS_GIVEN;
      // The window of a SYN is never scaled; it is kept in units of the scale.
      src.maxWin = roundUp(src.maxWin, seg.scale);
    }
  } else {
    src.wscale = WS_UNKNOWN;
    dst.wscale = WS_UNKNOWN;
  }
  if ((seg.flags & TCP_FIN) !== 0) src.seqHi = (src.seqHi + 1) >>> 0;
  return [src, dst];
}

export function scaleShift(wscale: number): number {
  return wscale & WS_SHIFT;
}

function roundUp(win: number, shift: number): number {
  return (win + (1 << shift) - 1) >>> shift;
}

/** a >= b, around 2^32. */
function geq(a: number, b: number): boolean {
  return ((a - b) | 0) >= 0;
}

function scaled(win: number, shift: number): number {
  return (win << shift) >>> 0;
}

export function updateTcp(
  conn: TcpConn,
  reply: boolean,
  seg: Segment,
  checkSeq: boolean,
): { update: CtUpdate; timeout?: CtTimeout } {
  const src = conn[reply ? 1 : 0];
  const dst = conn[reply ? 0 : 1];
  const { flags } = seg;
  let { win } = seg;
  if (impossible(flags)) return { update: 'invalid' };
  if ((flags & (TCP_SYN | TCP_ACK)) === TCP_SYN) {
    if (dst.state >= TCPS.FIN_WAIT_2 && src.state >= TCPS.FIN_WAIT_2) {
      src.state = TCPS.CLOSED;
      dst.state = TCPS.CLOSED;
      return { update: 'new' };
    }
    if (src.state <= TCPS.SYN_SENT) {
      src.state = TCPS.SYN_SENT;
      return { update: 'valid_new', timeout: 'tcp_syn_sent' };
    }
  }
  let [sws, dws] = [0, 0];
  if (src.wscale & dst.wscale & WS_GIVEN && (flags & TCP_SYN) === 0) {
    sws = src.wscale & WS_SHIFT;
    dws = dst.wscale & WS_SHIFT;
  } else if (src.wscale & dst.wscale & WS_UNKNOWN && (flags & TCP_SYN) === 0) {
    sws = WS_MAX;
    dws = WS_MAX;
  }
  const origSeq = seg.seq;
  let { seq, ack } = seg;
  let end = (seq + seg.length) >>> 0;
  if ((flags & TCP_SYN) !== 0) end = (end + 1) >>> 0;
  if ((flags & TCP_FIN) !== 0) end = (end + 1) >>> 0;
  let checkAck = true;
  if (src.state < TCPS.SYN_SENT) {
    if ((flags & TCP_SYN) !== 0 && (dst.wscale & WS_GIVEN) !== 0) {
      if (seg.scale !== undefined) {
        src.wscale = seg.scale | WS_GIVEN;
        sws = seg.scale;
        win = roundUp(win, sws);
        dws = dst.wscale & WS_SHIFT;
      } else {
        dst.maxWin = scaled(dst.maxWin, dst.wscale & WS_SHIFT);
        dst.wscale = 0;
      }
    }
    src.seqLo = seq;
    src.state = TCPS.SYN_SENT;
    const room = (end + Math.max(1, scaled(dst.maxWin, dws))) >>> 0;
    if (src.seqHi === 1 || geq(room, src.seqHi)) {
      src.seqHi = room;
      // The other end's numbers may be unknown as yet.
      checkAck = false;
    }
    if (win > src.maxWin) src.maxWin = win;
  }
  if ((flags & TCP_ACK) === 0) {
    ack = dst.seqLo;
  } else if (ack === 0 && (flags & (TCP_ACK | TCP_RST)) === (TCP_ACK | TCP_RST)) {
    ack = dst.seqLo;
  }
  if (seq === end) {
    // Without data the number matters less: keep-alives, resets of broken stacks.
    seq = src.seqLo;
    end = seq;
  }
  const skew = checkAck ? (dst.seqLo - ack) | 0 : 0;
  const inWindow =
    geq(src.seqHi, end) &&
    geq(seq, (src.seqLo - scaled(dst.maxWin, dws)) >>> 0) &&
    skew >= -MAX_ACK_WINDOW &&
    skew <= MAX_ACK_WINDOW * 2 ** sws &&
    ((flags & TCP_RST) === 0 ||
      origSeq === src.seqLo ||
      origSeq === (src.seqLo + 1) >>> 0 ||
      (origSeq + 1) >>> 0 === src.seqLo);
  if (inWindow || !checkSeq) {
    advance(src, dst, { end, ack, win, sws });
    if ((flags & TCP_SYN) !== 0 && src.state < TCPS.SYN_SENT) src.state = TCPS.SYN_SENT;
    if ((flags & TCP_FIN) !== 0 && src.state < TCPS.CLOSING) src.state = TCPS.CLOSING;
    if ((flags & TCP_ACK) !== 0) {
      if (dst.state === TCPS.SYN_SENT) dst.state = TCPS.ESTABLISHED;
      else if (dst.state === TCPS.CLOSING) dst.state = TCPS.FIN_WAIT_2;
    }
    if ((flags & TCP_RST) !== 0) {
      src.state = TCPS.TIME_WAIT;
      dst.state = TCPS.TIME_WAIT;
    }
    return { update: 'valid', timeout: timeoutOf(src, dst) };
  }
  const isLoose =
    (dst.state < TCPS.SYN_SENT || dst.state >= TCPS.FIN_WAIT_2 || src.state >= TCPS.FIN_WAIT_2) &&
    geq((src.seqHi + MAX_ACK_WINDOW) >>> 0, end) &&
    geq(seq, (src.seqLo - MAX_ACK_WINDOW) >>> 0);
  if (!isLoose) return { update: 'invalid' };
  advance(src, dst, { end, ack, win, sws });
  if ((flags & TCP_FIN) !== 0 && src.state < TCPS.CLOSING) src.state = TCPS.CLOSING;
  if ((flags & TCP_RST) !== 0) {
    src.state = TCPS.TIME_WAIT;
    dst.state = TCPS.TIME_WAIT;
  }
  return { update: 'valid' };
}

interface Progress {
  readonly end: number;
  readonly ack: number;
  readonly win: number;
  readonly sws: number;
}

function advance(src: TcpPeer, dst: TcpPeer, p: Progress): void {
  if (src.maxWin < p.win) src.maxWin = p.win;
  if (geq(p.end, src.seqLo)) src.seqLo = p.end;
  const room = scaled(p.win, p.sws);
  if (geq((p.ack + room) >>> 0, dst.seqHi)) dst.seqHi = (p.ack + Math.max(room, 1)) >>> 0;
}

function timeoutOf(src: TcpPeer, dst: TcpPeer): CtTimeout {
  const [low, high] = src.state < dst.state ? [src.state, dst.state] : [dst.state, src.state];
  if (low >= TCPS.FIN_WAIT_2) return 'tcp_close';
  if (low >= TCPS.CLOSING) return 'tcp_time_wait';
  if (low < TCPS.ESTABLISHED) return 'tcp_syn_recv';
  return high >= TCPS.CLOSING ? 'tcp_fin_wait' : 'tcp_established';
}
