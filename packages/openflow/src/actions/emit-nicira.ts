/** Nicira's actions that all versions share. */
import { OFPP_NONE } from '../constants.ts';
import type { OfpAct } from '../ofp-actions.ts';
import type { ByteWriter } from './byte-writer.ts';
import { hasShortHeader, NXM, ofsNbits, putFieldHeader } from './field-header.ts';
import {
  BUNDLE_ALGORITHMS,
  HASH_FIELDS,
  MULTIPATH_ALGORITHMS,
  NXM_OF_IN_PORT_HEADER,
} from './parse-bundle.ts';
import { NXAC2PT, needsController2, OFPR_ACTION } from './parse-controller.ts';
import { NSH_TLV, PT_USE_NEXT_PROTO } from './parse-encap.ts';

const NX_VENDOR = 0x0000_2320;

type Act<T extends OfpAct['type']> = Extract<OfpAct, { type: T }>;

/** The 10 bytes of header and `length - 10` zeros. */
export function putNicira(w: ByteWriter, subtype: number, length: number): number {
  const at = w.grow(length);
  w.dv.setUint16(at, 0xffff);
  w.dv.setUint16(at + 2, length);
  w.dv.setUint32(at + 4, NX_VENDOR);
  w.dv.setUint16(at + 8, subtype);
  return at;
}

/** Pads what was written from `at` and notes its length. */
export function endNicira(w: ByteWriter, at: number): void {
  w.align8(at);
  w.dv.setUint16(at + 2, w.length - at);
}

export function emitNicira(w: ByteWriter, act: OfpAct) {
  switch (act.type) {
    case 'output_reg':
      return emitOutputReg(w, act);
    case 'output_trunc': {
      const at = putNicira(w, 39, 16);
      w.dv.setUint16(at + 10, act.port);
      w.dv.setUint32(at + 12, act.maxLen);
      return;
    }
    case 'controller':
      return emitController(w, act);
    case 'bundle':
      return emitBundle(w, act);
    case 'multipath':
      return emitMultipath(w, act);
    case 'push':
    case 'pop':
      return emitStack(w, act);
    case 'resubmit':
      return emitResubmit(w, act);
    case 'fin_timeout': {
      const at = putNicira(w, 19, 16);
      w.dv.setUint16(at + 10, act.idle);
      w.dv.setUint16(at + 12, act.hard);
      return;
    }
    case 'sample':
      return emitSample(w, act);
    case 'note': {
      const at = putNicira(w, 8, 10);
      w.bytes(act.data);
      if (act.data.length === 0) w.grow(6);
      return endNicira(w, at);
    }
    case 'encap':
    case 'decap':
      return emitEncap(w, act);
    case 'check_pkt_larger': {
      const at = putNicira(w, 49, 14);
      w.dv.setUint16(at + 10, act.length);
      w.dv.setUint16(at + 12, act.dst.ofs);
      putFieldHeader(w, act.dst.field, NXM);
      w.grow(at + 24 - w.length);
      return endNicira(w, at);
    }
    case 'delete_field': {
      const at = putNicira(w, 50, 10);
      putFieldHeader(w, act.field, NXM);
      w.grow(at + 24 - w.length);
      return endNicira(w, at);
    }
    default:
      return emitBare(w, act);
  }
}

const BARE: Readonly<Partial<Record<OfpAct['type'], number>>> = {
  pop_queue: 5,
  exit: 17,
  ct_clear: 43,
  dec_nsh_ttl: 48,
  debug_recirc: 255,
  debug_slow: 254,
};

function emitBare(w: ByteWriter, act: OfpAct) {
  const subtype = BARE[act.type];
  if (subtype === undefined) throw new Error(`${act.type} has no form of its own`);
  putNicira(w, subtype, 16);
}

/** NXAST_OUTPUT_REG2 where the field's header is long. */
function emitOutputReg(w: ByteWriter, { src, maxLen }: Act<'output_reg'>) {
  if (hasShortHeader(src.field)) {
    const at = putNicira(w, 15, 12);
    w.dv.setUint16(at + 10, ofsNbits(src));
    putFieldHeader(w, src.field, NXM);
    w.u16(maxLen);
    return endNicira(w, at);
  }
  const at = putNicira(w, 32, 14);
  w.dv.setUint16(at + 10, ofsNbits(src));
  w.dv.setUint16(at + 12, maxLen);
  putFieldHeader(w, src.field, NXM);
  endNicira(w, at);
}

function emitController(w: ByteWriter, act: Act<'controller'>) {
  const { maxLen, controllerId, reason, userdata, pause, meter } = act;
  if (!needsController2(act) && act.compat !== 'controller2') {
    const at = putNicira(w, 20, 16);
    w.dv.setUint16(at + 10, maxLen);
    w.dv.setUint16(at + 12, controllerId);
    w.u8[at + 14] = reason;
    return;
  }
  const at = putNicira(w, 37, 16);
  if (maxLen !== 0xffff) w.setU16(putProperty(w, NXAC2PT.maxLen, 4), maxLen);
  if (controllerId !== 0) w.setU16(putProperty(w, NXAC2PT.controllerId, 4), controllerId);
  if (reason !== OFPR_ACTION) w.setU8(putProperty(w, NXAC2PT.reason, 1), reason);
  if (userdata?.length) {
    const data = putProperty(w, NXAC2PT.userdata, userdata.length);
    w.u8.set(userdata, data);
  }
  if (pause) putProperty(w, NXAC2PT.pause, 0);
  if (meter !== undefined) w.setU32(putProperty(w, NXAC2PT.meterId, 4), meter);
  endNicira(w, at);
}

/** Returns where the data goes. */
function putProperty(w: ByteWriter, type: number, size: number): number {
  const at = w.grow((4 + size + 7) & ~7);
  w.dv.setUint16(at, type);
  w.dv.setUint16(at + 2, 4 + size);
  return at + 4;
}

function emitBundle(w: ByteWriter, act: Act<'bundle'>) {
  const at = putNicira(w, act.dst ? 13 : 12, 32);
  const { dv } = w;
  dv.setUint16(at + 10, BUNDLE_ALGORITHMS.indexOf(act.algorithm));
  dv.setUint16(at + 12, HASH_FIELDS.indexOf(act.fields));
  dv.setUint16(at + 14, act.basis);
  dv.setUint32(at + 16, NXM_OF_IN_PORT_HEADER);
  dv.setUint16(at + 20, act.members.length);
  if (act.dst) {
    dv.setUint16(at + 22, ofsNbits(act.dst));
    w.length = at + 24;
    putFieldHeader(w, act.dst.field, NXM);
    w.length = at + 32;
  }
  for (const port of act.members) w.u16(port);
  endNicira(w, at);
}

function emitMultipath(w: ByteWriter, act: Act<'multipath'>) {
  const at = putNicira(w, 10, 28);
  const { dv } = w;
  dv.setUint16(at + 10, HASH_FIELDS.indexOf(act.fields));
  dv.setUint16(at + 12, act.basis);
  dv.setUint16(at + 16, MULTIPATH_ALGORITHMS.indexOf(act.algorithm));
  dv.setUint16(at + 18, act.maxLink);
  dv.setUint32(at + 20, act.arg);
  dv.setUint16(at + 26, ofsNbits(act.dst));
  putFieldHeader(w, act.dst.field, NXM);
  endNicira(w, at);
}

function emitStack(w: ByteWriter, { type, subfield }: Act<'push' | 'pop'>) {
  const at = putNicira(w, type === 'push' ? 27 : 28, 12);
  w.dv.setUint16(at + 10, subfield.ofs);
  putFieldHeader(w, subfield.field, NXM);
  w.u16(subfield.nBits);
  endNicira(w, at);
}

function emitResubmit(w: ByteWriter, act: Act<'resubmit'>) {
  const old = act.table === 255 && act.compat === 'resubmit' && !act.withCt;
  const at = putNicira(w, old ? 1 : act.withCt ? 44 : 14, 16);
  w.dv.setUint16(at + 10, act.port);
  if (!old) w.u8[at + 12] = act.table;
}

const DIRECTIONS = { default: 0, ingress: 1, egress: 2 } as const;

/** The oldest of three forms that can say it. */
function emitSample(w: ByteWriter, act: Act<'sample'>) {
  const level = act.direction !== 'default' ? 3 : act.samplingPort !== OFPP_NONE ? 2 : 1;
  const at = putNicira(w, [29, 38, 41][level - 1]!, level === 1 ? 24 : 32);
  w.dv.setUint16(at + 10, act.probability);
  w.dv.setUint32(at + 12, act.collectorSetId);
  w.dv.setUint32(at + 16, act.obsDomainId);
  w.dv.setUint32(at + 20, act.obsPointId);
  if (level === 1) return;
  w.dv.setUint16(at + 24, act.samplingPort);
  w.u8[at + 26] = DIRECTIONS[act.direction];
}

function emitEncap(w: ByteWriter, act: Act<'encap' | 'decap'>) {
  const at = putNicira(w, act.type === 'encap' ? 46 : 47, 16);
  w.dv.setUint32(at + 12, act.packetType ?? PT_USE_NEXT_PROTO);
  if (act.type === 'decap') return;
  for (const prop of act.props) {
    const p = w.grow((4 + prop.data.length + 7) & ~7);
    w.dv.setUint16(p, prop.class);
    w.u8[p + 2] = prop.type;
    w.u8[p + 3] = prop.type === NSH_TLV ? w.length - p : 4 + prop.data.length;
    w.u8.set(prop.data, p + 4);
  }
  w.dv.setUint16(at + 2, w.length - at);
}
