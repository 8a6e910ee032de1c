/** Numbers, addresses and fields as arguments of actions, with ovs-ofctl's words for what is wrong. */
import { type Field, fieldByName, parseIpv4 } from '@heddle/packet';
import { HeddleError, vlog } from '@heddle/runtime';
import { leadingInteger, wholeInteger } from '../match/integer-text.ts';
import { codePointByName } from '../match/oxm-header.ts';
import { quickDecimal } from '../match/quick-number.ts';
import type { Subfield } from '../ofp-actions.ts';
import { fieldBits } from './field-header.ts';

const socketLog = vlog.module('socket_util');

const U64 = 0xffff_ffff_ffff_ffffn;

export function fail(message: string): never {
  throw new HeddleError(message);
}

/** strtoull(3) of the whole text in base 0; undefined when there is none, or too much. */
export function parseInteger(text: string): bigint | undefined {
  const m = /^\s*([+-]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9]\d*))$/.exec(text);
  if (!m) return undefined;
  let value: bigint;
  if (m[2] !== undefined) value = BigInt(`0x${m[2]}`);
  else if (m[3] !== undefined) value = m[3] === '0' ? 0n : BigInt(`0o${m[3].slice(1)}`);
  else value = BigInt(m[4]!);
  if (value > U64) return undefined;
  return m[1] === '-' ? BigInt.asUintN(64, -value) : value;
}

/** strtoull(3) of what the text begins with: 0 when that is no number, all ones for too much. */
export function strtoull(text: string): bigint {
  const m = /^\s*[+-]?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)/.exec(text);
  return m ? (parseInteger(m[0]) ?? U64) : 0n;
}

export function parseU64(text: string): bigint {
  if (text === '') fail('missing required numeric argument');
  return parseInteger(text) ?? fail(`invalid numeric format ${text}`);
}

/** Bits beyond 32 are lost. */
export function parseU32(text: string): number {
  const quick = quickDecimal(text);
  return quick >= 0 ? quick : Number(parseU64(text) & 0xffff_ffffn);
}

function parseRange(text: string, name: string, max: number): number {
  const quick = quickDecimal(text);
  if (quick >= 0 && quick <= max) return quick;
  const value = text.includes('-') && !/^\s*-0+$/.test(text) ? undefined : parseInteger(text);
  if (value === undefined || value > BigInt(max)) fail(`invalid ${name} "${text}"`);
  return Number(value);
}

export function parseU16(text: string, name: string): number {
  return parseRange(text, name, 0xffff);
}

export function parseU8(text: string, name: string): number {
  return parseRange(text, name, 0xff);
}

/** atoi(3), of which the caller keeps the low bits. */
export function atoi(text: string): number {
  const m = /^\s*([+-]?\d+)/.exec(text);
  if (!m) return 0;
  const value = BigInt(m[1]!);
  const long = value > 0x7fff_ffff_ffff_ffffn ? 0x7fff_ffff_ffff_ffffn : value;
  return Number(BigInt.asIntN(32, long));
}

/** Six groups, of which the low bytes count; what follows is ignored. */
export function parseMacArgument(text: string): number {
  const m = /^\s*((?:0[xX])?[0-9a-fA-F]+(?::(?:0[xX])?[0-9a-fA-F]+){5})/.exec(text);
  if (!m) fail(`invalid mac address ${text}`);
  let mac = 0;
  for (const group of m[1]!.split(':')) mac = mac * 256 + (Number.parseInt(group, 16) & 0xff);
  return mac;
}

export function parseIpArgument(text: string): number {
  const ip = parseIpv4(text);
  if (ip !== undefined) return ip;
  socketLog.rl.err(`"${text}" is not a valid IP address`);
  return fail(`${text}: could not convert to IP address`);
}

/** A field by its common name or by its name in NXM or OXM. */
export function fieldByAnyName(name: string): Field | undefined {
  return fieldByName(name) ?? codePointByName(name)?.field;
}

/** A subfield at the start of `text`; `next` is where it ends. Errors begin with all of `text`. */
export function scanSubfield(text: string): { readonly subfield: Subfield; readonly next: number } {
  let end = 0;
  while (end < text.length) {
    const c = text.charCodeAt(end);
    if (c === 0x5b || c === 0x2d) break;
    end++;
  }
  const name = text.slice(0, end);
  const field = fieldByAnyName(name);
  if (!field) fail(`${text}: unknown field \`${name}'`);
  const width = fieldBits(field);
  if (text.charCodeAt(end) !== 0x5b)
    return { subfield: { field, ofs: 0, nBits: width }, next: end };
  const m = /^\[(?:\s*([+-]?\d+)(?:\.\.\s*([+-]?\d+))?)?\]/.exec(text.slice(end));
  if (!m) {
    fail(`${text}: syntax error expecting [] or [<bit>] or [<start>..<end>]`);
  }
  const start = m[1] === undefined ? 0 : Number(m[1]);
  const last = m[2] !== undefined ? Number(m[2]) : m[1] === undefined ? width - 1 : start;
  if (start > last) fail(`${text}: starting bit ${start} is after ending bit ${last}`);
  const tooWide = `is not valid because field is only ${width} bits wide`;
  if (start < 0 || start >= width) fail(`${text}: starting bit ${start} ${tooWide}`);
  if (last >= width) fail(`${text}: ending bit ${last} ${tooWide}`);
  return { subfield: { field, ofs: start, nBits: last - start + 1 }, next: end + m[0].length };
}

/** Nothing may follow it. */
export function parseSubfield(text: string): Subfield {
  const { subfield, next } = scanSubfield(text);
  if (next !== text.length) fail('unexpected input following field syntax');
  return subfield;
}

/** `src->dst` of the same width. */
export function parseMove(text: string): { readonly src: Subfield; readonly dst: Subfield } {
  const { subfield: src, next } = scanSubfield(text);
  if (!text.startsWith('->', next)) fail(`${text}: missing \`->' following source`);
  const dst = parseSubfield(text.slice(next + 2));
  if (src.nBits !== dst.nBits) {
    const widths = `${src.nBits} bits wide but destination is ${dst.nBits} bits wide`;
    fail(`${text}: source field is ${widths}`);
  }
  return { src, dst };
}

/** The number that `text` begins with, of at most `bits`; undefined when there is none. */
export function parseLeadingInteger(text: string, bits: number): bigint | undefined {
  return fitting(leadingInteger(text), bits);
}

/** As `parseLeadingInteger`, with nothing behind the number. */
export function parseWholeInteger(text: string, bits: number): bigint | undefined {
  return fitting(wholeInteger(text), bits);
}

function fitting(value: ReturnType<typeof wholeInteger>, bits: number): bigint | undefined {
  return typeof value === 'bigint' && value >> BigInt(bits) === 0n ? value : undefined;
}

/** Pairs of digits, dots between them; `what` names the argument. */
export function parseHexBytes(text: string, what: string): Uint8Array {
  const bytes: number[] = [];
  for (let p = 0; p < text.length; ) {
    if (text[p] === '.') {
      p++;
      continue;
    }
    const pair = text.slice(p, p + 2);
    if (!/^[0-9a-fA-F]{2}$/.test(pair)) fail(`bad hex digit in ${what}`);
    bytes.push(Number.parseInt(pair, 16));
    p += 2;
  }
  return Uint8Array.from(bytes);
}
