/** Flow and aggregate statistics of OpenFlow 1.0 to 1.4 and of Nicira's extension with NXM. */
import { vlog } from '@heddle/runtime';
import type { ByteWriter } from '../actions/byte-writer.ts';
import { parseInstructions, putInstructions } from '../actions/index.ts';
import { OFPG_ANY, type OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import { emitNxMatch, emitOfp10Match, parseOfp10Match, putOxmMatch } from '../match/index.ts';
import type { Match } from '../match.ts';
import type { FlowModFlags, FlowStats, FlowStatsRequest } from '../messages.ts';
import type { OfpAct } from '../ofp-actions.ts';
import { refusal } from '../refuse.ts';
import { putKnownFlow, putVarying, rememberFlow } from './flow-entries.ts';
import { flowFlagsFromWire, flowFlagsToWire } from './flow-flags.ts';
import { type AnyForm, form, NX_VENDOR_ID, type Wire, writeNothing } from './form.ts';
import { pullList } from './list.ts';
import { pullMatch11, pullNxMatch, putMatch11, putPadded } from './match-bytes.ts';
import { pullPort11, putPort11 } from './port-number.ts';
import type { Reader } from './reader.ts';

const log = vlog.module('ofp_flow');
const actionLog = vlog.module('ofp_actions');

type FlowRequest = 'flow_request' | 'aggregate_request';

const NO_FLAGS: FlowModFlags = {
  sendFlowRem: false,
  checkOverlap: false,
  resetCounts: false,
  noPktCounts: false,
  noByteCounts: false,
  emerg: false,
};

function request10(type: FlowRequest, name: string, ofpst: number): AnyForm {
  return form<FlowRequest>({
    type,
    name,
    since: 1,
    until: 1,
    wire: { ofpst, reply: false },
    min: 44,
    step: 0,
    decode: (r) => {
      const match = parseOfp10Match(r.u8, r.take(40));
      const tableId = r.byte();
      r.take(1);
      const outPort = r.u16();
      return { match, tableId, outPort, outGroup: OFPG_ANY, cookie: 0n, cookieMask: 0n };
    },
    encode: (w, msg) => {
      w.bytes(emitOfp10Match(msg.match));
      w.byte(msg.tableId);
      w.grow(1);
      w.u16(msg.outPort);
    },
  });
}

function requestNx(type: FlowRequest, name: string, subtype: number): AnyForm {
  return form<FlowRequest>({
    type,
    name,
    since: 1,
    until: 1,
    wire: { ofpstVendor: NX_VENDOR_ID, subtype, reply: false },
    min: 8,
    step: 8,
    fits: (msg) => msg.nxm === true,
    decode: (r, _, { tlv }) => {
      const outPort = r.u16();
      const matchLength = r.u16();
      const tableId = r.byte();
      r.take(3);
      const { match, cookie, cookieMask } = pullNxMatch(r, matchLength, { cookie: true, tlv });
      if (r.left > 0) throw new OfpError('OFPBRC_BAD_LEN');
      return { match, tableId, outPort, outGroup: OFPG_ANY, cookie, cookieMask, nxm: true };
    },
    encode: (w, msg) => {
      const match = emitNxMatch(msg.match, msg.cookie, msg.cookieMask);
      w.u16(msg.outPort);
      w.u16(match.length);
      w.byte(msg.tableId);
      w.grow(3);
      putPadded(w, match);
    },
  });
}

function request11(type: FlowRequest, name: string, ofpst: number): AnyForm {
  return form<FlowRequest>({
    type,
    name,
    since: 2,
    until: 6,
    wire: { ofpst, reply: false },
    min: 32,
    step: 8,
    decode: (r, _, { tlv }) => {
      const tableId = r.byte();
      r.take(3);
      const outPort = pullPort11(r);
      const outGroup = r.u32();
      r.take(4);
      const cookie = r.u64();
      const cookieMask = r.u64();
      return { tableId, outPort, outGroup, cookie, cookieMask, match: pullMatch11(r, { tlv }) };
    },
    encode: (w, msg) => {
      putRequest11(w, msg);
      putMatch11(w, msg.match, msg.version);
    },
  });
}

function putRequest11(w: ByteWriter, msg: FlowStatsRequest): void {
  w.byte(msg.tableId);
  w.grow(3);
  putPort11(w, msg.outPort);
  w.u32(msg.outGroup);
  w.grow(4);
  w.u64(msg.cookie);
  w.u64(msg.cookieMask);
}

function flowReply(
  name: string,
  since: OfpVersion,
  until: OfpVersion,
  wire: Wire,
  pull: (r: Reader, version: OfpVersion) => FlowStats,
  put: (w: ByteWriter, flow: FlowStats, version: OfpVersion) => void,
): AnyForm {
  const nxm = name === 'NXST_FLOW';
  return form<'flow_reply'>({
    type: 'flow_reply',
    name,
    since,
    until,
    wire,
    min: 0,
    step: 1,
    fits: (msg) => !nxm || msg.nxm === true,
    decode: (r, { version }) =>
      pullList(
        r,
        (rest) => pull(rest, version),
        (flows) => (nxm ? { flows, nxm } : { flows }),
      ),
    encode: writeNothing,
    entries: { of: (msg) => msg.flows, put: (w, flow, { version }) => put(w, flow, version) },
  });
}

function pullFlow10(r: Reader): FlowStats {
  const start = takeEntry(r, 88);
  const { dv, u8 } = r;
  const match = parseOfp10Match(u8, start + 4);
  return {
    match,
    tableId: u8[start + 2]!,
    durationSec: dv.getUint32(start + 44),
    durationNsec: dv.getUint32(start + 48),
    priority: dv.getUint16(start + 52),
    idleTimeout: dv.getUint16(start + 54),
    hardTimeout: dv.getUint16(start + 56),
    idleAge: -1,
    hardAge: -1,
    cookie: dv.getBigUint64(start + 64),
    packetCount: dv.getBigUint64(start + 72),
    byteCount: dv.getBigUint64(start + 80),
    flags: NO_FLAGS,
    importance: 0,
    actions: pullActions(r, start, 1),
  };
}

function putFlow10(w: ByteWriter, flow: FlowStats): void {
  const start = w.grow(88);
  const { dv } = w;
  w.u8[start + 2] = flow.tableId;
  w.u8.set(emitOfp10Match(flow.match), start + 4);
  dv.setUint32(start + 44, flow.durationSec);
  dv.setUint32(start + 48, flow.durationNsec);
  dv.setUint16(start + 52, flow.priority);
  dv.setUint16(start + 54, flow.idleTimeout);
  dv.setUint16(start + 56, flow.hardTimeout);
  dv.setBigUint64(start + 64, flow.cookie);
  dv.setBigUint64(start + 72, flow.packetCount);
  dv.setBigUint64(start + 80, flow.byteCount);
  finishFlow(w, flow, 1, start);
}

/** An entry's first `n` bytes, of which its length must know. */
function takeEntry(r: Reader, n: number, name = 'OFPST_FLOW'): number {
  const refuse = (why: string): OfpError => refusal(log, 'OFPBRC_BAD_LEN', `${name} reply ${why}`);
  if (r.left < n) throw refuse(`has ${r.left} leftover bytes at end`);
  const start = r.take(n);
  const length = r.dv.getUint16(start);
  if (length < n) throw refuse(`claims invalid length ${length}`);
  return start;
}

/** To the end of the entry, whose length is at its start. */
export function pullActions(r: Reader, start: number, version: OfpVersion): readonly OfpAct[] {
  const length = r.dv.getUint16(start);
  const rest = start + length - r.off;
  if (rest < 0 || rest > r.left) {
    const what = version === 1 ? 'actions' : 'instructions';
    const why = `OpenFlow message ${what} length ${rest >>> 0} exceeds remaining message length (${r.left})`;
    actionLog.rl.warn(why);
    throw refusal(
      log,
      version === 1 ? 'OFPBRC_BAD_LEN' : 'OFPBIC_BAD_LEN',
      'OFPST_FLOW reply bad instructions',
    );
  }
  try {
    return parseInstructions(r.view(rest), version);
  } catch (error) {
    if (error instanceof OfpError) log.rl.warn('OFPST_FLOW reply bad instructions');
    throw error;
  }
}

/** What the entries of OpenFlow 1.1 to 1.4 and of NXM begin with: 48 bytes. */
function pullFixed(r: Reader, start: number) {
  const { dv, u8 } = r;
  return {
    tableId: u8[start + 2]!,
    durationSec: dv.getUint32(start + 4),
    durationNsec: dv.getUint32(start + 8),
    priority: dv.getUint16(start + 12),
    idleTimeout: dv.getUint16(start + 14),
    hardTimeout: dv.getUint16(start + 16),
    cookie: dv.getBigUint64(start + 24),
    packetCount: dv.getBigUint64(start + 32),
    byteCount: dv.getBigUint64(start + 40),
  };
}

function putFixed(w: ByteWriter, flow: FlowStats): number {
  const start = w.grow(48);
  const { dv } = w;
  putVarying(w, start, flow);
  w.u8[start + 2] = flow.tableId;
  dv.setUint16(start + 14, flow.idleTimeout);
  dv.setUint16(start + 16, flow.hardTimeout);
  return start;
}

/** The match of an entry of OpenFlow 1.1 and later. */
export function pullEntryMatch(r: Reader): Match {
  try {
    return pullMatch11(r);
  } catch (error) {
    if (error instanceof OfpError) log.rl.warn('OFPST_FLOW reply bad match');
    throw error;
  }
}

function pullFlow11(r: Reader, version: OfpVersion): FlowStats {
  const start = takeEntry(r, 48);
  const match = pullEntryMatch(r);
  return {
    match,
    ...pullFlowProperties(r, start),
    actions: pullActions(r, start, version),
  };
}

/** What an entry of OpenFlow 1.1 to 1.4 begins with, in a message of such a version. */
export function pullFlowProperties(r: Reader, start: number): Omit<FlowStats, 'match' | 'actions'> {
  const version = r.u8[0] as OfpVersion;
  const bits = version >= 4 ? r.dv.getUint16(start + 18) : 0;
  return {
    ...pullFixed(r, start),
    idleAge: -1,
    hardAge: -1,
    flags: bits === 0 ? NO_FLAGS : flowFlagsFromWire(bits, version),
    importance: version >= 5 ? r.dv.getUint16(start + 20) : 0,
  };
}

function putFlow11(w: ByteWriter, flow: FlowStats, version: OfpVersion): void {
  if (putKnownFlow(w, flow, version)) return;
  const start = putFixed(w, flow);
  if (version >= 4) w.dv.setUint16(start + 18, flowFlagsToWire(flow.flags, version));
  if (version >= 5) w.dv.setUint16(start + 20, flow.importance);
  // OpenFlow 1.1, too, gets OXM here, whatever its standard says.
  putOxmMatch(w, flow.match, version);
  finishFlow(w, flow, version, start);
  rememberFlow(w, start, flow, version);
}

function pullFlowNx(r: Reader, version: OfpVersion): FlowStats {
  const start = takeEntry(r, 48, 'NXST_FLOW');
  const { dv } = r;
  const matchLength = dv.getUint16(start + 18);
  if (dv.getUint16(start) < 48 + matchLength) throw new OfpError('OFPBRC_BAD_LEN');
  const { match } = pullNxMatch(r, matchLength);
  return {
    match,
    ...pullFixed(r, start),
    // On the wire 0 is "unknown" and all else one more than it is.
    idleAge: dv.getUint16(start + 20) - 1,
    hardAge: dv.getUint16(start + 22) - 1,
    flags: NO_FLAGS,
    importance: 0,
    actions: pullActions(r, start, version),
  };
}

function putFlowNx(w: ByteWriter, flow: FlowStats, version: OfpVersion): void {
  const start = putFixed(w, flow);
  const match = emitNxMatch(flow.match);
  w.dv.setUint16(start + 18, match.length);
  w.dv.setUint16(start + 20, wireAge(flow.idleAge));
  w.dv.setUint16(start + 22, wireAge(flow.hardAge));
  putPadded(w, match);
  finishFlow(w, flow, version, start);
}

function wireAge(age: number): number {
  return age < 0 ? 0 : Math.min(age + 1, 0xffff);
}

/** Also writes the entry's length at its start. */
function finishFlow(w: ByteWriter, flow: FlowStats, version: OfpVersion, start: number): void {
  putInstructions(w, flow.actions, version);
  w.dv.setUint16(start, w.length - start);
}

function aggregateReply(name: string, until: OfpVersion, wire: Wire): AnyForm {
  const nxm = name === 'NXST_AGGREGATE';
  return form<'aggregate_reply'>({
    type: 'aggregate_reply',
    name,
    since: 1,
    until,
    wire,
    min: 24,
    step: 0,
    fits: (msg) => !nxm || msg.nxm === true,
    decode: (r) => {
      const counts = { packetCount: r.u64(), byteCount: r.u64(), flowCount: r.u32() };
      return nxm ? { ...counts, nxm } : counts;
    },
    encode: (w, msg) => {
      w.u64(msg.packetCount);
      w.u64(msg.byteCount);
      w.u32(msg.flowCount);
      w.grow(4);
    },
  });
}

const nx = (subtype: number, reply: boolean) => ({
  ofpstVendor: NX_VENDOR_ID,
  subtype,
  reply,
});

export const FLOW_STATS_FORMS: readonly AnyForm[] = [
  requestNx('flow_request', 'NXST_FLOW', 0),
  requestNx('aggregate_request', 'NXST_AGGREGATE', 1),
  request10('flow_request', 'OFPST_FLOW', 1),
  request10('aggregate_request', 'OFPST_AGGREGATE', 2),
  request11('flow_request', 'OFPST_FLOW', 1),
  request11('aggregate_request', 'OFPST_AGGREGATE', 2),
  flowReply('NXST_FLOW', 1, 1, nx(0, true), pullFlowNx, putFlowNx),
  flowReply('OFPST_FLOW', 1, 1, { ofpst: 1, reply: true }, pullFlow10, putFlow10),
  flowReply('OFPST_FLOW', 2, 5, { ofpst: 1, reply: true }, pullFlow11, putFlow11),
  aggregateReply('NXST_AGGREGATE', 1, nx(1, true)),
  aggregateReply('OFPST_AGGREGATE', 5, { ofpst: 2, reply: true }),
];
