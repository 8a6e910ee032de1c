/** Ports and queues. */
import {
  type MessageOf,
  OFPP_ALL,
  OFPP_NONE,
  OfpError,
  type PhyPort,
  type PortStats,
  type QueueConfig,
  type QueueStats,
  UNKNOWN_COUNT,
} from '@heddle/openflow';
import type { OfPort } from '../ofproto.ts';
import type { Connmgr } from './connmgr.ts';
import type { OfConn } from './ofconn.ts';

const PORTS_PER_REPLY = 400;
const OFPPC_PORT_DOWN = 1 << 0;
/** What a controller may set: port_down, no_recv, no_flood, no_fwd, no_packet_in and STP's. */
const SETTABLE = 0x7f;

export function phyPorts(mgr: Connmgr): PhyPort[] {
  return [...mgr.env.ofproto.ports.values()].map((port) => mgr.env.phyPort(port));
}

function portsOf(mgr: Connmgr, portNo: number): OfPort[] {
  const { ports } = mgr.env.ofproto;
  if (portNo === OFPP_NONE || portNo === OFPP_ALL) return [...ports.values()];
  const port = ports.get(portNo);
  return port ? [port] : [];
}

export function handlePortDesc(
  mgr: Connmgr,
  conn: OfConn,
  msg: MessageOf<'port_desc_request'>,
): void {
  const all = portsOf(mgr, msg.portNo ?? OFPP_NONE).map((port) => mgr.env.phyPort(port));
  inReplies(all, (ports, more) => conn.send(msg.xid, { type: 'port_desc_reply', ports, more }));
}

export function handlePortStats(mgr: Connmgr, conn: OfConn, msg: MessageOf<'port_request'>): void {
  // Of patch ports and tunnels the megaflows tell.
  mgr.env.syncStats();
  const all = portsOf(mgr, msg.portNo).map((port) => portStats(mgr, port));
  inReplies(all, (ports, more) => conn.send(msg.xid, { type: 'port_reply', ports, more }));
}

function inReplies<T>(all: readonly T[], send: (part: readonly T[], more: boolean) => void): void {
  for (let i = 0; i === 0 || i < all.length; i += PORTS_PER_REPLY) {
    send(all.slice(i, i + PORTS_PER_REPLY), i + PORTS_PER_REPLY < all.length);
  }
}

function portStats(mgr: Connmgr, port: OfPort): PortStats {
  const s = mgr.env.portStats(port);
  const ageMs = Math.max(mgr.env.nowMs() - mgr.env.portSinceMs(port), 0);
  return {
    portNo: port.ofport,
    rxPackets: count(s.rxPackets),
    txPackets: count(s.txPackets),
    rxBytes: count(s.rxBytes),
    txBytes: count(s.txBytes),
    rxDropped: count(s.rxDropped),
    txDropped: count(s.txDropped),
    rxErrors: count(s.rxErrors),
    txErrors: count(s.txErrors),
    rxFrameErr: count(s.rxFrameErrors),
    rxOverErr: count(s.rxOverErrors),
    rxCrcErr: count(s.rxCrcErrors),
    collisions: count(s.collisions),
    // None that a port counts, though told of, as upstream does.
    rfc2819: [],
    ...(s.custom && { custom: [...s.custom].map(([name, n]) => [name, BigInt(n)] as const) }),
    durationSec: Math.floor(ageMs / 1000),
    durationNsec: Math.floor(ageMs % 1000) * 1_000_000,
  };
}

function count(n: number): bigint {
  return n < 0 ? UNKNOWN_COUNT : BigInt(n);
}

/** Throws `OfpError` when there is no such port with this address. */
export function portToChange(mgr: Connmgr, msg: MessageOf<'port_mod'>): OfPort {
  const port = mgr.env.ofproto.ports.get(msg.portNo);
  if (!port) throw new OfpError('OFPPMFC_BAD_PORT');
  if (msg.hwAddr !== mgr.env.phyPort(port).hwAddr) throw new OfpError('OFPPMFC_BAD_HW_ADDR');
  return port;
}

export function handlePortMod(mgr: Connmgr, conn: OfConn, msg: MessageOf<'port_mod'>): void {
  const port = portToChange(mgr, msg);
  const before = mgr.env.phyPort(port).config;
  // What has no device, as a patch port, is neither up nor down.
  const mask = msg.mask & SETTABLE & (mgr.env.hasDevice(port) ? -1 : ~OFPPC_PORT_DOWN);
  const config = (before & ~mask) | (msg.config & mask);
  if (config === before) return;
  port.config = config;
  const isDown = (config & OFPPC_PORT_DOWN) !== 0;
  const isToggled = ((config ^ before) & OFPPC_PORT_DOWN) !== 0;
  if (isToggled) port.mayEnable = !isDown;
  mgr.env.portConfigChanged(port, before);
  const tell = () => mgr.ports.changed(port, conn);
  if (isToggled) mgr.env.setAdminState(port, !isDown, tell);
  else tell();
}

const OFPQ_ALL = 0xffff_ffff;

export function handleQueueStats(
  mgr: Connmgr,
  conn: OfConn,
  msg: MessageOf<'queue_request'>,
): void {
  // All of them are OFPP_ALL in OpenFlow 1.0 and OFPP_ANY since.
  const isMissing = msg.portNo === OFPP_ALL && conn.version > 1;
  const ports = isMissing ? [] : portsOf(mgr, msg.portNo);
  if (ports.length === 0) throw new OfpError('OFPQOFC_BAD_PORT');
  const isWanted = ({ queueId }: QueueStats) => msg.queueId === OFPQ_ALL || msg.queueId === queueId;
  const queues = ports.flatMap((port) => queueStats(mgr, port).filter(isWanted));
  if (queues.length === 0 && msg.queueId !== OFPQ_ALL) throw new OfpError('OFPQOFC_BAD_QUEUE');
  inReplies(queues, (part, more) =>
    conn.send(msg.xid, { type: 'queue_reply', queues: part, more }),
  );
}

function queueStats(mgr: Connmgr, port: OfPort): QueueStats[] {
  const { env } = mgr;
  const portNo = port.ofport;
  const counters = env.queueStats(port);
  if (!counters) return [{ portNo, ...UNKNOWN_QUEUE }];
  const now = env.clock.nowMs();
  return counters.map(({ queue, stats, createdMs }) => {
    const ageMs = createdMs === undefined ? undefined : Math.max(now - createdMs, 0);
    return {
      portNo,
      queueId: queue,
      txBytes: BigInt(stats.bytes),
      txPackets: BigInt(stats.packets),
      txErrors: BigInt(stats.drops),
      ...(ageMs !== undefined && {
        durationSec: Math.floor(ageMs / 1000),
        durationNsec: Math.floor(ageMs % 1000) * 1_000_000,
      }),
    };
  });
}

/** A dummy's only queue. */
const UNKNOWN_QUEUE = {
  queueId: 0,
  txBytes: UNKNOWN_COUNT,
  txPackets: UNKNOWN_COUNT,
  txErrors: UNKNOWN_COUNT,
  durationSec: 0xffff_ffff,
  durationNsec: 0xffff_ffff,
};

/** Versions before 1.4 know no replies of several messages: what one can hold. */
const QUEUES_PER_MESSAGE = 4000;

export function handleQueueConfig(
  mgr: Connmgr,
  conn: OfConn,
  msg: MessageOf<'queue_get_config_request'>,
): void {
  const { portNo, queueId = OFPQ_ALL } = msg;
  const ports = portNo === OFPP_ALL ? [] : portsOf(mgr, portNo);
  if (ports.length === 0) throw new OfpError('OFPQOFC_BAD_PORT');
  const all = ports.flatMap((port) =>
    mgr.env
      .queues(port)
      .filter((queue) => queueId === OFPQ_ALL || queueId === queue)
      .map((queue) => ({ portNo: port.ofport, queueId: queue })),
  );
  if (all.length === 0 && queueId !== OFPQ_ALL) throw new OfpError('OFPQOFC_BAD_QUEUE');
  const send = (queues: readonly QueueConfig[], more: boolean): void =>
    conn.send(msg.xid, { type: 'queue_get_config_reply', queues, portNo, more });
  if (conn.version >= OFP14) inReplies(all, send);
  else send(all.slice(0, QUEUES_PER_MESSAGE), false);
}

/** OpenFlow 1.4 and later. */
const OFP14 = 5;
