/** Ranges of bits of fields, read and written during translation, with what that looks at. */
import type { Subfield } from '@heddle/openflow';
import { ofp10PortToOfp11, ofp11PortToOfp10 } from '@heddle/openflow/match/ofp-port';
import { ETH_P_IPV6, type Field, type Flow, fieldGet, fieldSet, isMpls } from '@heddle/packet';
import type { XlateContext } from './context.ts';

export function lowBits(n: number): bigint {
  return (1n << BigInt(n)) - 1n;
}

export function subfieldGet(flow: Flow, { field, ofs, nBits }: Subfield): bigint {
  return (wireGet(flow, field) >> BigInt(ofs)) & lowBits(nBits);
}

export function subfieldSet(flow: Flow, { field, ofs, nBits }: Subfield, value: bigint): void {
  const mask = lowBits(nBits) << BigInt(ofs);
  const shifted = (value << BigInt(ofs)) & mask;
  wireSet(flow, field, (wireGet(flow, field) & ~mask) | shifted);
}

/** A field as it is on the wire, where ports have 32 bits since OpenFlow 1.1. */
export function wireGet(flow: Flow, field: Field): bigint {
  // Addresses of IPv4 and IPv6 share their place in the key.
  if (isOther(flow, field)) return 0n;
  const value = fieldGet(flow, field);
  return isWidePort(field) ? BigInt(ofp10PortToOfp11(Number(value))) : value;
}

export function wireSet(flow: Flow, field: Field, value: bigint): void {
  if (isOther(flow, field)) return;
  const port = isWidePort(field) ? ofp11PortToOfp10(Number(value)) : undefined;
  fieldSet(flow, field, port === undefined ? value : BigInt(port));
}

function isOther({ dlType }: Flow, { prerequisite }: Field): boolean {
  if (prerequisite === 'IPv6') return dlType !== ETH_P_IPV6;
  return prerequisite === 'IPv4' && dlType === ETH_P_IPV6;
}

const isWidePort = ({ format }: Field): boolean => format === 'OpenFlow 1.1+ port';

/** Looks at bits of a field, and at those that say that the packet has it. */
export function lookAt(ctx: XlateContext, field: Field, mask: bigint): void {
  lookAtPrerequisites(ctx, field);
  fieldSet(ctx.wildcards, field, fieldGet(ctx.wildcards, field) | mask);
  if (field.prerequisite === 'MPLS' && isMpls(ctx.initial.dlType)) ctx.slow.add('mpls');
  if (field.prerequisite === 'NSH') ctx.slow.add('nsh');
  if (field.name === 'nd_reserved' || field.name === 'nd_options_type') ctx.slow.add('action');
}

/** Notes that an action writes bits of a field: a header is rewritten only where it was. */
export function markWritten({ written }: XlateContext, field: Field, mask: bigint): void {
  fieldSet(written, field, fieldGet(written, field) | mask);
}

export function markSubfieldWritten(ctx: XlateContext, { field, ofs, nBits }: Subfield): void {
  markWritten(ctx, field, lowBits(nBits) << BigInt(ofs));
}

export function lookAtSubfield(ctx: XlateContext, { field, ofs, nBits }: Subfield): void {
  lookAt(ctx, field, lowBits(nBits) << BigInt(ofs));
}

function lookAtPrerequisites({ wildcards }: XlateContext, { prerequisite }: Field): void {
  switch (prerequisite) {
    case 'TCP':
    case 'UDP':
    case 'SCTP':
    case 'ICMPv4':
    case 'ICMPv6':
      wildcards.nwProto = 0xff;
      break;
    case 'ND':
    case 'ND solicit':
    case 'ND advert':
      wildcards.nwProto = 0xff;
      wildcards.tpSrc = 0xffff;
      wildcards.tpDst = 0xffff;
      break;
    case 'CT':
      // new, est and rpl: one of them is set in what is tracked and valid.
      wildcards.ctState |= 0x0b;
      break;
    case 'VLAN VID':
      wildcards.vlanTci0 |= 0x1000;
  }
}
