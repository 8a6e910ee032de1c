/** Addresses, routes and neighbours (linux/if_addr.h, rtnetlink.h, neighbour.h). */
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '@heddle/packet/address';
import { HeddleError } from '@heddle/runtime/errors';
import {
  type Attributes,
  emitAttributes,
  parseAttributes,
  type Table,
} from '../netlink/attributes.ts';
import { DecodeError } from '../netlink/decode-error.ts';

export const AF_INET = 2;
export const AF_INET6 = 10;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;
export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;
export const NUD_PERMANENT = 0x80;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;

const IFA = {
  address: [1, 'bytes'],
  local: [2, 'bytes'],
  label: [3, 'string'],
  broadcast: [4, 'bytes'],
  flags: [8, 'u32'],
} as const satisfies Table;

const RTA = {
  dst: [1, 'bytes'],
  oif: [4, 'u32'],
  gateway: [5, 'bytes'],
  priority: [6, 'u32'],
  prefsrc: [7, 'bytes'],
  table: [15, 'u32'],
} as const satisfies Table;

const NDA = { dst: [1, 'bytes'], lladdr: [2, 'mac'] } as const satisfies Table;

export interface Address {
  readonly ifindex: number;
  readonly family: number;
  readonly address: string;
  readonly prefix: number;
  /** RT_SCOPE_*: 0 global, 253 link, 254 host. */
  readonly scope: number;
  readonly attributes: Attributes<typeof IFA>;
}

export interface Route {
  readonly family: number;
  /** `10.0.0.0/8`, `fd00::/64`; undefined for the default route. */
  readonly dst: string | undefined;
  readonly gateway: string | undefined;
  readonly ifindex: number | undefined;
  readonly src: string | undefined;
  readonly metric: number | undefined;
  readonly table: number;
  /** RTN_*: 1 unicast, 2 local, 3 broadcast. */
  readonly type: number;
  readonly protocol: number;
  readonly scope: number;
}

export interface RouteRequest {
  readonly dst?: string;
  readonly gateway?: string;
  readonly ifindex?: number;
  readonly src?: string;
  readonly metric?: number;
  readonly table?: number;
}

export interface Neighbour {
  readonly ifindex: number;
  readonly family: number;
  readonly address: string;
  readonly mac: string | undefined;
  readonly state: number;
}

/** An IP address in either family's text. */
export function ipBytes(text: string): { family: number; bytes: Uint8Array } {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) {
    return { family: AF_INET, bytes: Uint8Array.of(v4 >>> 24, v4 >>> 16, v4 >>> 8, v4) };
  }
  const v6 = parseIpv6(text);
  if (!v6) throw new HeddleError(`${text}: not an IP address`);
  return { family: AF_INET6, bytes: v6 };
}

function ipPrefix(text: string): { family: number; bytes: Uint8Array; prefix: number } {
  const [address = '', length] = text.split('/');
  const { family, bytes } = ipBytes(address);
  const prefix = length === undefined ? bytes.length * 8 : Number(length);
  if (!/^\d+$/.test(length ?? '0') || prefix > bytes.length * 8) {
    throw new HeddleError(`${text}: bad prefix length`);
  }
  return { family, bytes, prefix };
}

function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 16) return formatIpv6(bytes);
  if (bytes.length !== 4) throw new DecodeError(`an IP address of ${bytes.length} bytes`);
  return formatIpv4(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
}

const optionalIp = (bytes?: Uint8Array): string | undefined => bytes && formatIp(bytes);

/** `address` is `10.0.0.1/24` or `fd00::1/64`. */
export function emitAddress(ifindex: number, address: string): Buffer {
  const { family, bytes, prefix } = ipPrefix(address);
  const head = Buffer.from([family, prefix, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(ifindex, 4);
  return Buffer.concat([head, emitAttributes(IFA, { address: bytes, local: bytes })]);
}

export function parseAddress(payload: Uint8Array): Address {
  const view = header(payload, 8);
  const attributes = parseAttributes(IFA, payload.subarray(8));
  // With a point-to-point peer IFA_ADDRESS is the peer's: IFA_LOCAL is ours.
  const bytes = attributes.local ?? attributes.address;
  return {
    ifindex: view.getUint32(4, true),
    family: view.getUint8(0),
    address: bytes ? formatIp(bytes) : '',
    prefix: view.getUint8(1),
    scope: view.getUint8(3),
    attributes,
  };
}

export function emitRoute(route: RouteRequest): Buffer {
  const dst = route.dst === undefined ? undefined : ipPrefix(route.dst);
  const gateway = route.gateway === undefined ? undefined : ipBytes(route.gateway);
  const family = dst?.family ?? gateway?.family ?? AF_INET;
  const scope = gateway || family === AF_INET6 ? 0 : RT_SCOPE_LINK;
  const table = route.table ?? RT_TABLE_MAIN;
  const head = Buffer.alloc(12);
  head.set([family, dst?.prefix ?? 0, 0, 0, table & 0xff, RTPROT_BOOT, scope, RTN_UNICAST]);
  const attributes: Attributes<typeof RTA> = { table };
  if (dst) attributes.dst = dst.bytes;
  if (gateway) attributes.gateway = gateway.bytes;
  if (route.ifindex !== undefined) attributes.oif = route.ifindex;
  if (route.metric !== undefined) attributes.priority = route.metric;
  if (route.src !== undefined) attributes.prefsrc = ipBytes(route.src).bytes;
  return Buffer.concat([head, emitAttributes(RTA, attributes)]);
}

export function emitRouteQuery(address: string): Buffer {
  const { family, bytes } = ipBytes(address);
  const head = Buffer.alloc(12);
  head.set([family, bytes.length * 8]);
  return Buffer.concat([head, emitAttributes(RTA, { dst: bytes })]);
}

export function parseRoute(payload: Uint8Array): Route {
  const view = header(payload, 12);
  const a = parseAttributes(RTA, payload.subarray(12));
  return {
    family: view.getUint8(0),
    dst: a.dst && `${formatIp(a.dst)}/${view.getUint8(1)}`,
    gateway: optionalIp(a.gateway),
    ifindex: a.oif,
    src: optionalIp(a.prefsrc),
    metric: a.priority,
    table: a.table ?? view.getUint8(4),
    type: view.getUint8(7),
    protocol: view.getUint8(5),
    scope: view.getUint8(6),
  };
}

export function emitNeighbour(ifindex: number, address: string, mac?: string): Buffer {
  const { family, bytes } = ipBytes(address);
  const head = Buffer.alloc(12);
  head.writeUInt8(family, 0);
  head.writeInt32LE(ifindex, 4);
  head.writeUInt16LE(NUD_PERMANENT, 8);
  const attributes = mac === undefined ? { dst: bytes } : { dst: bytes, lladdr: mac };
  return Buffer.concat([head, emitAttributes(NDA, attributes)]);
}

export function parseNeighbour(payload: Uint8Array): Neighbour {
  const view = header(payload, 12);
  const a = parseAttributes(NDA, payload.subarray(12));
  return {
    ifindex: view.getInt32(4, true),
    family: view.getUint8(0),
    address: a.dst ? formatIp(a.dst) : '',
    mac: a.lladdr,
    state: view.getUint16(8, true),
  };
}

function header(payload: Uint8Array, bytes: number): DataView {
  if (payload.length < bytes) throw new DecodeError('short rtnetlink header');
  return new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
}
