/** IGMP and MLD messages (RFC 2236, RFC 3376, RFC 2710, RFC 3810) as snooping understands them. */
import {
  checksum,
  csumAdd,
  csumFinish,
  ETH_P_IP,
  ETH_P_IPV6,
  formatIpv4,
  formatIpv6,
  IPPROTO_ICMPV6,
  IPPROTO_IGMP,
} from '@heddle/packet';

const IGMP_QUERY = 0x11;
const IGMP_REPORT_V1 = 0x12;
const IGMP_REPORT_V2 = 0x16;
const IGMP_LEAVE = 0x17;
const IGMP_REPORT_V3 = 0x22;
export const MLD_QUERY = 130;
export const MLD_REPORT = 131;
export const MLD_DONE = 132;
export const MLD2_REPORT = 143;

/** Record types of IGMPv3 and MLDv2 (RFC 3376, 4.2.12; RFC 3810, 5.2.12). */
const MODE_IS_INCLUDE = 1;
const CHANGE_TO_INCLUDE = 3;
const BLOCK_OLD_SOURCES = 6;

const ETH_P_VLAN = [0x8100, 0x88a8];
/** Hop-by-hop, routing and destination options. */
const IPV6_EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 60]);
const IGMP_BYTES = 8;
const MLD_BYTES = 24;
const RECORDS_AT = 8;
const MAX_TAGS = 4;

/** A group that a host wants, or wants no more. */
export interface Membership {
  readonly group: string;
  readonly leaves: boolean;
}

export type McastMessage =
  /** `from` is undefined for MLD, where it decides nothing but whether there is one. */
  | { readonly kind: 'query'; readonly from: string | undefined; readonly isRouter: boolean }
  /** IGMPv1 and v2 speak of one group; other versions of several. */
  | { readonly kind: 'report'; readonly isSingle: boolean; readonly groups: readonly Membership[] }
  | { readonly kind: 'bad-checksum'; readonly isReport: boolean }
  /** IGMP of another type. */
  | { readonly kind: 'other' };

interface Payload {
  readonly protocol: number;
  readonly bytes: DataView;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

/** What is in a frame; undefined when that is neither IGMP nor MLD. */
export function parseMembership(frame: Uint8Array): McastMessage | undefined {
  const payload = ipPayload(new DataView(frame.buffer, frame.byteOffset, frame.byteLength));
  if (payload?.protocol === IPPROTO_IGMP) return parseIgmp(payload);
  if (payload?.protocol === IPPROTO_ICMPV6) return parseMld(payload);
  return undefined;
}

function ipPayload(dv: DataView): Payload | undefined {
  let at = 12;
  for (let tags = 0; tags < MAX_TAGS && dv.byteLength >= at + 2; tags++) {
    if (!ETH_P_VLAN.includes(dv.getUint16(at))) break;
    at += 4;
  }
  if (dv.byteLength < at + 2) return undefined;
  const type = dv.getUint16(at);
  const l3 = new DataView(dv.buffer, dv.byteOffset + at + 2, dv.byteLength - at - 2);
  if (type === ETH_P_IP) return ipv4Payload(l3);
  return type === ETH_P_IPV6 ? ipv6Payload(l3) : undefined;
}

function part(dv: DataView, start: number, end: number): DataView {
  return new DataView(dv.buffer, dv.byteOffset + start, end - start);
}

function bytes(dv: DataView, start: number, length: number): Uint8Array {
  return new Uint8Array(dv.buffer, dv.byteOffset + start, length);
}

function ipv4Payload(ip: DataView): Payload | undefined {
  if (ip.byteLength < 20) return undefined;
  const header = (ip.getUint8(0) & 0x0f) * 4;
  const end = Math.min(ip.getUint16(2), ip.byteLength);
  const isFragment = (ip.getUint16(6) & 0x3fff) !== 0;
  if (header < 20 || end < header || isFragment) return undefined;
  return {
    protocol: ip.getUint8(9),
    bytes: part(ip, header, end),
    source: bytes(ip, 12, 4),
    destination: bytes(ip, 16, 4),
  };
}

function ipv6Payload(ip: DataView): Payload | undefined {
  if (ip.byteLength < 40) return undefined;
  const end = Math.min(40 + ip.getUint16(4), ip.byteLength);
  let [protocol, at] = [ip.getUint8(6), 40];
  while (IPV6_EXTENSIONS.has(protocol)) {
    if (at + 8 > end) return undefined;
    protocol = ip.getUint8(at);
    at += (ip.getUint8(at + 1) + 1) * 8;
  }
  if (at > end) return undefined;
  return {
    protocol,
    bytes: part(ip, at, end),
    source: bytes(ip, 8, 16),
    destination: bytes(ip, 24, 16),
  };
}

function parseIgmp({ bytes: dv, source }: Payload): McastMessage {
  if (dv.byteLength < IGMP_BYTES) return { kind: 'other' };
  const type = dv.getUint8(0);
  const single = type === IGMP_REPORT_V1 || type === IGMP_REPORT_V2 || type === IGMP_LEAVE;
  const isReport = single || type === IGMP_REPORT_V3;
  if (!isReport && type !== IGMP_QUERY) return { kind: 'other' };
  if (checksum(dv, 0, dv.byteLength) !== 0) return { kind: 'bad-checksum', isReport };
  if (type === IGMP_QUERY) {
    const from = new DataView(source.buffer, source.byteOffset).getUint32(0);
    return { kind: 'query', from: formatIpv4(from), isRouter: from !== 0 };
  }
  if (!single) return { kind: 'report', isSingle: false, groups: records(dv, 4) };
  const group = formatIpv4(dv.getUint32(4));
  return { kind: 'report', isSingle: true, groups: [{ group, leaves: type === IGMP_LEAVE }] };
}

function parseMld({ bytes: dv, source, destination }: Payload): McastMessage | undefined {
  if (dv.byteLength < IGMP_BYTES) return undefined;
  const type = dv.getUint8(0);
  const single = type === MLD_REPORT || type === MLD_DONE;
  const isReport = single || type === MLD2_REPORT;
  if (!isReport && type !== MLD_QUERY) return undefined;
  if (!isMldWhole(dv, source, destination)) return { kind: 'bad-checksum', isReport };
  if (type === MLD_QUERY) {
    return { kind: 'query', from: undefined, isRouter: source.some((octet) => octet !== 0) };
  }
  if (!single) return { kind: 'report', isSingle: false, groups: records(dv, 16) };
  if (dv.byteLength < MLD_BYTES) return { kind: 'report', isSingle: false, groups: [] };
  const group = formatIpv6(bytes(dv, 8, 16));
  return { kind: 'report', isSingle: false, groups: [{ group, leaves: type === MLD_DONE }] };
}

/** Whether the checksum with its pseudo header is right (RFC 4443, 2.3). */
function isMldWhole(dv: DataView, source: Uint8Array, destination: Uint8Array): boolean {
  let sum = IPPROTO_ICMPV6 + dv.byteLength;
  for (const address of [source, destination]) {
    sum = csumAdd(new DataView(address.buffer, address.byteOffset, 16), 0, 16, sum);
  }
  return csumFinish(csumAdd(dv, 0, dv.byteLength, sum)) === 0;
}

/** Group records; what is cut short ends them. */
function records(dv: DataView, addressBytes: number): Membership[] {
  const groups: Membership[] = [];
  let at = RECORDS_AT;
  for (let left = dv.getUint16(6); left > 0; left--) {
    const sourcesAt = at + 4 + addressBytes;
    if (sourcesAt > dv.byteLength) break;
    const type = dv.getUint8(at);
    const sources = dv.getUint16(at + 2);
    const next = sourcesAt + sources * addressBytes + dv.getUint8(at + 1) * 4;
    if (next > dv.byteLength) break;
    const group =
      addressBytes === 4
        ? formatIpv4(dv.getUint32(at + 4))
        : formatIpv6(bytes(dv, at + 4, addressBytes));
    const includes = type === MODE_IS_INCLUDE || type === CHANGE_TO_INCLUDE;
    const isKnown = type >= MODE_IS_INCLUDE && type <= BLOCK_OLD_SOURCES;
    if (isKnown) groups.push({ group, leaves: includes && sources === 0 });
    at = next;
  }
  return groups;
}
