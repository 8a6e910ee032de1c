/** What the switch writes into a datapath's `userspace` action to know its packets again. */
export interface ControllerUserdata {
  readonly kind: 'controller';
  readonly recircId: number;
  readonly reason: number;
  readonly maxLen: number;
  readonly controllerId: number;
  readonly cookie: bigint;
  readonly tableId: number;
  readonly isContinuation: boolean;
  readonly dontSend: boolean;
}

export type Userdata =
  | ControllerUserdata
  | { readonly kind: 'slow_path'; readonly reasons: readonly string[] };

const CONTROLLER = 3;
const SLOW_PATH = 1;
const CONTROLLER_BYTES = 28;

/** A bit each, by its place. */
const SLOW_REASONS = ['action', 'cfm', 'bfd', 'lacp', 'stp', 'lldp', 'controller', 'mpls', 'nsh'];

export function encodeUserdata(data: Userdata): Uint8Array {
  const bytes = Buffer.alloc(data.kind === 'controller' ? CONTROLLER_BYTES : 8);
  if (data.kind === 'slow_path') {
    bytes[0] = SLOW_PATH;
    let bits = 0;
    for (const reason of data.reasons) bits |= 1 << Math.max(SLOW_REASONS.indexOf(reason), 0);
    bytes.writeUInt32LE(bits, 4);
    return bytes;
  }
  bytes[0] = CONTROLLER;
  bytes[1] = (data.isContinuation ? 1 : 0) | (data.dontSend ? 2 : 0);
  bytes.writeUInt16LE(data.reason, 2);
  bytes.writeUInt32LE(data.recircId, 4);
  bytes.writeUInt16LE(data.maxLen, 8);
  bytes.writeUInt16LE(data.controllerId, 10);
  bytes.writeBigUInt64LE(data.cookie, 12);
  bytes[20] = data.tableId;
  return bytes;
}

/** undefined: not ours. */
export function decodeUserdata(data: Uint8Array): Userdata | undefined {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (bytes[0] === SLOW_PATH && bytes.length >= 8) {
    const bits = bytes.readUInt32LE(4);
    return { kind: 'slow_path', reasons: SLOW_REASONS.filter((_, i) => (bits & (1 << i)) !== 0) };
  }
  if (bytes[0] !== CONTROLLER || bytes.length < CONTROLLER_BYTES) return undefined;
  return {
    kind: 'controller',
    isContinuation: (bytes[1]! & 1) !== 0,
    dontSend: (bytes[1]! & 2) !== 0,
    reason: bytes.readUInt16LE(2),
    recircId: bytes.readUInt32LE(4),
    maxLen: bytes.readUInt16LE(8),
    controllerId: bytes.readUInt16LE(10),
    cookie: bytes.readBigUInt64LE(12),
    tableId: bytes[20]!,
  };
}

/** Its text in `dump-flows` and in a trace, after `userspace(pid=N,`. */
export function formatUserdata(bytes: Uint8Array): string | undefined {
  const data = decodeUserdata(bytes);
  if (!data) return undefined;
  if (data.kind === 'slow_path') return `slow_path(${data.reasons.join(',')})`;
  const cookie = data.cookie === 0n ? '0' : `0x${data.cookie.toString(16)}`;
  return (
    `controller(reason=${data.reason},dont_send=${Number(data.dontSend)},` +
    `continuation=${Number(data.isContinuation)},recirc_id=${data.recircId},` +
    `rule_cookie=${cookie},controller_id=${data.controllerId},max_len=${data.maxLen})`
  );
}
