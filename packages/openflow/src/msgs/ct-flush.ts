/** NXT_CT_FLUSH: forget connections, all, of a zone, or those that a tuple picks. */
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from '@heddle/packet';
import type { ByteWriter } from '../actions/byte-writer.ts';
import { OfpError } from '../errors.ts';
import type { CtTuple } from '../messages.ts';
import { type AnyForm, form, NX_VENDOR_ID } from './form.ts';
import { pullProperty, putProperty, unknownProperty } from './property.ts';
import type { Reader } from './reader.ts';

const NXT_CT = { original: 0, reply: 1, zone: 2 } as const;
const NXT_CT_TUPLE = {
  src: 0,
  dst: 1,
  srcPort: 2,
  dstPort: 3,
  icmpId: 4,
  icmpType: 5,
  icmpCode: 6,
} as const;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const ctFlush = form<'ct_flush'>({
  type: 'ct_flush',
  name: 'NXT_CT_FLUSH',
  since: 1,
  until: 6,
  wire: { vendor: NX_VENDOR_ID, subtype: 32 },
  min: 8,
  step: 8,
  decode: (r, _, { loose = false }) => {
    const proto = r.byte();
    if (r.view(7).some((byte) => byte !== 0)) throw new OfpError('NXBRC_MUST_BE_ZERO');
    let original: CtTuple = {};
    let reply: CtTuple = {};
    let zone: number | undefined;
    while (r.left > 0) {
      const property = pullProperty(r);
      const { type, body } = property;
      if (type === NXT_CT.original) original = pullTuple(body, loose);
      else if (type === NXT_CT.reply) reply = pullTuple(body, loose);
      else if (type === NXT_CT.zone) zone = body.u16();
      else if (!loose) throw unknownProperty(property);
    }
    checkFamily(original, reply);
    if (proto !== 0) original = { ...original, proto };
    return { original, reply, ...(zone !== undefined && { zone }) };
  },
  encode: (w, { zone, original, reply }) => {
    const proto = original.proto ?? reply.proto ?? 0;
    w.byte(proto);
    w.grow(7);
    putTuple(w, NXT_CT.original, original, proto);
    putTuple(w, NXT_CT.reply, reply, proto);
    if (zone !== undefined) putU16(w, NXT_CT.zone, zone);
  },
});

function pullTuple(r: Reader, loose: boolean): CtTuple {
  const tuple: Mutable<CtTuple> = {};
  r.take(4);
  while (r.left > 0) {
    const property = pullProperty(r);
    const { type, body } = property;
    if (type === NXT_CT_TUPLE.src) tuple.src = pullAddress(body);
    else if (type === NXT_CT_TUPLE.dst) tuple.dst = pullAddress(body);
    else if (type === NXT_CT_TUPLE.srcPort) tuple.srcPort = body.u16();
    else if (type === NXT_CT_TUPLE.dstPort) tuple.dstPort = body.u16();
    else if (type === NXT_CT_TUPLE.icmpId) tuple.icmpId = body.u16();
    else if (type === NXT_CT_TUPLE.icmpType) tuple.icmpType = body.byte();
    else if (type === NXT_CT_TUPLE.icmpCode) tuple.icmpCode = body.byte();
    else if (!loose) throw unknownProperty(property);
  }
  return tuple;
}

/** All addresses are of one family; :: is of either. */
function checkFamily(...tuples: readonly CtTuple[]): void {
  const lengths = tuples
    .flatMap(({ src, dst }) => [src, dst])
    .filter((address) => address?.some((byte) => byte !== 0))
    .map((address) => address?.length);
  if (new Set(lengths).size > 1) throw new OfpError('OFPBPC_BAD_VALUE');
}

/** IPv4 addresses travel in IPv6 ones, as ::ffff:a.b.c.d. */
function pullAddress(body: Reader): Uint8Array {
  const bytes = body.bytes(16);
  const isIpv4 = bytes.every((b, i) => i >= 12 || b === (i < 10 ? 0 : 0xff));
  return isIpv4 ? bytes.subarray(12) : bytes;
}

function putTuple(w: ByteWriter, type: number, tuple: CtTuple, proto: number): void {
  const { src, dst, srcPort, dstPort } = tuple;
  const isIcmp = proto === IPPROTO_ICMP || proto === IPPROTO_ICMPV6;
  const { proto: _, family: __, ...rest } = tuple;
  if (Object.keys(rest).length === 0) return;
  putProperty(w, type, () => {
    w.grow(4);
    if (src) putAddress(w, NXT_CT_TUPLE.src, src);
    if (dst) putAddress(w, NXT_CT_TUPLE.dst, dst);
    if (isIcmp) {
      putU16(w, NXT_CT_TUPLE.icmpId, tuple.icmpId ?? 0);
      putProperty(w, NXT_CT_TUPLE.icmpType, () => w.byte(tuple.icmpType ?? 0));
      putProperty(w, NXT_CT_TUPLE.icmpCode, () => w.byte(tuple.icmpCode ?? 0));
      return;
    }
    if (srcPort) putU16(w, NXT_CT_TUPLE.srcPort, srcPort);
    if (dstPort) putU16(w, NXT_CT_TUPLE.dstPort, dstPort);
  });
}

function putAddress(w: ByteWriter, type: number, address: Uint8Array): void {
  putProperty(w, type, () => {
    if (address.length === 4) {
      w.grow(10);
      w.u16(0xffff);
    }
    w.bytes(address);
  });
}

/** The padding counts as part of 16-bit properties. */
function putU16(w: ByteWriter, type: number, value: number): void {
  putProperty(w, type, () => {
    w.u16(value);
    w.grow(2);
  });
}

export const CT_FLUSH_FORMS: readonly AnyForm[] = [ctFlush];
