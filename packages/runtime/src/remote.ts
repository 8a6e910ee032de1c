/** Remotes as every Open vSwitch tool names them (ovsdb(7), "Connection Methods"). */
import { lstatSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { absoluteIn, dirs } from './dirs.ts';
import { HeddleError, SystemError } from './errors.ts';
import {
  bootstrapCa,
  bootstraps,
  TlsAcceptor,
  type TlsFiles,
  tellRefusals,
  tlsOptions,
} from './tls.ts';

export type { TlsFiles } from './tls.ts';

export type Remote =
  | { readonly kind: 'unix' | 'punix'; readonly path: string }
  | { readonly kind: 'tcp' | 'ssl'; readonly host: string; readonly port: number }
  | { readonly kind: 'ptcp' | 'pssl'; readonly host: string | undefined; readonly port: number };

const DEFAULT_PORT = 6640;

/** Parses `unix:FILE`, `tcp:HOST[:PORT]`, `ptcp:[PORT][:HOST]` and so on; undefined if it is none. */
export function parseRemote(text: string, defaultPort = DEFAULT_PORT): Remote | undefined {
  const m = /^(unix|punix|tcp|ssl|ptcp|pssl):(.*)$/s.exec(text);
  if (!m) return undefined;
  const kind = m[1] as Remote['kind'];
  const rest = m[2]!;
  if (kind === 'unix' || kind === 'punix') return { kind, path: absoluteIn(dirs.rundir, rest) };
  if (kind === 'tcp' || kind === 'ssl') {
    const a = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(rest);
    if (!a) return undefined;
    return { kind, host: a[1] ?? a[2]!, port: a[3] === undefined ? defaultPort : Number(a[3]) };
  }
  const p = /^(\d*)(?::(?:\[([^\]]+)\]|(.+)))?$/.exec(rest);
  if (!p) return undefined;
  return { kind, port: p[1] === '' ? defaultPort : Number(p[1]), host: p[2] ?? p[3] };
}

/** Of control connections' packets, unless somebody says otherwise: class selector 6. */
export const DSCP_DEFAULT = 48;

/** Marks the packets of a connection over IP. */
function mark<S extends Socket>(socket: S, dscp: number): S {
  try {
    // Node has it since 24.14.
    (socket as Partial<Pick<Socket, 'setTypeOfService'>>).setTypeOfService?.(dscp << 2);
  } catch {
    // Closed already.
  }
  return socket;
}

/** Connects an active remote; the socket may still fail afterwards. */
export function connectRemote(
  text: string,
  tls?: TlsFiles,
  defaultPort?: number,
  dscp = DSCP_DEFAULT,
): Socket {
  const remote = parseRemote(text, defaultPort);
  if (remote?.kind === 'unix') return connect(remote.path);
  return mark(connectIp(text, remote, tls), dscp);
}

function connectIp(text: string, remote: Remote | undefined, tls: TlsFiles | undefined): Socket {
  if (remote?.kind === 'tcp') return connect(remote.port, remote.host).setNoDelay(true);
  if (remote?.kind === 'ssl') {
    const first = bootstraps(tls);
    const socket = connectTls({
      host: remote.host,
      port: remote.port,
      ...tlsOptions(tls),
      checkServerIdentity: () => undefined,
    });
    tellRefusals(socket);
    if (first) socket.prependOnceListener('secureConnect', () => keepCa(tls!.caCert!, socket));
    return socket;
  }
  throw new HeddleError(`${text}: not an active connection method`);
}

/** Listens on a passive remote; resolves when it does. Unix sockets get mode 0660. */
export async function listenRemote(
  text: string,
  onConnection: (socket: Socket) => void,
  tls?: TlsFiles,
  defaultPort?: number,
  dscp: () => number = () => DSCP_DEFAULT,
): Promise<Server> {
  const remote = parseRemote(text, defaultPort);
  if (remote?.kind === 'punix') {
    const server = createServer(onConnection);
    await listenUnix(server, remote.path);
    return server;
  }
  if (remote?.kind === 'ptcp' || remote?.kind === 'pssl') {
    const tlsAcceptor = remote.kind === 'pssl' ? new TlsAcceptor(tls, onConnection) : undefined;
    const server = createServer({ noDelay: true }, (socket) => {
      mark(socket, dscp());
      if (tlsAcceptor) tlsAcceptor.accept(socket);
      else onConnection(socket);
    });
    await listening(server, () => server.listen(remote.port, remote.host ?? '0.0.0.0'));
    return server;
  }
  throw new HeddleError(`${text}: not a passive connection method`);
}

/** Listens on a socket of mode 0660, in place of a stale one. */
export async function listenUnix(server: Server, path: string): Promise<void> {
  // libuv calls a missing directory EACCES.
  statSync(dirname(path));
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) rmSync(path, { force: true });
  const mask = process.umask(0o117);
  try {
    await listening(server, () => server.listen(path));
  } finally {
    process.umask(mask);
  }
}

function listening(server: Server, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => resolve());
    start();
  });
}

/** The connection that the CA came over is not trusted itself. */
function keepCa(caCert: string, socket: TLSSocket): void {
  try {
    bootstrapCa(caCert, socket);
    socket.destroy(new SystemError('EPROTO', ''));
  } catch (error) {
    socket.destroy(error as Error);
  }
}
