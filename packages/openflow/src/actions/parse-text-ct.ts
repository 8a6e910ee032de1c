/** ct, nat and ct_clear in text. */
import { parseIpv4, parseIpv6 } from '@heddle/packet';
import type { CtAction, NatAction, OfpAct, Subfield } from '../ofp-actions.ts';
import { readUint } from './byte-writer.ts';
import { parseTable } from './table-names.ts';
import type { ParseAct, ParseNested, TextContext } from './text-context.ts';
import { KeyValueScanner } from './text-scan.ts';
import { fail, parseInteger, parseSubfield } from './text-values.ts';

const HELPERS: Readonly<Record<string, number>> = { ftp: 21, tftp: 69 };

function parseCt(c: TextContext, value: string, nested: ParseNested): void {
  const scan = new KeyValueScanner(value);
  let commit = false;
  let force = false;
  let zone: number | Subfield = 0;
  let table: number | undefined;
  let alg = 0;
  const nats: OfpAct[] = [];
  const exec: OfpAct[] = [];
  while (scan.next()) {
    const arg = scan.value;
    switch (scan.key) {
      case 'commit':
        commit = true;
        break;
      case 'force':
        force = true;
        break;
      case 'table':
        table = parseTable(arg, c.options.tables) ?? fail(`unknown table ${arg}`);
        if (table === 255) fail('invalid table 0xff');
        break;
      case 'zone':
        zone = parseZone(arg);
        break;
      case 'alg':
        alg = HELPERS[arg] ?? fail(`invalid conntrack helper "${arg}"`);
        break;
      case 'nat':
        nats.push(parseNat(arg));
        break;
      case 'exec':
        exec.push(...nested(arg, 'ct'));
        break;
      default:
        fail(`invalid argument to "ct" action: \`${scan.key}'`);
    }
  }
  if (force && !commit) fail('"force" flag requires "commit" flag.');
  const act: CtAction = {
    type: 'ct',
    commit,
    force,
    zone,
    ...(table !== undefined && { table }),
    alg,
    actions: [...nats, ...exec],
  };
  c.push(act);
}

function parseZone(text: string): number | Subfield {
  const number = text.startsWith('-') ? undefined : parseInteger(text);
  return number !== undefined && number <= 0xffffn ? Number(number) : parseSubfield(text);
}

function parseNat(text: string): NatAction {
  const scan = new KeyValueScanner(text);
  let direction: 'src' | 'dst' | undefined;
  let range: NatAction['range'];
  let persistent = false;
  let hash = false;
  let random = false;
  while (scan.next()) {
    const { key } = scan;
    if (key === 'src' || key === 'dst') {
      if (direction && direction !== key) fail('May only specify one of "src" or "dst".');
      direction = key;
      if (scan.value !== '') range = parseRange(scan.value);
    } else if (key === 'persistent') persistent = true;
    else if (key === 'hash') hash = true;
    else if (key === 'random') random = true;
    else fail(`invalid key "${key}" in "nat" argument`);
  }
  const flags = persistent || hash || random;
  if (flags && !direction) fail('Flags allowed only with "src" or "dst".');
  if (hash && random) fail('Both "hash" and "random" are not allowed.');
  return {
    type: 'nat',
    ...(direction && { direction }),
    ...(range && { range }),
    ...(persistent && { persistent }),
    ...(hash && { hash }),
    ...(random && { random }),
  };
}

interface Address {
  readonly family: 4 | 6;
  readonly value: bigint;
  readonly next: number;
}

/** An address at `p` of `text`, IPv6 in brackets or not. */
function scanAddress(text: string, p: number): Address | undefined {
  const v4 = /^\d+\.\d+\.\d+\.\d+/.exec(text.slice(p));
  if (v4) {
    const ip = parseIpv4(v4[0].replaceAll(/\b0+(?=\d)/g, ''));
    return ip === undefined ? undefined : { family: 4, value: BigInt(ip), next: p + v4[0].length };
  }
  const v6 = /^\[([0-9a-fA-F:.]+)\]|^([0-9a-fA-F:.]+)/.exec(text.slice(p));
  const bytes = v6 && parseIpv6(v6[1] ?? v6[2]!);
  return bytes ? { family: 6, value: readUint(bytes, 0, 16), next: p + v6[0].length } : undefined;
}

/** `addr[-addr][:port[-port]]`. */
function parseRange(text: string): NatAction['range'] {
  const first = scanAddress(text, 0);
  const invalid = (): never => fail(`invalid nat range "${text}"`);
  if (!first) return garbage(text, likeAddress(text));
  let p = first.next;
  let max: bigint | undefined;
  if (text[p] === '-') {
    const second = scanAddress(text, p + 1);
    if (second?.family !== first.family || second.value < first.value) return invalid();
    max = second.value;
    p = second.next;
  }
  let portMin: number | undefined;
  let portMax: number | undefined;
  if (text[p] === ':') {
    const m = /^:(\d+)(-(\d+)?)?/.exec(text.slice(p));
    if (!m || (m[2] !== undefined && m[3] === undefined)) return invalid();
    portMin = Number(m[1]);
    if (m[3] !== undefined) portMax = Number(m[3]);
    if (portMin > 0xffff || (portMax ?? 0) > 0xffff) return invalid();
    if (portMax !== undefined && portMax < portMin) return invalid();
    p += m[0].length;
  }
  if (p !== text.length) return garbage(text, p);
  // Port 0 is none: a range from it is written as an end without a beginning, which nobody takes.
  return {
    family: first.family,
    min: first.value,
    ...(max !== undefined && { max }),
    ...(portMin && { portMin }),
    ...(portMax && { portMax }),
  };
}

/** How many characters at the beginning could be an address, though not all of the text. */
function likeAddress(text: string): number {
  const length = /^(?:\[[0-9a-fA-F:.]+\]|[0-9a-fA-F:.]+)/.exec(text)?.[0].length ?? 0;
  return length < text.length ? length : 0;
}

function garbage(text: string, p: number): never {
  fail(`garbage (${text.slice(p)}) after nat range "${text}" (pos: ${p})`);
}

function parseNatAlone(): never {
  fail('Cannot have NAT action outside of "ct" action');
}

export const CT_PARSERS: readonly (readonly [string, ParseAct])[] = [
  ['ct', parseCt],
  ['nat', parseNatAlone],
  ['ct_clear', (c) => c.push({ type: 'ct_clear' })],
];
