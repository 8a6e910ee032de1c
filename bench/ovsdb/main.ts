/**
 * Heddle's ovsdb-server beside the distribution's, in one run. Numbers differ from machine to
 * machine; the ratios are what to look at.
 *   node bench/ovsdb/main.ts [--rounds N] [--rows N] [add] [many] [monitors] [large]
 */
import { copyFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { encodeRecord, type Json, vswitchSchema, writeNewLog } from '@heddle/ovsdb';
import { delay, Scope } from '@heddle/testing';
import { median, table } from '../datapath/statistics.ts';
import { writeDataset } from './dataset.ts';
import { type Kind, OURS, Server, THEIRS } from './servers.ts';

const PARTS = ['add', 'many', 'monitors', 'large'] as const;
const { values, positionals } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    rows: { type: 'string', default: '100000' },
    only: { type: 'string', default: '' },
  },
  allowPositionals: true,
});
const rounds = Number(values.rounds);
const interfaces = Number(values.rows);
const parts = new Set<string>(positionals.length === 0 ? PARTS : positionals);
const kinds = [OURS, THEIRS].filter(({ name }) => values.only === '' || name === values.only);

/**
 * Ours syncs each of these before it replies, theirs none: what it has acknowledged is lost when the
 * power fails. Only the files' directory on a tmpfs makes them comparable.
 */
const UNSYNCED = ' (only ours is synced)';

/** A line of the table; `better` says which of two numbers wins. */
interface Line {
  readonly title: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly found: Map<Kind, number[]>;
}
const lines = new Map<string, Line>();

function note(kind: Kind, title: string, unit: string, better: Line['better'], n: number): void {
  let line = lines.get(title);
  if (!line) {
    line = { title, unit, better, found: new Map(kinds.map((k) => [k, []])) };
    lines.set(title, line);
  }
  line.found.get(kind)!.push(n);
  process.stderr.write(`  ... ${kind.name}: ${title}: ${format(n)} ${unit}\n`);
}

function format(value: number): string {
  return value >= 1000 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

async function withServer(
  kind: Kind,
  file: string,
  work: (server: Server, startMs: number) => Promise<void>,
): Promise<void> {
  const [server, startMs] = await Server.start(kind, dir, file);
  try {
    await work(server, startMs);
  } finally {
    await server.stop();
  }
}

async function small(kind: Kind, work: (server: Server) => Promise<void>): Promise<void> {
  const file = join(dir, 'small.db');
  rmSync(file, { force: true });
  writeNewLog(file, [encodeRecord(vswitchSchema as unknown as Json)]);
  await withServer(kind, file, async (server) => {
    await server.load('setup');
    await work(server);
  });
}

/** A just-in-time compiler needs a few thousand rounds: what counts is a server that has been up. */
async function warmUp(server: Server): Promise<void> {
  await server.load('addPorts', { bridge: 'br1', count: 4000, clients: 50 });
}

async function addPorts(kind: Kind): Promise<void> {
  for (const [title, durable] of [
    [`add-port, 1 client${UNSYNCED}`, false],
    ['add-port, 1 client, "durable": true', true],
  ] as const) {
    await small(kind, async (server) => {
      await warmUp(server);
      const n = await server.load<number>('addPorts', { bridge: 'br0', count: 1500, durable });
      note(kind, title, 'per s', 'more', n);
    });
  }
}

async function manyClients(kind: Kind): Promise<void> {
  for (const [title, job] of [
    [`add-port, 50 clients${UNSYNCED}`, { pipeline: 1 }],
    ['add-port, 50 clients, "durable": true', { pipeline: 1, durable: true }],
    [`add-port, 50 clients, 20 requests each under way${UNSYNCED}`, { pipeline: 20 }],
    ['add-port, 50 clients, 20 requests each, "durable": true', { pipeline: 20, durable: true }],
  ] as const) {
    await small(kind, async (server) => {
      await warmUp(server);
      const n = await server.load<number>('addPorts', {
        bridge: 'br0',
        count: 5000,
        clients: 50,
        ...job,
      });
      note(kind, title, 'per s', 'more', n);
    });
  }
}

async function monitors(kind: Kind): Promise<void> {
  await small(kind, async (server) => {
    await warmUp(server);
    const job = { monitors: 100, updates: 1000 };
    await server.load('monitors', job);
    for (const [title, durable] of [
      [`100 monitors, 1,000 updates${UNSYNCED}`, false],
      ['100 monitors, 1,000 updates, "durable": true', true],
    ] as const) {
      note(kind, title, 'ms', 'less', await server.load<number>('monitors', { ...job, durable }));
    }
  });
}

async function large(kind: Kind, pristine: string, rows: number, empty: number): Promise<void> {
  const file = join(dir, 'large.db');
  copyFileSync(pristine, file);
  const label = `${Math.round(statSync(file).size / 1e6)} MB`;
  await withServer(kind, file, async (server, startMs) => {
    note(kind, `start from a file of ${label}`, 'ms', 'less', startMs);
    await delay(2000);
    note(kind, 'memory per row after start', 'bytes', 'less', (server.memory - empty) / rows);
    const job = { rows: interfaces };
    await server.load('updates', { ...job, column: 'name', count: 200 });
    const indexed = await server.load<number>('updates', { ...job, column: 'name', count: 1000 });
    note(kind, `update by an index, ${interfaces} rows`, 'per s', 'more', indexed);
    const scan = await server.load<number>('updates', { ...job, column: 'ofport', count: 100 });
    note(kind, `update by another column, ${interfaces} rows`, 'per s', 'more', scan);
    const { ms } = await server.load<{ ms: number }>('initial', { table: 'Interface' });
    note(kind, `first monitor of ${interfaces} rows`, 'ms', 'less', ms);
    await delay(1000);
    const load = server.load<{ longest: number }>('latency', { ms: 12_000 });
    await delay(1000);
    const began = performance.now();
    await server.compact();
    note(kind, `compaction of ${label}, all of it`, 'ms', 'less', performance.now() - began);
    const { longest } = await load;
    note(kind, 'longest reply during compaction', 'ms', 'less', longest);
    await delay(2000);
    note(kind, 'memory per row in the end', 'bytes', 'less', (server.memory - empty) / rows);
  });
}

function show(): void {
  const rows = [...lines.values()].map(({ title, unit, better, found }) => {
    const [ours, theirs] = [OURS, THEIRS].map((kind) => median(found.get(kind) ?? []));
    const ratio = better === 'more' ? ours! / theirs! : theirs! / ours!;
    return [title, unit, format(ours!), format(theirs!), `${ratio.toFixed(2)}`];
  });
  const head = ['', 'unit', OURS.name, THEIRS.name, 'times better'];
  process.stdout.write(`${table([head, ...rows])}\n`);
}

await using scope = new Scope();
const dir = scope.directory('ovsdb-bench');
for (let round = 0; round < rounds; round++) {
  for (const kind of kinds) {
    if (parts.has('add')) await addPorts(kind);
    if (parts.has('many')) await manyClients(kind);
    if (parts.has('monitors')) await monitors(kind);
  }
}
if (parts.has('large')) {
  const pristine = join(dir, 'pristine.db');
  const rows = writeDataset(pristine, interfaces);
  for (let round = 0; round < rounds; round++) {
    for (const kind of kinds) {
      let empty = 0;
      await small(kind, async (server) => {
        empty = server.memory;
      });
      await large(kind, pristine, rows, empty);
    }
  }
}
show();
