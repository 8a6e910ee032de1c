/** Header changes and metadata in text. */
import { type Field, fieldByName } from '@heddle/packet';
import { parseFieldText } from '../match/field-text.ts';
import { fieldProtocols, OFPUTIL_P_OF11_UP } from '../match/protocols.ts';
import type { OfpAct, Subfield } from '../ofp-actions.ts';
import { readUint } from './byte-writer.ts';
import { exactMask, isVariable } from './field-header.ts';
import { formatFieldValue } from './format-field.ts';
import { legalBits } from './parse-set-field.ts';
import type { ParseAct, TextContext } from './text-context.ts';
import { tokens } from './text-scan.ts';
import {
  atoi,
  fail,
  fieldByAnyName,
  parseIpArgument,
  parseLeadingInteger,
  parseMacArgument,
  parseMove,
  parseSubfield,
  parseU8,
  parseU16,
  parseU32,
  parseU64,
  scanSubfield,
} from './text-values.ts';

/** `value->field`. */
function parseSetField(c: TextContext, text: string): void {
  const arrow = text.indexOf('->');
  if (arrow < 0) fail(`${text}: missing \`->'`);
  const name = text.slice(arrow + 2);
  if (name === '') fail(`${text}: missing field name following \`->'`);
  const field = fieldByName(name);
  if (!field) fail(`${name} is not a valid OXM field name`);
  if (field.readOnly) fail(`${name} is read-only`);
  const { format } = field;
  if (arrow === 0 && (format === 'decimal' || format === 'hexadecimal')) {
    fail(`: bad syntax for ${field.name} value`);
  }
  const { value, mask } = parseFieldText(field, text.slice(0, arrow), c.options.ports);
  const size = field.width >> 3;
  const number = readUint(value, 0, size);
  if (!isVariable(field) && (number & ~legalBits(field)) !== 0n) {
    fail(`${text.slice(0, arrow)} is not a valid value for field ${field.name}`);
  }
  const exact = mask.every((b) => b === 0xff) || isAllFlags(field, mask);
  c.push({
    type: 'set_field',
    set: {
      field,
      value: wireToPort(field.format, number),
      mask: exact ? exactMask(field) : readUint(mask, 0, size),
    },
  });
  c.allow(fieldProtocols(field, ALL_ONES));
}

/** Flags that are not named are cleared: the field is set as a whole. */
function isAllFlags(field: Field, mask: Uint8Array): boolean {
  return field.format === 'tunnel flags' && mask[1] === 1;
}

const ALL_ONES = new Uint8Array(16).fill(0xff);

/** OpenFlow 1.1's 32-bit port to the 16 bits that actions have. */
function wireToPort(format: string, value: bigint): bigint {
  return format === 'OpenFlow 1.1+ port' ? value & 0xffffn : value;
}

/** What stands behind the arrow. */
function destination(text: string, arrow: number): Subfield {
  if (arrow < 0) fail(`${text}: missing \`->'`);
  if (arrow + 2 === text.length) fail(`${text}: missing field name following \`->'`);
  return parseSubfield(text.slice(arrow + 2));
}

/** `value->subfield`. */
function parseLoad(c: TextContext, text: string): void {
  const arrow = text.indexOf('->');
  const dst = destination(text, arrow);
  const { field, ofs, nBits } = dst;
  const number = text.slice(0, arrow);
  const value = parseLeadingInteger(number, field.width);
  if (value === undefined) fail(`${text}: cannot parse integer value`);
  if (value >> BigInt(nBits) !== 0n) {
    const shown = formatFieldValue(field, value, undefined);
    fail(`${text}: value ${shown} does not fit into ${nBits} bits`);
  }
  const mask =
    isVariable(field) && nBits === field.width ? exactMask(field) : ones(nBits) << BigInt(ofs);
  c.push({
    type: 'set_field',
    set: { field, value: value << BigInt(ofs), mask },
    compat: 'load',
  });
}

function ones(n: number): bigint {
  return (1n << BigInt(n)) - 1n;
}

function vlanVid(value: string): number {
  const vid = parseU16(value, 'VLAN VID');
  if (vid > 0xfff) fail(`${value}: not a valid VLAN VID`);
  return vid;
}

function vlanPcp(value: string): number {
  const pcp = parseU8(value, 'VLAN PCP');
  if (pcp > 7) fail(`${value}: not a valid VLAN PCP`);
  return pcp;
}

function parsePushVlan(c: TextContext, value: string): void {
  c.allow(OFPUTIL_P_OF11_UP);
  const ethertype = parseU16(value, 'ethertype');
  if (ethertype !== 0x8100 && ethertype !== 0x88a8) fail(`${value}: not a valid VLAN ethertype`);
  c.push({ type: 'push_vlan', ethertype });
}

function parseTos(c: TextContext, value: string): void {
  const tos = parseU8(value, 'TOS');
  if (tos & ~0xfc) fail(`${value}: not a valid TOS`);
  c.push({ type: 'mod_nw_tos', value: tos });
}

function parseEcn(c: TextContext, value: string): void {
  const ecn = parseU8(value, 'ECN');
  if (ecn > 3) fail(`${value}: not a valid ECN`);
  c.push({ type: 'mod_nw_ecn', value: ecn });
}

function parseDecTtl(c: TextContext, value: string): void {
  const ids = tokens(value, /[, ]+/).map((word) => atoi(word) & 0xffff);
  c.push(ids.length ? { type: 'dec_ttl', ids, named: true } : { type: 'dec_ttl', ids: [0] });
}

function parseMplsLabel(c: TextContext, value: string): void {
  if (value === '') fail('set_mpls_label: expected label.');
  const label = parseU32(value);
  if (label > 0xfffff) fail(`${value}: not a valid MPLS label`);
  c.push({ type: 'set_mpls_label', value: label });
}

function parseMplsTc(c: TextContext, value: string): void {
  if (value === '') fail('set_mpls_tc: expected tc.');
  const tc = parseU8(value, 'MPLS TC');
  if (tc > 7) fail(`${value}: not a valid MPLS TC`);
  c.push({ type: 'set_mpls_tc', value: tc });
}

function parseMplsTtl(c: TextContext, value: string): void {
  if (value === '') fail('set_mpls_ttl: expected ttl.');
  c.push({ type: 'set_mpls_ttl', value: parseU8(value, 'MPLS TTL') });
}

function stack(type: 'push' | 'pop'): ParseAct {
  return (c, value) => {
    const { subfield, next } = scanSubfield(value);
    if (next !== value.length) {
      fail(`${value.slice(next)}: trailing garbage following push or pop`);
    }
    c.push({ type, subfield });
  };
}

function checkPktLarger(c: TextContext, value: string, _nested: unknown, tail: string): void {
  // The parentheses may be missing, or be too many.
  const whole = tail === '' ? value : `${value})${tail}`;
  const arrow = whole.indexOf('->');
  const number = whole.slice(0, arrow).replace(/\)$/, '');
  const dst = destination(whole, arrow);
  if (dst.nBits !== 1) fail('Only 1-bit destination field is allowed');
  const length = parseU16(number, '(null)');
  c.push({ type: 'check_pkt_larger', length, dst });
}

function deleteField(c: TextContext, value: string): void {
  const field = fieldByAnyName(value);
  if (!field) fail(`unknown field \`${value}'`);
  c.push({ type: 'delete_field', field });
}

const bare =
  (act: OfpAct): ParseAct =>
  (c) =>
    c.push(act);

function mpls(type: 'push_mpls' | 'pop_mpls'): ParseAct {
  return (c, value) => c.push({ type, ethertype: parseU16(value, type) });
}

export const HEADER_PARSERS: readonly (readonly [string, ParseAct])[] = [
  ['set_field', parseSetField],
  ['load', parseLoad],
  ['move', (c, value) => c.push({ type: 'move', ...parseMove(value) })],
  ['mod_vlan_vid', (c, v) => c.push({ type: 'set_vlan_vid', vid: vlanVid(v), push: true })],
  ['set_vlan_vid', (c, v) => c.push({ type: 'set_vlan_vid', vid: vlanVid(v) })],
  ['mod_vlan_pcp', (c, v) => c.push({ type: 'set_vlan_pcp', pcp: vlanPcp(v), push: true })],
  ['set_vlan_pcp', (c, v) => c.push({ type: 'set_vlan_pcp', pcp: vlanPcp(v) })],
  ['strip_vlan', bare({ type: 'strip_vlan' })],
  ['pop_vlan', bare({ type: 'strip_vlan', compat: 'pop_vlan' })],
  ['push_vlan', parsePushVlan],
  ['mod_dl_src', (c, v) => c.push({ type: 'mod_dl_src', mac: parseMacArgument(v) })],
  ['mod_dl_dst', (c, v) => c.push({ type: 'mod_dl_dst', mac: parseMacArgument(v) })],
  ['mod_nw_src', (c, v) => c.push({ type: 'mod_nw_src', ip: parseIpArgument(v) })],
  ['mod_nw_dst', (c, v) => c.push({ type: 'mod_nw_dst', ip: parseIpArgument(v) })],
  ['mod_nw_tos', parseTos],
  ['mod_nw_ecn', parseEcn],
  ['mod_nw_ttl', (c, v) => c.push({ type: 'mod_nw_ttl', value: parseU8(v, 'TTL') })],
  ['mod_tp_src', (c, v) => c.push({ type: 'mod_tp_src', port: parseU16(v, 'source port') })],
  ['mod_tp_dst', (c, v) => c.push({ type: 'mod_tp_dst', port: parseU16(v, 'destination port') })],
  ['dec_ttl', parseDecTtl],
  ['set_mpls_label', parseMplsLabel],
  ['set_mpls_tc', parseMplsTc],
  ['set_mpls_ttl', parseMplsTtl],
  ['dec_mpls_ttl', bare({ type: 'dec_mpls_ttl' })],
  ['dec_nsh_ttl', bare({ type: 'dec_nsh_ttl' })],
  ['push_mpls', mpls('push_mpls')],
  ['pop_mpls', mpls('pop_mpls')],
  ['set_tunnel', (c, v) => c.push({ type: 'set_tunnel', id: parseU64(v) })],
  ['set_tunnel64', (c, v) => c.push({ type: 'set_tunnel', id: parseU64(v), wide: true })],
  ['set_queue', (c, v) => c.push({ type: 'set_queue', queue: parseU32(v) })],
  ['pop_queue', bare({ type: 'pop_queue' })],
  ['push', stack('push')],
  ['pop', stack('pop')],
  ['check_pkt_larger', checkPktLarger],
  ['delete_field', deleteField],
];
