/** Flows that expired or were deleted. */
import { OFPTT_ALL, type OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import {
  emitNxMatch,
  emitOfp10Match,
  OFP10_MATCH_LENGTH,
  parseOfp10Match,
} from '../match/index.ts';
import { type AnyForm, form, NX_VENDOR_ID } from './form.ts';
import { pullMatch11, pullNxMatch, putMatch11, putPadded } from './match-bytes.ts';

const OFPRR_DELETE = 2;
const OFPRR_METER_DELETE = 4;
const OFPRR_EVICTION = 5;

/**
 * What a version lacks is a deletion; but as upstream's, OFPRR_GROUP_DELETE is itself in each (who
 * has not asked for it does not hear of it before OpenFlow 1.3).
 */
function reasonToWire(reason: number, version: OfpVersion): number {
  if (reason === OFPRR_EVICTION || reason === OFPRR_METER_DELETE) {
    return version < 5 ? OFPRR_DELETE : reason;
  }
  return reason;
}

const flowRemoved10 = form<'flow_removed'>({
  type: 'flow_removed',
  name: 'OFPT_FLOW_REMOVED',
  since: 1,
  until: 1,
  wire: { ofpt: 11 },
  min: 80,
  step: 0,
  decode: (r) => {
    const match = parseOfp10Match(r.u8, r.take(OFP10_MATCH_LENGTH));
    const cookie = r.u64();
    const priority = r.u16();
    const reason = r.byte();
    r.take(1);
    const durationSec = r.u32();
    const durationNsec = r.u32();
    const idleTimeout = r.u16();
    r.take(2);
    return {
      ...{ match, cookie, priority, reason, durationSec, durationNsec, idleTimeout },
      tableId: OFPTT_ALL,
      hardTimeout: 0,
      packetCount: r.u64(),
      byteCount: r.u64(),
    };
  },
  encode: (w, msg) => {
    w.bytes(emitOfp10Match(msg.match));
    w.u64(msg.cookie);
    w.u16(msg.priority);
    w.byte(reasonToWire(msg.reason, 1));
    w.grow(1);
    w.u32(msg.durationSec);
    w.u32(msg.durationNsec);
    w.u16(msg.idleTimeout);
    w.grow(2);
    w.u64(msg.packetCount);
    w.u64(msg.byteCount);
  },
});

const flowRemoved11 = form<'flow_removed'>({
  type: 'flow_removed',
  name: 'OFPT_FLOW_REMOVED',
  since: 2,
  until: 5,
  wire: { ofpt: 11 },
  min: 40,
  step: 8,
  decode: (r) => ({
    cookie: r.u64(),
    priority: r.u16(),
    reason: r.byte(),
    tableId: r.byte(),
    durationSec: r.u32(),
    durationNsec: r.u32(),
    idleTimeout: r.u16(),
    hardTimeout: r.u16(),
    packetCount: r.u64(),
    byteCount: r.u64(),
    match: pullMatch11(r),
  }),
  encode: (w, msg) => {
    w.u64(msg.cookie);
    w.u16(msg.priority);
    w.byte(reasonToWire(msg.reason, msg.version));
    w.byte(msg.tableId);
    w.u32(msg.durationSec);
    w.u32(msg.durationNsec);
    w.u16(msg.idleTimeout);
    w.u16(msg.hardTimeout);
    w.u64(msg.packetCount);
    w.u64(msg.byteCount);
    putMatch11(w, msg.match, msg.version);
  },
});

const flowRemovedNx = form<'flow_removed'>({
  type: 'flow_removed',
  name: 'NXT_FLOW_REMOVED',
  since: 1,
  until: 6,
  wire: { vendor: NX_VENDOR_ID, subtype: 14 },
  min: 40,
  step: 8,
  fits: (msg) => msg.nxm === true,
  decode: (r) => {
    const cookie = r.u64();
    const priority = r.u16();
    const reason = r.byte();
    // One more than the table's id; 0 when the switch does not tell.
    const table = r.byte();
    const durationSec = r.u32();
    const durationNsec = r.u32();
    const idleTimeout = r.u16();
    const matchLength = r.u16();
    const packetCount = r.u64();
    const byteCount = r.u64();
    const { match } = pullNxMatch(r, matchLength);
    if (r.left > 0) throw new OfpError('OFPBRC_BAD_LEN');
    return {
      ...{ match, cookie, priority, reason, durationSec, durationNsec, idleTimeout },
      ...{ packetCount, byteCount, hardTimeout: 0, nxm: true },
      tableId: table === 0 ? OFPTT_ALL : table - 1,
    };
  },
  encode: (w, msg) => {
    const match = emitNxMatch(msg.match);
    w.u64(msg.cookie);
    w.u16(msg.priority);
    w.byte(reasonToWire(msg.reason, msg.version));
    w.byte(msg.tableId === OFPTT_ALL ? 0 : msg.tableId + 1);
    w.u32(msg.durationSec);
    w.u32(msg.durationNsec);
    w.u16(msg.idleTimeout);
    w.u16(match.length);
    w.u64(msg.packetCount);
    w.u64(msg.byteCount);
    putPadded(w, match);
  },
});

export const FLOW_REMOVED_FORMS: readonly AnyForm[] = [flowRemovedNx, flowRemoved10, flowRemoved11];
