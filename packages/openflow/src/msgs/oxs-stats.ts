/**
 * Statistics of OpenFlow 1.5: OXS entries (OpenFlow 1.5.1 section 7.2.4), in flow and aggregate
 * replies and in removals of flows.
 */
import type { ByteWriter } from '../actions/byte-writer.ts';
import { putInstructions } from '../actions/index.ts';
import { OfpError } from '../errors.ts';
import type { Match } from '../match.ts';
import { type FlowStats, UNKNOWN_COUNT } from '../messages.ts';
import { flowFlagsFromWire, flowFlagsToWire } from './flow-flags.ts';
import { pullActions, pullEntryMatch } from './flow-stats.ts';
import { type AnyForm, form, writeNothing } from './form.ts';
import { pullList } from './list.ts';
import { pullMatch11, putMatch11 } from './match-bytes.ts';
import type { Reader } from './reader.ts';

const OXS_CLASS = 0x8002;
const OXS = { duration: 0, idleTime: 1, flowCount: 3, packetCount: 4, byteCount: 5 } as const;
const UNKNOWN_32 = 0xffff_ffff;

type Duration = Pick<FlowStats, 'durationSec' | 'durationNsec'>;

interface Counters {
  durationSec: number;
  durationNsec: number;
  idleAge: number;
  flowCount: number;
  packetCount: bigint;
  byteCount: bigint;
}

/** Entries behind a header of 4 bytes, all padded to a multiple of 8. Others are skipped. */
function pullOxs(r: Reader): Counters {
  const start = r.off;
  r.short = 'OFPBMC_BAD_LEN';
  r.take(2);
  const length = r.u16();
  const padded = (length + 7) & ~7;
  if (length < 4 || padded - 4 > r.left) throw new OfpError('OFPBMC_BAD_LEN');
  const entries = r.restOf(start, padded);
  entries.end = start + length;
  entries.short = 'OFPBMC_BAD_LEN';
  const counters = {
    ...{ durationSec: UNKNOWN_32, durationNsec: UNKNOWN_32, idleAge: -1, flowCount: UNKNOWN_32 },
    ...{ packetCount: UNKNOWN_COUNT, byteCount: UNKNOWN_COUNT },
  };
  while (entries.left > 0) {
    const header = entries.u32();
    const size = header & 0xff;
    const at = entries.take(size);
    if (header >>> 16 === OXS_CLASS) setCounter(counters, entries, (header >>> 9) & 0x7f, size, at);
  }
  return counters;
}

function setCounter(c: Counters, { dv }: Reader, field: number, size: number, at: number): void {
  if (size !== (field === OXS.flowCount ? 4 : 8)) return;
  switch (field) {
    case OXS.duration:
      c.durationSec = dv.getUint32(at);
      c.durationNsec = dv.getUint32(at + 4);
      break;
    case OXS.idleTime:
      c.idleAge = dv.getUint32(at);
      break;
    case OXS.flowCount:
      c.flowCount = dv.getUint32(at);
      break;
    case OXS.packetCount:
      c.packetCount = dv.getBigUint64(at);
      break;
    case OXS.byteCount:
      c.byteCount = dv.getBigUint64(at);
  }
}

function putEntry(w: ByteWriter, field: number, size = 8): number {
  const at = w.grow(4 + size);
  w.dv.setUint32(at, ((OXS_CLASS << 16) | (field << 9) | size) >>> 0);
  return at + 4;
}

function putDuration(w: ByteWriter, { durationSec, durationNsec }: Duration): void {
  if (durationSec === UNKNOWN_32) return;
  const at = putEntry(w, OXS.duration);
  w.dv.setUint32(at, durationSec);
  w.dv.setUint32(at + 4, durationNsec);
}

function putCounts(w: ByteWriter, packetCount: bigint, byteCount: bigint): void {
  if (packetCount !== UNKNOWN_COUNT) {
    w.setU64(putEntry(w, OXS.packetCount), packetCount);
  }
  if (byteCount !== UNKNOWN_COUNT) w.setU64(putEntry(w, OXS.byteCount), byteCount);
}

function finishOxs(w: ByteWriter, start: number): void {
  w.dv.setUint16(start + 2, w.length - start);
  w.align8(start);
}

function pullFlow(r: Reader): FlowStats {
  const start = r.off;
  const { match, counters } = pullMatchAndCounters(r);
  const { dv, u8 } = r;
  return {
    match,
    tableId: u8[start + 4]!,
    priority: dv.getUint16(start + 6),
    idleTimeout: dv.getUint16(start + 8),
    hardTimeout: dv.getUint16(start + 10),
    cookie: dv.getBigUint64(start + 16),
    durationSec: counters.durationSec,
    durationNsec: counters.durationNsec,
    idleAge: counters.idleAge,
    hardAge: -1,
    packetCount: counters.packetCount,
    byteCount: counters.byteCount,
    flags: flowFlagsFromWire(dv.getUint16(start + 12), 6),
    importance: dv.getUint16(start + 14),
    actions: pullActions(r, start, 6),
  };
}

/** Upstream has no name for what is wrong here. */
function pullMatchAndCounters(r: Reader): { match: Match; counters: Counters } {
  try {
    const start = r.take(24);
    const match = pullEntryMatch(r);
    const counters = pullOxs(r);
    if (r.dv.getUint16(start) < r.off - start) throw new OfpError('OFPBRC_BAD_LEN');
    return { match, counters };
  } catch (error) {
    if (error instanceof OfpError) throw new OfpError('<invalid>', error.message);
    throw error;
  }
}

function putFlow(w: ByteWriter, flow: FlowStats): void {
  const start = w.grow(24);
  const { dv } = w;
  w.u8[start + 4] = flow.tableId;
  dv.setUint16(start + 6, flow.priority);
  dv.setUint16(start + 8, flow.idleTimeout);
  dv.setUint16(start + 10, flow.hardTimeout);
  dv.setUint16(start + 12, flowFlagsToWire(flow.flags, 6));
  dv.setUint16(start + 14, flow.importance);
  dv.setBigUint64(start + 16, flow.cookie);
  putMatch11(w, flow.match, 6);
  const oxs = w.grow(4);
  putDuration(w, flow);
  if (flow.idleAge >= 0) w.setU32(putEntry(w, OXS.idleTime), flow.idleAge);
  putCounts(w, flow.packetCount, flow.byteCount);
  finishOxs(w, oxs);
  putInstructions(w, flow.actions, 6);
  w.dv.setUint16(start, w.length - start);
}

const flowReply = form<'flow_reply'>({
  type: 'flow_reply',
  name: 'OFPST_FLOW',
  since: 6,
  until: 6,
  wire: { ofpst: 1, reply: true },
  min: 0,
  step: 1,
  decode: (r) => pullList(r, pullFlow, (flows) => ({ flows })),
  encode: writeNothing,
  entries: { of: (msg) => msg.flows, put: putFlow },
});

const aggregateReply = form<'aggregate_reply'>({
  type: 'aggregate_reply',
  name: 'OFPST_AGGREGATE',
  since: 6,
  until: 6,
  wire: { ofpst: 2, reply: true },
  min: 0,
  step: 1,
  decode: (r) => {
    const { packetCount, byteCount, flowCount } = pullOxs(r);
    return { packetCount, byteCount, flowCount };
  },
  encode: (w, { packetCount, byteCount, flowCount }) => {
    const start = w.grow(4);
    putCounts(w, packetCount, byteCount);
    w.setU32(putEntry(w, OXS.flowCount, 4), flowCount);
    finishOxs(w, start);
  },
});

const flowRemoved = form<'flow_removed'>({
  type: 'flow_removed',
  name: 'OFPT_FLOW_REMOVED',
  since: 6,
  until: 6,
  wire: { ofpt: 11 },
  min: 16,
  step: 8,
  decode: (r) => {
    const tableId = r.byte();
    const reason = r.byte();
    const priority = r.u16();
    const idleTimeout = r.u16();
    const hardTimeout = r.u16();
    const cookie = r.u64();
    const match = pullMatch11(r);
    const { durationSec, durationNsec, packetCount, byteCount } = pullOxs(r);
    return {
      ...{ tableId, reason, priority, idleTimeout, hardTimeout, cookie, match },
      ...{ durationSec, durationNsec, packetCount, byteCount },
    };
  },
  encode: (w, msg) => {
    w.byte(msg.tableId);
    w.byte(msg.reason);
    w.u16(msg.priority);
    w.u16(msg.idleTimeout);
    w.u16(msg.hardTimeout);
    w.u64(msg.cookie);
    putMatch11(w, msg.match, 6);
    const start = w.grow(4);
    putDuration(w, msg);
    putCounts(w, msg.packetCount, msg.byteCount);
    finishOxs(w, start);
  },
});

export const OXS_STATS_FORMS: readonly AnyForm[] = [flowReply, aggregateReply, flowRemoved];
