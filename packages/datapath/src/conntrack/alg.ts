/**
 * Connections that others announce in their payload: FTP (RFC 959, RFC 2428), TFTP (RFC 1350). Both
 * engines find them here; each keeps the expectations where its packets look for them.
 */
import { ETH_P_IP, IPPROTO_TCP, IPPROTO_UDP, tcpHeaderLen } from '@heddle/packet';
import type { OdpNat } from '../odp-actions.ts';
import { FTP_TEXT_MAX, type FtpAnnouncement, parseFtp } from './ftp.ts';
import type { TrackedFrame } from './read-packet.ts';
import type { Tuple } from './tuple.ts';

const TFTP_RRQ = 1;
const TFTP_WRQ = 2;
const UDP_HEADER = 8;
/** Ports that are looked at for a free one. */
const MAX_TRIES = 64;
const MIN_PORT = 1024;
const MAX_PORT = 65535;

/** A connection with a helper. */
export interface ControlConnection {
  readonly orig: Tuple;
  readonly reply: Tuple;
  readonly natSrc: boolean;
  readonly natDst: boolean;
  /** `ftp` or `tftp`. */
  readonly helper: string | undefined;
}

export interface Announced {
  /** Of the first packet of the connection that is to come; the source port, 0 here, may be any. */
  readonly tuple: Tuple;
  readonly nat: OdpNat;
  /** What is to take the place of `[at, end)` of the frame, for the other end to see. */
  readonly text?: { readonly at: number; readonly end: number; readonly text: string };
}

/** A packet of a connection with a helper, its addresses translated. */
export interface ControlPacket {
  readonly frame: TrackedFrame;
  readonly isReply: boolean;
}

/**
 * `invalid`: what the packet announces cannot be or is not its sender's to announce. `isTaken`:
 * whether another connection expects that tuple.
 */
export function announcedBy(
  { frame, isReply }: ControlPacket,
  conn: ControlConnection,
  isTaken: (tuple: Tuple) => boolean,
): Announced | 'invalid' | undefined {
  const { proto } = conn.orig;
  if (conn.helper === 'tftp' && proto === IPPROTO_UDP)
    return isReply ? undefined : byTftp(frame, conn);
  if (conn.helper !== 'ftp' || proto !== IPPROTO_TCP) return undefined;
  const at = frame.layout.l4 + tcpHeaderLen(frame.dv, frame.layout.l4);
  const end = Math.min(frame.layout.end, at + FTP_TEXT_MAX + 1);
  if (at >= end) return undefined;
  const data = Buffer.from(frame.bytes.buffer, frame.bytes.byteOffset + at, end - at);
  const v6 = conn.orig.dlType !== ETH_P_IP;
  const said = parseFtp(data.toString('latin1'), { isReply, v6 });
  if (said === undefined || said === 'invalid') return said;
  return isReply ? passive(said, at, conn, isTaken) : active(said, at, conn, isTaken);
}

function byTftp({ dv, layout }: TrackedFrame, conn: ControlConnection): Announced | undefined {
  const at = layout.l4 + UDP_HEADER;
  if (at + 2 > layout.end) return undefined;
  const opcode = dv.getUint16(at);
  if (opcode !== TFTP_RRQ && opcode !== TFTP_WRQ) return undefined;
  const tuple = { ...conn.reply, srcPort: 0 };
  return { tuple, nat: fromServer(conn, conn.orig.srcPort) };
}

/** The server is to connect to the client. */
function active(
  said: FtpAnnouncement,
  at: number,
  conn: ControlConnection,
  isTaken: (tuple: Tuple) => boolean,
): Announced | 'invalid' | undefined {
  const { orig, reply, natSrc } = conn;
  if (!isEqual(said.address, orig.src)) return 'invalid';
  if (said.port === 0) return undefined;
  const tuple: Tuple = { ...reply, srcPort: 0, dstPort: said.port };
  const nat = fromServer(conn, said.port);
  return natSrc ? rewritten(said, at, { tuple, nat }, isTaken) : { tuple, nat };
}

/** The client is to connect to the server. */
function passive(
  said: FtpAnnouncement,
  at: number,
  conn: ControlConnection,
  isTaken: (tuple: Tuple) => boolean,
): Announced | 'invalid' | undefined {
  const { orig, reply, natSrc, natDst } = conn;
  if (said.address && !isEqual(said.address, reply.src)) return 'invalid';
  if (said.port === 0) return undefined;
  const tuple: Tuple = { ...orig, srcPort: 0, dstPort: said.port };
  const nat = natSrc
    ? natTo('src', reply.dst)
    : { ...natTo('dst', reply.src), portMin: said.port, portMax: said.port };
  return natDst ? rewritten(said, at, { tuple, nat }, isTaken) : { tuple, nat };
}

/** How a connection from the server to the client's `port` is translated. */
function fromServer({ orig, natDst }: ControlConnection, port: number): OdpNat {
  if (natDst) return natTo('src', orig.dst);
  return { ...natTo('dst', orig.src), portMin: port, portMax: port };
}

function natTo(direction: 'src' | 'dst', address: Uint8Array): OdpNat {
  const min = address.reduce((v, byte) => (v << 8n) | BigInt(byte), 0n);
  return { direction, family: address.length === 4 ? 4 : 6, min, max: min };
}

/** The other end is told the translated address, and a port that is free there. */
function rewritten(
  said: FtpAnnouncement,
  at: number,
  { tuple, nat }: Announced,
  isTaken: (tuple: Tuple) => boolean,
): Announced | 'invalid' {
  let { dstPort } = tuple;
  for (let i = 0; isTaken({ ...tuple, dstPort }); i++) {
    if (i === MAX_TRIES) return 'invalid';
    dstPort = dstPort < MIN_PORT || dstPort === MAX_PORT ? MIN_PORT : dstPort + 1;
  }
  const text = said.write(tuple.dst, dstPort);
  return {
    tuple: { ...tuple, dstPort },
    nat,
    text: { at: at + said.at, end: at + said.end, text },
  };
}

function isEqual(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a?.length === b.length && a.every((byte, i) => byte === b[i]);
}
