/** Running a command line against a server, as one transaction, until it holds. */
import type { RpcConnection } from '@heddle/ovsdb/idl/rpc';
import { isArray, isObject, type Json, printSortedJson } from '@heddle/ovsdb/notation/index';
import { TablePrinter } from '../table/table.ts';
import { type Given, type Invocation, NotYet } from './command.ts';
import { VsctlError } from './errors.ts';
import { Model } from './model.ts';
import { operations } from './operations.ts';
import type { Settings } from './options.ts';
import { SCHEMA } from './schema.ts';
import { type Row, Store, type Wanted } from './store.ts';
import { Symbols } from './symbols.ts';
import type { Watch } from './watch.ts';

const DATABASE = 'Open_vSwitch';
/** A row may be contended for: not at once again, then. */
const CONTENDED_MS = 10;

export interface Log {
  warn(module: string, text: string): void;
  err(module: string, text: string): void;
}

export interface Outcome {
  /** What the commands printed, one after the other. */
  readonly text: string;
  readonly added: ReadonlySet<string>;
  /** The next_cfg for the switch to reach, when something changed. */
  readonly nextCfg: number | undefined;
}

/** What one run of the commands is about. */
interface Attempt {
  readonly store: Store;
  readonly model: Model;
  readonly symbols: Symbols;
  readonly added: Set<string>;
  readonly printer: TablePrinter;
  readonly outputs: string[];
  /** New rows whose uuid is a command's output. */
  readonly created: Map<Row, number>;
}

/** Checks the commands, without a server, and returns what to fetch from one. */
export function prepare(commands: readonly Given[], log: Log): Wanted {
  const wanted: Wanted = new Map([['Open_vSwitch', new Set<string>()]]);
  const want = (table: string, columns?: readonly string[]): void => {
    const known = wanted.get(table) ?? new Set();
    for (const column of columns ?? SCHEMA.tables.get(table)!.columns.keys()) known.add(column);
    wanted.set(table, known);
  };
  for (const given of commands) {
    given.command.prepare({ ...given, want, warn: log.warn });
  }
  return wanted;
}

export class Session {
  readonly #rpc: RpcConnection;
  readonly #settings: Settings;
  readonly #comment: string;
  readonly #watch: Watch;
  readonly #log: Log;
  readonly #lacking = new Set<string>();

  constructor(rpc: RpcConnection, settings: Settings, comment: string, watch: Watch, log: Log) {
    this.#rpc = rpc;
    this.#settings = settings;
    this.#comment = comment;
    this.#watch = watch;
    this.#log = log;
  }

  async run(commands: readonly Given[], wanted: Wanted): Promise<Outcome> {
    for (;;) {
      const outcome = await this.#attempt(commands, wanted);
      if (outcome !== 'try again') return outcome;
      await new Promise((resolve) => setTimeout(resolve, CONTENDED_MS));
    }
  }

  async #attempt(commands: readonly Given[], wanted: Wanted): Promise<Outcome | 'try again'> {
    const store = await this.#fetch(wanted);
    const attempt: Attempt = {
      store,
      model: new Model(store, (level, text) => this.#log[level]('vsctl', text)),
      symbols: new Symbols(),
      added: new Set(),
      printer: new TablePrinter(this.#settings.style),
      outputs: [],
      created: new Map(),
    };
    try {
      for (const given of commands) {
        this.#runCommand(given, given === commands.at(-1), attempt);
      }
    } catch (error) {
      if (!(error instanceof NotYet)) throw error;
      await this.#watch.change([...wanted.keys()]);
      return 'try again';
    }
    attempt.symbols.check((text) => this.#log.warn('vsctl', text));
    return this.#commit(attempt);
  }

  #runCommand(given: Given, isLast: boolean, attempt: Attempt): void {
    const { command, options } = given;
    const at = attempt.outputs.push('') - 1;
    let isTable = false;
    const cmd: Invocation = {
      ...given,
      ...attempt,
      isLast,
      has: (option) => options.has(option),
      print: (text) => {
        attempt.outputs[at] += text;
      },
      printTable: (table) => {
        isTable = true;
        attempt.outputs[at] += attempt.printer.format(table);
      },
      created: (row) => void attempt.created.set(row, at),
      warn: this.#log.warn,
    };
    command.run(cmd);
    if (this.#settings.oneline && !isTable) {
      attempt.outputs[at] = oneLine(attempt.outputs[at]!);
    }
  }

  async #commit(attempt: Attempt): Promise<Outcome | 'try again'> {
    const { store, model, outputs, added } = attempt;
    const { ops, inserted } = operations(store);
    if (ops.length === 0) return { text: outputs.join(''), added, nextCfg: undefined };
    const { root } = model;
    const where = root.isNew ? [] : [['_uuid', '==', ['uuid', root.uuid]]];
    const nextCfgAt = ops.length + 1;
    if (this.#settings.wait) {
      ops.push({ op: 'mutate', table: 'Open_vSwitch', where, mutations: [['next_cfg', '+=', 1]] });
      ops.push({ op: 'select', table: 'Open_vSwitch', where, columns: ['next_cfg'] });
    }
    ops.push({ op: 'comment', comment: this.#comment });
    if (this.#settings.dryRun) ops.push({ op: 'abort' });
    const reply = await this.#transact(ops);
    const failed = errorIn(reply);
    if (failed?.['error'] === 'timed out') return 'try again';
    if (failed?.['error'] === 'aborted')
      return { text: outputs.join(''), added, nextCfg: undefined };
    if (failed) {
      const text = `transaction error: ${printSortedJson(failed)}`;
      this.#log.warn('ovsdb_idl', text);
      throw new VsctlError(text);
    }
    if (this.#settings.wait) this.#checkCounted(reply[nextCfgAt - 1]);
    for (const [i, row] of inserted) {
      const at = attempt.created.get(row);
      if (at !== undefined) outputs[at] = outputs[at]!.replace(row.uuid, uuidIn(reply[i]));
    }
    const nextCfg = this.#settings.wait ? nextCfgIn(reply[nextCfgAt]) : undefined;
    return { text: outputs.join(''), added, nextCfg };
  }

  /** `next_cfg` has one row, unless the commands deleted it. */
  #checkCounted(result: Json | undefined): void {
    const count = isObject(result) ? result['count'] : undefined;
    if (count === 1) return;
    this.#log.warn('ovsdb_idl', `"mutate" reply "count" is ${String(count)} instead of 1`);
    throw new VsctlError('transaction error: no error details available');
  }

  /** What an older server does not have is taken for its default. */
  async #fetch(wanted: Wanted): Promise<Store> {
    let selects = this.#available(wanted);
    let reply = await this.#transact(Store.selects(selects));
    if (errorIn(reply)) {
      await this.#compareSchemas();
      selects = this.#available(wanted);
      reply = await this.#transact(Store.selects(selects));
    }
    const failed = errorIn(reply);
    if (failed) throw new VsctlError(`transaction error: ${printSortedJson(failed)}`);
    const store = new Store(this.#lacking);
    store.load(selects, reply);
    return store;
  }

  #available(wanted: Wanted): Wanted {
    if (this.#lacking.size === 0) return wanted;
    return new Map(
      [...wanted]
        .filter(([table]) => !this.#lacking.has(table))
        .map(([table, columns]) => [
          table,
          new Set([...columns].filter((c) => !this.#lacking.has(`${table}.${c}`))),
        ]),
    );
  }

  async #compareSchemas(): Promise<void> {
    const schema = await this.#rpc.request('get_schema', [DATABASE]);
    const tables = isObject(schema) && isObject(schema['tables']) ? schema['tables'] : {};
    for (const [name, { columns }] of SCHEMA.tables) {
      const table = tables[name];
      const known = isObject(table) && isObject(table['columns']) ? table['columns'] : {};
      if (!isObject(table)) this.#lacking.add(name);
      for (const c of columns.keys()) if (!(c in known)) this.#lacking.add(`${name}.${c}`);
    }
  }

  async #transact(ops: readonly Json[]): Promise<readonly Json[]> {
    const reply = await this.#rpc.request('transact', [DATABASE, ...ops]);
    if (!isArray(reply)) throw new VsctlError('transaction error: reply is not an array');
    return reply;
  }
}

function oneLine(text: string): string {
  const escaped = text.replace(/\n$/, '').replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return `${escaped}\n`;
}

function errorIn(reply: readonly Json[]): { readonly [key: string]: Json } | undefined {
  return reply.filter((result) => isObject(result)).find((result) => 'error' in result);
}

function uuidIn(result: Json | undefined): string {
  return isObject(result) && isArray(result['uuid']) ? String(result['uuid'][1]) : '';
}

function nextCfgIn(result: Json | undefined): number | undefined {
  const rows = isObject(result) && isArray(result['rows']) ? result['rows'] : [];
  return isObject(rows[0]) ? Number(rows[0]['next_cfg']) : undefined;
}
