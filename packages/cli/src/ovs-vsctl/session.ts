/** Running a parsed command line against a server, as one transaction, until it holds. */
import { readFileSync } from 'node:fs';
import {
  isArray,
  isObject,
  type Json,
  parseSchema,
  type RpcConnection,
  vswitchSchema,
} from '@heddle/ovsdb';
import { dirs, vlog } from '@heddle/runtime';
import { type Invocation, NotYet, type Wants } from './command.ts';
import { VsctlError } from './errors.ts';
import { Model } from './model.ts';
import type { ParsedCommand, Settings } from './parse.ts';
import { Store, type StoredRow, type Wanted } from './store.ts';

const SCHEMA = parseSchema(vswitchSchema as unknown as Json);

interface Outcome {
  /** What each command printed. */
  readonly outputs: string[];
  readonly checkErrors: ReadonlySet<string>;
  /** The next_cfg to wait for, when something changed. */
  readonly nextCfg: number | undefined;
}

export class Session {
  readonly #connection: RpcConnection;
  readonly #settings: Settings;
  readonly #argv: readonly string[];
  #columns: Map<string, Set<string>> | undefined;

  constructor(connection: RpcConnection, settings: Settings, argv: readonly string[]) {
    this.#connection = connection;
    this.#settings = settings;
    this.#argv = argv;
  }

  /** Runs until the transaction holds; then waits for the switch to follow. */
  async run(commands: readonly ParsedCommand[]): Promise<string[]> {
    for (;;) {
      const outcome = await this.#attempt(commands);
      if (outcome === 'try-again') continue;
      if (outcome.nextCfg !== undefined && this.#settings.wait) {
        await this.#waitForSwitch(outcome.nextCfg);
        this.pendingErrors = await this.#setUpErrors(outcome.checkErrors);
      }
      return outcome.outputs;
    }
  }

  /** What went wrong with interfaces that were added; to print after the output. */
  pendingErrors: string[] = [];

  async #attempt(commands: readonly ParsedCommand[]): Promise<Outcome | 'try-again'> {
    const wanted = await this.#wanted(commands);
    const store = new Store(SCHEMA);
    store.load(wanted, await this.#transact(Store.selects(wanted)));
    const model = new Model(store);
    const outputs: string[] = [];
    const symbols = new Map<string, StoredRow>();
    const checkErrors = new Set<string>();
    predeclare(commands, store, symbols);
    try {
      for (const parsed of commands) {
        let text = '';
        parsed.command.run(
          this.#invocation(parsed, { store, model, symbols, checkErrors }, (t) => {
            text += t;
          }),
        );
        outputs.push(text);
      }
    } catch (error) {
      if (!(error instanceof NotYet)) throw error;
      await this.#change([...wanted.keys()]);
      return 'try-again';
    }
    return this.#commit(store, model, outputs, checkErrors, commands);
  }

  #invocation(
    { args, options, text, command }: ParsedCommand,
    shared: Pick<Invocation, 'store' | 'model' | 'symbols' | 'checkErrors'>,
    print: (text: string) => void,
  ): Invocation {
    const format =
      this.#settings.format ??
      (command.name === 'list' || command.name === 'find' ? 'list' : 'table');
    return {
      ...shared,
      args,
      text,
      display: { ...this.#settings.display, format },
      has: (option) => options.has(option),
      value: (option) => options.get(option),
      print,
      warn: (text) => vlog.module('db_ctl_base').warn(text),
    };
  }

  async #commit(
    store: Store,
    model: Model,
    outputs: string[],
    checkErrors: ReadonlySet<string>,
    commands: readonly ParsedCommand[],
  ): Promise<Outcome | 'try-again'> {
    const { ops, inserted } = store.operations();
    const done = { outputs, checkErrors };
    if (ops.length === 0 || this.#settings.dryRun) return { ...done, nextCfg: undefined };
    const root = model.root;
    const where = root.isNew ? [] : [['_uuid', '==', ['uuid', root.uuid]]];
    const cfgAt = ops.length + 1;
    if (this.#settings.wait) {
      ops.push({ op: 'mutate', table: 'Open_vSwitch', where, mutations: [['next_cfg', '+=', 1]] });
      ops.push({ op: 'select', table: 'Open_vSwitch', where, columns: ['next_cfg'] });
    }
    ops.push({ op: 'comment', comment: this.#comment(commands) });
    const results = await this.#transact(ops, true);
    if (results === 'try-again') return 'try-again';
    for (const [at, row] of inserted) replaceUuid(outputs, row.uuid, results[at]);
    const cfg = results[cfgAt];
    const rows = isObject(cfg) && isArray(cfg['rows']) ? cfg['rows'] : [];
    const nextCfg =
      this.#settings.wait && isObject(rows[0]) ? Number(rows[0]['next_cfg']) : undefined;
    return { ...done, nextCfg };
  }

  async #transact(ops: readonly Json[]): Promise<readonly Json[]>;
  async #transact(ops: readonly Json[], guarded: true): Promise<readonly Json[] | 'try-again'>;
  async #transact(ops: readonly Json[], guarded = false): Promise<readonly Json[] | 'try-again'> {
    if (ops.length === 0) return [];
    const reply = await this.#connection.request('transact', ['Open_vSwitch', ...ops]);
    if (!isArray(reply)) throw new VsctlError('transaction error: reply is not an array');
    for (const result of reply) {
      if (!isObject(result) || result['error'] === undefined) continue;
      if (guarded && result['error'] === 'timed out') return 'try-again';
      throw new VsctlError(`transaction error: ${JSON.stringify(sortKeys(result))}`);
    }
    return reply;
  }

  /** The columns to read, less those that an older server does not have. */
  async #wanted(commands: readonly ParsedCommand[]): Promise<Wanted> {
    const out: Wanted = new Map([['Open_vSwitch', new Set<string>()]]);
    for (const { command, args } of commands) {
      const wants: Wants = command.wants(args);
      for (const [table, columns] of Object.entries(wants)) {
        const all = [...SCHEMA.tables.get(table)!.columns.keys()];
        const set = out.get(table) ?? new Set();
        for (const c of columns === 'all' ? all : columns) set.add(c);
        out.set(table, set);
      }
    }
    out.get('Open_vSwitch')!.add('bridges');
    for (const name of ['Bridge', 'Port']) if (!out.has(name)) out.set(name, new Set(['name']));
    this.#columns ??= await this.#serverColumns(out);
    for (const [table, columns] of out) {
      for (const c of columns) if (!this.#columns.get(table)?.has(c)) columns.delete(c);
    }
    return out;
  }

  /** Only asked for when some command reads whole tables: that is where versions differ. */
  async #serverColumns(wanted: Wanted): Promise<Map<string, Set<string>>> {
    const reads = [...wanted].some(([t, c]) => c.size === SCHEMA.tables.get(t)!.columns.size);
    if (!reads) return new Map([...SCHEMA.tables].map(([n, t]) => [n, new Set(t.columns.keys())]));
    const schema = await this.#connection.request('get_schema', ['Open_vSwitch']);
    const tables = isObject(schema) && isObject(schema['tables']) ? schema['tables'] : {};
    return new Map(
      Object.entries(tables).map(([name, t]) => {
        const columns = isObject(t) && isObject(t['columns']) ? Object.keys(t['columns']) : [];
        return [name, new Set(columns)];
      }),
    );
  }

  #comment(commands: readonly ParsedCommand[]): string {
    const given = commands.filter((c) => c.command.name === 'comment').map((c) => c.args.join(' '));
    let parent = '';
    try {
      parent = readFileSync(`/proc/${process.ppid}/comm`, 'utf8').trim();
    } catch {
      // The parent may have gone.
    }
    const invoked = parent === '' ? '' : ` (invoked by ${parent})`;
    return [...given, `ovs-vsctl${invoked}: ovs-vsctl ${this.#argv.join(' ')}`].join('\n');
  }

  async #waitForSwitch(nextCfg: number): Promise<void> {
    const reached = (rows: Json | undefined) =>
      isObject(rows) &&
      Object.values(rows).some((r) => {
        const now = isObject(r) && isObject(r['new']) ? r['new']['cur_cfg'] : undefined;
        return typeof now === 'number' && now >= nextCfg;
      });
    await this.#monitorUntil({ Open_vSwitch: { columns: ['cur_cfg'] } }, (updates) =>
      reached(updates['Open_vSwitch']),
    );
  }

  /** Resolves at the next change of any of the tables. */
  async #change(tables: readonly string[]): Promise<void> {
    const requests = Object.fromEntries(tables.map((t) => [t, {}]));
    let first = true;
    await this.#monitorUntil(requests, () => {
      const change = !first;
      first = false;
      return change;
    });
  }

  #monitorId = 0;

  async #monitorUntil(
    requests: Json,
    done: (updates: Record<string, Json>) => boolean,
  ): Promise<void> {
    const id = `wait${this.#monitorId++}`;
    await new Promise<void>((resolve, reject) => {
      const look = (updates: Json) => {
        if (isObject(updates) && done(updates)) resolve();
      };
      this.onUpdate = (monitor, updates) => {
        if (monitor === id) look(updates);
      };
      this.onClosed = () => reject(new VsctlError('database connection lost'));
      this.#connection.request('monitor', ['Open_vSwitch', id, requests]).then(look, reject);
    });
    await this.#connection.request('monitor_cancel', [id]);
  }

  onUpdate: (monitor: Json, updates: Json) => void = () => {};
  onClosed: () => void = () => {};

  async #setUpErrors(names: ReadonlySet<string>): Promise<string[]> {
    const out: string[] = [];
    for (const name of names) {
      const [result] = await this.#transact([
        {
          op: 'select',
          table: 'Interface',
          where: [['name', '==', name]],
          columns: ['ofport', 'error'],
        },
      ]);
      const row = isObject(result) && isArray(result['rows']) ? result['rows'][0] : undefined;
      if (!isObject(row)) continue;
      const { error, ofport } = row;
      const text =
        typeof error === 'string' && error !== '' ? `: ${error}` : ofport === -1 ? '' : undefined;
      if (text === undefined) continue;
      out.push(
        `Error detected while setting up '${name}'${text}.  See ovs-vswitchd log for details.`,
      );
    }
    if (out.length > 0) out.push(`The default log directory is "${dirs.logdir}".`);
    return out;
  }
}

/** `--id=@NAME create` may come after the command that uses the name. */
function predeclare(
  commands: readonly ParsedCommand[],
  store: Store,
  symbols: Map<string, StoredRow>,
): void {
  for (const { command, args, options } of commands) {
    const id = options.get('id');
    if (command.name !== 'create' || id === undefined || !id.startsWith('@')) continue;
    if (symbols.has(id))
      throw new VsctlError(`row id "${id}" may not be used with more than one "create"`);
    const name = args[0]!.toLowerCase().replaceAll('-', '_');
    const table =
      [...SCHEMA.tables.keys()].find((t) => t.toLowerCase() === name) ??
      [...SCHEMA.tables.keys()].find((t) => t.toLowerCase().startsWith(name));
    if (table !== undefined) symbols.set(id, store.insert(table));
  }
}

function replaceUuid(outputs: string[], local: string, result: Json | undefined): void {
  const uuid = isObject(result) && isArray(result['uuid']) ? String(result['uuid'][1]) : undefined;
  if (uuid === undefined) return;
  outputs.forEach((text, i) => {
    outputs[i] = text.replaceAll(local, uuid);
  });
}

function sortKeys(json: { readonly [k: string]: Json }): Record<string, Json> {
  return Object.fromEntries(Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1)));
}
