/** Tuples of connections in text, as `ovs-ofctl ct-flush` and `dpctl/flush-conntrack` take them. */
import { parseIpv4, parseIpv6 } from '@heddle/packet';
import { HeddleError } from '@heddle/runtime/errors';
import type { CtTuple } from '../messages.ts';

type Mutable = { -readonly [K in keyof CtTuple]: CtTuple[K] };

const AF_INET = 2;
const AF_INET6 = 10;

/** `ct_nw_src=IP,ct_nw_proto=N,ct_tp_src=PORT…`, or ICMP's type, code and id in place of ports. */
export function parseCtTuple(text: string): CtTuple {
  const tuple: Mutable = {};
  for (const word of text.split(/[,\s]+/).filter(Boolean)) {
    const [key = '', value = ''] = word.split(/=(.*)/s);
    if (value === '') throw new HeddleError(`field ${key} missing value`);
    setField(tuple, key, value);
  }
  return tuple;
}

function setField(tuple: Mutable, key: string, value: string): void {
  switch (key) {
    case 'ct_nw_src':
    case 'ct_nw_dst':
      setAddress(tuple, key, value, ipv4(value), AF_INET);
      return;
    case 'ct_ipv6_src':
    case 'ct_ipv6_dst':
      setAddress(tuple, key, value, parseIpv6(value), AF_INET6);
      return;
    case 'ct_nw_proto':
      tuple.proto = number(key, value, 0xff);
      return;
    case 'ct_tp_src':
      if (isIcmp(tuple)) tuple.icmpId = number(key, value, 0xffff);
      else tuple.srcPort = number(key, value, 0xffff);
      return;
    case 'ct_tp_dst':
      tuple.dstPort = number(key, value, 0xffff);
      return;
    case 'icmp_type':
      tuple.icmpType = icmp(tuple, key, value, 0xff);
      return;
    case 'icmp_code':
      tuple.icmpCode = icmp(tuple, key, value, 0xff);
      return;
    case 'icmp_id':
      tuple.icmpId = icmp(tuple, key, value, 0xffff);
      return;
    default:
      throw new HeddleError(`invalid conntrack tuple field: ${key}`);
  }
}

function setAddress(
  tuple: Mutable,
  key: string,
  value: string,
  address: Uint8Array | undefined,
  family: number,
): void {
  if (tuple.family !== undefined && tuple.family !== family)
    throw new HeddleError(`the L3 protocol does not match ${value}`);
  if (address === undefined) throw new HeddleError(`failed to parse field ${key}`);
  if (value === '') return;
  tuple.family = family;
  if (key.endsWith('_src')) tuple.src = address;
  else tuple.dst = address;
}

/** As the IPv6 address that maps it. */
function ipv4(text: string): Uint8Array | undefined {
  const ip = parseIpv4(text);
  if (ip === undefined) return undefined;
  const mapped = new Uint8Array(16);
  mapped.set([0xff, 0xff, ip >>> 24, ip >>> 16, ip >>> 8, ip], 10);
  return mapped;
}

function number(key: string, value: string, max: number): number {
  const n = /^(0x[0-9a-f]+|\d+)$/i.test(value) ? Number(value) : -1;
  if (n < 0 || n > max) throw new HeddleError(`failed to parse field ${key}`);
  return n;
}

function icmp(tuple: Mutable, key: string, value: string, max: number): number {
  if (!isIcmp(tuple)) throw new HeddleError('invalid L4 fields');
  return number(key, value, max);
}

function isIcmp({ proto }: CtTuple): boolean {
  return proto === 1 || proto === 58;
}
