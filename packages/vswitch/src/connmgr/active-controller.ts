/** A controller that the switch connects to, again and again. */
import type { Socket } from 'node:net';
import { OFP_PORT, type Vconn } from '@heddle/openflow';
import { connectRemote, messageOf, RCONN, Reconnect, type TlsFiles } from '@heddle/runtime';
import { Admission } from './admission.ts';
import { attach } from './attach.ts';
import { configureConn, stopLimits } from './conn-settings.ts';
import type { Connmgr } from './connmgr.ts';
import type { ControllerConfig, ControllerStatus } from './controller-config.ts';
import type { OfConn, OfConnKind } from './ofconn.ts';

const DEFAULT_PROBE_MS = 5000;

const STATES = {
  stopped: 'VOID',
  waiting: 'BACKOFF',
  connecting: 'CONNECTING',
  active: 'ACTIVE',
  idle: 'IDLE',
} as const;

export interface ActiveControllerEnv {
  readonly tls: () => TlsFiles | undefined;
  /** Sees what is said. */
  readonly tap: (raw: Uint8Array) => void;
  /** The controller has begun to control: its first message is treated next. */
  readonly admitted: () => void;
}

export class ActiveController {
  readonly #mgr: Connmgr;
  readonly #reconnect: Reconnect;
  readonly #env: ActiveControllerEnv;
  readonly #admission: Admission;
  #config: ControllerConfig;
  #versions: number;
  #vconn: Vconn | undefined;
  #conn: OfConn | undefined;
  #lastError: string | undefined;
  #connectedMs: number | undefined;
  #disconnectedMs: number | undefined;

  constructor(mgr: Connmgr, config: ControllerConfig, versions: number, env: ActiveControllerEnv) {
    this.#mgr = mgr;
    this.#admission = new Admission(mgr.env.nowMs());
    this.#config = config;
    this.#versions = versions;
    this.#env = env;
    const name = `${mgr.env.ofproto.name}<->${config.target}`;
    this.#reconnect = new Reconnect(
      name,
      {
        connect: () => this.#connect(name),
        probe: () => this.#conn?.send(0, { type: 'echo_request', data: new Uint8Array(0) }),
        disconnect: () => this.#vconn?.close(),
      },
      {
        maxBackoffMs: config.maxBackoffMs,
        probeMs: config.probeMs,
        clock: mgr.env.clock,
        words: RCONN,
      },
    );
    this.#reconnect.start();
  }

  get kind(): OfConnKind {
    return this.#config.kind;
  }

  get isConnected(): boolean {
    return this.#conn !== undefined;
  }

  /** For how long it has not controlled the switch, in ms. */
  get failedMs(): number {
    return this.#admission.failedMs(this.#mgr.env.nowMs());
  }

  /** How long it may stay away until a standalone bridge goes on by itself. */
  get patienceMs(): number {
    return 3 * (this.#config.probeMs === 0 ? DEFAULT_PROBE_MS : this.#config.probeMs);
  }

  configure(config: ControllerConfig, versions: number): void {
    const isNew = versions !== this.#versions || config.dscp !== this.#config.dscp;
    const before = this.#config;
    this.#versions = versions;
    this.#config = config;
    if (this.#conn) configureConn(this.#conn, this.#mgr.env.clock, config, before);
    this.#reconnect.probeMs = config.probeMs;
    this.#reconnect.maxBackoffMs = config.maxBackoffMs;
    if (isNew) this.reconnect();
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
    const { target, kind, dscp } = this.#config;
    let socket: Socket;
    try {
      socket = connectRemote(target, this.#env.tls(), OFP_PORT, dscp);
    } catch (error) {
      this.#closed(messageOf(error));
      return;
    }
    this.#vconn = attach(this.#mgr, socket, {
      name,
      kind,
      versions: this.#versions,
      target,
      tap: this.#env.tap,
      onOpen: (conn) => {
        this.#conn = conn;
        configureConn(conn, this.#mgr.env.clock, this.#config);
        this.#connectedMs = this.#mgr.env.nowMs();
        this.#admission.connected(this.#connectedMs);
        this.#reconnect.connected();
      },
      onHeard: (type) => {
        this.#reconnect.heard();
        if (this.#admission.heard(type, this.#mgr.env.nowMs())) this.#env.admitted();
      },
      onClose: (why) => this.#closed(why),
    });
  }

  #closed(why: string | undefined): void {
    this.#admission.disconnected(this.#mgr.env.nowMs());
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
