/** Resubmit, sample, notes and instructions in text. */
import { OFPP_IN_PORT, OFPP_NONE } from '../constants.ts';
import { parsePort } from '../match/ofp-port.ts';
import {
  OFPUTIL_P_NXM_OXM_ANY,
  OFPUTIL_P_OF11_STD,
  OFPUTIL_P_OF13_UP,
  OFPUTIL_P_OF15_UP,
} from '../match/protocols.ts';
import type { OfpAct } from '../ofp-actions.ts';
import { parseTable } from './table-names.ts';
import type { ParseAct, TextContext } from './text-context.ts';
import { KeyValueScanner } from './text-scan.ts';
import { fail, parseHexBytes, parseInteger, parseU16, parseU32, parseU64 } from './text-values.ts';

function parseResubmit(c: TextContext, value: string): void {
  const [portText = '', tableText = '', ct = ''] = value.split(',');
  let port = OFPP_IN_PORT;
  if (portText !== '') {
    port =
      parsePort(portText.trimStart(), c.options.ports) ??
      fail(`${portText}: resubmit to unknown port`);
  }
  let table = 255;
  if (tableText !== '') {
    table =
      parseTable(tableText.trimStart(), c.options.tables) ??
      fail(`${tableText}: resubmit to unknown table`);
  }
  if (ct !== '' && ct !== 'ct') fail(`${ct}: unknown parameter`);
  if (port === OFPP_IN_PORT && table === 255) {
    fail('at least one "in_port" or "table" must be specified on resubmit');
  }
  c.push({
    type: 'resubmit',
    port,
    table,
    ...(ct === 'ct' && { withCt: true }),
  });
}

function parseConjunction(c: TextContext, value: string): void {
  const m = /^\s*([+-]?(?:0[xX][0-9a-fA-F]+|\d+))\s*,\s*([+-]?\d+)\s*\/\s*([+-]?\d+)\s*$/.exec(
    value,
  );
  if (!m) fail('"conjunction" syntax is "conjunction(id,i/n)"');
  const id = Number(BigInt.asUintN(32, parseInteger(m[1]!) ?? 0n));
  // Of the numbers, their low octets count.
  const clause = Number(BigInt.asUintN(8, BigInt(m[2]!)));
  const nClauses = Number(BigInt.asUintN(8, BigInt(m[3]!)));
  if (nClauses < 2) fail('conjunction must have at least 2 clauses');
  if (nClauses > 64) fail('conjunction must have at most 64 clauses');
  if (clause < 1) fail('clause index must be positive');
  if (clause > nClauses) fail('clause index must be less than or equal to number of clauses');
  c.push({ type: 'conjunction', id, clause: clause - 1, nClauses });
}

function parseFinTimeout(c: TextContext, value: string): void {
  const scan = new KeyValueScanner(value);
  let idle = 0;
  let hard = 0;
  while (scan.next()) {
    if (scan.key === 'idle_timeout') idle = parseU16(scan.value, scan.key);
    else if (scan.key === 'hard_timeout') hard = parseU16(scan.value, scan.key);
    else fail(`invalid key '${scan.key}' in 'fin_timeout' argument`);
  }
  c.push({ type: 'fin_timeout', idle, hard });
}

function parseSample(c: TextContext, value: string): void {
  const scan = new KeyValueScanner(value);
  let act: Extract<OfpAct, { type: 'sample' }> = {
    type: 'sample',
    probability: 0,
    collectorSetId: 0,
    obsDomainId: 0,
    obsPointId: 0,
    samplingPort: OFPP_NONE,
    direction: 'default',
  };
  while (scan.next()) act = { ...act, ...sampleOption(c, scan.key, scan.value) };
  if (act.probability === 0) fail('non-zero "probability" must be specified on sample');
  c.push(act);
}

function sampleOption(c: TextContext, key: string, value: string) {
  switch (key) {
    case 'probability': {
      const probability = parseU16(value, 'probability');
      if (probability === 0) fail(`invalid probability value "${value}"`);
      return { probability };
    }
    case 'collector_set_id':
      return { collectorSetId: parseU32(value) };
    case 'obs_domain_id':
      return { obsDomainId: parseU32(value) };
    case 'obs_point_id':
      return { obsPointId: parseU32(value) };
    case 'sampling_port':
      return { samplingPort: parsePort(value, c.options.ports) ?? fail(`${value}: unknown port`) };
    case 'ingress':
    case 'egress':
      return { direction: key } as const;
    default:
      return fail(`invalid key "${key}" in "sample" argument`);
  }
}

/** Padded to what the action carries: 6 bytes more than a multiple of 8. */
function parseNote(c: TextContext, value: string): void {
  const bytes = parseHexBytes(value, "`note' argument");
  const data = new Uint8Array(((10 + Math.max(1, bytes.length) + 7) & ~7) - 10);
  data.set(bytes);
  c.push({ type: 'note', data });
}

function parseMeter(c: TextContext, value: string): void {
  // OpenFlow 1.5 made an action of the instruction.
  c.allow(c.outer === 'actions' ? OFPUTIL_P_OF15_UP : OFPUTIL_P_OF13_UP);
  c.push({ type: 'meter', meter: parseU32(value) });
}

function parseWriteMetadata(c: TextContext, text: string): void {
  c.allow(OFPUTIL_P_NXM_OXM_ANY | OFPUTIL_P_OF11_STD);
  const slash = text.indexOf('/');
  const metadata = parseU64(slash < 0 ? text : text.slice(0, slash));
  const mask = slash < 0 ? 0xffff_ffff_ffff_ffffn : parseU64(text.slice(slash + 1));
  c.push({ type: 'write_metadata', metadata, mask });
}

function parseGotoTable(c: TextContext, value: string): void {
  const table = parseTable(value, c.options.tables);
  if (table === undefined) fail(`unknown table "${value}"`);
  c.push({ type: 'goto_table', table });
}

const bare =
  (act: OfpAct): ParseAct =>
  (c) =>
    c.push(act);

export const CONTROL_PARSERS: readonly (readonly [string, ParseAct])[] = [
  ['resubmit', parseResubmit],
  ['conjunction', parseConjunction],
  ['fin_timeout', parseFinTimeout],
  ['sample', parseSample],
  ['note', parseNote],
  ['exit', bare({ type: 'exit' })],
  ['debug_recirc', bare({ type: 'debug_recirc' })],
  ['debug_slow', bare({ type: 'debug_slow' })],
  ['clone', (c, value, nested) => c.push({ type: 'clone', actions: nested(value, 'clone') })],
  ['meter', parseMeter],
  ['apply_actions', () => fail('apply_actions is the default instruction')],
  ['clear_actions', bare({ type: 'clear_actions' })],
  [
    'write_actions',
    (c, value, nested) =>
      c.push({ type: 'write_actions', actions: nested(value, 'write_actions') }),
  ],
  ['write_metadata', parseWriteMetadata],
  ['goto_table', parseGotoTable],
];
