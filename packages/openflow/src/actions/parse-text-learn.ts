/** learn in text. */
import { HeddleError } from '@heddle/runtime';
import { parseFieldText } from '../match/field-text.ts';
import { codePointOf } from '../match/oxm-header.ts';
import type { LearnSpec, OfpAct, Subfield } from '../ofp-actions.ts';
import { readUint } from './byte-writer.ts';
import { fieldBits, NXM } from './field-header.ts';
import { formatFieldValue } from './format-field.ts';
import { parseTable } from './table-names.ts';
import type { ParseAct, TextContext } from './text-context.ts';
import { KeyValueScanner } from './text-scan.ts';
import {
  atoi,
  fail,
  fieldByAnyName,
  parseMove,
  parseSubfield,
  parseWholeInteger,
  strtoull,
} from './text-values.ts';

type Learn = Extract<OfpAct, { type: 'learn' }>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function parseLearn(c: TextContext, text: string): void {
  const scan = new KeyValueScanner(text);
  const specs: LearnSpec[] = [];
  const flags: Mutable<Learn['flags']> = {
    sendFlowRem: false,
    deleteLearned: false,
    writeResult: false,
  };
  const act: Mutable<Learn> = {
    type: 'learn',
    idleTimeout: 0,
    hardTimeout: 0,
    priority: 0x8000,
    cookie: 0n,
    finIdleTimeout: 0,
    finHardTimeout: 0,
    table: 1,
    flags,
    limit: 0,
    specs,
  };
  while (scan.next()) {
    if (!parseOption(c, act, flags, scan.key, scan.value, text)) {
      specs.push(parseSpec(c, scan.key, scan.value, text));
    }
  }
  c.push(act);
}

function parseOption(
  c: TextContext,
  act: Mutable<Learn>,
  flags: Mutable<Learn['flags']>,
  key: string,
  value: string,
  whole: string,
): boolean {
  const u16 = () => atoi(value) & 0xffff;
  switch (key) {
    case 'table':
      act.table = parseTable(value, c.options.tables) ?? fail(`unknown table "${value}"`);
      if (act.table === 255) fail(`${whole}: table id 255 not valid for \`learn' action`);
      return true;
    case 'priority':
      act.priority = u16();
      return true;
    case 'idle_timeout':
      act.idleTimeout = u16();
      return true;
    case 'hard_timeout':
      act.hardTimeout = u16();
      return true;
    case 'fin_idle_timeout':
      act.finIdleTimeout = u16();
      return true;
    case 'fin_hard_timeout':
      act.finHardTimeout = u16();
      return true;
    case 'cookie':
      act.cookie = strtoull(value);
      return true;
    case 'send_flow_rem':
      flags.sendFlowRem = true;
      return true;
    case 'delete_learned':
      flags.deleteLearned = true;
      return true;
    case 'limit':
      act.limit = atoi(value) >>> 0;
      return true;
    case 'result_dst':
      act.resultDst = parseSubfield(value);
      if (act.resultDst.field.readOnly) fail(`${value} is read-only`);
      if (act.resultDst.nBits !== 1) fail("result_dst in 'learn' action must be a single bit");
      flags.writeResult = true;
      return true;
    default:
      return false;
  }
}

function parseSpec(c: TextContext, key: string, value: string, whole: string): LearnSpec {
  if (key === 'output') return { type: 'output', src: parseSubfield(value) };
  if (key === 'load') return parseLoad(value);
  if (!isLearnable(key)) fail(`${whole}: experimenter OXM field '${key}' not supported`);
  const dst = tryMessage(() => parseSubfield(key));
  if (typeof dst === 'string') fail(`${whole}: unknown keyword ${key}`);
  if (value === '') return { type: 'match', src: dst, dst };
  const src = tryMessage(() => parseSubfield(value));
  if (typeof src !== 'string') {
    if (src.nBits !== dst.nBits) {
      fail(`${whole}: bit widths of ${key} (${src.nBits}) and ${value} (${dst.nBits}) differ`);
    }
    return { type: 'match', src, dst };
  }
  const immediate = tryMessage(() => parseImmediate(c, value, dst, whole));
  if (typeof immediate !== 'string') return { type: 'match', value: immediate.value, dst };
  fail(
    `${whole}: ${key} value ${value} cannot be parsed as a subfield (${src}) or an immediate value (${immediate})`,
  );
}

/** The action has no room for fields of experimenters, and none for what has no code point. */
function isLearnable(key: string): boolean {
  const name = key.replace(/[[-].*/s, '');
  if (/^dl_vlan(_pcp)?$/.test(name)) return false;
  const field = fieldByAnyName(name);
  return !field || codePointOf(field, NXM)?.vendor === 0;
}

/** The message of what it throws, if that is an error of the text. */
function tryMessage<T>(run: () => T): T | string {
  try {
    return run();
  } catch (e) {
    if (e instanceof HeddleError) return e.message;
    throw e;
  }
}

/** A whole field has its own syntax, part of one a number. */
function parseImmediate(c: TextContext, value: string, dst: Subfield, whole: string) {
  const { field, nBits } = dst;
  if (nBits === fieldBits(field)) {
    const parsed = parseFieldText(field, value, c.options.ports);
    if (!parsed.mask.every((b) => b === 0xff)) fail(`${value}: wildcards not allowed here`);
    return { value: readUint(parsed.value, 0, parsed.value.length) };
  }
  const number = parseWholeInteger(value, field.width);
  if (number === undefined) fail(`${whole}: cannot parse integer value`);
  if (number >> BigInt(nBits) !== 0n) {
    fail(
      `${whole}: value ${formatFieldValue(field, number, undefined)} does not fit into ${nBits} bits`,
    );
  }
  return { value: number };
}

/** `src->dst` or `number->dst`. */
function parseLoad(text: string): LearnSpec {
  const arrow = text.indexOf('->');
  if (arrow < 0) fail(`load: missing \`->' in \`${text}'`);
  if (arrow === 0) fail(`load: missing source before \`->' in \`${text}'`);
  if (!/^[+-]?\d/.test(text)) return { type: 'load', ...parseMove(text) };
  const dst = parseSubfield(text.slice(arrow + 2));
  const value = parseWholeInteger(text.slice(0, arrow), 128);
  if (value === undefined) fail(`load: garbage before \`->' in \`${text}'`);
  if (value >> BigInt(dst.nBits) !== 0n) {
    fail(`${text}: value does not fit into ${dst.nBits} bits`);
  }
  return { type: 'load', value, dst };
}

export const LEARN_PARSERS: readonly (readonly [string, ParseAct])[] = [['learn', parseLearn]];
