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

/** A packet for sFlow collectors; `output` as a flow sample says it (sFlow version 5). */
export interface SflowUserdata {
  readonly kind: 'sflow';
  /** Serial of the bridge that samples, as below. */
  readonly bridge: number;
  readonly vid: number;
  readonly pcp: number;
  readonly output: number;
}

/** A packet for the IPFIX collectors of a bridge. */
export interface IpfixUserdata {
  readonly kind: 'ipfix';
  readonly bridge: number;
  /** Of the datapath; NO_PORT where the packet comes in. */
  readonly outputPort: number;
  /** It goes nowhere. */
  readonly isDropped: boolean;
}

/** A packet that a `sample` action takes. */
export interface FlowSampleUserdata {
  readonly kind: 'flow_sample';
  readonly bridge: number;
  readonly probability: number;
  readonly collectorSetId: number;
  readonly obsDomainId: number;
  readonly obsPointId: number;
  readonly outputPort: number;
  readonly direction: 'default' | 'ingress' | 'egress';
}

export type SampleUserdata = SflowUserdata | IpfixUserdata | FlowSampleUserdata;

export type Userdata =
  | ControllerUserdata
  | SampleUserdata
  | { readonly kind: 'slow_path'; readonly reasons: readonly string[] };

const CONTROLLER = 3;
const SLOW_PATH = 1;
const CONTROLLER_BYTES = 28;
const SFLOW = 4;
const IPFIX = 5;
const FLOW_SAMPLE = 6;
const SAMPLE_BYTES = { [SFLOW]: 16, [IPFIX]: 12, [FLOW_SAMPLE]: 32 };
const DIRECTIONS = ['default', 'ingress', 'egress'] as const;

/** No port of the datapath. */
export const NO_PORT = 0xffff_ffff;

/** Whether the packet goes to a collector and nowhere else. */
export function isSampleUserdata(bytes: Uint8Array): boolean {
  return bytes[0] !== undefined && bytes[0] in SAMPLE_BYTES;
}

/** A bit each, by its place. */
const SLOW_REASONS = ['action', 'cfm', 'bfd', 'lacp', 'stp', 'lldp', 'controller', 'mpls', 'nsh'];

export function encodeUserdata(data: Userdata): Uint8Array {
  if (data.kind === 'sflow' || data.kind === 'ipfix' || data.kind === 'flow_sample') {
    return encodeSample(data);
  }
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

function encodeSample(data: SampleUserdata): Uint8Array {
  const type = { sflow: SFLOW, ipfix: IPFIX, flow_sample: FLOW_SAMPLE }[data.kind] as 4 | 5 | 6;
  const bytes = Buffer.alloc(SAMPLE_BYTES[type]);
  bytes[0] = type;
  bytes.writeUInt32LE(data.bridge, 4);
  switch (data.kind) {
    case 'sflow':
      bytes[1] = data.pcp;
      bytes.writeUInt16LE(data.vid, 2);
      bytes.writeUInt32LE(data.output, 8);
      break;
    case 'ipfix':
      bytes[1] = Number(data.isDropped);
      bytes.writeUInt32LE(data.outputPort, 8);
      break;
    case 'flow_sample':
      bytes[1] = DIRECTIONS.indexOf(data.direction);
      bytes.writeUInt32LE(data.outputPort, 8);
      bytes.writeUInt16LE(data.probability, 12);
      bytes.writeUInt32LE(data.collectorSetId, 16);
      bytes.writeUInt32LE(data.obsDomainId, 20);
      bytes.writeUInt32LE(data.obsPointId, 24);
  }
  return bytes;
}

function decodeSample(bytes: Buffer): SampleUserdata | undefined {
  const type = bytes[0] as 4 | 5 | 6;
  if (bytes.length < SAMPLE_BYTES[type]) return undefined;
  const bridge = bytes.readUInt32LE(4);
  const last = bytes.readUInt32LE(8);
  if (type === SFLOW) {
    return { kind: 'sflow', bridge, vid: bytes.readUInt16LE(2), pcp: bytes[1]!, output: last };
  }
  if (type === IPFIX) {
    return { kind: 'ipfix', bridge, outputPort: last, isDropped: bytes[1] !== 0 };
  }
  return {
    kind: 'flow_sample',
    bridge,
    probability: bytes.readUInt16LE(12),
    collectorSetId: bytes.readUInt32LE(16),
    obsDomainId: bytes.readUInt32LE(20),
    obsPointId: bytes.readUInt32LE(24),
    outputPort: last,
    direction: DIRECTIONS[bytes[1]!] ?? 'default',
  };
}

/** undefined: not ours. */
export function decodeUserdata(data: Uint8Array): Userdata | undefined {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (isSampleUserdata(bytes)) return decodeSample(bytes);
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
  if (data.kind === 'sflow') {
    return `sFlow(vid=${data.vid},pcp=${data.pcp},output=${data.output}),actions`;
  }
  if (data.kind === 'ipfix') return `ipfix(output_port=${data.outputPort})`;
  if (data.kind === 'flow_sample') {
    const direction = data.direction === 'default' ? '' : `,${data.direction}`;
    return (
      `flow_sample(probability=${data.probability},collector_set_id=${data.collectorSetId},` +
      `obs_domain_id=${data.obsDomainId},obs_point_id=${data.obsPointId},` +
      `output_port=${data.outputPort}${direction})`
    );
  }
  const cookie = data.cookie === 0n ? '0' : `0x${data.cookie.toString(16)}`;
  return (
    `controller(reason=${data.reason},dont_send=${Number(data.dontSend)},` +
    `continuation=${Number(data.isContinuation)},recirc_id=${data.recircId},` +
    `rule_cookie=${cookie},controller_id=${data.controllerId},max_len=${data.maxLen})`
  );
}
