/**
 * Heddle's ovsdb-server beside the distribution's, in one run. Numbers differ from machine to
 * machine; the ratios are what to look at.
 *   node bench/ovsdb/main.ts [--rounds N] [--rows N] [--only NAME] [PART...]
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { encodeRecord, type Json, vswitchSchema, writeNewLog } from '@heddle/ovsdb';
import { Scope } from '@heddle/testing';
import { writeDataset } from './dataset.ts';
import { Large } from './large.ts';
import { Lines, type Measure } from './lines.ts';
import { type Kind, OURS, Server, THEIRS } from './servers.ts';

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
const kinds = [OURS, THEIRS].filter(({ name }) => values.only === '' || name === values.only);
const lines = new Lines();
await using scope = new Scope();
const dir = scope.directory('ovsdb-bench');

/**
 * Ours syncs each of these before it replies, theirs none: what it has acknowledged is lost when the
 * power fails. Only the files' directory on a tmpfs makes them comparable.
 */
const UNSYNCED = ' (only ours is synced)';
const SYNCS = [
  [UNSYNCED, false],
  [', "durable": true', true],
] as const;

async function withServer(
  kind: Kind,
  file: string,
  work: (server: Server, startMs: number, startCpuMs: number) => Promise<void>,
): Promise<void> {
  const [server, startMs] = await Server.start(kind, dir, file);
  try {
    await work(server, startMs, server.cpuMs);
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
    await server.settle();
    await work(server);
  });
}

/** A just-in-time compiler needs a few thousand rounds: what counts is a server that has been up. */
async function warmUp(server: Server): Promise<void> {
  await server.load('addPorts', { bridge: 'br1', count: 4000, clients: 50 });
}

async function measure(
  kind: Kind,
  server: Server,
  what: Measure,
  work: () => Promise<number>,
): Promise<void> {
  const before = server.cpuMs;
  const value = await work();
  lines.note(kind, what, value, server.cpuMs - before);
}

/** One line of add-port transactions on a server of its own. */
async function addPorts(kind: Kind, title: string, job: object, before?: object): Promise<void> {
  await small(kind, async (server) => {
    await warmUp(server);
    if (before) await server.load('fill', { bridge: 'br0', ...before });
    await measure(kind, server, { title, unit: 'per s', better: 'more' }, () =>
      server.load<number>('addPorts', { bridge: 'br0', ...job }),
    );
  });
}

async function monitors(
  kind: Kind,
  count: number,
  updates: number,
  syncs: typeof SYNCS | readonly [(typeof SYNCS)[number]],
): Promise<void> {
  await small(kind, async (server) => {
    await warmUp(server);
    const job = { monitors: count, updates };
    await server.load('monitors', job);
    const title = `${count} monitors, ${updates} updates`;
    for (const [sync, durable] of syncs) {
      await measure(kind, server, { title: `${title}${sync}`, unit: 'ms', better: 'less' }, () =>
        server.load<number>('monitors', { ...job, durable }),
      );
    }
  });
}

const PARTS: Readonly<Record<string, (kind: Kind) => Promise<void>>> = {
  async add(kind) {
    for (const [sync, durable] of SYNCS) {
      await addPorts(kind, `add-port, 1 client${sync}`, { count: 2000, durable });
    }
  },

  async many(kind) {
    for (const pipeline of [1, 20]) {
      for (const [sync, durable] of SYNCS) {
        const under = pipeline > 1 ? `, ${pipeline} requests each under way` : '';
        const job = { count: 10_000, clients: 50, pipeline, durable };
        await addPorts(kind, `add-port, 50 clients${under}${sync}`, job);
      }
    }
  },

  async monitors(kind) {
    await monitors(kind, 100, 1000, SYNCS);
  },

  /** The same with 10 and 100 times as many clients, monitors and ports on the bridge. */
  async growth(kind) {
    for (const clients of [10, 100, 1000]) {
      const job = { count: 10_000, clients, durable: true };
      await addPorts(kind, `add-port, ${clients} clients, "durable": true`, job);
    }
    for (const count of [10, 100, 1000]) await monitors(kind, count, 500, [SYNCS[1]]);
    for (const ports of [1000, 10_000, 100_000]) {
      const job = { count: 1000, durable: true };
      await addPorts(kind, `add-port to a bridge of ${ports}, "durable": true`, job, { ports });
    }
  },
};

const parts = positionals.length === 0 ? [...Object.keys(PARTS), 'large'] : positionals;
for (let round = 0; round < rounds; round++) {
  // Part by part, so that what is compared is measured soon after one another.
  for (const part of parts) for (const kind of kinds) await PARTS[part]?.(kind);
}
if (parts.includes('large')) {
  const pristine = join(dir, 'pristine.db');
  const rows = writeDataset(pristine, interfaces);
  const large = new Large(dir, pristine, { interfaces, rows }, lines);
  for (let round = 0; round < rounds; round++) {
    for (const kind of kinds) {
      let empty = 0;
      await small(kind, async (server) => {
        empty = server.memory;
      });
      await withServer(kind, large.copy(), (server, ...start) =>
        large.run(kind, server, start, empty),
      );
    }
  }
}
process.stdout.write(`${lines}\n`);
