/** Features, configuration, roles. */
import { type AsyncConfig, type MessageOf, OfpError } from '@heddle/openflow';
import type { Connmgr } from './connmgr.ts';
import { phyPorts } from './handle-ports.ts';
import type { OfConn } from './ofconn.ts';

/** OFPC_*: flow, table, port stats; group stats and queue stats below. */
const FLOW_STATS = 1 << 0;
const TABLE_STATS = 1 << 1;
const PORT_STATS = 1 << 2;
const GROUP_STATS = 1 << 3;
const QUEUE_STATS = 1 << 6;
const ARP_MATCH_IP = 1 << 7;
const BUNDLES = 1 << 9;
/** output, set_vlan_vid … enqueue: OpenFlow 1.0's twelve. */
const OF10_ACTIONS = 0xfff;
const N_VISIBLE_TABLES = 254;

export function sendFeatures(mgr: Connmgr, conn: OfConn, xid: number): void {
  const { version } = conn;
  let capabilities = FLOW_STATS | TABLE_STATS | PORT_STATS | QUEUE_STATS;
  if (version <= 2) capabilities |= ARP_MATCH_IP;
  if (version >= 2) capabilities |= GROUP_STATS;
  if (version >= 5) capabilities |= BUNDLES;
  conn.send(xid, {
    type: 'features_reply',
    datapathId: mgr.env.datapathId,
    nBuffers: 0,
    nTables: N_VISIBLE_TABLES,
    auxiliaryId: 0,
    capabilities,
    actions: version === 1 ? OF10_ACTIONS : 0,
    ports: version <= 3 ? phyPorts(mgr) : [],
  });
}

const FRAG_BITS = { normal: 0, drop: 1, 'nx-match': 3 } as const;
const FRAG_MASK = 3;
const OFPC_INVALID_TTL_TO_CONTROLLER = 1 << 2;

export function handleGetConfig(mgr: Connmgr, conn: OfConn, xid: number): void {
  const frags = FRAG_BITS[mgr.env.ofproto.fragHandling];
  const ttl = conn.invalidTtlToController && conn.version < 4 ? OFPC_INVALID_TTL_TO_CONTROLLER : 0;
  conn.send(xid, {
    type: 'get_config_reply',
    flags: frags | ttl,
    missSendLen: conn.missSendLen,
  });
}

export function handleSetConfig(mgr: Connmgr, conn: OfConn, msg: MessageOf<'set_config'>): void {
  const { ofproto } = mgr.env;
  if (conn.kind === 'service' || conn.role !== 'secondary') {
    const before = ofproto.fragHandling;
    const bits = msg.flags & FRAG_MASK;
    // Reassembly is not offered; what asks for it is left as it is.
    if (bits === 0) ofproto.fragHandling = 'normal';
    else if (bits === 1) ofproto.fragHandling = 'drop';
    else if (bits === 3) ofproto.fragHandling = 'nx-match';
    if (before !== ofproto.fragHandling) mgr.env.tablesChanged();
  }
  conn.invalidTtlToController = (msg.flags & OFPC_INVALID_TTL_TO_CONTROLLER) !== 0;
  // Since OpenFlow 1.3 OFPT_SET_ASYNC says so.
  if (conn.version < 4) {
    const packetIn = setBit(conn.async.packetIn, 1 << 2, conn.invalidTtlToController);
    conn.async = { ...conn.async, packetIn };
  }
  conn.missSendLen = msg.missSendLen;
  mgr.connsChanged();
}

function setBit(
  [primary, secondary]: readonly [number, number],
  bit: number,
  on: boolean,
): [number, number] {
  return [on ? primary | bit : primary & ~bit, secondary];
}

/** Bit 2i of `given`: the secondary's mask of the ith kind is there, bit 2i+1: the primary's. */
function merged(old: AsyncConfig, next: AsyncConfig, given: number): AsyncConfig {
  const kinds = Object.keys(old) as (keyof AsyncConfig)[];
  const entries = kinds.map((kind, i) => [
    kind,
    [
      (given & (2 << (2 * i))) === 0 ? old[kind][0] : next[kind][0],
      (given & (1 << (2 * i))) === 0 ? old[kind][1] : next[kind][1],
    ],
  ]);
  return Object.fromEntries(entries) as AsyncConfig;
}

/** OFPCRR_PRIMARY_REQUEST */
const PRIMARY_REQUEST = 0;
const OFP13 = 4;

export function handleRole(mgr: Connmgr, conn: OfConn, msg: MessageOf<'role_request'>): void {
  if (msg.role !== 'nochange') {
    if (msg.generationId !== undefined && msg.role !== 'equal')
      checkGeneration(mgr, msg.generationId);
    if (msg.role === 'primary') demoteOthers(mgr, conn);
    conn.role = msg.role;
  }
  conn.send(msg.xid, {
    type: 'role_reply',
    role: conn.role,
    generationId: mgr.generationId ?? 0xffff_ffff_ffff_ffffn,
    ...(msg.isNicira && { isNicira: true }),
  });
}

/** A generation id older than the last is a primary's that has been replaced. */
function checkGeneration(mgr: Connmgr, id: bigint): void {
  const known = mgr.generationId;
  if (known !== undefined && BigInt.asIntN(64, id - known) < 0n)
    throw new OfpError('OFPRRFC_STALE');
  mgr.generationId = id;
}

/** As upstream has it, who is no longer primary hears of that whatever else it asked to hear. */
function demoteOthers(mgr: Connmgr, conn: OfConn): void {
  const generationId = mgr.generationId ?? 0n;
  for (const other of mgr.conns) {
    if (other === conn || other.role !== 'primary') continue;
    other.role = 'secondary';
    if (other.version < OFP13) continue;
    other.send(0, {
      type: 'role_status',
      role: 'secondary',
      reason: PRIMARY_REQUEST,
      generationId,
    });
  }
}

export function handleSetAsync(mgr: Connmgr, conn: OfConn, msg: MessageOf<'set_async'>): void {
  conn.async = msg.given === undefined ? msg.config : merged(conn.async, msg.config, msg.given);
  // Who asks for packets gets them whole.
  if (conn.hearsPackets) return;
  conn.missSendLen = 128;
  mgr.connsChanged();
}
