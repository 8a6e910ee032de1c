/** QoS and Queue rows as settings (ovs-vswitchd.conf.db(5), tables QoS and Queue). */
import type { Idl } from '@heddle/ovsdb';
import type { PortRow, Schema } from '../port-config.ts';

export type Settings = ReadonlyMap<string, string>;

/** What a Port's QoS row asks for. */
export interface QosConfig {
  readonly type: string;
  readonly settings: Settings;
  readonly queues: ReadonlyMap<number, Settings>;
  /** DSCP (0 to 63) that packets of a queue get. */
  readonly dscp: ReadonlyMap<number, number>;
}

/** Undefined: the port has none. */
export function qosConfigOf(idl: Idl<Schema>, port: PortRow): QosConfig | undefined {
  const row = port.qos === undefined ? undefined : idl.get('QoS', port.qos);
  if (!row || row.type === '') return undefined;
  const queues = new Map<number, Settings>();
  const dscp = new Map<number, number>();
  for (const [id, uuid] of row.queues) {
    const queue = idl.get('Queue', uuid);
    if (!queue) continue;
    queues.set(id, queue.other_config);
    if (queue.dscp !== undefined) dscp.set(id, queue.dscp);
  }
  if (!queues.has(0)) queues.set(0, new Map());
  return { type: row.type, settings: row.other_config, queues, dscp };
}

const ULLONG = /^\s*([+-]?)(\d+)$/;

/** As strtoull(3) reads a whole decimal string; a negative number is 2^64 less so much. */
export function parseUnsigned(text: string | undefined): bigint | undefined {
  const match = text === undefined ? undefined : ULLONG.exec(text);
  if (!match) return undefined;
  const value = BigInt(match[2]!);
  if (value >= 1n << 64n) return undefined;
  return match[1] === '-' ? BigInt.asUintN(64, -value) : value;
}

/** Of a setting that is a number; `fallback` where there is none or it is not one. */
export function unsigned(settings: Settings, key: string, fallback: number): number {
  const value = parseUnsigned(settings.get(key));
  return value === undefined ? fallback : Number(value);
}

/** Cut to 32 bits, as a kernel structure takes it. */
export function unsigned32(settings: Settings, key: string, fallback: number): number {
  const value = parseUnsigned(settings.get(key));
  return value === undefined ? fallback : Number(value & 0xffff_ffffn);
}
