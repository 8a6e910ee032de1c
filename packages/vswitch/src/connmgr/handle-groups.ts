/** Groups and meters. */
import {
  type MessageOf,
  type MeterBand,
  OFPG_ALL,
  OFPM13_ALL,
  OFPM13_CONTROLLER,
  OFPM13_MAX,
  OFPM13_SLOWPATH,
  OfpError,
} from '@heddle/openflow';
import { actionBits } from '@heddle/openflow/msgs/feature-names';
import { SystemError } from '@heddle/runtime';
import { FlowChanges, OFPRR_METER_DELETE } from '../ofproto/flow-changes.ts';
import { countGroups, usesMeter } from '../ofproto/flow-mod.ts';
import type { Group } from '../ofproto/group.ts';
import { applyGroupMod } from '../ofproto/group-mod.ts';
import { Meter } from '../ofproto/meter.ts';
import type { Connmgr } from './connmgr.ts';
import type { OfConn } from './ofconn.ts';
import { SWITCH_ACTIONS } from './table-features.ts';

/** OFPRFR_* */
const FORWARD_GROUP_MOD = 0;
const FORWARD_METER_MOD = 1;

export function handleGroupMod(mgr: Connmgr, conn: OfConn, msg: MessageOf<'group_mod'>): void {
  const changes = new FlowChanges(mgr.env.ofproto);
  try {
    applyGroupMod(changes, msg, mgr.env.nowMs());
  } catch (error) {
    changes.revert();
    throw error;
  }
  mgr.commit(changes, conn, msg.xid);
  mgr.forwardRequest(conn, msg, FORWARD_GROUP_MOD);
}

function groupsOf(mgr: Connmgr, id: number): Group[] {
  const { groups } = mgr.env.ofproto;
  const all =
    id === OFPG_ALL ? [...groups.values()] : [groups.get(id)].filter((g) => g !== undefined);
  return all.sort((a, b) => a.id - b.id);
}

const GROUPS_PER_REPLY = 100;

function inReplies<T>(all: readonly T[], send: (part: readonly T[], more: boolean) => void): void {
  for (let i = 0; i === 0 || i < all.length; i += GROUPS_PER_REPLY) {
    send(all.slice(i, i + GROUPS_PER_REPLY), i + GROUPS_PER_REPLY < all.length);
  }
}

export function handleGroupDesc(
  mgr: Connmgr,
  conn: OfConn,
  msg: MessageOf<'group_desc_request'>,
): void {
  const all = groupsOf(mgr, msg.groupId).map((g) => g.desc);
  inReplies(all, (groups, more) => conn.send(msg.xid, { type: 'group_desc_reply', groups, more }));
}

export function handleGroupStats(
  mgr: Connmgr,
  conn: OfConn,
  msg: MessageOf<'group_request'>,
): void {
  mgr.env.syncStats();
  const now = mgr.env.nowMs();
  const refCounts = new Map<number, number>();
  for (const rule of mgr.env.ofproto.tables.rules()) countGroups(rule.state.actions, refCounts);
  const all = groupsOf(mgr, msg.groupId).map((group) => {
    const ageMs = Math.max(now - group.createdMs, 0);
    return {
      groupId: group.id,
      refCount: refCounts.get(group.id) ?? 0,
      packetCount: BigInt(group.stats.packets),
      byteCount: BigInt(group.stats.bytes),
      durationSec: Math.floor(ageMs / 1000),
      durationNsec: Math.floor(ageMs % 1000) * 1_000_000,
      buckets: group.bucketStats.map(({ packets, bytes }) => ({
        packetCount: BigInt(packets),
        byteCount: BigInt(bytes),
      })),
    };
  });
  inReplies(all, (groups, more) => conn.send(msg.xid, { type: 'group_reply', groups, more }));
}

const ALL_TYPES = 0xf;
/** select_weight, select_liveness, chaining. */
const GROUP_CAPABILITIES = 7;
const MAX_GROUPS = 0xffff_ff00;

export function handleGroupFeatures(conn: OfConn, xid: number): void {
  const actions = actionBits(SWITCH_ACTIONS, conn.version);
  conn.send(xid, {
    type: 'group_features_reply',
    types: ALL_TYPES,
    capabilities: GROUP_CAPABILITIES,
    maxGroups: [MAX_GROUPS, MAX_GROUPS, MAX_GROUPS, MAX_GROUPS],
    actions: [actions, actions, actions, actions],
  });
}

const MAX_BANDS = 8;
/** OFPMBT13_DROP */
const BAND_TYPES = 1 << 1;
/** kbps, pktps, burst, stats. */
const METER_CAPABILITIES = 0xf;
const KBPS_OR_PKTPS = 3;

export function handleMeterMod(mgr: Connmgr, conn: OfConn, msg: MessageOf<'meter_mod'>): void {
  const { meters } = mgr.env.ofproto;
  const id = msg.meterId;
  if (msg.command === 'delete') deleteMeters(mgr, conn, msg);
  else {
    checkMeterId(id);
    if (msg.command === 'modify' && !meters.has(id)) throw new OfpError('OFPMMFC_UNKNOWN_METER');
    if (msg.command === 'add' && meters.has(id)) throw new OfpError('OFPMMFC_METER_EXISTS');
    checkMeter(msg);
    meters.set(id, newMeter(mgr, msg, meters.get(id)));
    mgr.env.tablesChanged();
  }
  // Others hear of the bands as they are, not as they were given.
  const bands = msg.bands.map((band) => withBurst(band, msg.flags));
  mgr.forwardRequest(conn, { ...msg, bands }, FORWARD_METER_MOD);
}

const OFPMF_BURST = 4;

/** A band that is given no size of a burst lets pass at once what it lets pass in a second. */
function withBurst(band: MeterBand, flags: number): MeterBand {
  const isGiven = (flags & OFPMF_BURST) !== 0 && band.burstSize !== 0;
  return isGiven ? band : { ...band, burstSize: band.rate };
}

function newMeter(mgr: Connmgr, msg: MessageOf<'meter_mod'>, earlier: Meter | undefined): Meter {
  const { meterId, flags } = msg;
  const bands = msg.bands.map((band) => withBurst(band, flags));
  try {
    return new Meter({ meterId, flags, bands }, mgr.env.nowMs(), mgr.env.meters, earlier);
  } catch (error) {
    if (error instanceof SystemError && error.code === 'ENOSPC')
      throw new OfpError('OFPMMFC_OUT_OF_METERS');
    throw error;
  }
}

function checkMeterId(meterId: number): void {
  const isSpecial = meterId === OFPM13_SLOWPATH || meterId === OFPM13_CONTROLLER;
  if (meterId === 0 || (meterId > OFPM13_MAX && !isSpecial)) {
    throw new OfpError('OFPMMFC_INVALID_METER');
  }
}

function checkMeter({ flags, bands }: MessageOf<'meter_mod'>): void {
  const unit = flags & KBPS_OR_PKTPS;
  if (unit === 0 || unit === KBPS_OR_PKTPS) throw new OfpError('OFPMMFC_BAD_FLAGS');
  if (bands.length === 0) throw new OfpError('OFPMMFC_OUT_OF_BANDS');
  if (bands.some((band) => band.rate === 0)) throw new OfpError('OFPMMFC_BAD_RATE');
  if ((flags & ~METER_CAPABILITIES) !== 0) throw new OfpError('OFPMMFC_BAD_FLAGS');
  if (bands.length > MAX_BANDS) throw new OfpError('OFPMMFC_OUT_OF_BANDS');
  if (bands.some((band) => band.type !== 'drop')) throw new OfpError('OFPMMFC_BAD_BAND');
}

function deleteMeters(mgr: Connmgr, conn: OfConn, msg: MessageOf<'meter_mod'>): void {
  const { ofproto } = mgr.env;
  const ids = msg.meterId === OFPM13_ALL ? [...ofproto.meters.keys()] : [msg.meterId];
  const changes = new FlowChanges(ofproto);
  const removed: Meter[] = [];
  for (const id of ids) {
    const meter = ofproto.meters.get(id);
    if (!meter) continue;
    ofproto.meters.delete(id);
    removed.push(meter);
    for (const rule of [...ofproto.tables.rules()]) {
      if (usesMeter(rule.state.actions, id)) changes.delete(rule, OFPRR_METER_DELETE);
    }
  }
  mgr.commit(changes, conn, msg.xid);
  for (const meter of removed) meter.remove();
  mgr.env.tablesChanged();
}

function metersOf(mgr: Connmgr, id: number): Meter[] {
  const { meters } = mgr.env.ofproto;
  if (id !== OFPM13_ALL) {
    const meter = meters.get(id);
    if (!meter) throw new OfpError('OFPMMFC_UNKNOWN_METER');
    return [meter];
  }
  return [...meters.values()].sort((a, b) => a.config.meterId - b.config.meterId);
}

export function handleMeterConfig(
  mgr: Connmgr,
  conn: OfConn,
  msg: MessageOf<'meter_config_request'>,
): void {
  const all = metersOf(mgr, msg.meterId).map((m) => m.config);
  inReplies(all, (meters, more) =>
    conn.send(msg.xid, { type: 'meter_config_reply', meters, more }),
  );
}

export function handleMeterStats(
  mgr: Connmgr,
  conn: OfConn,
  msg: MessageOf<'meter_request'>,
): void {
  const now = mgr.env.nowMs();
  const all = metersOf(mgr, msg.meterId).map((meter) => {
    const ageMs = Math.max(now - meter.createdMs, 0);
    const { stats } = meter;
    let flowCount = 0;
    for (const rule of mgr.env.ofproto.tables.rules()) {
      if (usesMeter(rule.state.actions, meter.config.meterId)) flowCount++;
    }
    return {
      meterId: meter.config.meterId,
      flowCount,
      packetInCount: BigInt(stats.packets),
      byteInCount: BigInt(stats.bytes),
      durationSec: Math.floor(ageMs / 1000),
      durationNsec: Math.floor(ageMs % 1000) * 1_000_000,
      bands: stats.bands.map(({ packets, bytes }) => ({
        packetCount: BigInt(packets),
        byteCount: BigInt(bytes),
      })),
    };
  });
  inReplies(all, (meters, more) => conn.send(msg.xid, { type: 'meter_reply', meters, more }));
}

export function handleMeterFeatures({ env }: Connmgr, conn: OfConn, xid: number): void {
  conn.send(xid, {
    type: 'meter_features_reply',
    maxMeters: env.meters.capacity,
    bandTypes: BAND_TYPES,
    capabilities: METER_CAPABILITIES,
    maxBands: MAX_BANDS,
    maxColor: 0,
  });
}
