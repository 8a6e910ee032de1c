/** What several clients of one server may ask for at random: sound requests and unsound ones. */
import type { Json } from '@heddle/ovsdb';
import type { Random } from '@heddle/testing/random';
import { MonitorMaker, type OpenMonitor } from './random-monitor.ts';
import type { SchemaSpec } from './random-schema.ts';
import { TransactionMaker } from './random-transaction.ts';

export type Step =
  | {
      readonly kind: 'request';
      readonly client: number;
      readonly id: Json;
      readonly method: string;
      readonly params: Json;
    }
  /** Of the request that has this id. */
  | { readonly kind: 'cancel'; readonly client: number; readonly id: Json }
  /** The connection is lost, the client comes back and resumes its monitors. */
  | {
      readonly kind: 'reconnect';
      readonly client: number;
      readonly monitors: readonly OpenMonitor[];
    };

const LOCKS = ['l', 'm', 'bad name', ''];
const JUNK: readonly Json[] = [null, true, 0, -1, 1.5, '', 'x', [], {}, ['set', []], ['uuid', 'x']];
const METHODS = [
  'nothing',
  'list_dbs',
  'get_schema',
  'echo',
  'set_db_change_aware',
  'monitor_cancel',
];

export class ConversationMaker {
  readonly #r: Random;
  readonly #clients: number;
  readonly #schema: SchemaSpec;
  readonly #sound: TransactionMaker;
  readonly #unsound: TransactionMaker;
  readonly #monitors: MonitorMaker;
  /** By client. */
  readonly #open: OpenMonitor[][];
  #id = 0;
  #lastWait: { client: number; id: Json } | undefined;

  constructor(r: Random, schema: SchemaSpec, clients: number) {
    this.#r = r;
    this.#clients = clients;
    this.#schema = schema;
    this.#sound = new TransactionMaker(r, schema, true);
    this.#unsound = new TransactionMaker(r, schema, false);
    this.#monitors = new MonitorMaker(r, schema, this.#sound);
    this.#open = Array.from({ length: clients }, () => []);
  }

  step(): Step {
    const r = this.#r;
    const client = r.below(this.#clients);
    const p = r.next();
    if (p < 0.55)
      return this.#transact(client, (r.chance(0.8) ? this.#sound : this.#unsound).transaction());
    if (p < 0.61) return this.#wait(client);
    if (p < 0.72) return this.#monitor(client);
    if (p < 0.82) return this.#change(client);
    if (p < 0.86) return this.#cancelMonitor(client);
    if (p < 0.91)
      return this.#request(client, r.pick(['lock', 'steal', 'unlock']), [r.pick(LOCKS)]);
    if (p < 0.94) return this.#reconnect(client);
    if (p < 0.97 && this.#lastWait) return { kind: 'cancel', ...this.#lastWait };
    const params = r.chance(0.5) ? ['R'] : r.chance(0.5) ? [r.pick(JUNK)] : [];
    return this.#request(client, r.pick(METHODS), params);
  }

  #request(client: number, method: string, params: Json): Step {
    return { kind: 'request', client, id: ++this.#id, method, params };
  }

  #transact(client: number, ops: readonly Json[]): Step {
    return this.#request(client, 'transact', [this.#r.chance(0.99) ? 'R' : 'X', ...ops]);
  }

  /** A transaction that may have to wait for another client's. */
  #wait(client: number): Step {
    const r = this.#r;
    const table = r.pick(this.#schema.tables);
    const where = this.#sound.plainWhere(table);
    const columns = [r.pick(table.columns).name];
    const wait = {
      op: 'wait',
      table: table.name,
      where,
      columns,
      until: r.pick(['==', '!=']),
      rows: [],
      timeout: 3_600_000,
    };
    const step = this.#transact(client, [wait, { op: 'comment', comment: 'waited' }]);
    this.#lastWait = { client, id: this.#id };
    return step;
  }

  #monitor(client: number): Step {
    const r = this.#r;
    const [method, params, opened] = this.#monitors.open(++this.#id);
    if (r.chance(0.1)) return this.#request(client, method, this.#spoil(params));
    if (r.chance(0.03) && this.#open[client]!.length > 0)
      params[1] = r.pick(this.#open[client]!).id;
    else this.#open[client]!.push(opened);
    return this.#request(client, method, params);
  }

  #change(client: number): Step {
    const known = this.#open[client]!.filter(({ method }) => method !== 'monitor');
    if (known.length === 0) return this.#monitor(client);
    const [method, params] = this.#monitors.change(this.#r.pick(known));
    return this.#request(client, method, params);
  }

  #cancelMonitor(client: number): Step {
    const known = this.#open[client]!;
    const id =
      known.length > 0 && this.#r.chance(0.8)
        ? known.splice(this.#r.below(known.length), 1)[0]!.id
        : 'none';
    return this.#request(client, 'monitor_cancel', [id]);
  }

  #reconnect(client: number): Step {
    const monitors = this.#open[client]!;
    if (this.#lastWait?.client === client) this.#lastWait = undefined;
    return { kind: 'reconnect', client, monitors };
  }

  /** Something in it becomes something else. */
  #spoil(params: readonly Json[]): Json {
    const r = this.#r;
    const copy = structuredClone(params) as Json[];
    const places: [Record<string, Json>, string][] = [];
    const visit = (node: Json) => {
      if (node === null || typeof node !== 'object') return;
      for (const key of Object.keys(node)) {
        places.push([node as Record<string, Json>, key]);
        visit((node as Record<string, Json>)[key]!);
      }
    };
    visit(copy);
    const [node, key] = r.pick(places);
    if (r.chance(0.6)) node[key] = r.pick(JUNK);
    else if (!Array.isArray(node)) node['stranger'] = r.pick(JUNK);
    return copy;
  }
}
