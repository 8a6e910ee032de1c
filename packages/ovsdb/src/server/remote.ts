/** The remotes of a server: those that it listens on, and those that it keeps connecting to. */
import type { Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  connectRemote,
  coverage,
  errnoOf,
  listenRemote,
  messageOf,
  parseRemote,
  Reconnect,
  strerror,
  vlog,
} from '@heddle/runtime';
import type { Identity } from './rbac.ts';
import type { OvsdbServer } from './server.ts';
import { Session, type SessionTerms } from './session.ts';

const log = vlog.module('ovsdb_jsonrpc_server');
const listened = coverage.counter('pstream_open');
const connected = coverage.counter('stream_open');
const PROBE_MS = 5000;
const MAX_BACKOFF_MS = 8000;
/** How soon to try to listen again where it did not go. */
const LISTEN_AGAIN_MS = 1000;

/** What a row of a table such as Manager or Connection asks for, besides its target. */
export interface RemoteOptions {
  readonly maxBackoffMs?: number | undefined;
  readonly probeMs?: number | undefined;
  readonly readOnly?: boolean | undefined;
  readonly role?: string | undefined;
}

/** What the `is_connected` and `status` columns of such a row say of its target. */
export interface RemoteStatus {
  readonly isConnected: boolean;
  readonly status: ReadonlyMap<string, string>;
}

export interface Remote {
  /** Applies to clients that are connected, too. */
  options: RemoteOptions;
  readonly sessions: ReadonlySet<Session>;
  status(): RemoteStatus;
  close(): void;
}

let unixClients = 0;

/** Makes the remote; resolves when it listens or has tried to. */
export async function openRemote(
  server: OvsdbServer,
  target: string,
  options: RemoteOptions,
): Promise<Remote> {
  const parsed = parseRemote(target);
  const passive =
    parsed && (parsed.kind === 'punix' || ('port' in parsed && parsed.kind[0] === 'p'));
  if (!passive || ('port' in parsed && parsed.port > 65535)) {
    return new ActiveRemote(server, target, options);
  }
  const remote = new PassiveRemote(server, target, options);
  await remote.listen();
  return remote;
}

/** By default a client on this machine is not probed: its death closes the connection. */
function defaultProbeMs(target: string): number {
  return /^p?unix:/.test(target) ? 0 : PROBE_MS;
}

class Terms implements SessionTerms {
  readonly name: string;
  readonly heard?: () => void;
  readonly #target: string;
  readonly #remote: Remote;
  readonly #id: string | undefined;
  readonly #probes: boolean;

  constructor(name: string, target: string, remote: Remote, socket: Socket, heard?: () => void) {
    this.name = name;
    this.#target = target;
    this.#remote = remote;
    this.#id = commonName(socket);
    this.#probes = !heard;
    if (heard) this.heard = heard;
  }

  get client(): Identity {
    return { role: this.#remote.options.role ?? '', id: this.#id };
  }

  get readOnly(): boolean {
    return this.#remote.options.readOnly ?? false;
  }

  get probeMs(): number {
    if (!this.#probes) return 0;
    return this.#remote.options.probeMs ?? defaultProbeMs(this.#target);
  }
}

/** Of a certificate that has been verified. */
function commonName(socket: Socket): string | undefined {
  const tls = socket as Partial<TLSSocket>;
  if (!tls.encrypted || !tls.authorized) return undefined;
  const name: unknown = tls.getPeerCertificate?.().subject?.CN;
  return Array.isArray(name) ? String(name[0]) : typeof name === 'string' ? name : undefined;
}

class PassiveRemote implements Remote {
  readonly sessions = new Set<Session>();
  readonly #server: OvsdbServer;
  readonly #target: string;
  #options: RemoteOptions;
  #listener: Server | undefined;
  #again: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(server: OvsdbServer, target: string, options: RemoteOptions) {
    this.#server = server;
    this.#target = target;
    this.#options = options;
  }

  get options(): RemoteOptions {
    return this.#options;
  }

  set options(options: RemoteOptions) {
    this.#options = options;
    for (const session of this.sessions) session.watch();
  }

  async listen(): Promise<void> {
    try {
      listened.add();
      const accept = (socket: Socket) => this.#accept(socket);
      const listener = await listenRemote(this.#target, accept, this.#server.tls);
      if (this.#closed) listener.close();
      else this.#listener = listener;
      listener.on('error', (error) => log.rl.err(`${this.#target}: ${error.message}`));
    } catch (error) {
      if (this.#closed) return;
      log.rl.err(`${this.#target}: listen failed: ${strerror(errnoOf(error))}`);
      this.#again = setTimeout(() => void this.listen(), LISTEN_AGAIN_MS).unref();
    }
  }

  /** Upstream, too, counts no seconds for a listener. */
  status(): RemoteStatus {
    const status = new Map<string, string>();
    const address = this.#listener?.address();
    if (address && typeof address === 'object') status.set('bound_port', String(address.port));
    if (this.sessions.size > 1) status.set('n_connections', String(this.sessions.size));
    status.set('sec_since_connect', '0').set('sec_since_disconnect', '0');
    return { isConnected: this.sessions.size > 0, status };
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#again);
    this.#listener?.close();
    for (const session of this.sessions) session.destroy();
  }

  #accept(socket: Socket): void {
    if (this.#closed) return void socket.destroy();
    const name = clientName(this.#target, socket);
    const session = new Session(this.#server, socket, new Terms(name, this.#target, this, socket));
    this.#server.admit(session);
    this.sessions.add(session);
    socket.once('close', () => this.sessions.delete(session));
  }
}

function clientName(target: string, socket: Socket): string {
  if (target.startsWith('punix:')) return `unix#${unixClients++}`;
  const { remoteAddress: host = '', remotePort } = socket;
  return `${target.slice(1, 4)}:${host.includes(':') ? `[${host}]` : host}:${remotePort}`;
}

const STATES = {
  stopped: 'VOID',
  waiting: 'BACKOFF',
  connecting: 'CONNECTING',
  active: 'ACTIVE',
  idle: 'IDLE',
} as const;

class ActiveRemote implements Remote {
  readonly sessions = new Set<Session>();
  readonly #server: OvsdbServer;
  readonly #target: string;
  readonly #reconnect: Reconnect;
  #options: RemoteOptions;
  #socket: Socket | undefined;
  #connectedMs: number | undefined;
  #disconnectedMs: number | undefined;

  constructor(server: OvsdbServer, target: string, options: RemoteOptions) {
    this.#server = server;
    this.#target = target;
    this.#options = options;
    this.#reconnect = new Reconnect(target, {
      connect: () => this.#connect(),
      probe: () => this.#session?.probe(),
      disconnect: () => this.#socket?.destroy(),
    });
    this.#configure();
    this.#reconnect.start();
  }

  get options(): RemoteOptions {
    return this.#options;
  }

  set options(options: RemoteOptions) {
    this.#options = options;
    this.#configure();
  }

  status(): RemoteStatus {
    const status = new Map<string, string>();
    const since = (ms: number) => String(Math.floor((performance.now() - ms) / 1000));
    if (this.#connectedMs !== undefined) status.set('sec_since_connect', since(this.#connectedMs));
    if (this.#disconnectedMs !== undefined) {
      status.set('sec_since_disconnect', since(this.#disconnectedMs));
    }
    const session = this.#session;
    if (session) {
      const locks = this.#server.locks.of(session);
      if (locks.held.length > 0) status.set('locks_held', locks.held.sort().join(' '));
      if (locks.waiting.length > 0) status.set('locks_waiting', locks.waiting.sort().join(' '));
      if (locks.lost.length > 0) status.set('locks_lost', locks.lost.sort().join(' '));
    }
    status.set('state', STATES[this.#reconnect.state]);
    return { isConnected: session !== undefined, status };
  }

  close(): void {
    this.#reconnect.stop();
    this.#socket?.destroy();
  }

  get #session(): Session | undefined {
    for (const session of this.sessions) return session;
    return undefined;
  }

  #configure(): void {
    const { maxBackoffMs = MAX_BACKOFF_MS, probeMs = defaultProbeMs(this.#target) } = this.#options;
    this.#reconnect.maxBackoffMs = maxBackoffMs;
    this.#reconnect.probeMs = probeMs;
  }

  #connect(): void {
    let socket: Socket;
    connected.add();
    try {
      socket = connectRemote(this.#target, this.#server.tls);
    } catch (error) {
      setImmediate(() => this.#reconnect.failed(this.#unusable(error)));
      return;
    }
    this.#socket = socket;
    let why: string | undefined;
    let open = false;
    socket.once(this.#target.startsWith('ssl:') ? 'secureConnect' : 'connect', () => {
      if (socket.destroyed) return;
      open = true;
      this.#connected(socket);
    });
    socket.on('error', (error) => {
      why = 'code' in error ? strerror(errnoOf(error)) : error.message;
    });
    socket.once('close', () => {
      if (open) this.#disconnectedMs = performance.now();
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#reconnect.failed(why);
    });
  }

  #connected(socket: Socket): void {
    this.#connectedMs = performance.now();
    this.#reconnect.connected();
    const heard = () => this.#reconnect.heard();
    const terms = new Terms(this.#target, this.#target, this, socket, heard);
    const session = new Session(this.#server, socket, terms);
    this.#server.admit(session);
    this.sessions.add(session);
    socket.once('close', () => this.sessions.delete(session));
  }

  #unusable(error: unknown): string {
    if (!this.#target.startsWith('ssl:')) return 'Address family not supported by protocol';
    vlog.module('stream_ssl').rl.err(messageOf(error));
    return 'Protocol not available';
  }
}
