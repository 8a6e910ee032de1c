/** Makes a socket a connection of a bridge. */
import type { Socket } from 'node:net';
import { messageName, messageType, type OfpError, type OfpMessage, Vconn } from '@heddle/openflow';
import type { Connmgr } from './connmgr.ts';
import { isWrite } from './handle.ts';
import { MultipartRequests } from './multipart.ts';
import type { OfConn, OfConnKind, OfpChannel } from './ofconn.ts';

/** A peer that lets this much pile up is not read from. */
const READ_LIMIT = 4 * 1024 * 1024;

export interface AttachOptions {
  readonly name: string;
  readonly kind: OfConnKind;
  readonly versions: number;
  readonly target?: string;
  readonly tap?: (raw: Uint8Array) => void;
  readonly onOpen?: (conn: OfConn) => void;
  /** A message has come that is worth nothing by itself, or one by which the peer controls the switch. */
  readonly onHeard?: (type: OfpMessage['type'] | undefined) => void;
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
        options.onHeard?.(msg.type);
        if (!conn) return;
        mgr.receive(conn, msg, raw);
      },
      take: (bytes, at, length) => {
        if (!conn || !mgr.take(conn, bytes, at, length)) return false;
        options.onHeard?.('flow_mod');
        return true;
      },
      bad: (error: OfpError, raw: Uint8Array) => {
        options.onHeard?.(undefined);
        if (!conn) return;
        // As upstream, before the body of such a message is looked at.
        const isForbidden = conn.role === 'secondary' && isWrite(messageType(raw));
        mgr.sendError(conn, isForbidden ? 'OFPBRC_IS_SECONDARY' : refusal(error, raw), raw);
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
  socket.on('drain', () => options.onHeard?.(undefined));
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
    get sentBytes() {
      return vconn.sentBytes;
    },
    send: (message) => vconn.send(message),
    hold: () => vconn.hold(),
    drained: () => vconn.drained(),
    close: () => vconn.close(),
  };
}
