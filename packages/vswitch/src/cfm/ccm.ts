/** Continuity Check Messages (IEEE 802.1ag, 20.16 and 21.6). */

export const ETH_P_CFM = 0x8902;
/** Class 1 group address of maintenance level 0. */
export const CCM_MAC = 0x0180c2000030;
/** That of the extended mode, to stay clear of compliant neighbours. */
export const EXTENDED_CCM_MAC = 0x012320000030;

const OPCODE_CCM = 1;
const RDI = 0x80;
const INTERVAL_MASK = 0x07;
/** First TLV behind the fixed part. */
const TLV_OFFSET = 70;
const CCM_BYTES = 75;
/** Without the end of TLVs. */
const MIN_BYTES = 74;
const SEQ_AT = 4;
const MPID_AT = 8;
const MAID_AT = 10;
const MAID_BYTES = 48;
/** Of the 16 bytes for ITU-T Y.1731, zero in 802.1ag, where the extended mode has its own. */
const INTERVAL_AT = 58;
const LONG_MPID_AT = 60;
const OPDOWN_AT = 68;

/** Maintenance domain and association both named "ovs", as character strings. */
const MAID = Buffer.from('04036f767302036f7673'.padEnd(MAID_BYTES * 2, '0'), 'hex');

/** Intervals by their code; 0 is none. */
export const INTERVALS_MS = [0, 3, 10, 100, 1000, 10_000, 60_000, 600_000] as const;

export interface Ccm {
  readonly seq: number;
  readonly mpid: bigint;
  /** The sender hears nothing. */
  readonly rdi: boolean;
  /** 0 to 7. */
  readonly intervalCode: number;
  /** In extended mode, with code 0. */
  readonly intervalMs: number;
  readonly opdown: boolean;
}

export interface CcmVlan {
  readonly vid: number;
  readonly pcp: number;
}

export interface CcmFrame {
  readonly source: number;
  readonly vlan: CcmVlan | undefined;
  readonly isExtended: boolean;
}

/** What a frame holds, `foreign` when it is of another association, `bad` when it is none. */
export function parseCcm(frame: Uint8Array, isExtended: boolean): Ccm | 'foreign' | 'bad' {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  let at = 12;
  while (bytes.length >= at + 2 && [0x8100, 0x88a8].includes(bytes.readUInt16BE(at))) at += 4;
  const ccm = bytes.subarray(at + 2);
  if (ccm.length < MIN_BYTES || ccm[1] !== OPCODE_CCM) return 'bad';
  if (!ccm.subarray(MAID_AT, MAID_AT + MAID_BYTES).equals(MAID)) return 'foreign';
  return {
    seq: ccm.readUInt32BE(SEQ_AT),
    mpid: isExtended ? ccm.readBigUInt64BE(LONG_MPID_AT) : BigInt(ccm.readUInt16BE(MPID_AT)),
    rdi: (ccm[2]! & RDI) !== 0,
    intervalCode: ccm[2]! & INTERVAL_MASK,
    intervalMs: isExtended ? ccm.readUInt16BE(INTERVAL_AT) : 0,
    opdown: isExtended && ccm[OPDOWN_AT] !== 0,
  };
}

export function emitCcm(ccm: Ccm, { source, vlan, isExtended }: CcmFrame): Buffer {
  const header = Buffer.alloc(vlan ? 18 : 14);
  header.writeUIntBE(isExtended ? EXTENDED_CCM_MAC : CCM_MAC, 0, 6);
  header.writeUIntBE(source, 6, 6);
  if (vlan) {
    header.writeUInt16BE(0x8100, 12);
    header.writeUInt16BE((vlan.pcp << 13) | vlan.vid, 14);
  }
  header.writeUInt16BE(ETH_P_CFM, header.length - 2);
  const body = Buffer.alloc(CCM_BYTES);
  body[1] = OPCODE_CCM;
  body[2] = (ccm.rdi ? RDI : 0) | ccm.intervalCode;
  body[3] = TLV_OFFSET;
  body.writeUInt32BE(ccm.seq, SEQ_AT);
  body.writeUInt16BE(isExtended ? shortMpid(ccm.mpid) : Number(ccm.mpid), MPID_AT);
  MAID.copy(body, MAID_AT);
  if (isExtended) {
    body.writeUInt16BE(ccm.intervalMs, INTERVAL_AT);
    body.writeBigUInt64BE(ccm.mpid, LONG_MPID_AT);
    body[OPDOWN_AT] = Number(ccm.opdown);
  }
  return Buffer.concat([header, body]);
}

/** Beyond what 802.1ag allows, so that no compliant neighbour takes it for its own. */
function shortMpid(mpid: bigint): number {
  let hash = 0;
  for (let rest = mpid; rest > 0n; rest >>= 15n)
    hash = (hash * 31 + Number(rest & 0x7fffn)) & 0x7fff;
  return 0x8000 | hash;
}
