/** Qdiscs, classes and BPF filters (linux/pkt_sched.h, pkt_cls.h): struct tcmsg. */
import {
  type Attributes,
  emitAttributes,
  parseAttributes,
  type Table,
} from '../netlink/attributes.ts';
import { DecodeError } from '../netlink/decode-error.ts';

export const RTM_NEWQDISC = 36;
export const RTM_DELQDISC = 37;
export const RTM_GETQDISC = 38;
export const RTM_NEWTCLASS = 40;
export const RTM_DELTCLASS = 41;
export const RTM_GETTCLASS = 42;
export const RTM_NEWTFILTER = 44;
export const RTM_DELTFILTER = 45;
export const RTM_GETTFILTER = 46;
export const TC_H_ROOT = 0xffff_ffff;
export const TC_H_CLSACT = 0xffff_fff1;
const CLSACT_HANDLE = 0xffff_0000;
const PARENT = { ingress: 0xffff_fff2, egress: 0xffff_fff3 } as const;
const TCA_BPF_FLAG_ACT_DIRECT = 1;
const ETH_P_ALL_BE = 0x0300;
const HEADER = 20;

export type Direction = keyof typeof PARENT;

const BPF = {
  fd: [6, 'u32'],
  name: [7, 'string'],
  flags: [8, 'u32'],
  tag: [10, 'bytes'],
  id: [11, 'u32'],
} as const satisfies Table;
const STATS2 = {
  basic: [1, 'bytes'],
  queue: [3, 'bytes'],
  pkt64: [8, 'u64'],
} as const satisfies Table;
const TCA = {
  kind: [1, 'string'],
  options: [2, 'bytes'],
  stats2: [7, STATS2],
} as const satisfies Table;

/** A filter of any kind on a direction of a link; `bpf` when it is one of BPF. */
export interface TcFilter {
  readonly ifindex: number;
  readonly kind: string;
  readonly priority: number;
  readonly handle: number;
  readonly bpf: { name: string; id: number | undefined; directAction: boolean } | undefined;
}

/** Counters of a qdisc or class: what left it and what it dropped. */
export interface TcStats {
  readonly bytes: number;
  readonly packets: number;
  readonly drops: number;
  readonly overlimits: number;
  /** Packets that wait. */
  readonly qlen: number;
}

export interface Qdisc {
  readonly ifindex: number;
  readonly kind: string;
  readonly handle: number;
  readonly parent: number;
  /** The kind's own attributes or struct, as it is on the wire. */
  readonly options: Uint8Array | undefined;
  readonly stats: TcStats;
}

/** `handle` of a class is its id, major and minor. */
export type TcClass = Qdisc;

/** A qdisc or class to be. */
export interface TcRequest {
  readonly ifindex: number;
  readonly kind: string;
  readonly handle: number;
  readonly parent: number;
  readonly options?: Uint8Array;
}

function tcmsg(ifindex: number, handle: number, parent: number, info = 0): Buffer {
  const head = Buffer.alloc(HEADER);
  head.writeInt32LE(ifindex, 4);
  head.writeUInt32LE(handle, 8);
  head.writeUInt32LE(parent, 12);
  head.writeUInt32LE(info, 16);
  return head;
}

export function emitClsact(ifindex: number): Buffer {
  const attributes = emitAttributes(TCA, { kind: 'clsact' });
  return Buffer.concat([tcmsg(ifindex, CLSACT_HANDLE, TC_H_CLSACT), attributes]);
}

export interface FilterPlace {
  readonly ifindex: number;
  readonly direction: Direction;
  readonly priority: number;
  readonly handle: number;
}

export function emitBpfFilter(place: FilterPlace, program?: { fd: number; name: string }): Buffer {
  // tcm_info: priority << 16 | protocol in network byte order.
  const info = ((place.priority << 16) | ETH_P_ALL_BE) >>> 0;
  const head = tcmsg(place.ifindex, place.handle, PARENT[place.direction], info);
  const attributes: Attributes<typeof TCA> = { kind: 'bpf' };
  if (program) {
    attributes.options = emitAttributes(BPF, { ...program, flags: TCA_BPF_FLAG_ACT_DIRECT });
  }
  return Buffer.concat([head, emitAttributes(TCA, attributes)]);
}

export function emitFilterDump(ifindex: number, direction: Direction): Buffer {
  return tcmsg(ifindex, 0, PARENT[direction]);
}

export function emitQdiscDump(): Buffer {
  return tcmsg(0, 0, 0);
}

export function emitTc({ ifindex, kind, handle, parent, options }: TcRequest): Buffer {
  const attributes: Attributes<typeof TCA> = { kind };
  if (options) attributes.options = options;
  return Buffer.concat([tcmsg(ifindex, handle, parent), emitAttributes(TCA, attributes)]);
}

/** Names a qdisc by its parent, or a class by its handle. */
export function emitTcPlace(ifindex: number, handle: number, parent: number): Buffer {
  return tcmsg(ifindex, handle, parent);
}

/** Of a qdisc or a class. */
export function parseQdisc(payload: Uint8Array): Qdisc {
  const { view, attributes } = split(payload);
  return {
    ifindex: view.getInt32(4, true),
    kind: attributes.kind ?? '',
    handle: view.getUint32(8, true),
    parent: view.getUint32(12, true),
    options: attributes.options,
    stats: parseStats(attributes.stats2 ?? {}),
  };
}

/** struct gnet_stats_basic { bytes, packets } and gnet_stats_queue { qlen, backlog, drops, … }. */
function parseStats({ basic, queue, pkt64 }: Attributes<typeof STATS2>): TcStats {
  const at = (bytes: Uint8Array | undefined, offset: number): number =>
    bytes && bytes.length >= offset + 4
      ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true)
      : 0;
  return {
    bytes: at(basic, 0) + at(basic, 4) * 2 ** 32,
    packets: pkt64 === undefined ? at(basic, 8) : Number(pkt64),
    qlen: at(queue, 0),
    drops: at(queue, 8),
    overlimits: at(queue, 16),
  };
}

/** Undefined for the head of a chain, which the kernel lists beside its filters with handle 0. */
export function parseFilter(payload: Uint8Array): TcFilter | undefined {
  const { view, attributes } = split(payload);
  const handle = view.getUint32(8, true);
  if (handle === 0) return undefined;
  const kind = attributes.kind ?? '';
  const options = attributes.options;
  return {
    ifindex: view.getInt32(4, true),
    kind,
    priority: view.getUint32(16, true) >>> 16,
    handle,
    bpf: kind === 'bpf' && options ? parseBpf(options) : undefined,
  };
}

function parseBpf(options: Uint8Array): TcFilter['bpf'] {
  const { name = '', id, flags = 0 } = parseAttributes(BPF, options);
  return { name, id, directAction: (flags & TCA_BPF_FLAG_ACT_DIRECT) !== 0 };
}

function split(payload: Uint8Array) {
  if (payload.length < HEADER) throw new DecodeError('short tcmsg');
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return { view, attributes: parseAttributes(TCA, payload.subarray(HEADER)) };
}
