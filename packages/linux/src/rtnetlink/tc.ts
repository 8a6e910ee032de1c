/** The clsact qdisc and its BPF filters (linux/pkt_sched.h, pkt_cls.h): struct tcmsg. */
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
export const RTM_NEWTFILTER = 44;
export const RTM_DELTFILTER = 45;
export const RTM_GETTFILTER = 46;
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
const TCA = { kind: [1, 'string'], options: [2, 'bytes'] } as const satisfies Table;

/** A filter of any kind on a direction of a link; `bpf` when it is one of BPF. */
export interface TcFilter {
  readonly ifindex: number;
  readonly kind: string;
  readonly priority: number;
  readonly handle: number;
  readonly bpf: { name: string; id: number | undefined; directAction: boolean } | undefined;
}

export interface Qdisc {
  readonly ifindex: number;
  readonly kind: string;
  readonly handle: number;
  readonly parent: number;
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

export function parseQdisc(payload: Uint8Array): Qdisc {
  const { view, attributes } = split(payload);
  return {
    ifindex: view.getInt32(4, true),
    kind: attributes.kind ?? '',
    handle: view.getUint32(8, true),
    parent: view.getUint32(12, true),
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
