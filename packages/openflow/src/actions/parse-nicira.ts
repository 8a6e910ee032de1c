/** Nicira's actions (NXAST_*), by subtype. */
import { OFPP_NONE, type OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { OfpAct } from '../ofp-actions.ts';
import {
  checkSubfieldBits,
  checkWritable,
  expectZero,
  parseField32,
  parseFieldName,
  subfieldOfNbits,
} from './field-header.ts';
import type { RawAction, RawContext } from './parse-actions.ts';
import { parseBundle, parseBundleLoad, parseMultipath } from './parse-bundle.ts';
import { parseController, parseController2 } from './parse-controller.ts';
import { parseClone, parseConjunction, parseCt, parseNat } from './parse-ct.ts';
import { parseDecap, parseEncap } from './parse-encap.ts';
import { parseLearn, parseLearn2 } from './parse-learn.ts';
import { parseRegLoad, parseRegLoad2 } from './parse-set-field.ts';
import { copyField, pushMpls } from './parse-standard.ts';

type Parse = RawAction['parse'];

let debugActions = false;

/** Open vSwitch's test actions, which only dummy switches know: off until enabled. */
export function enableDebugActions(): void {
  debugActions = true;
}

function debugAction(type: 'debug_recirc' | 'debug_slow'): Parse {
  return () => {
    if (!debugActions) throw new OfpError('OFPBAC_BAD_VENDOR_TYPE');
    return { type };
  };
}

export const NICIRA_ACTIONS = new Map<number, RawAction>();

function fixed(
  subtype: number,
  length: number,
  parse: Parse,
  since: OfpVersion = 1,
  until: OfpVersion = 6,
): void {
  NICIRA_ACTIONS.set(subtype, { since, until, length, variable: false, parse });
}

function variable(
  subtype: number,
  length: number,
  parse: Parse,
  since: OfpVersion = 1,
  until: OfpVersion = 6,
): void {
  NICIRA_ACTIONS.set(subtype, { since, until, length, variable: true, parse });
}

function resubmitTable(c: RawContext, withCt: boolean): OfpAct {
  expectZero(c.u8, c.o + 13, c.end, 'OFPBAC_BAD_ARGUMENT');
  return {
    type: 'resubmit',
    port: c.dv.getUint16(c.o + 10),
    table: c.u8[c.o + 12]!,
    ...(withCt && { withCt }),
  };
}

function note(c: RawContext): OfpAct {
  return { type: 'note', data: c.u8.slice(c.o + 10, c.end) };
}

function outputReg(c: RawContext): OfpAct {
  expectZero(c.u8, c.o + 18, c.end, 'OFPBAC_BAD_ARGUMENT');
  const field = parseField32(c, c.o + 12);
  if (!field) throw new OfpError('OFPBAC_BAD_SET_TYPE');
  const src = subfieldOfNbits(field, c.dv.getUint16(c.o + 10));
  checkSubfieldBits(src, 'source');
  return { type: 'output_reg', src, maxLen: c.dv.getUint16(c.o + 16) };
}

function outputReg2(c: RawContext): OfpAct {
  const { field, next } = parseFieldName(c, c.o + 14, c.end);
  expectZero(c.u8, next, c.end, 'OFPBAC_BAD_ARGUMENT');
  const src = subfieldOfNbits(field, c.dv.getUint16(c.o + 10));
  checkSubfieldBits(src, 'source');
  return { type: 'output_reg', src, maxLen: c.dv.getUint16(c.o + 12) };
}

function outputTrunc(c: RawContext): OfpAct {
  const maxLen = c.dv.getUint32(c.o + 12);
  if (maxLen < 14) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  return { type: 'output_trunc', port: c.dv.getUint16(c.o + 10), maxLen };
}

function decTtlIds(c: RawContext): OfpAct {
  const n = c.dv.getUint16(c.o + 10);
  expectZero(c.u8, c.o + 12, c.o + 16, 'NXBRC_MUST_BE_ZERO');
  if (c.o + 16 + 2 * n > c.end) throw new OfpError('OFPBAC_BAD_LEN');
  const ids = Array.from({ length: n }, (_, i) => c.dv.getUint16(c.o + 16 + 2 * i));
  return { type: 'dec_ttl', ids, named: true };
}

function stack(type: 'push' | 'pop'): Parse {
  return (c) => {
    const { field, next } = parseFieldName(c, c.o + 12, c.end);
    if (next + 2 > c.end) throw new OfpError('OFPBAC_BAD_LEN');
    const subfield = { field, ofs: c.dv.getUint16(c.o + 10), nBits: c.dv.getUint16(next) };
    expectZero(c.u8, next + 2, c.end, 'NXBRC_MUST_BE_ZERO');
    checkSubfieldBits(subfield, type === 'push' ? 'source' : 'destination');
    if (type === 'pop') checkWritable(subfield);
    return { type, subfield };
  };
}

const DIRECTIONS = ['default', 'ingress', 'egress'] as const;

function sample(c: RawContext, level: 1 | 2 | 3): OfpAct {
  const { u8, dv, o } = c;
  const probability = dv.getUint16(o + 10);
  const direction = level === 3 ? DIRECTIONS[u8[o + 26]!] : 'default';
  if (level === 3) expectZero(u8, o + 27, c.end, 'NXBRC_MUST_BE_ZERO');
  if (probability === 0) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  if (direction === undefined) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  return {
    type: 'sample',
    probability,
    collectorSetId: dv.getUint32(o + 12),
    obsDomainId: dv.getUint32(o + 16),
    obsPointId: dv.getUint32(o + 20),
    samplingPort: level > 1 ? dv.getUint16(o + 24) : OFPP_NONE,
    direction,
  };
}

function checkPktLarger(c: RawContext): OfpAct {
  const { field, next } = parseFieldName(c, c.o + 14, c.end);
  expectZero(c.u8, next, c.end, 'NXBRC_MUST_BE_ZERO');
  const dst = { field, ofs: c.dv.getUint16(c.o + 12), nBits: 1 };
  checkSubfieldBits(dst, 'destination');
  checkWritable(dst);
  return { type: 'check_pkt_larger', length: c.dv.getUint16(c.o + 10), dst };
}

function deleteField(c: RawContext): OfpAct {
  return { type: 'delete_field', field: parseFieldName(c, c.o + 10, c.end).field };
}

function writeMetadata({ u8, dv, o }: RawContext): OfpAct {
  expectZero(u8, o + 10, o + 16, 'NXBRC_MUST_BE_ZERO');
  return {
    type: 'write_metadata',
    metadata: dv.getBigUint64(o + 16),
    mask: dv.getBigUint64(o + 24),
  };
}

fixed(1, 16, (c) => ({
  type: 'resubmit',
  port: c.dv.getUint16(c.o + 10),
  table: 255,
  compat: 'resubmit',
}));
fixed(2, 16, (c) => ({ type: 'set_tunnel', id: BigInt(c.dv.getUint32(c.o + 12)) }));
fixed(4, 16, (c) => ({ type: 'set_queue', queue: c.dv.getUint32(c.o + 12) }), 1, 1);
fixed(5, 16, () => ({ type: 'pop_queue' }));
variable(6, 16, (c) => copyField(c, c.o + 10, 0), 1, 5);
fixed(7, 24, parseRegLoad, 1, 5);
variable(8, 16, note);
fixed(9, 24, (c) => ({ type: 'set_tunnel', id: c.dv.getBigUint64(c.o + 16), wide: true }));
fixed(10, 32, parseMultipath);
variable(12, 32, parseBundle);
variable(13, 32, parseBundleLoad);
fixed(14, 16, (c) => resubmitTable(c, false));
fixed(15, 24, outputReg);
variable(16, 32, parseLearn);
fixed(17, 16, () => ({ type: 'exit' }));
fixed(18, 16, () => ({ type: 'dec_ttl', ids: [0] }), 1, 1);
fixed(19, 16, (c) => ({
  type: 'fin_timeout',
  idle: c.dv.getUint16(c.o + 10),
  hard: c.dv.getUint16(c.o + 12),
}));
fixed(20, 16, parseController);
variable(21, 16, decTtlIds);
fixed(22, 32, writeMetadata);
fixed(23, 16, (c) => pushMpls(c.dv.getUint16(c.o + 10)), 1, 1);
fixed(24, 16, (c) => ({ type: 'pop_mpls', ethertype: c.dv.getUint16(c.o + 10) }), 1, 1);
fixed(25, 16, (c) => ({ type: 'set_mpls_ttl', value: c.u8[c.o + 10]! }), 1, 1);
fixed(26, 16, () => ({ type: 'dec_mpls_ttl' }), 1, 1);
fixed(27, 24, stack('push'));
fixed(28, 24, stack('pop'));
fixed(29, 24, (c) => sample(c, 1));
fixed(30, 16, (c) => ({ type: 'set_mpls_label', value: c.dv.getUint32(c.o + 12) }), 1, 1);
fixed(31, 16, (c) => ({ type: 'set_mpls_tc', value: c.u8[c.o + 10]! }), 1, 1);
fixed(32, 24, outputReg2);
variable(33, 16, parseRegLoad2, 1, 5);
fixed(34, 16, parseConjunction);
variable(35, 24, parseCt);
variable(36, 16, parseNat);
variable(37, 16, parseController2);
fixed(38, 32, (c) => sample(c, 2));
fixed(39, 16, outputTrunc);
fixed(40, 16, (c) => ({ type: 'group', group: c.dv.getUint32(c.o + 12) }), 1, 1);
fixed(41, 32, (c) => sample(c, 3));
variable(42, 16, parseClone);
fixed(43, 16, () => ({ type: 'ct_clear' }));
fixed(44, 16, (c) => resubmitTable(c, true));
variable(45, 40, parseLearn2);
variable(46, 16, parseEncap, 4);
variable(47, 16, parseDecap, 4);
fixed(48, 16, () => ({ type: 'dec_nsh_ttl' }), 4);
variable(49, 24, checkPktLarger);
fixed(50, 24, deleteField);
fixed(255, 16, debugAction('debug_recirc'));
fixed(254, 16, debugAction('debug_slow'));
