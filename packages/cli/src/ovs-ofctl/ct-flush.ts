/** ct-flush: which connections, by zone and by the tuples of their two directions. */
import type { CtTuple, OfpBody } from '@heddle/openflow';
import { parseIpv4, parseIpv6 } from '@heddle/packet';
import { HeddleError } from '@heddle/runtime/errors';
import { type Context, open, transactNoReply } from './context.ts';

type Mutable = { -readonly [K in keyof CtTuple]: CtTuple[K] };

const AF_INET = 2;
const AF_INET6 = 10;

export async function ctFlush(ctx: Context): Promise<number> {
  let args = ctx.args.slice(1);
  let zone: number | undefined;
  const [first] = args;
  if (first?.startsWith('zone=')) {
    const text = first.slice('zone='.length);
    zone = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : -1;
    if (zone < 0 || zone > 0xffff) throw new HeddleError('Failed to parse zone');
    args = args.slice(1);
  }
  const original = parseTuple(args[0] ?? '');
  const reply = parseTuple(args[1] ?? '');
  const { family = 0 } = original;
  if (family !== 0 && (reply.family ?? 0) !== 0 && family !== reply.family) {
    throw bad(`the L3 protocol does not match ${args[1]!.replace(/^.*=/, '')}`);
  }
  const request: OfpBody = {
    type: 'ct_flush',
    original,
    reply,
    ...(zone !== undefined && { zone }),
  };
  const vconn = await open(ctx);
  const ok = await transactNoReply(ctx, vconn, [request]);
  vconn.close();
  return ok ? 0 : 1;
}

function bad(why: string): HeddleError {
  return new HeddleError(`Failed to parse ct-tuple: ${why}`);
}

/** `ct_nw_src=IP,ct_nw_proto=N,ct_tp_src=PORT…`, or ICMP's type, code and id in place of ports. */
function parseTuple(text: string): CtTuple {
  const tuple: Mutable = {};
  for (const word of text.split(/[,\s]+/).filter(Boolean)) {
    const [key = '', value = ''] = word.split(/=(.*)/s);
    if (value === '') throw bad(`field ${key} missing value`);
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
      throw bad(`invalid conntrack tuple field: ${key}`);
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
    throw bad(`the L3 protocol does not match ${value}`);
  if (address === undefined) throw bad(`failed to parse field ${key}`);
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
  if (n < 0 || n > max) throw bad(`failed to parse field ${key}`);
  return n;
}

function icmp(tuple: Mutable, key: string, value: string, max: number): number {
  if (!isIcmp(tuple)) throw bad('invalid L4 fields');
  return number(key, value, max);
}

function isIcmp({ proto }: CtTuple): boolean {
  return proto === 1 || proto === 58;
}
