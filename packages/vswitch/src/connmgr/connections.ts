/**
 * Who may connect to a bridge and whom it connects to: the management socket, controllers of the
 * database, passive ones (ovs-vswitchd.conf.db(5), "Controller").
 */
import type { Server, Socket } from 'node:net';
import { join } from 'node:path';
import { messageName, type OfpError, type OfpMessage, Vconn } from '@heddle/openflow';
import {
  connectRemote,
  dirs,
  listenRemote,
  messageOf,
  Reconnect,
  type TlsFiles,
  vlog,
} from '@heddle/runtime';
import type { Connmgr } from './connmgr.ts';
import { MultipartRequests } from './multipart.ts';
import type { OfConn, OfConnKind, OfpChannel } from './ofconn.ts';
import { PacketInScheduler } from './pinsched.ts';

const log = vlog.module('rconn');

/** OpenFlow 1.0 to 1.5. */
export const ALL_VERSIONS = 0x7e;
const OFP_PORT = 6653;
const DEFAULT_PROBE_MS = 5000;
/** A peer that lets this much pile up is not read from. */
const READ_LIMIT = 4 * 1024 * 1024;

export interface ControllerConfig {
  readonly target: string;
  readonly kind: OfConnKind;
  readonly maxBackoffMs: number;
  /** 0: never ask whether it lives. */
  readonly probeMs: number;
  /** Packet-ins in a second; undefined: as many as there are. */
  readonly rateLimit?: number | undefined;
  /** Packet-ins that may wait. */
  readonly burstLimit?: number | undefined;
}

export interface ControllerStatus {
  readonly isConnected: boolean;
  readonly role: 'primary' | 'secondary' | 'other';
  readonly state: string;
  readonly lastError: string | undefined;
  readonly secSinceConnect: number | undefined;
  readonly secSinceDisconnect: number | undefined;
  /** What rate limits did to packet-ins, where there are some. */
  readonly limits: OfConn['limits'];
}

export class Connections {
  readonly #mgr: Connmgr;
  readonly #servers = new Map<string, Promise<Server>>();
  readonly #controllers = new Map<string, ActiveController>();
  readonly #snoops = new Set<Vconn>();
  #versions = ALL_VERSIONS;
  #count = 0;
  #tls: () => TlsFiles | undefined = () => undefined;

  constructor(mgr: Connmgr) {
    this.#mgr = mgr;
    const { name } = mgr.env.ofproto;
    this.#listen(`punix:${join(dirs.rundir, `${name}.mgmt`)}`, 'service');
    this.#listenSnoop(`punix:${join(dirs.rundir, `${name}.snoop`)}`);
  }

  configure(
    controllers: readonly ControllerConfig[],
    versions: number,
    tls: () => TlsFiles | undefined,
  ): void {
    this.#versions = versions;
    this.#tls = tls;
    const wanted = new Map(controllers.map((c) => [c.target, c]));
    for (const [target, controller] of this.#controllers) {
      if (wanted.has(target)) continue;
      controller.close();
      this.#controllers.delete(target);
    }
    for (const [target, server] of this.#servers) {
      if (isBuiltIn(target) || wanted.has(target)) continue;
      this.#servers.delete(target);
      void server.then((s) => s.close()).catch(() => {});
    }
    for (const config of controllers) {
      if (/^p(unix|tcp|ssl):/.test(config.target)) this.#listen(config.target, config.kind);
      else this.#connect(config);
    }
  }

  status(target: string): ControllerStatus | undefined {
    return this.#controllers.get(target)?.status();
  }

  /**
   * Whether the controllers that decide have been away for so long that a standalone bridge takes
   * over: three times their probe interval.
   */
  get hasFailed(): boolean {
    const primaries = [...this.#controllers.values()].filter((c) => c.kind === 'primary');
    return primaries.length > 0 && primaries.every((c) => c.hasFailed);
  }

  reconnect(): void {
    for (const controller of this.#controllers.values()) controller.reconnect();
  }

  /** As `reconnect`; those who have connected to the switch are hung up on, too. */
  drop(): void {
    this.reconnect();
    for (const conn of [...this.#mgr.conns]) {
      conn.channel.close();
      this.#mgr.remove(conn);
    }
  }

  close(): void {
    for (const server of this.#servers.values()) void server.then((s) => s.close()).catch(() => {});
    this.#servers.clear();
    for (const controller of this.#controllers.values()) controller.close();
    this.#controllers.clear();
    for (const conn of [...this.#mgr.conns]) conn.channel.close();
    for (const snoop of this.#snoops) snoop.close();
  }

  #connect(config: ControllerConfig): void {
    const known = this.#controllers.get(config.target);
    if (known) {
      known.configure(config, this.#versions);
      return;
    }
    const tap = (raw: Uint8Array): void => this.#tap(raw);
    this.#controllers.set(
      config.target,
      new ActiveController(this.#mgr, config, this.#versions, () => this.#tls(), tap),
    );
  }

  #listen(target: string, kind: OfConnKind): void {
    if (this.#servers.has(target)) return;
    const accept = (socket: Socket): void => {
      const name = `${this.#mgr.env.ofproto.name}<->unix#${this.#count++}`;
      const controller = isBuiltIn(target) ? {} : { target };
      attach(this.#mgr, socket, { name, kind, versions: this.#versions, ...controller });
    };
    const server = listenRemote(target, accept, this.#tls(), OFP_PORT);
    this.#servers.set(target, server);
    server.catch((error: unknown) => {
      log.rl.err(`failed to listen on ${target}: ${messageOf(error)}`, target);
      this.#servers.delete(target);
    });
  }

  /** Whoever connects there hears what is said with controllers. */
  #listenSnoop(target: string): void {
    const server = listenRemote(target, (socket) => {
      const snoop: Vconn = new Vconn(
        socket,
        { name: 'snoop', versions: this.#versions },
        {
          open: () => this.#snoops.add(snoop),
          message: () => {},
          bad: () => {},
          close: () => this.#snoops.delete(snoop),
        },
      );
    });
    this.#servers.set(target, server);
    server.catch((error: unknown) => log.rl.err(`${target}: ${messageOf(error)}`, target));
  }

  #tap(raw: Uint8Array): void {
    for (const snoop of this.#snoops) if (snoop.isOpen) snoop.sendRaw(raw);
  }
}

function isBuiltIn(target: string): boolean {
  return /\.(mgmt|snoop)$/.test(target);
}

interface AttachOptions {
  readonly name: string;
  readonly kind: OfConnKind;
  readonly versions: number;
  readonly target?: string;
  readonly tap?: (raw: Uint8Array) => void;
  readonly onOpen?: (conn: OfConn) => void;
  readonly onHeard?: () => void;
  readonly onClose?: (why: string | undefined) => void;
}

const BY_SWITCHES = /(_REPLY| reply|_IN|_IN2|_REMOVED|_STATUS|FORWARD|_PAUSED|_RESUMED)$/;

/** What only switches say is refused as such, whatever else is wrong with it. */
function refusal({ ofpErr }: OfpError, raw: Uint8Array): string {
  if (ofpErr === 'OFPBRC_BAD_VERSION') return ofpErr;
  try {
    return BY_SWITCHES.test(messageName(raw)) ? 'OFPBRC_BAD_TYPE' : ofpErr;
  } catch {
    return ofpErr;
  }
}

/** Makes a socket a connection of the bridge. */
export function attach(mgr: Connmgr, socket: Socket, options: AttachOptions): Vconn {
  let conn: OfConn | undefined;
  const requests = new MultipartRequests(mgr.env.clock, (ofpErr, raw) => {
    if (conn) mgr.sendError(conn, ofpErr, raw);
  });
  const vconn: Vconn = new Vconn(
    socket,
    {
      name: options.name,
      versions: options.versions,
      recyclesMatches: true,
      gather: (raw) => requests.gather(raw),
      tlv: { has: (index) => mgr.env.ofproto.tlv.has(index) },
      readLimit: READ_LIMIT,
      ...(options.tap && { tap: options.tap }),
    },
    {
      open: () => {
        conn = mgr.add(channelOf(vconn, options.target), options.kind);
        options.onOpen?.(conn);
      },
      message: (msg: OfpMessage, raw: Uint8Array) => {
        options.onHeard?.();
        if (!conn) return;
        mgr.receive(conn, msg, raw);
      },
      take: (bytes, at, length) => {
        if (!conn || !mgr.take(conn, bytes, at, length)) return false;
        options.onHeard?.();
        return true;
      },
      bad: (error: OfpError, raw: Uint8Array) => {
        if (conn) mgr.sendError(conn, refusal(error, raw), raw);
      },
      close: (why) => {
        requests.close();
        mgr.knownAdds.forget();
        if (conn) mgr.remove(conn);
        options.onClose?.(why);
      },
    },
  );
  // It lives: it reads.
  socket.on('drain', () => options.onHeard?.());
  return vconn;
}

function channelOf(vconn: Vconn, target: string | undefined): OfpChannel {
  return {
    target,
    version: vconn.version,
    name: vconn.name,
    get isOpen() {
      return vconn.isOpen;
    },
    get backlog() {
      return vconn.backlog;
    },
    send: (message) => vconn.send(message),
    hold: () => vconn.hold(),
    drained: () => vconn.drained(),
    close: () => vconn.close(),
  };
}

function stopLimits(conn: OfConn): void {
  conn.limits?.miss.stop();
  conn.limits?.action.stop();
  conn.limits = undefined;
}

/** A controller that the switch connects to, again and again. */
class ActiveController {
  readonly #mgr: Connmgr;
  readonly #reconnect: Reconnect;
  readonly #tls: () => TlsFiles | undefined;
  readonly #tap: (raw: Uint8Array) => void;
  #config: ControllerConfig;
  #versions: number;
  #vconn: Vconn | undefined;
  #conn: OfConn | undefined;
  #lastError: string | undefined;
  #connectedMs: number | undefined;
  #disconnectedMs: number | undefined;
  readonly #startedMs: number;

  constructor(
    mgr: Connmgr,
    config: ControllerConfig,
    versions: number,
    tls: () => TlsFiles | undefined,
    tap: (raw: Uint8Array) => void,
  ) {
    this.#mgr = mgr;
    this.#startedMs = mgr.env.nowMs();
    this.#config = config;
    this.#versions = versions;
    this.#tls = tls;
    this.#tap = tap;
    const name = `${mgr.env.ofproto.name}<->${config.target}`;
    this.#reconnect = new Reconnect(
      name,
      {
        connect: () => this.#connect(name),
        probe: () => this.#conn?.send(0, { type: 'echo_request', data: new Uint8Array(0) }),
        disconnect: () => this.#vconn?.close(),
      },
      { maxBackoffMs: config.maxBackoffMs, probeMs: config.probeMs, clock: mgr.env.clock },
    );
    this.#reconnect.start();
  }

  get kind(): OfConnKind {
    return this.#config.kind;
  }

  get isConnected(): boolean {
    return this.#conn !== undefined;
  }

  get hasFailed(): boolean {
    if (this.#conn) return false;
    const probeMs = this.#config.probeMs === 0 ? DEFAULT_PROBE_MS : this.#config.probeMs;
    return this.#mgr.env.nowMs() - (this.#disconnectedMs ?? this.#startedMs) > 3 * probeMs;
  }

  configure(config: ControllerConfig, versions: number): void {
    const versionsChanged = versions !== this.#versions;
    this.#versions = versions;
    const limitsChanged =
      config.rateLimit !== this.#config.rateLimit || config.burstLimit !== this.#config.burstLimit;
    this.#config = config;
    if (limitsChanged) this.#limit();
    this.#reconnect.probeMs = config.probeMs;
    if (versionsChanged) this.reconnect();
  }

  reconnect(): void {
    this.#vconn?.close();
    this.#closed(undefined);
  }

  close(): void {
    this.#reconnect.stop();
    this.#vconn?.close();
    if (this.#conn) this.#mgr.remove(this.#conn);
  }

  status(): ControllerStatus {
    const since = (ms: number | undefined) =>
      ms === undefined ? undefined : Math.floor((this.#mgr.env.nowMs() - ms) / 1000);
    const role = this.#conn?.role;
    return {
      isConnected: this.isConnected,
      role: role === 'primary' || role === 'secondary' ? role : 'other',
      state: STATES[this.#reconnect.state],
      lastError: this.#lastError,
      secSinceConnect: since(this.#connectedMs),
      secSinceDisconnect: since(this.#disconnectedMs),
      limits: this.#conn?.limits,
    };
  }

  #connect(name: string): void {
    let socket: Socket;
    try {
      socket = connectRemote(this.#config.target, this.#tls(), OFP_PORT);
    } catch (error) {
      this.#closed(messageOf(error));
      return;
    }
    this.#vconn = attach(this.#mgr, socket, {
      name,
      kind: this.#config.kind,
      versions: this.#versions,
      target: this.#config.target,
      tap: this.#tap,
      onOpen: (conn) => {
        this.#conn = conn;
        this.#limit();
        this.#connectedMs = this.#mgr.env.nowMs();
        this.#reconnect.connected();
      },
      onHeard: () => this.#reconnect.heard(),
      onClose: (why) => this.#closed(why),
    });
  }

  #limit(): void {
    const { rateLimit, burstLimit } = this.#config;
    const conn = this.#conn;
    if (!conn) return;
    stopLimits(conn);
    if (rateLimit === undefined) return;
    const { clock } = this.#mgr.env;
    const scheduler = () => new PacketInScheduler(clock, rateLimit, burstLimit);
    conn.limits = { miss: scheduler(), action: scheduler() };
  }

  #closed(why: string | undefined): void {
    if (this.#conn) {
      stopLimits(this.#conn);
      this.#mgr.remove(this.#conn);
      this.#conn = undefined;
      this.#disconnectedMs = this.#mgr.env.nowMs();
    }
    this.#vconn = undefined;
    this.#lastError = why ?? 'End of file';
    this.#reconnect.failed(why);
  }
}

const STATES = {
  stopped: 'VOID',
  waiting: 'BACKOFF',
  connecting: 'CONNECTING',
  active: 'ACTIVE',
  idle: 'IDLE',
} as const;
