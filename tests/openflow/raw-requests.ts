/** What a controller may ask of a switch in each version, in bytes. */
import { bytes, hex, message, u8, u16, u32, u64, zeros } from './raw-peer.ts';

/** 1: OpenFlow 1.0, and so on to 6. */
export type Version = 1 | 2 | 3 | 4 | 5 | 6;
export const VERSIONS: readonly Version[] = [1, 2, 3, 4, 5, 6];

export const barrier = (v: Version, xid: number): Buffer => message(v, v === 1 ? 18 : 20, xid);
export const isBarrierReply = (m: Buffer): boolean => m[1] === (m[0] === 1 ? 19 : 21);

/** OFPT_STATS_REQUEST, OFPT_MULTIPART_REQUEST. */
export function stats(v: Version, xid: number, type: number, ...body: Buffer[]): Buffer {
  const pad = v === 1 ? [] : [zeros(4)];
  return message(v, v === 1 ? 16 : 18, xid, u16(type, 0), ...pad, ...body);
}

/** A part of OFPT_MULTIPART_REQUEST that another one follows, or the last one. */
export function part(v: Version, xid: number, type: number, hasMore: boolean, ...body: Buffer[]) {
  return message(v, 18, xid, u16(type, hasMore ? 1 : 0), zeros(4), ...body);
}

export function padded(size: number, ...parts: Buffer[]): Buffer {
  const all = bytes(...parts);
  return bytes(all, zeros((size - (all.length % size)) % size));
}

const NO_PORT = (v: Version): Buffer => (v === 1 ? u16(0xffff) : u32(0xffff_ffff));

/** The packet's in_port and, where they are given, an Ethertype and an IPv4 source's first byte. */
interface SimpleMatch {
  readonly inPort?: number;
  readonly dlType?: number;
  readonly nwSrc8?: number;
}

/** struct ofp_match of OpenFlow 1.0 (5.2.3): wildcards and 36 bytes. */
function ofp10Match({ inPort, dlType, nwSrc8 }: SimpleMatch): Buffer {
  let wildcards = 0x3f_ffff;
  if (inPort !== undefined) wildcards &= ~1;
  if (dlType !== undefined) wildcards &= ~0x10;
  if (nwSrc8 !== undefined) wildcards = (wildcards & ~0x3f00) | (24 << 8);
  return bytes(
    u32(wildcards),
    u16(inPort ?? 0),
    zeros(12),
    u16(0),
    zeros(2),
    u16(dlType ?? 0),
    zeros(4),
    u32((nwSrc8 ?? 0) * 2 ** 24),
    zeros(8),
  );
}

/** struct ofp11_match, OFPMT_STANDARD: 88 bytes. */
function ofp11Match({ inPort, dlType, nwSrc8 }: SimpleMatch): Buffer {
  let wildcards = 0x3ff;
  if (inPort !== undefined) wildcards &= ~1;
  if (dlType !== undefined) wildcards &= ~8;
  const all = (n: number): Buffer => Buffer.alloc(n, 0xff);
  return bytes(
    ...[u16(0, 88), u32(inPort ?? 0), u32(wildcards)],
    ...[zeros(6), all(6), zeros(6), all(6)],
    ...[zeros(4), u16(dlType ?? 0), zeros(2)],
    ...[u32((nwSrc8 ?? 0) * 2 ** 24), nwSrc8 === undefined ? all(4) : hex('00ffffff')],
    ...[zeros(4), all(4), zeros(4), zeros(8), zeros(8), all(8)],
  );
}

/** An entry of OFPXMC_OPENFLOW_BASIC. */
export function oxm(field: number, value: Buffer, mask?: Buffer): Buffer {
  const body = mask === undefined ? value : bytes(value, mask);
  return bytes(u16(0x8000), u8(2 * field + (mask ? 1 : 0)), u8(body.length), body);
}

/** struct ofp_match of OpenFlow 1.2 and later: OFPMT_OXM. */
export function oxmMatch(...entries: Buffer[]): Buffer {
  const all = bytes(...entries);
  return padded(8, u16(1, 4 + all.length), all);
}

export function match(v: Version, m: SimpleMatch): Buffer {
  if (v === 1) return ofp10Match(m);
  if (v === 2) return ofp11Match(m);
  const entries: Buffer[] = [];
  if (m.inPort !== undefined) entries.push(oxm(0, u32(m.inPort)));
  if (m.dlType !== undefined) entries.push(oxm(5, u16(m.dlType)));
  if (m.nwSrc8 !== undefined) {
    entries.push(oxm(11, u32(m.nwSrc8 * 2 ** 24), hex('ff000000')));
  }
  return oxmMatch(...entries);
}

/** struct ofp_action_output. */
export function output(v: Version, port: number, maxLen = 0xffff): Buffer {
  if (v === 1) return u16(0, 8, port, maxLen);
  return bytes(u16(0, 16), u32(port < 0xff00 ? port : port + 0xffff_0000), u16(maxLen), zeros(6));
}

export interface FlowModParts {
  readonly match?: Buffer;
  /** Of OpenFlow 1.0, or instructions. */
  readonly actions: Buffer;
  readonly command?: number;
  readonly table?: number;
  readonly priority?: number;
  readonly flags?: number;
  readonly cookie?: number;
  readonly importance?: number;
  readonly bufferId?: number;
  /** Seconds. */
  readonly idle?: number;
  readonly hard?: number;
}

/** struct ofp_instruction_actions, OFPIT_APPLY_ACTIONS. */
export function apply(v: Version, ...actions: Buffer[]): Buffer {
  const all = bytes(...actions);
  return v === 1 ? all : bytes(u16(4, 8 + all.length), zeros(4), all);
}

/** OFPT_FLOW_MOD: of OpenFlow 1.0 (5.3.3), of 1.1 to 1.3, and with an importance since 1.4. */
export function flowMod(v: Version, xid: number, parts: FlowModParts): Buffer {
  const { command = 0, priority = 0x8000, flags = 0, cookie = 0, bufferId = -1 } = parts;
  const of = parts.match ?? match(v, {});
  const times = u16(parts.idle ?? 0, parts.hard ?? 0, priority);
  if (v === 1) {
    const head = [of, u64(cookie), u16(command), times, u32(bufferId), NO_PORT(v), u16(flags)];
    return message(v, 14, xid, ...head, parts.actions);
  }
  return message(
    ...([v, 14, xid] as const),
    ...[u64(cookie), u64(0), u8(parts.table ?? 0), u8(command), times, u32(bufferId)],
    ...[NO_PORT(v), NO_PORT(v), u16(flags, parts.importance ?? 0), of, parts.actions],
  );
}

/** OFPT_PACKET_OUT: the port it seems to come from is a field of the match since OpenFlow 1.5. */
export function packetOut(
  v: Version,
  xid: number,
  inPort: number,
  actions: Buffer,
  packet: Buffer,
): Buffer {
  const head = [u32(0xffff_ffff)];
  const wide = u32(inPort < 0xff00 ? inPort : inPort + 0xffff_0000);
  if (v === 1) head.push(u16(inPort, actions.length));
  else if (v < 6) head.push(wide, u16(actions.length), zeros(6));
  else head.push(u16(actions.length), zeros(2), oxmMatch(oxm(0, wide)));
  return message(v, 13, xid, ...head, actions, packet);
}

/** OFPT_PORT_MOD: properties since OpenFlow 1.4. */
export function portMod(v: Version, port: number, mac: Buffer, config: number, mask: number) {
  if (v === 1) return message(v, 15, 1, u16(port), mac, u32(config, mask, 0), zeros(4));
  const head = [u32(port), zeros(4), mac, zeros(2), u32(config, mask)];
  return message(v, 16, 1, ...head, ...(v < 5 ? [u32(0), zeros(4)] : [u16(0, 8), u32(0)]));
}

/** Role requests are Nicira's before OpenFlow 1.2. */
export function roleRequest(v: Version, xid: number, role: number, generation: number): Buffer {
  if (v <= 2) return message(v, 4, xid, u32(0x2320, 10, Math.max(role - 1, 0)));
  return message(v, 24, xid, u32(role, 0), u64(generation));
}

/** OFPT_GROUP_MOD of one bucket; buckets have properties and ids since OpenFlow 1.5. */
export function groupMod(v: Version, xid: number, command: number, type: number, id: number) {
  const actions = output(v, 2);
  if (command === 2) {
    const tail = v === 6 ? [u16(0, 0), u32(0xffff_ffff)] : [];
    return message(v, 15, xid, u16(command), u8(type), u8(0), u32(id), ...tail);
  }
  if (v < 6) {
    const bucket = [u16(16 + actions.length, 0), u32(-1, -1), zeros(4), actions];
    return message(v, 15, xid, u16(command), u8(type), u8(0), u32(id), ...bucket);
  }
  const bucket = bytes(u16(8 + actions.length, actions.length), u32(7), actions);
  const head = [u16(command), u8(type), u8(0), u32(id), u16(bucket.length), zeros(2)];
  return message(v, 15, xid, ...head, u32(0xffff_ffff), bucket);
}

/** OFPT_METER_MOD of one band that drops. */
export function meterMod(v: Version, xid: number, command: number, id: number): Buffer {
  const band = command === 2 ? zeros(0) : bytes(u16(1, 16), u32(1000, 0), zeros(4));
  return message(v, 29, xid, u16(command, 1), u32(id), band);
}

/** OFPT_BUNDLE_CONTROL; before OpenFlow 1.4 it is the ONF's extension. */
export function bundleControl(v: Version, xid: number, id: number, type: number): Buffer {
  if (v >= 5) return message(v, 33, xid, u32(id), u16(type, 0));
  return message(v, 4, xid, u32(0x4f4e_4600, 2300, id), u16(type, 0));
}

export function bundleAdd(v: Version, xid: number, id: number, inner: Buffer): Buffer {
  if (v >= 5) return message(v, 34, xid, u32(id), u16(0, 0), inner);
  return message(v, 4, xid, u32(0x4f4e_4600, 2301, id), u16(0, 0), inner);
}
