/** NXAST_CT, NXAST_NAT, NXAST_CLONE and NXAST_CONJUNCTION. */
import { vlog } from '@heddle/runtime';
import { OfpError } from '../errors.ts';
import type { NatAction, OfpAct } from '../ofp-actions.ts';
import { refusal } from '../refuse.ts';
import { readUint } from './byte-writer.ts';
import { checkSubfieldBits, parseField32, subfieldOfNbits } from './field-header.ts';
import type { RawContext } from './parse-actions.ts';
import { verifyActions } from './verify-actions.ts';

const log = vlog.module('ofp_actions');

export const NX_CT_F_COMMIT = 1;
export const NX_CT_F_FORCE = 2;
/** The table that stands for none. */
export const NX_CT_RECIRC_NONE = 0xff;

export const NX_NAT_F = { src: 1, dst: 2, persistent: 4, hash: 8, random: 16 } as const;

/** `range_present` bits, in the order in which the values follow. */
export const NX_NAT_RANGE = {
  ipv4Min: 1,
  ipv4Max: 2,
  ipv6Min: 4,
  ipv6Max: 8,
  protoMin: 16,
  protoMax: 32,
} as const;

export function parseCt(c: RawContext): OfpAct {
  const { u8, dv, o, end } = c;
  const flags = dv.getUint16(o + 10);
  const commit = (flags & NX_CT_F_COMMIT) !== 0;
  const force = (flags & NX_CT_F_FORCE) !== 0;
  if (force && !commit) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  const zone = parseZone(c);
  const table = u8[o + 18]!;
  const alg = dv.getUint16(o + 22);
  const actions = o + 24 < end ? c.nested(o + 24, end) : [];
  for (const act of actions) checkCtAction(act, commit);
  return {
    type: 'ct',
    commit,
    force,
    zone,
    ...(table !== NX_CT_RECIRC_NONE && { table }),
    alg,
    actions,
  };
}

function parseZone(c: RawContext) {
  const { dv, o } = c;
  const bits = dv.getUint16(o + 16);
  if (dv.getUint32(o + 12) === 0) return bits;
  const field = parseField32(c, o + 12);
  if (!field) throw new OfpError('OFPBAC_BAD_SET_TYPE');
  const zone = subfieldOfNbits(field, bits);
  checkSubfieldBits(zone, 'source');
  if (zone.nBits !== 16) throw new OfpError('OFPBAC_BAD_SET_LEN');
  return zone;
}

function isBareNat(act: OfpAct): boolean {
  return act.type === 'nat' && !act.direction && !act.persistent && !act.hash && !act.random;
}

/** Without commit there is nothing to change but what the connection has already. */
function checkCtAction(act: OfpAct, commit: boolean): void {
  if (!commit && !isBareNat(act)) {
    const why =
      'CT action requires commit flag if actions other than NAT without arguments are specified.';
    throw refusal(log, 'OFPBAC_BAD_ARGUMENT', why);
  }
  if (act.type === 'nat') return;
  const field =
    act.type === 'set_field' ? act.set.field : act.type === 'move' ? act.dst.field : undefined;
  if (field?.name !== 'ct_mark' && field?.name !== 'ct_label') {
    throw new OfpError('OFPBAC_BAD_ARGUMENT');
  }
}

export function parseNat(c: RawContext): OfpAct {
  const flags = c.dv.getUint16(c.o + 12);
  const range = parseNatRange(c);
  return { ...natFlags(flags), ...(range && hasDirection(flags) && { range }) };
}

function hasDirection(flags: number): boolean {
  return (flags & (NX_NAT_F.src | NX_NAT_F.dst)) !== 0;
}

/** Neither an address nor a port may be 0, and an end needs a beginning before it. */
function parseNatRange({ u8, dv, o, end }: RawContext): NatAction['range'] {
  const present = dv.getUint16(o + 14);
  let at = o + 16;
  const take = (bit: number, size: number): bigint | undefined => {
    if (!(present & bit)) return undefined;
    if (at + size > end) throw new OfpError('OFPBAC_BAD_ARGUMENT');
    at += size;
    return readUint(u8, at - size, size);
  };
  const { ipv4Min, ipv4Max, ipv6Min, ipv6Max, protoMin, protoMax } = NX_NAT_RANGE;
  const has4 = (present & (ipv4Min | ipv4Max)) !== 0;
  const has6 = (present & (ipv6Min | ipv6Max)) !== 0;
  if (has4 && has6) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  const min4 = take(ipv4Min, 4);
  const max4 = take(ipv4Max, 4);
  const min6 = take(ipv6Min, 16);
  const max6 = take(ipv6Max, 16);
  const portMin = take(protoMin, 2);
  const portMax = take(protoMax, 2);
  const min = min4 ?? min6;
  const max = max4 ?? max6;
  checkBounds(min, max);
  checkBounds(portMin, portMax);
  if (min === undefined) {
    if (portMin !== undefined) throw new OfpError('OFPBAC_BAD_ARGUMENT');
    return undefined;
  }
  return {
    family: has4 ? 4 : 6,
    min,
    ...(max !== undefined && { max }),
    ...(portMin !== undefined && { portMin: Number(portMin) }),
    ...(portMax !== undefined && { portMax: Number(portMax) }),
  };
}

function checkBounds(min: bigint | undefined, max: bigint | undefined): void {
  const isBounded = max === undefined || (min !== undefined && max >= min);
  if (min === 0n || !isBounded) throw new OfpError('OFPBAC_BAD_ARGUMENT');
}

function natFlags(flags: number): NatAction {
  const { src, dst, persistent, hash, random } = NX_NAT_F;
  if (flags & ~0x1f || (flags & src && flags & dst) || (flags & hash && flags & random)) {
    throw new OfpError('OFPBAC_BAD_ARGUMENT');
  }
  const direction = flags & src ? 'src' : flags & dst ? 'dst' : undefined;
  return {
    type: 'nat',
    ...(direction && { direction: direction as 'src' | 'dst' }),
    ...(flags & persistent && { persistent: true }),
    ...(flags & hash && { hash: true }),
    ...(flags & random && { random: true }),
  };
}

export function parseClone(c: RawContext): OfpAct {
  const actions = c.nested(c.o + 16, c.end);
  verifyActions(actions);
  return { type: 'clone', actions };
}

/** The clause must be one of at least two and at most 64. */
export function parseConjunction({ u8, dv, o }: RawContext): OfpAct {
  const clause = u8[o + 10]!;
  const nClauses = u8[o + 11]!;
  if (nClauses < 2 || nClauses > 64 || clause >= nClauses) {
    throw new OfpError('NXBAC_BAD_CONJUNCTION');
  }
  return { type: 'conjunction', id: dv.getUint32(o + 12), clause, nClauses };
}
