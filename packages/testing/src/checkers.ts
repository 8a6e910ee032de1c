/**
 * What a frame should hold, written as nested parts in the order of its headers:
 * `check(frame, eth({ dst }), vlan({ vid: 10 }), ipv4({ ttl: 63 }), udp({ dst: 53 }))`.
 * The first header that does not match is an AssertionError that names the field.
 */
import assert from 'node:assert/strict';
import {
  arpOp,
  arpSpa,
  arpTpa,
  ethDst,
  ethSrc,
  ethType,
  formatIpv4,
  formatIpv6,
  formatMac,
  icmpType,
  ipDst,
  ipHeaderLen,
  ipProto,
  ipSrc,
  ipTos,
  ipTtl,
  ipv6HopLimit,
  ipv6NextHeader,
  toHex,
  tpDst,
  tpSrc,
  vlanTci,
  vlanTpid,
} from '@heddle/packet';

/** Where the next header starts, and the number that the previous one announced for it. */
export interface Cursor {
  readonly bytes: Uint8Array;
  readonly dv: DataView;
  off: number;
  proto: number;
}

export type Checker = (at: Cursor) => void;

const TPIDS = new Set([0x8100, 0x88a8, 0x9100]);

/** Checks a whole frame; the first checker is usually `eth`. */
export function check(frame: Uint8Array, ...checkers: Checker[]): void {
  const dv = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const at: Cursor = { bytes: frame, dv, off: 0, proto: 0 };
  for (const checker of checkers) checker(at);
}

/** `check` as a yes or no, for picking a frame out of many. */
export function matches(frame: Uint8Array, ...checkers: Checker[]): boolean {
  try {
    check(frame, ...checkers);
    return true;
  } catch (error) {
    if (error instanceof assert.AssertionError || error instanceof RangeError) return false;
    throw error;
  }
}

function field<T>(name: string, actual: T, expected: T | undefined): void {
  if (expected !== undefined)
    assert.equal(actual, expected, `${name} is ${actual}, not ${expected}`);
}

export function eth(want: { dst?: string; src?: string; type?: number } = {}): Checker {
  return (at) => {
    field('eth.dst', formatMac(ethDst(at.dv, at.off)), want.dst);
    field('eth.src', formatMac(ethSrc(at.dv, at.off)), want.src);
    at.proto = ethType(at.dv, at.off);
    field('eth.type', at.proto, want.type);
    at.off += 14;
  };
}

/** The next header is a tag. The cursor stands behind the previous Ethernet type. */
export function vlan(want: { vid?: number; pcp?: number; tpid?: number } = {}): Checker {
  return (at) => {
    assert.ok(TPIDS.has(at.proto), `no tag: type 0x${at.proto.toString(16)}`);
    const tci = vlanTci(at.dv, at.off - 2);
    field('vlan.tpid', vlanTpid(at.dv, at.off - 2), want.tpid);
    field('vlan.vid', tci & 0xfff, want.vid);
    field('vlan.pcp', tci >>> 13, want.pcp);
    at.proto = at.dv.getUint16(at.off + 2);
    at.off += 4;
  };
}

/** The next header is not a tag. */
export function untagged(): Checker {
  return (at) => assert.ok(!TPIDS.has(at.proto), `a tag: type 0x${at.proto.toString(16)}`);
}

export function arp(want: { op?: number; spa?: string; tpa?: string } = {}): Checker {
  return (at) => {
    field('eth.type', at.proto, 0x0806);
    field('arp.op', arpOp(at.dv, at.off), want.op);
    field('arp.spa', formatIpv4(arpSpa(at.dv, at.off)), want.spa);
    field('arp.tpa', formatIpv4(arpTpa(at.dv, at.off)), want.tpa);
  };
}

export interface Ipv4Want {
  src?: string;
  dst?: string;
  ttl?: number;
  tos?: number;
  proto?: number;
}

export function ipv4(want: Ipv4Want = {}): Checker {
  return (at) => {
    field('eth.type', at.proto, 0x0800);
    field('ipv4.src', formatIpv4(ipSrc(at.dv, at.off)), want.src);
    field('ipv4.dst', formatIpv4(ipDst(at.dv, at.off)), want.dst);
    field('ipv4.ttl', ipTtl(at.dv, at.off), want.ttl);
    field('ipv4.tos', ipTos(at.dv, at.off), want.tos);
    at.proto = ipProto(at.dv, at.off);
    field('ipv4.proto', at.proto, want.proto);
    at.off += ipHeaderLen(at.dv, at.off);
  };
}

export function ipv6(want: { src?: string; dst?: string; hopLimit?: number } = {}): Checker {
  return (at) => {
    field('eth.type', at.proto, 0x86dd);
    const address = (off: number): string => formatIpv6(at.bytes.subarray(off, off + 16));
    field('ipv6.src', address(at.off + 8), want.src);
    field('ipv6.dst', address(at.off + 24), want.dst);
    field('ipv6.hopLimit', ipv6HopLimit(at.dv, at.off), want.hopLimit);
    at.proto = ipv6NextHeader(at.dv, at.off);
    at.off += 40;
  };
}

function ports(name: string, proto: number, length: number) {
  return (want: { src?: number; dst?: number } = {}): Checker =>
    (at) => {
      field('ip.proto', at.proto, proto);
      field(`${name}.src`, tpSrc(at.dv, at.off), want.src);
      field(`${name}.dst`, tpDst(at.dv, at.off), want.dst);
      at.off += length;
    };
}

export const udp = ports('udp', 17, 8);
export const tcp = ports('tcp', 6, 20);

export function icmp(want: { type?: number } = {}): Checker {
  return (at) => {
    field('ip.proto', at.proto, 1);
    field('icmp.type', icmpType(at.dv, at.off), want.type);
    at.off += 8;
  };
}

/** What remains begins with these bytes. */
export function payload(expected: Uint8Array): Checker {
  return (at) => {
    const actual = at.bytes.subarray(at.off, at.off + expected.length);
    assert.equal(toHex(actual), toHex(expected), 'payload differs');
  };
}
