/** struct nlmsghdr, NLMSG_ERROR and its extended acknowledgement (RFC 3549, linux/netlink.h). */
import { SystemError } from '@heddle/runtime/errors';
import { errnoName } from '../native.ts';
import { align4, parseAttributes, type Table } from './attributes.ts';
import { DecodeError } from './decode-error.ts';

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_ECHO = 0x8;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const HEADER = 16;

export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  readonly payload: Uint8Array;
}

const EXTACK = { msg: [1, 'string'], offs: [2, 'u32'] } as const satisfies Table;

/** A request that the kernel refused, with its own words where it gives any. */
export class NetlinkError extends SystemError {
  override name = 'NetlinkError';
  readonly extack: string | undefined;

  constructor(code: string, what: string, extack?: string) {
    super(code, extack === undefined ? what : `${what}: ${extack}`);
    this.extack = extack;
  }
}

export function emitMessage(message: NetlinkMessage): Buffer {
  const out = Buffer.alloc(align4(HEADER + message.payload.length));
  out.writeUInt32LE(HEADER + message.payload.length, 0);
  out.writeUInt16LE(message.type, 4);
  out.writeUInt16LE(message.flags, 6);
  out.writeUInt32LE(message.seq, 8);
  out.set(message.payload, HEADER);
  return out;
}

/** The messages of one datagram. */
export function* parseMessages(datagram: Uint8Array): Generator<NetlinkMessage> {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  let at = 0;
  while (datagram.length - at >= HEADER) {
    const length = view.getUint32(at, true);
    if (length < HEADER || length > datagram.length - at) {
      throw new DecodeError(`netlink message of length ${length} in ${datagram.length - at} bytes`);
    }
    yield {
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      seq: view.getUint32(at + 8, true),
      payload: datagram.subarray(at + HEADER, at + length),
    };
    // Not align4: its 32-bit arithmetic would go negative on a hostile length.
    at += Math.ceil(length / 4) * 4;
  }
}

/** The error in NLMSG_ERROR or NLMSG_DONE; undefined for an acknowledgement (errno 0). */
export function parseError(message: NetlinkMessage, what: string): NetlinkError | undefined {
  const { payload, flags } = message;
  if (payload.length < 4) throw new DecodeError('netlink error without a code');
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const errno = -view.getInt32(0, true);
  if (errno === 0) return undefined;
  return new NetlinkError(errnoName(errno), what, extackOf(message.type, flags, payload, view));
}

function extackOf(type: number, flags: number, payload: Uint8Array, view: DataView) {
  if (!(flags & NLM_F_ACK_TLVS)) return undefined;
  let at = 4;
  if (type === NLMSG_ERROR) {
    if (payload.length < 4 + HEADER) return undefined;
    at += flags & NLM_F_CAPPED ? HEADER : align4(view.getUint32(4, true));
  }
  if (at < 4 || at > payload.length) return undefined;
  return parseAttributes(EXTACK, payload.subarray(at)).msg;
}
