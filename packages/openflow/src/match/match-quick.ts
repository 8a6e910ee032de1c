/**
 * The values that most flows have, read without regular expressions and big integers: decimal
 * numbers, IPv4 addresses with or without a prefix length, Ethernet addresses.
 */
import type { Field } from '@heddle/packet';
import type { Match } from '../match.ts';
import { type FieldPlan, fieldPlan } from './field-plan.ts';
import { setMatchFieldBytes } from './match-field.ts';
import { fieldProtocols, type Protocols } from './protocols.ts';
import { hexDigit, quickDecimal } from './quick-number.ts';

const ZERO = 0x30;
const NINE = 0x39;
const DOT = 0x2e;
const SLASH = 0x2f;
const COLON = 0x3a;

const value = new Uint8Array(8);
const mask = new Uint8Array(4);
const exactMask = new Uint8Array(16).fill(0xff);
const exactProtocols = new Map<Field, Protocols>();

/** Whether there is a mask; undefined when the text is not what can be read here. */
function readIpv4(text: string): 'exact' | 'masked' | undefined {
  const n = text.length;
  let at = 0;
  for (let part = 0; part < 4; part++) {
    let v = 0;
    const from = at;
    for (; at < n && at - from < 3; at++) {
      const c = text.charCodeAt(at);
      if (c < ZERO || c > NINE) break;
      v = v * 10 + (c - ZERO);
    }
    if (at === from || v > 255) return undefined;
    value[part] = v;
    if (part < 3 && text.charCodeAt(at++) !== DOT) return undefined;
  }
  if (at === n) return 'exact';
  if (text.charCodeAt(at) !== SLASH) return undefined;
  const bits = quickDecimal(text.slice(at + 1));
  if (bits < 1 || bits > 32) return undefined;
  if (bits === 32) return 'exact';
  for (let i = 0; i < 4; i++) {
    mask[i] = 0xff00 >> Math.min(Math.max(bits - 8 * i, 0), 8);
    value[i]! &= mask[i]!;
  }
  return 'masked';
}

/** Six pairs of digits. */
function readMac(text: string): boolean {
  if (text.length !== 17) return false;
  for (let i = 0; i < 6; i++) {
    const high = hexDigit(text.charCodeAt(3 * i));
    const low = hexDigit(text.charCodeAt(3 * i + 1));
    if (high < 0 || low < 0 || (i < 5 && text.charCodeAt(3 * i + 2) !== COLON)) return false;
    value[i] = high * 16 + low;
  }
  return true;
}

function readDecimal(plan: FieldPlan, text: string): boolean {
  const v = quickDecimal(text);
  const { size } = plan;
  if (v < 0 || size > 8 || (size < 4 && v >= 2 ** (8 * size))) return false;
  for (let i = 0, rest = v; i < size; i++, rest = Math.floor(rest / 256))
    value[size - 1 - i] = rest;
  return true;
}

/** Sets the field as its text says; undefined when it takes more to read it. */
export function setFieldQuick(match: Match, field: Field, text: string): Protocols | undefined {
  const plan = fieldPlan(field);
  switch (field.format) {
    case 'decimal':
    case 'hexadecimal':
      if (!readDecimal(plan, text)) return undefined;
      break;
    case 'Ethernet':
      if (!readMac(text)) return undefined;
      break;
    case 'IPv4': {
      const kind = readIpv4(text);
      if (kind === undefined) return undefined;
      if (kind === 'exact') break;
      setMatchFieldBytes(match, plan, value, 0, mask);
      return fieldProtocols(field, mask);
    }
    default:
      return undefined;
  }
  setMatchFieldBytes(match, plan, value, 0);
  let protocols = exactProtocols.get(field);
  if (protocols === undefined) {
    protocols = fieldProtocols(field, exactMask.subarray(0, plan.size));
    exactProtocols.set(field, protocols);
  }
  return protocols;
}
