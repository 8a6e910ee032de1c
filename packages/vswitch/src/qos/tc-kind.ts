/** What a type of QoS is to tc(8): a qdisc, and perhaps classes that are its queues. */
import type { Settings } from './qos-config.ts';

/** Handle of the qdisc that the switch makes, 1:0. */
export const ROOT_HANDLE = 0x1_0000;
/** The class 1:fffe, under which the queues are. */
export const INNER_CLASS = 0x1_fffe;
/** OpenFlow queues from here on have no class. */
export const MAX_QUEUES = 0xf000;

/** What the rates of a type depend on. */
export interface DeviceFacts {
  readonly mtu: number;
  /** Bit/s, where the device tells. */
  readonly speed: number | undefined;
}

/** One that has been worked out: to be shown, and to make it so. */
export interface Shaped {
  /** By the names of the database, as `qos/show` tells them. */
  readonly details: Settings;
  readonly options: Uint8Array | undefined;
}

export interface TcKind {
  /** `linux-htb` … */
  readonly type: string;
  /** `htb` … */
  readonly kind: string;
  readonly options: (settings: Settings, facts: DeviceFacts) => Shaped;
  /** A type that has queues. */
  readonly classes?: {
    /** The class above the queues. */
    readonly inner: (settings: Settings, facts: DeviceFacts) => Uint8Array;
    readonly queue: (queue: Settings, root: Settings, facts: DeviceFacts) => Shaped;
  };
}

export function classOfQueue(queue: number): number {
  return ROOT_HANDLE | (queue + 1);
}

/** Undefined: a class that is no queue. */
export function queueOfClass(handle: number): number | undefined {
  const minor = handle & 0xffff;
  const isOurs = handle >>> 16 === ROOT_HANDLE >>> 16;
  return isOurs && minor >= 1 && minor <= MAX_QUEUES ? minor - 1 : undefined;
}

/** Words of a kernel structure, in host order. */
export function words(...values: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values, (v) => v >>> 0).buffer);
}

/** A netlink attribute. */
export function attribute(type: number, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array((4 + payload.length + 3) & ~3);
  new Uint16Array(out.buffer, 0, 2).set([4 + payload.length, type]);
  out.set(payload, 4);
  return out;
}
