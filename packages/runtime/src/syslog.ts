/** Where syslog messages go: --syslog-method and --syslog-target (ovs-vswitchd(8)). */
import type { Socket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { HeddleError } from './errors.ts';
import { SYSLOG_FORMATS, vlog } from './vlog.ts';

/** Sends one datagram, never blocking. */
export type DatagramSender = (bytes: Uint8Array) => void;
/** Connects a datagram socket to a path; undefined when nobody listens there. */
export type UnixDatagram = (path: string) => DatagramSender | undefined;

let install: (open: UnixDatagram) => void;
/** Options are read before a daemon installs what it has. */
const unixDatagram = new Promise<UnixDatagram>((resolve) => {
  install = resolve;
});

/** Node has no Unix datagram sockets; the package that has brings them here. */
export function installUnixDatagram(open: UnixDatagram): void {
  install(open);
}

const DEV_LOG = '/dev/log';
let chosen = false;

/** METHOD is libc, null, unix:FILE or udp:IP:PORT; throws HeddleError on any other. */
export function setSyslogMethod(program: string, method: string): void {
  const [, kind, rest = ''] = /^(libc|null|unix|udp)(?::(.*))?$/.exec(method) ?? [];
  if (kind === undefined)
    throw new HeddleError(`${program}: unsupported syslog method '${method}'`);
  chosen = true;
  if (kind === 'null') vlog.setSyslog(undefined);
  else if (kind === 'libc') vlog.setSyslog(whenOpen(openUnix(DEV_LOG)));
  else if (kind === 'unix') vlog.setSyslog(whenOpen(openUnix(rest)), SYSLOG_FORMATS.datagram);
  else {
    const remote = parseUdp(rest);
    if (remote)
      vlog.setSyslog(whenOpen(openUdp(remote.host, remote.port)), SYSLOG_FORMATS.datagram);
  }
}

/** What daemons do without an option: the system's log where it has one. */
export function startSyslog(): void {
  if (!chosen && existsSync(DEV_LOG)) vlog.setSyslog(whenOpen(openUnix(DEV_LOG)));
}

function parseUdp(text: string): { host: string; port: number } | undefined {
  const log = vlog.module('socket_util');
  const m = /^(?:\[([^\]]+)\]|([^:]*))(?::(.*))?$/.exec(text);
  if (m?.[3] === undefined) {
    log.err(`${text}: port must be specified`);
    return undefined;
  }
  const port = Number(m[3]);
  if (!/^\d+$/.test(m[3]) || port < 1 || port > 65535) {
    log.err(`${text}: bad port number "${m[3]}"`);
    return undefined;
  }
  return { host: m[1] ?? m[2]!, port };
}

/** Messages wait, a bounded number of them, until the socket is open. */
function whenOpen(opening: Promise<DatagramSender | undefined>): (line: string) => void {
  let waiting: Uint8Array[] | undefined = [];
  let send: DatagramSender | undefined;
  void opening.then((opened) => {
    send = opened;
    for (const line of waiting ?? []) send?.(line);
    waiting = undefined;
  });
  return (line) => {
    const bytes = Buffer.from(line);
    if (waiting === undefined) send?.(bytes);
    else if (waiting.length < 1000) waiting.push(bytes);
  };
}

async function openUnix(path: string): Promise<DatagramSender | undefined> {
  try {
    return (await unixDatagram)(path);
  } catch {
    // The addon is not built: no syslog.
    return undefined;
  }
}

async function openUdp(host: string, port: number): Promise<DatagramSender> {
  const { createSocket } = await import('node:dgram');
  const socket: Socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.unref();
  socket.on('error', () => {});
  return (line) => socket.send(line, port, host, () => {});
}
