/**
 * BPDUs in bytes: Configuration and Topology Change Notification (IEEE 802.1D-1998, 9.3) and RST
 * (IEEE 802.1D-2004, 9.3.3).
 */

/** The Bridge Group Address (802.1D-2004, 7.12.3). */
export const BRIDGE_GROUP_MAC = 0x0180c2000000;

export const BpduFlag = {
  topologyChange: 0x01,
  proposal: 0x02,
  learning: 0x10,
  forwarding: 0x20,
  agreement: 0x40,
  topologyChangeAck: 0x80,
} as const;

/** Port roles in an RST BPDU's flags. */
export const BpduRole = { unknown: 0, alternateOrBackup: 1, root: 2, designated: 3 } as const;
const ROLE_SHIFT = 2;
const ROLE_MASK = 3;

export interface ConfigBpdu {
  readonly type: 'config' | 'rst';
  /** `BpduFlag` bits; an RST BPDU has its role apart. */
  readonly flags: number;
  /** `BpduRole`; of Configuration BPDUs always `designated`. */
  readonly role: number;
  /** 16 bits of priority above 48 of address. */
  readonly rootId: bigint;
  readonly rootPathCost: number;
  readonly bridgeId: bigint;
  readonly portId: number;
  readonly messageAgeMs: number;
  readonly maxAgeMs: number;
  readonly helloTimeMs: number;
  readonly forwardDelayMs: number;
}

export type Bpdu = ConfigBpdu | { readonly type: 'tcn' };

const TYPE_CONFIG = 0x00;
const TYPE_RST = 0x02;
const TYPE_TCN = 0x80;
const TCN_BYTES = 4;
const CONFIG_BYTES = 35;
const RST_BYTES = 36;
const VERSION_RSTP = 2;
/** Times are in 1/256 s. */
const TICKS_PER_SECOND = 256;

/** undefined: too short, of another protocol, or of a type that is not known. */
export function parseBpdu(bytes: Uint8Array): Bpdu | undefined {
  const pdu = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (pdu.length < TCN_BYTES || pdu.readUInt16BE(0) !== 0) return undefined;
  const kind = pdu[3];
  if (kind === TYPE_TCN) return { type: 'tcn' };
  const isRst = kind === TYPE_RST;
  if (!isRst && kind !== TYPE_CONFIG) return undefined;
  if (pdu.length < (isRst ? RST_BYTES : CONFIG_BYTES)) return undefined;
  const octet = pdu[4]!;
  const flags = isRst
    ? octet & ~((ROLE_MASK << ROLE_SHIFT) | BpduFlag.topologyChangeAck)
    : octet & (BpduFlag.topologyChange | BpduFlag.topologyChangeAck);
  return {
    type: isRst ? 'rst' : 'config',
    flags,
    role: isRst ? (octet >> ROLE_SHIFT) & ROLE_MASK : BpduRole.designated,
    rootId: pdu.readBigUInt64BE(5),
    rootPathCost: pdu.readUInt32BE(13),
    bridgeId: pdu.readBigUInt64BE(17),
    portId: pdu.readUInt16BE(25),
    messageAgeMs: toMs(pdu.readUInt16BE(27)),
    maxAgeMs: toMs(pdu.readUInt16BE(29)),
    helloTimeMs: toMs(pdu.readUInt16BE(31)),
    forwardDelayMs: toMs(pdu.readUInt16BE(33)),
  };
}

export function emitBpdu(bpdu: Bpdu): Buffer {
  if (bpdu.type === 'tcn') return Buffer.from([0, 0, 0, TYPE_TCN]);
  const isRst = bpdu.type === 'rst';
  const pdu = Buffer.alloc(isRst ? RST_BYTES : CONFIG_BYTES);
  if (isRst) {
    pdu[2] = VERSION_RSTP;
    pdu[3] = TYPE_RST;
  }
  pdu[4] = bpdu.flags | (isRst ? bpdu.role << ROLE_SHIFT : 0);
  pdu.writeBigUInt64BE(bpdu.rootId, 5);
  pdu.writeUInt32BE(bpdu.rootPathCost, 13);
  pdu.writeBigUInt64BE(bpdu.bridgeId, 17);
  pdu.writeUInt16BE(bpdu.portId, 25);
  pdu.writeUInt16BE(fromMs(bpdu.messageAgeMs), 27);
  pdu.writeUInt16BE(fromMs(bpdu.maxAgeMs), 29);
  pdu.writeUInt16BE(fromMs(bpdu.helloTimeMs), 31);
  pdu.writeUInt16BE(fromMs(bpdu.forwardDelayMs), 33);
  return pdu;
}

function toMs(ticks: number): number {
  return (ticks * 1000) / TICKS_PER_SECOND;
}

function fromMs(ms: number): number {
  // Clocks have fractions, which must not make a tick less of what is whole.
  return Math.min(Math.floor((ms * TICKS_PER_SECOND) / 1000 + 1e-3), 0xffff);
}

const ETH_HEADER_BYTES = 14;
const LLC_BYTES = 3;
/** DSAP and SSAP of the spanning tree protocols, unnumbered information. */
const LLC = [0x42, 0x42, 0x03];

/** A BPDU in its frame (802.1D-2004, 7.12). */
export function bpduFrame(source: number, pdu: Uint8Array): Buffer {
  const frame = Buffer.alloc(ETH_HEADER_BYTES + LLC_BYTES + pdu.length);
  frame.writeUIntBE(BRIDGE_GROUP_MAC, 0, 6);
  frame.writeUIntBE(source, 6, 6);
  frame.writeUInt16BE(LLC_BYTES + pdu.length, 12);
  frame.set(LLC, ETH_HEADER_BYTES);
  frame.set(pdu, ETH_HEADER_BYTES + LLC_BYTES);
  return frame;
}

/** The BPDU in an untagged frame; empty when it is none. The length of the LLC frame ends it. */
export function bpduOf(frame: Uint8Array): Uint8Array {
  const at = ETH_HEADER_BYTES + LLC_BYTES;
  if (frame.length < at) return new Uint8Array();
  const length = (frame[12]! << 8) | frame[13]!;
  const isBpdu = LLC.every((octet, i) => frame[ETH_HEADER_BYTES + i] === octet);
  if (!isBpdu || length < LLC_BYTES) return new Uint8Array();
  return frame.subarray(at, Math.min(ETH_HEADER_BYTES + length, frame.length));
}
