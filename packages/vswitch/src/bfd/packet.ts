/** BFD Control packets (RFC 5880, 4.1) in UDP over IPv4 (RFC 5881, 4). */
import { checksum, IPPROTO_UDP } from '@heddle/packet';

export const BFD_PORT = 3784;

const VERSION = 1;
const BFD_BYTES = 24;
const ETH_BYTES = 14;
const IP_BYTES = 20;
const UDP_BYTES = 8;
const HEADER_BYTES = ETH_BYTES + IP_BYTES + UDP_BYTES;
const TTL = 255;
/** Internetwork control (RFC 2474, 4.2.2). */
const TOS = 0xc0;

export const BfdFlag = {
  multipoint: 0x01,
  demand: 0x02,
  auth: 0x04,
  ctl: 0x08,
  final: 0x10,
  poll: 0x20,
} as const;

/** By number. */
export const BFD_STATES = ['admin_down', 'down', 'init', 'up'] as const;
export type BfdState = (typeof BFD_STATES)[number];

export interface BfdPacket {
  /** 0 to 31. */
  readonly diag: number;
  readonly state: BfdState;
  /** `BfdFlag` bits. */
  readonly flags: number;
  readonly mult: number;
  readonly myDisc: number;
  readonly yourDisc: number;
  readonly minTxUs: number;
  readonly minRxUs: number;
}

export interface BfdAddresses {
  readonly ethSrc: number;
  readonly ethDst: number;
  readonly ipSrc: number;
  readonly ipDst: number;
  readonly udpSrc: number;
}

/** The packet in a frame, or why it is to be discarded (RFC 5880, 6.8.6). */
export function parseBfd(frame: Uint8Array): BfdPacket | string {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  const at = payloadOffset(bytes);
  if (at === undefined) return 'not UDP over IPv4';
  if (bytes[at + TTL_BEHIND_IP] !== TTL) return `expected TTL ${TTL}`;
  const body = bytes.subarray(at + ipBytes(bytes, at) + UDP_BYTES);
  if (body.length < BFD_BYTES) return 'too short';
  const flags = body[1]! & 0x3f;
  const packet: BfdPacket = {
    diag: body[0]! & 0x1f,
    state: BFD_STATES[body[1]! >> 6]!,
    flags,
    mult: body[2]!,
    myDisc: body.readUInt32BE(4),
    yourDisc: body.readUInt32BE(8),
    minTxUs: body.readUInt32BE(12),
    minRxUs: body.readUInt32BE(16),
  };
  if (body[0]! >> 5 !== VERSION) return 'incorrect version';
  if (body[3]! < BFD_BYTES) return 'unexpected length';
  if ((flags & BfdFlag.auth) !== 0) return 'authentication is not supported';
  if (packet.mult === 0) return 'zero multiplier';
  if ((flags & BfdFlag.multipoint) !== 0) return 'multipoint is not supported';
  if (packet.myDisc === 0) return 'no discriminator of the sender';
  const mayBeAnyone = packet.state === 'down' || packet.state === 'admin_down';
  if (packet.yourDisc === 0 && !mayBeAnyone) return 'no discriminator of ours';
  return packet;
}

const TTL_BEHIND_IP = 8;

/** Where the IPv4 header begins, behind VLAN tags; undefined when there is none with UDP. */
function payloadOffset(bytes: Buffer): number | undefined {
  let at = 12;
  while (bytes.length >= at + 2 && [0x8100, 0x88a8].includes(bytes.readUInt16BE(at))) at += 4;
  if (bytes.length < at + 2 + IP_BYTES + UDP_BYTES) return undefined;
  if (bytes.readUInt16BE(at) !== 0x0800) return undefined;
  at += 2;
  const isWhole = ipBytes(bytes, at) >= IP_BYTES && bytes[at + 9] === IPPROTO_UDP;
  return isWhole ? at : undefined;
}

function ipBytes(bytes: Buffer, at: number): number {
  return (bytes[at]! & 0x0f) * 4;
}

export function emitBfd(packet: BfdPacket, to: BfdAddresses): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES + BFD_BYTES);
  frame.writeUIntBE(to.ethDst, 0, 6);
  frame.writeUIntBE(to.ethSrc, 6, 6);
  frame.writeUInt16BE(0x0800, 12);
  const ip = frame.subarray(ETH_BYTES);
  ip[0] = 0x45;
  ip[1] = TOS;
  ip.writeUInt16BE(ip.length, 2);
  ip[8] = TTL;
  ip[9] = IPPROTO_UDP;
  ip.writeUInt32BE(to.ipSrc, 12);
  ip.writeUInt32BE(to.ipDst, 16);
  ip.writeUInt16BE(ipChecksum(ip), 10);
  const udp = ip.subarray(IP_BYTES);
  udp.writeUInt16BE(to.udpSrc, 0);
  udp.writeUInt16BE(BFD_PORT, 2);
  udp.writeUInt16BE(udp.length, 4);
  const body = udp.subarray(UDP_BYTES);
  body[0] = (VERSION << 5) | packet.diag;
  body[1] = (BFD_STATES.indexOf(packet.state) << 6) | packet.flags;
  body[2] = packet.mult;
  body[3] = BFD_BYTES;
  body.writeUInt32BE(packet.myDisc, 4);
  body.writeUInt32BE(packet.yourDisc, 8);
  body.writeUInt32BE(packet.minTxUs, 12);
  body.writeUInt32BE(packet.minRxUs, 16);
  return frame;
}

function ipChecksum({ buffer, byteOffset }: Buffer): number {
  return checksum(new DataView(buffer), byteOffset, IP_BYTES);
}
