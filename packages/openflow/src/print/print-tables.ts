/** Tables: changes, descriptions, counters and features. */
import type { OfpVersion } from '../constants.ts';
import type { TableActionFeatures, TableFeatures, TableMod, TableStats } from '../messages.ts';
import { type Bit, bits, hexOrZero, type PrintNames, table } from './print-names.ts';

const OFPTMPEF14: readonly Bit[] = [
  [1 << 0, 'OTHER'],
  [1 << 1, 'IMPORTANCE'],
  [1 << 2, 'LIFETIME'],
];

export function printTableMod(mod: TableMod, version: OfpVersion, names: PrintNames): string {
  let out =
    mod.tableId === 0xff ? ' table_id: ALL_TABLES' : ` table_id=${table(mod.tableId, names)}`;
  if (mod.miss !== undefined && mod.miss !== 'default') out += `, flow_miss_config=${mod.miss}`;
  if (version < 5) return out;
  const eviction = evictionText(mod);
  if (eviction !== undefined) out += `, eviction=${eviction}`;
  out += `, vacancy=${mod.isVacancyOn ? 'on' : 'off'}`;
  if (mod.isVacancyOn) out += ` vacancy:${mod.vacancy?.down ?? 0},${mod.vacancy?.up ?? 0}`;
  return out;
}

/** The property's number decides where there is one, as upstream reads it. */
function evictionText({ eviction, evictionFlags }: TableMod): string | undefined {
  if (evictionFlags === undefined) return eviction ? 'on' : 'off';
  if (evictionFlags === 0) return undefined;
  return ['on', 'off'][evictionFlags - 1] ?? '***error***';
}

export function printTableDesc(mod: TableMod, names: PrintNames): string {
  const flags =
    mod.evictionFlags === undefined ? '(default)' : bits(mod.evictionFlags, OFPTMPEF14, '|');
  let out = `\n  table ${table(mod.tableId, names)}:\n`;
  out += `   eviction=${mod.eviction ? 'on' : 'off'} eviction_flags=${flags}\n`;
  out += `   vacancy=${mod.isVacancyOn ? 'on' : 'off'}`;
  if (mod.isVacancyOn) {
    const { down, up, current } = mod.vacancy ?? { down: 0, up: 0 };
    out += ` vacancy_down=${down}% vacancy_up=${up}% vacancy=${current ?? 0}%`;
  }
  return `${out}\n`;
}

const STATUS_REASONS: Readonly<Record<number, string>> = { 3: 'VACANCY_DOWN', 4: 'VACANCY_UP' };

export function printTableStatus(reason: number, mod: TableMod, names: PrintNames): string {
  return ` reason=${STATUS_REASONS[reason] ?? ''}\ntable_desc:-${printTableDesc(mod, names)}`;
}

interface Row {
  readonly tableId: number;
  readonly stats?: TableStats | undefined;
  readonly features?: TableFeatures | undefined;
}

export function printTableStats(tables: readonly TableStats[], version: OfpVersion): string {
  return printRows(
    tables.map((stats) => ({ tableId: stats.tableId, stats, features: stats.features })),
    version,
  );
}

export function printTableFeatures(tables: readonly TableFeatures[], version: OfpVersion): string {
  return printRows(
    tables.map((features) => ({ tableId: features.tableId, features })),
    version,
  );
}

/** Tables like the one before are told in a word; all by number, as upstream's. */
function printRows(rows: readonly Row[], version: OfpVersion): string {
  let out = rows.length > 0 ? '\n' : '';
  let dittos: number[] = [];
  const flush = () => {
    const first = dittos[0];
    if (first === undefined) return;
    const last = dittos.at(-1)!;
    const what = first === last ? ` ${first}` : `s ${first}...${last}`;
    out += `\n  table${what}: ditto\n`;
    dittos = [];
  };
  for (const [i, row] of rows.entries()) {
    const before = rows[i - 1];
    const sameStats = !row.stats || (before?.stats && statsKey(row) === statsKey(before));
    const sameFeatures = before !== undefined && featuresKey(row) === featuresKey(before);
    const name = row.features?.name ?? '';
    if (sameStats && sameFeatures && name === '') {
      dittos.push(row.tableId);
      continue;
    }
    flush();
    out += command(row);
    out += `\n  table ${row.tableId}${name === '' ? '' : ` ("${name}")`}:`;
    if (sameStats && sameFeatures) {
      out += ' ditto';
      continue;
    }
    out += printRow(row, before, sameFeatures, version);
  }
  flush();
  return out.replace(/^\n\n/, '\n');
}

function statsKey({ stats }: Row): string {
  return `${stats?.activeCount},${stats?.lookupCount},${stats?.matchedCount}`;
}

const keys = new WeakMap<TableFeatures, string>();

function featuresKey({ features }: Row): string {
  if (!features) return '';
  let key = keys.get(features);
  if (key === undefined) {
    const { tableId: _id, name: _name, command: _command, wildcard: _wild, ...rest } = features;
    key = JSON.stringify(rest, (k, v: unknown) => {
      if (k === 'next') return nextKey(v as readonly number[], features.tableId);
      return typeof v === 'bigint' ? String(v) : v;
    });
    keys.set(features, key);
  }
  return key;
}

/** "All tables behind this one" is the same for each table. */
function nextKey(next: readonly number[], tableId: number): string {
  const isRest = next.length > 0 && next.every((id, i) => id === tableId + 1 + i);
  return isRest ? `rest to ${next.at(-1)}` : next.join(',');
}

const COMMANDS = ['replace', 'modify', 'enable', 'disable'];

function command({ features }: Row): string {
  if (!features?.command) return '';
  return `\n  command: ${COMMANDS[features.command] ?? ''}`;
}

function printRow(
  row: Row,
  before: Row | undefined,
  sameFeatures: boolean,
  version: OfpVersion,
): string {
  const { stats: s, features: f } = row;
  let out = '\n';
  if (s) {
    out += `    active=${s.activeCount}, lookup=${s.lookupCount}, matched=${s.matchedCount}\n`;
  }
  if (!f) return out;
  if (sameFeatures) return `${out}    (same features)\n`;
  if (f.metadataMatch !== 0n || f.metadataWrite !== 0n) {
    out += `    metadata: match=${hexOrZero(f.metadataMatch)} write=${hexOrZero(f.metadataWrite)}\n`;
  }
  if (f.miss !== 'default') out += `    config=${f.miss}\n`;
  if (version >= 5) {
    out += `    eviction: ${f.supportsEviction ? '' : 'not '}supported\n`;
    out += `    vacancy events: ${f.supportsVacancyEvents ? '' : 'not '}supported\n`;
  }
  if (f.maxEntries !== 0) out += `    max_entries=${f.maxEntries}\n`;
  const p = before?.features;
  out += printInstructions(f, p);
  return out + printMatching(f, p);
}

const json = (value: unknown): string => JSON.stringify(value);

/** As `json`, where tables that may go on to all behind them are alike. */
function sidesKey({ nonmiss, onMiss, tableId }: TableFeatures): string {
  return json([nonmiss, onMiss].map((side) => ({ ...side, next: nextKey(side.next, tableId) })));
}

function isNothing(a: TableActionFeatures): boolean {
  const { next, instructions, write, apply } = a;
  const lists = [
    next,
    instructions,
    write.actions,
    write.setFields,
    apply.actions,
    apply.setFields,
  ];
  return lists.every((list) => list.length === 0);
}

function printInstructions(f: TableFeatures, before: TableFeatures | undefined): string {
  if (before && sidesKey(f) === sidesKey(before)) {
    return isNothing(f.nonmiss) && isNothing(f.onMiss) ? '' : '    (same instructions)\n';
  }
  if (json(f.nonmiss) === json(f.onMiss)) {
    if (isNothing(f.nonmiss)) return '';
    return `    instructions (table miss and others):\n${printActionFeatures(f.nonmiss, before?.nonmiss)}`;
  }
  return (
    `    instructions (other than table miss):\n${printActionFeatures(f.nonmiss, before?.nonmiss)}` +
    `    instructions (table miss):\n${printActionFeatures(f.onMiss, before?.onMiss)}`
  );
}

function printActionFeatures(
  { next, instructions, write, apply }: TableActionFeatures,
  before: TableActionFeatures | undefined,
): string {
  let out = '';
  if (next.length > 0) out += `      next tables: ${ranges(next)}\n`;
  if (instructions.length > 0) {
    const same = before && json(before.instructions) === json(instructions);
    out += same ? '      (same instructions)\n' : `      instructions: ${instructions.join(' ')}\n`;
  }
  const isOne = json(write) === json(apply);
  if (isOne && write.actions.length === 0 && write.setFields.length === 0) return out;
  // As upstream, only where there are fields to set: not in OpenFlow 1.1.
  const canSet = write.setFields.length > 0;
  if (canSet && before && json([write, apply]) === json([before.write, before.apply])) {
    return `${out}      (same actions)\n`;
  }
  if (isOne) return `${out}      Write-Actions and Apply-Actions features:\n${printSets(write)}`;
  return `${out}      Write-Actions features:\n${printSets(write)}      Apply-Actions features:\n${printSets(apply)}`;
}

function printSets({ actions, setFields }: TableActionFeatures['write']): string {
  let out = '';
  if (actions.length > 0) out += `        actions: ${actions.join(' ')}\n`;
  if (setFields.length > 0) out += `        supported on Set-Field: ${grouped(setFields)}\n`;
  return out;
}

function printMatching(f: TableFeatures, before: TableFeatures | undefined): string {
  const key = (t: TableFeatures) => json([t.match, t.mask]);
  if (f.match.length === 0) return '';
  if (before && key(f) === key(before)) return '    (same matching)\n';
  const mask = f.match.filter((name) => f.mask.includes(name));
  const rest = f.match.filter((name) => !f.mask.includes(name));
  const wild = rest.filter((name) => f.wildcard.includes(name));
  const exact = rest.filter((name) => !f.wildcard.includes(name));
  let out = '    matching:\n';
  if (mask.length > 0) out += `      arbitrary mask: ${grouped(mask)}\n`;
  if (wild.length > 0) out += `      exact match or wildcard: ${grouped(wild)}\n`;
  if (exact.length > 0) out += `      must exact match: ${grouped(exact)}\n`;
  return out;
}

/** `1-3,7`. */
function ranges(ids: readonly number[]): string {
  const out: string[] = [];
  for (let i = 0; i < ids.length; i++) {
    const first = ids[i]!;
    while (ids[i + 1] === ids[i]! + 1) i++;
    out.push(first === ids[i] ? String(first) : `${first}-${ids[i]}`);
  }
  return out.join(',');
}

/** Neighbours that begin with the same word as `word_{a,b}`, numbered ones as `reg0...reg3`. */
function grouped(names: readonly string[], separator = ' '): string {
  const out: string[] = [];
  for (let i = 0; i < names.length; ) {
    const word = firstWord(names[i]!);
    let end = i + 1;
    while (end < names.length && firstWord(names[end]!) === word) end++;
    if (word !== undefined && end - i > 1) {
      const rests = names.slice(i, end).map((name) => name.slice(word.length + 1));
      out.push(`${word}_{${grouped(rests, ',')}}`);
      i = end;
      continue;
    }
    const last = numberedTo(names, i);
    out.push(last === i ? names[i]! : `${names[i]}...${names[last]}`);
    i = last + 1;
  }
  return out.join(separator);
}

function firstWord(name: string): string | undefined {
  const underscore = name.indexOf('_');
  return underscore < 0 ? undefined : name.slice(0, underscore);
}

/** The last of names that count on from the one at `i`. */
function numberedTo(names: readonly string[], i: number): number {
  const first = /^(.*?)(\d+)$/.exec(names[i]!);
  if (!first) return i;
  let last = i;
  while (names[last + 1] === `${first[1]}${Number(first[2]) + last + 1 - i}`) last++;
  return last;
}
