/**
 * The OpenFlow connections of one bridge: takes their messages, and tells each what it wants to
 * hear of flows, ports and packets (OpenFlow 1.5, 6.3).
 */
import {
  errorReply,
  messageName,
  type OfpBody,
  OfpError,
  type OfpMessage,
  type OfpVersion,
  type PacketIn,
  type PhyPort,
} from '@heddle/openflow';
import {
  OFPR_EXPLICIT_MISS,
  OFPR_IMPLICIT_MISS,
  OFPR_NO_MATCH,
} from '@heddle/openflow/msgs/packet-in-reason';
import { type CoverageCounter, coverage, messageOf, vlog } from '@heddle/runtime';
import type { FlowChange, FlowChanges } from '../ofproto/flow-changes.ts';
import type { Rule } from '../ofproto/rule.ts';
import { dropBundle } from './bundle.ts';
import type { OfprotoEnv } from './env.ts';
import { handleMessage } from './handle.ts';
import { spaceLeft, tableDesc } from './handle-flows.ts';
import { KnownAdds } from './known-adds.ts';
import { MonitorUpdates } from './monitor-updates.ts';
import { OfConn, type OfConnKind, type OfpChannel } from './ofconn.ts';
import { PortWatch } from './port-watch.ts';
import { takeKnownAdd } from './take-adds.ts';

const log = vlog.module('connmgr');

const received = coverage.counter('ofproto_recv_openflow');

/** A peer that lets this much pile up hears of no more events until it reads. */
const EVENT_BACKLOG = 8 * 1024 * 1024;

/** OFPTR_VACANCY_DOWN, _UP */
const VACANCY_DOWN = 3;
const VACANCY_UP = 4;

export class Connmgr {
  readonly env: OfprotoEnv;
  readonly conns = new Set<OfConn>();
  readonly ports = new PortWatch(this);
  readonly knownAdds: KnownAdds;
  /** The highest that a primary has shown (role requests of old primaries are refused). */
  generationId: bigint | undefined;
  /** How long a bundle may stay untouched. */
  bundleIdleMs = 10_000;

  readonly #received: CoverageCounter;

  /** `counter`: of which messages are counted; coverage's own by default. */
  constructor(env: OfprotoEnv, counter = received) {
    this.env = env;
    this.#received = counter;
    this.knownAdds = new KnownAdds(env.ofproto);
  }

  add(channel: OfpChannel, kind: OfConnKind): OfConn {
    const conn = new OfConn(channel, kind, this.env.clock, this.env.flowModLog);
    this.conns.add(conn);
    this.connsChanged();
    return conn;
  }

  remove(conn: OfConn): void {
    this.conns.delete(conn);
    conn.flowMods.report();
    for (const bundle of conn.bundles.values()) dropBundle(conn, bundle);
    this.connsChanged();
  }

  /** Who is connected, or who hears of packets. */
  connsChanged(): void {
    const { ofproto } = this.env;
    const primaries = [...this.conns].filter((c) => c.kind === 'primary');
    // Not for every command of an operator, as upstream, but for those that hear of packets.
    const wantsMisses = [...this.conns].some((c) => c.version <= 3 && c.hearsPackets);
    const changed = wantsMisses !== ofproto.wantsPacketInOnMiss;
    ofproto.wantsPacketInOnMiss = wantsMisses;
    ofproto.hasControllers = primaries.length > 0;
    if (changed) this.env.tablesChanged();
  }

  /** Takes a message that is known but for its values; false: it is to be decoded, and received then. */
  take(conn: OfConn, bytes: Uint8Array, at: number, length: number): boolean {
    if (!takeKnownAdd(this, conn, bytes, at, length)) return false;
    this.#received.add();
    return true;
  }

  /** A message from a peer; what is wrong with it is replied. */
  receive(conn: OfConn, msg: OfpMessage, raw: Uint8Array): void {
    this.#received.add();
    try {
      handleMessage(this, conn, msg, raw);
    } catch (error) {
      if (!(error instanceof OfpError)) {
        log.rl.err(`${conn.channel.name}: ${messageOf(error)}\n${(error as Error).stack ?? ''}`);
      }
      const code = error instanceof OfpError ? error.ofpErr : 'OFPBRC_EPERM';
      this.sendError(conn, code, raw);
    }
  }

  /** `raw` is the message that is refused; the reply is of its version. */
  sendError(conn: OfConn, ofpErr: string, raw: Uint8Array): void {
    log.rl.info(`${conn.channel.name}: sending ${ofpErr} error reply to ${nameOf(raw)} message`);
    const version = raw[0]! >= 1 && raw[0]! <= 6 ? (raw[0] as OfpVersion) : 1;
    conn.channel.send(errorReply(ofpErr, version, raw));
  }

  /** Makes a change known: it stands. */
  commit(changes: FlowChanges, by: OfConn | undefined, xid: number): void {
    if (changes.list.length === 0) return;
    this.env.ofproto.learned.follow(changes);
    this.env.flowsChanged(changes);
    this.#tellMonitors(changes, by, xid);
    for (const change of changes.list) this.#removed(change);
    this.#tellVacancy();
    changes.release();
  }

  #removed(change: FlowChange): void {
    if (change.type === 'delete') this.#ruleRemoved(change.rule, change.reason);
    if (change.type !== 'clear') return;
    for (const rule of change.rules.rules()) this.#ruleRemoved(rule, change.reason);
  }

  #ruleRemoved(rule: Rule, reason: number): void {
    if (rule.state.flags.sendFlowRem) this.sendFlowRemoved(rule, reason);
  }

  sendFlowRemoved(rule: Rule, reason: number): void {
    const ageMs = Math.max(this.env.nowMs() - rule.createdMs, 0);
    const { state } = rule;
    const body: OfpBody = {
      type: 'flow_removed',
      match: rule.match,
      priority: rule.priority,
      cookie: state.cookie,
      reason,
      tableId: rule.tableId,
      durationSec: Math.floor(ageMs / 1000),
      durationNsec: Math.floor(ageMs % 1000) * 1_000_000,
      idleTimeout: state.idleTimeout,
      hardTimeout: state.hardTimeout,
      packetCount: BigInt(rule.packets),
      byteCount: BigInt(rule.bytes),
    };
    for (const conn of this.conns) {
      if (!conn.wants('flowRemoved', reason) || !hasRoom(conn)) continue;
      conn.send(0, { ...body, nxm: conn.flowFormat === 'NXM' } as OfpBody);
    }
  }

  /** Who has changed the port hears of it since OpenFlow 1.5 only. */
  sendPortStatus(reason: number, port: PhyPort, by?: OfConn, since: OfpVersion = 1): void {
    for (const conn of this.conns) {
      if (conn.version < since || (conn === by && conn.version < 6)) continue;
      if (conn.wants('portStatus', reason) && hasRoom(conn)) {
        conn.send(0, { type: 'port_status', reason, port });
      }
    }
  }

  /**
   * A packet for controllers of this id (0: those that were given none). Whole, whatever length
   * was asked for: there are no buffers that would keep the rest (OpenFlow 1.0, 5.4.1).
   */
  sendPacketIn(controllerId: number, packetIn: Omit<PacketIn, 'format'>): void {
    for (const conn of this.conns) {
      if (conn.controllerId !== controllerId || !hasRoom(conn)) continue;
      const { reason } = packetIn;
      if (!conn.wants('packetIn', reason)) continue;
      if (!conn.hearsPackets) continue;
      // Since OpenFlow 1.3 a packet that no flow matches is dropped.
      if (reason === OFPR_IMPLICIT_MISS && conn.version >= 4) continue;
      const deliver = (): void =>
        conn.packetIns.send(conn.channel, () =>
          conn.send(0, { type: 'packet_in', ...packetIn, format: conn.packetInFormat }),
        );
      const isMiss = reason === OFPR_NO_MATCH || reason >= OFPR_EXPLICIT_MISS;
      const scheduler = isMiss ? conn.limits?.miss : conn.limits?.action;
      if (scheduler) scheduler.send(packetIn.metadata.key.inPort, deliver);
      else deliver();
    }
  }

  #tellMonitors(changes: FlowChanges, by: OfConn | undefined, xid: number): void {
    for (const conn of this.conns) {
      if (conn.monitors.size === 0) continue;
      conn.updates ??= new MonitorUpdates(this, conn);
      conn.updates.tell(changes, conn === by, xid);
    }
  }

  #tellVacancy(): void {
    const { tables } = this.env.ofproto;
    if (!tables.tellsVacancy) return;
    for (const table of tables.used()) {
      if (!table.vacancy) continue;
      const left = spaceLeft(table);
      const isDown = table.isVacancyDown ? left < table.vacancy.up : left <= table.vacancy.down;
      if (isDown === table.isVacancyDown) continue;
      table.isVacancyDown = isDown;
      const reason = isDown ? VACANCY_DOWN : VACANCY_UP;
      for (const conn of this.conns) {
        if (conn.version >= 5 && conn.wants('tableStatus', reason) && hasRoom(conn)) {
          conn.send(0, { type: 'table_status', reason, table: tableDesc(table) });
        }
      }
    }
  }

  /** Tells others of a group or meter mod that one has sent. */
  forwardRequest(by: OfConn, request: OfpMessage, reason: number): void {
    for (const conn of this.conns) {
      if (conn === by || !conn.wants('requestForward', reason)) continue;
      // Nothing before OpenFlow 1.3 can say what a meter is.
      if (!hasRoom(conn) || (request.type === 'meter_mod' && conn.version < 4)) continue;
      conn.send(0, { type: 'request_forward', request: { ...request, version: conn.version } });
    }
  }
}

/** Of a message that may be none. */
function nameOf(raw: Uint8Array): string {
  try {
    return messageName(raw);
  } catch {
    return 'invalid';
  }
}

function hasRoom({ channel }: OfConn): boolean {
  return channel.backlog < EVENT_BACKLOG;
}
