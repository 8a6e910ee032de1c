/** Random transactions: mostly sound, sometimes wrong in every way that there is. */
import { type Json, printJson } from '@heddle/ovsdb';
import type { Random } from '@heddle/testing/random';
import type { BaseSpec, ColumnSpec, SchemaSpec, TableSpec } from './random-schema.ts';

const FUNCTIONS = ['==', '==', '!=', '<', '<=', '>', '>=', 'includes', 'excludes', '~'];
function isNumeric({ key, value }: ColumnSpec): boolean {
  return !value && (key.type === 'integer' || key.type === 'real');
}

function soundFunctions(column: ColumnSpec): string[] {
  const numeric = isNumeric(column) && column.max === 1 && column.min === 1;
  return ['==', '!=', 'includes', 'excludes', ...(numeric ? ['<', '<=', '>', '>='] : [])];
}

function soundMutators(column: ColumnSpec): string[] {
  const scalar = column.max === 1 && column.min === 1;
  return [
    ...(isNumeric(column) ? ['+=', '-=', '*='] : []),
    ...(scalar ? (isNumeric(column) ? [] : ['insert']) : ['insert', 'delete']),
  ];
}

const MUTATORS = ['+=', '-=', '*=', '/=', '%=', 'insert', 'insert', 'delete', 'delete', '^='];

export class TransactionMaker {
  readonly #r: Random;
  readonly #schema: SchemaSpec;
  /** Rows that were asked for, there or not. */
  readonly #uuids = new Map<string, string[]>();
  /** The tables of this transaction's named rows. */
  readonly #names = new Map<string, string>();

  /** Whether operations are sound, so that whole transactions commit. */
  readonly #sound: boolean;

  constructor(r: Random, schema: SchemaSpec, sound: boolean) {
    this.#r = r;
    this.#schema = schema;
    this.#sound = sound;
  }

  transaction(): Json[] {
    this.#names.clear();
    return Array.from({ length: 1 + this.#r.below(4) }, () => this.#operation());
  }

  #operation(): Json {
    const r = this.#r;
    const table = r.pick(this.#schema.tables);
    const op = r.pick([
      ...['insert', 'insert', 'insert', 'insert', 'select', 'select', 'update', 'update'],
      ...['mutate', 'mutate', 'mutate', 'delete', 'wait', 'comment', 'commit', 'abort', 'assert'],
    ]);
    const made = this.#make(op, table);
    return !this.#sound && r.chance(0.03) ? this.#spoil(made) : made;
  }

  #make(op: string, table: TableSpec): Record<string, Json> {
    const r = this.#r;
    const name = table.name;
    switch (op) {
      case 'insert':
        return this.#insert(table);
      case 'select':
        return { op, table: name, where: this.where(table), columns: this.#columns(table) };
      case 'update':
        return { op, table: name, where: this.where(table), row: this.#row(table, 0.4) };
      case 'mutate':
        return { op, table: name, where: this.where(table), mutations: this.#mutations(table) };
      case 'delete':
        return { op, table: name, where: this.where(table) };
      case 'wait':
        return this.#wait(table);
      case 'comment':
        return { op, comment: 'a comment' };
      case 'commit':
        return { op, durable: r.chance(0.5) };
      case 'assert':
        return r.chance(0.3) ? { op, lock: 'nobody' } : { op: 'comment', comment: '' };
      default:
        return r.chance(0.2) ? { op: 'abort' } : { op: 'comment', comment: 'b' };
    }
  }

  #insert(table: TableSpec): Record<string, Json> {
    const r = this.#r;
    const known = this.#of(table.name);
    const uuid = r.chance(0.03) && known.length > 0 ? r.pick(known) : r.uuid();
    known.push(uuid);
    const out: Record<string, Json> = {
      op: 'insert',
      table: table.name,
      uuid,
      row: this.#row(table, 0.8),
    };
    if (r.chance(0.3)) {
      const name = `row${r.below(3)}`;
      this.#names.set(name, table.name);
      out['uuid-name'] = name;
    }
    return out;
  }

  #wait(table: TableSpec): Record<string, Json> {
    const r = this.#r;
    return {
      op: 'wait',
      table: table.name,
      where: this.where(table),
      columns: this.#columns(table),
      until: r.pick(['==', '!=']),
      rows: Array.from({ length: r.below(2) }, () => this.#row(table, 0.5)),
      timeout: 0,
    };
  }

  /** Takes a member away, adds one, or gives one the wrong type. */
  #spoil(op: Record<string, Json>): Json {
    const r = this.#r;
    const out = { ...op };
    const key = r.pick(Object.keys(out).filter((k) => k !== 'uuid' && k !== 'timeout'));
    if (r.chance(0.4)) delete out[key];
    else if (r.chance(0.5)) out[key] = r.pick<Json>([5, 'text', true, null, [], {}, -1]);
    else out['extra'] = 1;
    return out;
  }

  /** A condition outside of a transaction, where no name of a row means anything. */
  plainWhere(table: TableSpec): Json {
    this.#names.clear();
    return this.where(table);
  }

  where(table: TableSpec): Json {
    const r = this.#r;
    return Array.from({ length: r.pick([0, 1, 1, 1, 2]) }, () => this.#clause(table));
  }

  #clause(table: TableSpec): Json {
    const r = this.#r;
    const known = this.#of(table.name);
    if (r.chance(0.4) && known.length > 0) {
      return [
        '_uuid',
        this.#sound || r.chance(0.9) ? '==' : r.pick(FUNCTIONS),
        ['uuid', r.pick(known)],
      ];
    }
    if (r.chance(0.05)) return r.chance(0.5);
    const column = r.pick(table.columns);
    const name = !this.#sound && r.chance(0.02) ? 'nothing' : column.name;
    const functions = this.#sound ? soundFunctions(column) : FUNCTIONS;
    return [name, r.pick(functions), this.#datum(column)];
  }

  #columns(table: TableSpec): Json {
    const r = this.#r;
    const some = table.columns.filter(() => r.chance(0.5)).map((c) => c.name);
    return r.chance(0.6) ? ['_uuid', ...some] : some;
  }

  #row(table: TableSpec, p: number): Json {
    const r = this.#r;
    const out: Record<string, Json> = {};
    for (const c of table.columns) if (r.chance(p)) out[c.name] = this.#datum(c);
    if (!this.#sound && r.chance(0.01)) out['nothing'] = 1;
    return out;
  }

  #mutations(table: TableSpec): Json {
    const r = this.#r;
    return Array.from({ length: 1 + r.below(2) }, () => {
      const column = r.pick(table.columns);
      const mutator = r.pick(this.#sound ? soundMutators(column) : MUTATORS);
      if (column.value && mutator === 'delete' && r.chance(0.5)) {
        return [column.name, mutator, ['set', [this.#atom(column.key), this.#atom(column.key)]]];
      }
      // By one and at the very ends of 64 bits, Open vSwitch's product is wrong.
      if (mutator === '*=') return [column.name, mutator, r.pick([0, 2, 3])];
      const arithmetic = mutator.endsWith('=') && r.chance(0.9);
      return [column.name, mutator, arithmetic ? r.below(4) : this.#datum(column)];
    });
  }

  #datum(column: ColumnSpec): Json {
    const r = this.#r;
    const n = column.max === 1 ? (r.chance(0.9) ? 1 : r.below(3)) : r.below(4);
    let atoms = Array.from({ length: n }, () => this.#atom(column.key));
    if (this.#sound) atoms = this.#fit(column, atoms);
    if (column.value && (this.#sound || !r.chance(0.03))) {
      return ['map', atoms.map((atom) => [atom, this.#atom(column.value!)])];
    }
    if (atoms.length === 1 && r.chance(0.9)) return atoms[0]!;
    return ['set', atoms];
  }

  /** Distinct atoms, as many as the column may have. */
  #fit(column: ColumnSpec, atoms: readonly Json[]): Json[] {
    const distinct = [...new Map(atoms.map((atom) => [printJson(atom), atom])).values()];
    if (distinct.length === 0 && column.min > 0) distinct.push(this.#atom(column.key));
    return distinct.slice(0, column.max);
  }

  #atom(base: BaseSpec): Json {
    const r = this.#r;
    if (!this.#sound && r.chance(0.02))
      return r.pick<Json>([1, 'text', true, ['uuid', 'bad'], 1.5, null, ['x']]);
    if (base.enum && (this.#sound || r.chance(0.9))) return r.pick(base.enum);
    switch (base.type) {
      case 'integer':
        return !this.#sound && r.chance(0.05)
          ? r.pick<Json>([9223372036854775807n, -9223372036854775808n, 9007199254740993n])
          : r.below(14) - 3;
      case 'real':
        return r.chance(0.7) ? r.below(8) : r.pick([0.5, -2.25, 1e20, 3.75, 1e-3]);
      case 'boolean':
        return r.chance(0.5);
      case 'string':
        return r.pick(['', 'a', 'b', 'c', 'red', 'x y', 'long text', 'é']);
      case 'uuid':
        return this.#reference(base);
    }
  }

  #reference(base: BaseSpec): Json {
    const r = this.#r;
    // A reference to a row's own uuid, in whatever table, is one to itself.
    const anywhere = r.chance(0.1);
    const names = [...this.#names].filter(([, table]) => anywhere || table === base.refTable);
    if (names.length > 0 && r.chance(0.3)) return ['named-uuid', r.pick(names)[0]];
    const known = this.#of(base.refTable ?? 'A');
    return ['uuid', known.length > 0 && r.chance(0.95) ? r.pick(known) : r.uuid()];
  }

  #of(table: string): string[] {
    let known = this.#uuids.get(table);
    if (!known) {
      known = [];
      this.#uuids.set(table, known);
    }
    if (known.length > 12) known.shift();
    return known;
  }
}
