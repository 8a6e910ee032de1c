/** The distribution's ovs-vsctl on its server, ours on ours: the same lines, the same databases. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isArray, isObject, type Json, printSortedJson, RpcConnection } from '@heddle/ovsdb';
import { main } from '../../../packages/cli/src/ovs-vsctl/main.ts';
import { capture, type Output } from '../capture.ts';
import { Pair, type Peer } from '../ovsdb/peer.ts';

const THEIRS = '/usr/bin/ovs-vsctl';
/** The distribution's schema is older than ours: both servers have it. */
const SCHEMA = JSON.parse(readFileSync('/usr/share/openvswitch/vswitch.ovsschema', 'utf8')) as {
  tables: Record<string, { columns: Record<string, unknown> }>;
};
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Upstream's hash order decides to which of them it belongs. */
const AMBIGUOUS = /is in multiple (ports|bridges)/;

type Row = Readonly<Record<string, Json>>;
/** Rows by table and uuid. */
export type Contents = ReadonlyMap<string, ReadonlyMap<string, Row>>;

export class World implements AsyncDisposable {
  readonly #pair: Pair;
  readonly #theirs: Peer;
  readonly #ours: Peer;
  readonly #switches: RpcConnection[];
  /** What both hold. */
  contents: Contents;

  private constructor(pair: Pair, switches: RpcConnection[], contents: Contents) {
    this.#pair = pair;
    [this.#theirs, this.#ours] = pair.peers();
    this.#switches = switches;
    this.contents = contents;
  }

  static async open(): Promise<World> {
    const pair = await Pair.start(SCHEMA as unknown as Json);
    const switches = [];
    for (const side of ['theirs', 'ours']) {
      switches.push(await obedientSwitch(`unix:${join(pair.dir, `${side}.sock`)}`));
    }
    const world = new World(pair, switches, new Map());
    await world.#synchronize(await dump(world.#theirs));
    return world;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const rpc of this.#switches) rpc.close();
    this.#theirs.close();
    this.#ours.close();
    this.#pair.stop();
  }

  /** Runs a line on both sides; fails unless output, status and database are the same. */
  async compare(words: readonly string[]): Promise<void> {
    const line = words.map((w) => JSON.stringify(w)).join(' ');
    const theirs = await this.#runTheirs(words);
    // Upstream dies of an assertion at some lines, and never ends at others.
    if (theirs.status === null) return this.#synchronize(await dump(this.#theirs));
    const ours = await this.#runOurs(words);
    // Nor does upstream see what an earlier command of the line did to a bond.
    const looksAtBond = words.some((w) => w.endsWith('-bond-iface')) && words.includes('show');
    if (looksAtBond || (AMBIGUOUS.test(theirs.stderr) && AMBIGUOUS.test(ours.stderr))) {
      return this.#synchronize(await dump(this.#theirs));
    }
    assert.deepEqual(this.#comparable(ours, words), this.#comparable(theirs, words), line);
    const [a, b] = await Promise.all([dump(this.#theirs), dump(this.#ours)]);
    assert.deepEqual(canonical(b, this.contents), canonical(a, this.contents), line);
    if (printSortedJson(toJson(a)) !== printSortedJson(toJson(b))) await this.#synchronize(a);
    else this.contents = a;
  }

  #runTheirs(words: readonly string[]): Promise<Output> {
    const db = `--db=unix:${join(this.#pair.dir, 'theirs.sock')}`;
    return new Promise((resolve) => {
      execFile(THEIRS, [db, ...words], { timeout: 3_000 }, (error, stdout, stderr) => {
        const code = error?.code;
        resolve({ status: error ? (typeof code === 'number' ? code : null) : 0, stdout, stderr });
      });
    });
  }

  #runOurs(words: readonly string[]): Promise<Output> {
    return capture(main, [`--db=unix:${join(this.#pair.dir, 'ours.sock')}`, ...words]);
  }

  /** Less what differs by nature: times, uuids of new rows, the order of sets of rows. */
  #comparable({ status, stdout, stderr }: Output, words: readonly string[]): unknown {
    const known = new Set([...this.contents.values()].flatMap((rows) => [...rows.keys()]));
    const plain = (text: string) =>
      text
        .replaceAll(this.#pair.dir, 'DIR')
        .replaceAll(UUID, (uuid) => (known.has(uuid) ? uuid : 'UUID'));
    const changesBond = words.some((word) => word.endsWith('-bond-iface'));
    const errors = plain(stderr)
      .replaceAll(`${THEIRS}: `, 'ovs-vsctl: ')
      .replaceAll(/^\d{4}-\d\d-\d\dT[^|]*\|\d+\|/gm, '')
      .replaceAll(/"syntax":".*\\"set\\",.*"/g, '"syntax":"SET"')
      .replaceAll(/^vsctl.WARN.row id .*\n(?=(.*\n)*.*referenced but never)/gm, '')
      .replaceAll(/row id "@\w+" (is referenced but never).*/g, 'row id $1')
      .replaceAll(
        /Table \w+ column \w+ row UUID references nonexistent row UUID[^"]*/g,
        'REFERENCE',
      )
      // Upstream does not look at what an earlier command of the line did to the bond.
      .replaceAll(changesBond ? /(actually has interface\(s\)) .*/g : /^$/g, '$1')
      .replaceAll(/Transaction causes multiple rows in .*Second row, [^"]*/g, 'ROWS');
    return { status, stdout: plain(stdout).split('\n').map(sortRows).sort(), stderr: errors };
  }

  /** Gives our server their rows, by their uuids. */
  async #synchronize(contents: Contents): Promise<void> {
    // What the first refers to is gone before the others are deleted.
    for (const table of ['Open_vSwitch', 'QoS', 'Queue', 'Flow_Sample_Collector_Set']) {
      await this.#change([{ op: 'delete', table, where: [] }]);
    }
    const inserts = [...contents].flatMap(([table, rows]) =>
      [...rows].map(([uuid, row]) => ({ op: 'insert', table, uuid, row })),
    );
    await this.#change(inserts);
    this.contents = contents;
  }

  async #change(ops: readonly Json[]): Promise<void> {
    const { error, result } = await this.#ours.call('transact', ['Open_vSwitch', ...ops]);
    assert.deepEqual([error, failure(result)], [null, undefined]);
  }
}

/** The rows of a table in JSON. */
function sortRows(line: string): string {
  if (!line.startsWith('{"data":')) return line;
  const { data, headings } = JSON.parse(line) as { data: Json[]; headings: Json };
  return printSortedJson({ data: data.sort(byText), headings });
}

/** Does at once what `next_cfg` asks for. */
async function obedientSwitch(remote: string): Promise<RpcConnection> {
  const rpc = await RpcConnection.open(remote, {
    notified: (method, params) => {
      const tables = method === 'update' ? params[1] : undefined;
      const rows =
        isObject(tables) && isObject(tables['Open_vSwitch']) ? tables['Open_vSwitch'] : {};
      for (const row of Object.values(rows)) {
        const next = isObject(row) && isObject(row['new']) ? row['new']['next_cfg'] : undefined;
        if (next === undefined) continue;
        const update = { op: 'update', table: 'Open_vSwitch', where: [], row: { cur_cfg: next } };
        void rpc.request('transact', ['Open_vSwitch', update]).catch(() => {});
      }
    },
  });
  const requests = { Open_vSwitch: { columns: ['next_cfg'] } };
  await rpc.request('monitor', ['Open_vSwitch', 'switch', requests]);
  return rpc;
}

async function dump(peer: Peer): Promise<Contents> {
  const tables = Object.keys(SCHEMA.tables);
  const selects = tables.map((table) => ({
    op: 'select',
    table,
    where: [],
    columns: ['_uuid', ...Object.keys(SCHEMA.tables[table]!.columns)],
  }));
  const { result } = await peer.call('transact', ['Open_vSwitch', ...selects]);
  const results = result as { rows: Record<string, Json>[] }[];
  return new Map(
    tables.map((table, i) => [
      table,
      new Map(
        results[i]!.rows.map(({ _uuid, ...row }) => [String((_uuid as readonly Json[])[1]), row]),
      ),
    ]),
  );
}

function toJson(contents: Contents): Json {
  return Object.fromEntries(
    [...contents].map(([table, rows]) => [table, Object.fromEntries(rows)]),
  );
}

/** New rows have other uuids on each side: they are told by what they hold. */
function canonical(contents: Contents, known: Contents): Record<string, string[]> {
  const all = new Map([...contents.values()].flatMap((rows) => [...rows]));
  const old = new Set([...known.values()].flatMap((rows) => [...rows.keys()]));
  const name = (uuid: string, depth: number): Json => {
    const row = all.get(uuid);
    if (old.has(uuid) || row === undefined) return uuid;
    return depth === 0 ? 'NEW' : ['NEW', plain(row, depth - 1)];
  };
  const plain = (json: Json, depth: number): Json => {
    if (isArray(json)) {
      if (json[0] === 'uuid') return name(String(json[1]), depth);
      const items = json.map((item) => plain(item, depth));
      if (json[0] !== 'set' && json[0] !== 'map') return items;
      return [items[0]!, [...(items[1] as Json[])].sort(byText)];
    }
    if (!isObject(json)) return json;
    return Object.fromEntries(Object.entries(json).map(([k, v]) => [k, plain(v, depth)]));
  };
  return Object.fromEntries(
    [...contents].map(([table, rows]) => [
      table,
      [...rows].map(([uuid, row]) => printSortedJson([name(uuid, 0), plain(row, 3)])).sort(),
    ]),
  );
}

function byText(a: Json, b: Json): number {
  return printSortedJson(a) < printSortedJson(b) ? -1 : 1;
}

function failure(result: Json): Json | undefined {
  return isArray(result) ? result.find((r) => isObject(r) && 'error' in r) : undefined;
}
