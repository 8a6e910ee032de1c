/** Random schemas with every kind of column, constraint, reference and index. */
import type { Json } from '@heddle/ovsdb';
import type { Random } from '@heddle/testing/random';

export interface BaseSpec {
  readonly type: 'integer' | 'real' | 'boolean' | 'string' | 'uuid';
  readonly refTable?: string;
  readonly enum?: readonly Json[];
  readonly json: Json;
}

export interface ColumnSpec {
  readonly name: string;
  readonly key: BaseSpec;
  readonly value: BaseSpec | undefined;
  readonly min: number;
  readonly max: number;
  readonly json: Json;
}

export interface TableSpec {
  readonly name: string;
  readonly columns: readonly ColumnSpec[];
}

export interface SchemaSpec {
  readonly tables: readonly TableSpec[];
  readonly json: Json;
}

const TABLES = ['A', 'B', 'C', 'D'];
const WORDS = ['red', 'green', 'blue', 'x y', ''];

export function randomSchema(r: Random): SchemaSpec {
  const specs: TableSpec[] = [];
  const json: Record<string, Json> = {};
  for (const name of TABLES) {
    const columns = Array.from({ length: 2 + r.below(4) }, (_, i) => randomColumn(r, `c${i}`));
    specs.push({ name, columns });
    json[name] = {
      columns: Object.fromEntries(columns.map((c) => [c.name, c.json])),
      ...(r.chance(0.6) ? { isRoot: r.chance(0.8) } : {}),
      ...(r.chance(0.2) ? { maxRows: 1 + r.below(4) } : {}),
      ...randomIndexes(r, columns),
    };
  }
  return { tables: specs, json: { name: 'R', version: '1.0.0', tables: json } };
}

function randomIndexes(r: Random, columns: readonly ColumnSpec[]): Record<string, Json> {
  if (r.chance(0.6)) return {};
  const fit = columns.filter((c) => !(c.json as { ephemeral?: boolean }).ephemeral);
  if (fit.length === 0) return {};
  const first = r.pick(fit).name;
  const second = r.pick(fit).name;
  return { indexes: [first === second || r.chance(0.5) ? [first] : [first, second]] };
}

function randomColumn(r: Random, name: string): ColumnSpec {
  const key = randomBase(r);
  const shape = r.below(4);
  let value = shape === 3 ? randomBase(r) : undefined;
  // Upstream miscounts the references of a map that refers by key and by value in different ways.
  if (key.refTable && value?.refTable) value = { type: 'integer', json: 'integer' };
  const min = shape === 0 ? 1 : r.chance(0.8) ? 0 : 1;
  const max = shape < 2 ? 1 : r.chance(0.5) ? 2 + r.below(3) : Infinity;
  const type: Json =
    shape === 0
      ? { key: key.json }
      : {
          key: key.json,
          ...(value ? { value: value.json } : {}),
          min,
          max: max === Infinity ? 'unlimited' : max,
        };
  const json: Json = {
    type,
    ...(r.chance(0.1) ? { mutable: false } : {}),
    ...(r.chance(0.1) ? { ephemeral: true } : {}),
  };
  return { name, key, value, min, max, json };
}

function randomBase(r: Random): BaseSpec {
  const type = r.pick([
    'integer',
    'integer',
    'real',
    'boolean',
    'string',
    'string',
    'uuid',
  ] as const);
  const json: Record<string, Json> = { type };
  const spec: { type: BaseSpec['type']; refTable?: string; enum?: readonly Json[]; json: Json } = {
    type,
    json,
  };
  if (type === 'string' && r.chance(0.2)) {
    json['enum'] = ['set', WORDS];
    spec.enum = WORDS;
  } else if (type === 'integer' && r.chance(0.4)) {
    if (r.chance(0.7)) json['minInteger'] = -5;
    if (r.chance(0.7)) json['maxInteger'] = 10;
  } else if (type === 'real' && r.chance(0.4)) {
    if (r.chance(0.7)) json['minReal'] = -5.5;
    if (r.chance(0.7)) json['maxReal'] = 10.25;
  } else if (type === 'string' && r.chance(0.3)) {
    if (r.chance(0.5)) json['minLength'] = 1;
    if (r.chance(0.5)) json['maxLength'] = 4;
  } else if (type === 'integer' && r.chance(0.2)) {
    json['enum'] = ['set', [1, 2, 3]];
    spec.enum = [1, 2, 3];
  } else if (type === 'uuid' && r.chance(0.9)) {
    spec.refTable = r.pick(TABLES);
    json['refTable'] = spec.refTable;
    if (r.chance(0.5)) json['refType'] = r.pick(['weak', 'strong']);
  }
  return spec;
}
