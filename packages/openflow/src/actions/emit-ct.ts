/** NXAST_CT, NXAST_NAT, NXAST_CLONE and NXAST_CONJUNCTION. */
import type { CtAction, NatAction, OfpAct } from '../ofp-actions.ts';
import type { ByteWriter } from './byte-writer.ts';
import { endNicira, putNicira } from './emit-nicira.ts';
import { NXM, ofsNbits, putFieldHeader } from './field-header.ts';
import {
  NX_CT_F_COMMIT,
  NX_CT_F_FORCE,
  NX_CT_RECIRC_NONE,
  NX_NAT_F,
  NX_NAT_RANGE,
} from './parse-ct.ts';

type EmitNested = (acts: readonly OfpAct[]) => void;

export function emitCt(w: ByteWriter, act: CtAction, nested: EmitNested) {
  const at = putNicira(w, 35, 24);
  w.dv.setUint16(at + 10, (act.commit ? NX_CT_F_COMMIT : 0) | (act.force ? NX_CT_F_FORCE : 0));
  if (typeof act.zone === 'number') {
    w.dv.setUint16(at + 16, act.zone);
  } else {
    w.length = at + 12;
    putFieldHeader(w, act.zone.field, NXM);
    w.length = at + 24;
    w.dv.setUint16(at + 16, ofsNbits(act.zone));
  }
  w.u8[at + 18] = act.table ?? NX_CT_RECIRC_NONE;
  w.dv.setUint16(at + 22, act.alg);
  nested(act.actions);
  w.dv.setUint16(at + 2, w.length - at);
}

export function emitNat(w: ByteWriter, act: NatAction) {
  const at = putNicira(w, 36, 16);
  const { src, dst, persistent, hash, random } = NX_NAT_F;
  const flags =
    (act.direction === 'src' ? src : act.direction === 'dst' ? dst : 0) |
    (act.persistent ? persistent : 0) |
    (act.hash ? hash : 0) |
    (act.random ? random : 0);
  w.dv.setUint16(at + 12, flags);
  if (act.range) emitRange(w, at, act.range);
  endNicira(w, at);
}

function emitRange(w: ByteWriter, at: number, range: NonNullable<NatAction['range']>) {
  const { ipv4Min, ipv4Max, ipv6Min, ipv6Max, protoMin, protoMax } = NX_NAT_RANGE;
  const size = range.family === 4 ? 4 : 16;
  let present = range.family === 4 ? ipv4Min : ipv6Min;
  w.uint(range.min, size);
  if (range.max !== undefined) {
    present |= range.family === 4 ? ipv4Max : ipv6Max;
    w.uint(range.max, size);
  }
  if (range.portMin !== undefined) {
    present |= protoMin;
    w.u16(range.portMin);
  }
  if (range.portMax !== undefined) {
    present |= protoMax;
    w.u16(range.portMax);
  }
  w.dv.setUint16(at + 14, present);
}

export function emitClone(w: ByteWriter, acts: readonly OfpAct[], nested: EmitNested) {
  const at = putNicira(w, 42, 16);
  nested(acts);
  w.dv.setUint16(at + 2, w.length - at);
}

export function emitConjunction(
  w: ByteWriter,
  { id, clause, nClauses }: Extract<OfpAct, { type: 'conjunction' }>,
) {
  const at = putNicira(w, 34, 16);
  w.u8[at + 10] = clause;
  w.u8[at + 11] = nClauses;
  w.dv.setUint32(at + 12, id);
}
