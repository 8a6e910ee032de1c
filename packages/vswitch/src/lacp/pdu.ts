/** LACPDUs (IEEE 802.1AX-2008, 5.4.2). */

export const ETH_P_SLOW = 0x8809;
/** The Slow Protocols group address. */
const SLOW_PROTOCOLS_MAC = 0x0180c2000002;
const PDU_BYTES = 110;

const ETH_HEADER_BYTES = 14;
const SUBTYPE_LACP = 1;
const SUBTYPE_MARKER = 2;
const VERSION = 1;

export const LacpState = {
  activity: 0x01,
  timeout: 0x02,
  aggregation: 0x04,
  synchronized: 0x08,
  collecting: 0x10,
  distributing: 0x20,
  defaulted: 0x40,
  expired: 0x80,
} as const;

/** What one side is. */
export interface LacpInfo {
  readonly sysPriority: number;
  /** 48 bits. */
  readonly sysId: number;
  readonly key: number;
  readonly portPriority: number;
  readonly portId: number;
  /** `LacpState` bits. */
  readonly state: number;
}

export const NO_INFO: LacpInfo = {
  sysPriority: 0,
  sysId: 0,
  key: 0,
  portPriority: 0,
  portId: 0,
  state: 0,
};

export interface LacpPdu {
  readonly actor: LacpInfo;
  readonly partner: LacpInfo;
}

const ACTOR_AT = 2;
const PARTNER_AT = 22;
const COLLECTOR_AT = 42;
const INFO_BYTES = 20;
const COLLECTOR_BYTES = 16;

/** A PDU of Slow Protocols; `marker` asks for a response, `bad` is none that is known. */
export function parsePdu(bytes: Uint8Array): LacpPdu | 'marker' | 'bad' {
  const pdu = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (pdu.length < 2) return 'bad';
  if (pdu[0] === SUBTYPE_MARKER) return 'marker';
  if (pdu[0] !== SUBTYPE_LACP || pdu.length < PDU_BYTES) return 'bad';
  const isWhole =
    pdu[ACTOR_AT] === 1 &&
    pdu[ACTOR_AT + 1] === INFO_BYTES &&
    pdu[PARTNER_AT] === 2 &&
    pdu[PARTNER_AT + 1] === INFO_BYTES;
  return isWhole ? { actor: info(pdu, ACTOR_AT), partner: info(pdu, PARTNER_AT) } : 'bad';
}

function info(pdu: Buffer, at: number): LacpInfo {
  return {
    sysPriority: pdu.readUInt16BE(at + 2),
    sysId: pdu.readUIntBE(at + 4, 6),
    key: pdu.readUInt16BE(at + 10),
    portPriority: pdu.readUInt16BE(at + 12),
    portId: pdu.readUInt16BE(at + 14),
    state: pdu[at + 16]!,
  };
}

export function emitPdu({ actor, partner }: LacpPdu): Buffer {
  const pdu = Buffer.alloc(PDU_BYTES);
  pdu[0] = SUBTYPE_LACP;
  pdu[1] = VERSION;
  put(pdu, ACTOR_AT, 1, actor);
  put(pdu, PARTNER_AT, 2, partner);
  pdu[COLLECTOR_AT] = 3;
  pdu[COLLECTOR_AT + 1] = COLLECTOR_BYTES;
  return pdu;
}

function put(pdu: Buffer, at: number, type: number, of: LacpInfo): void {
  pdu[at] = type;
  pdu[at + 1] = INFO_BYTES;
  pdu.writeUInt16BE(of.sysPriority, at + 2);
  pdu.writeUIntBE(of.sysId, at + 4, 6);
  pdu.writeUInt16BE(of.key, at + 10);
  pdu.writeUInt16BE(of.portPriority, at + 12);
  pdu.writeUInt16BE(of.portId, at + 14);
  pdu[at + 16] = of.state;
}

/** A PDU of Slow Protocols in its frame. */
export function slowFrame(source: number, pdu: Uint8Array): Buffer {
  const header = Buffer.alloc(ETH_HEADER_BYTES);
  header.writeUIntBE(SLOW_PROTOCOLS_MAC, 0, 6);
  header.writeUIntBE(source, 6, 6);
  header.writeUInt16BE(ETH_P_SLOW, 12);
  return Buffer.concat([header, pdu]);
}

/** What is in a frame of Slow Protocols. */
export function slowPdu(frame: Uint8Array): Uint8Array {
  return frame.subarray(ETH_HEADER_BYTES);
}
