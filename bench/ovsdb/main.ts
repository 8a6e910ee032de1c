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
    rounds: { type: 'string', default: '1' },
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

/** What a server does is measured in so many bursts, in turn with the other one's. */
const BURSTS = 10;
/** The same where a burst takes some hundredths of a second only. */
const MANY_BURSTS = 40;

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
  const file = join(dir, `${kind.name}.db`);
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

type Each = (server: Server, burst: number) => Promise<number>;
/** What is measured and, if anything has to be undone, what undoes it. */
type Work =
  | readonly [Measure, Each]
  | readonly [Measure, Each, (server: Server) => Promise<unknown>];

/**
 * Both servers at once, each with a database of its own: this machine's speed may change from
 * second to second, so that only what follows one another is comparable.
 */
async function inTurn(
  prepare: (server: Server) => Promise<void>,
  measures: readonly Work[],
  bursts = BURSTS,
): Promise<void> {
  const servers = new Map<Kind, Server>();
  const start = async ([kind, ...more]: readonly Kind[]): Promise<void> => {
    if (kind) {
      await small(kind, async (server) => {
        servers.set(kind, server);
        await start(more);
      });
      return;
    }
    for (const server of servers.values()) {
      await warmUp(server);
      await prepare(server);
    }
    for (const [measure, each, undo] of measures) {
      // The first burst of its kind is for the compiler.
      for (let burst = 0; burst <= bursts; burst++) {
        for (const [kind, server] of burst % 2 === 0 ? servers : [...servers].reverse()) {
          const before = server.cpuMs;
          const value = await each(server, burst);
          if (burst > 0) lines.note(kind, measure, value, server.cpuMs - before);
          await undo?.(server);
        }
      }
    }
  };
  await start(kinds);
}

/**
 * Add-port transactions one at a time, on a bridge that has so many ports; what a burst has put on is
 * taken off again.
 */
async function addPort(title: string, durable: boolean, ports = 0): Promise<void> {
  await inTurn(
    async (server) => {
      if (ports > 0) await server.load('fill', { bridge: 'br0', ports });
    },
    [
      [
        { title, unit: 'per s', better: 'more' },
        (server) => server.load('addPorts', { bridge: 'br0', count: 100, from: 0, durable }),
        (server) => server.load('removePorts', { bridge: 'br0', count: 100, from: 0 }),
      ],
    ],
    MANY_BURSTS,
  );
}

/** Add-port transactions, `count` of them in all bursts. */
async function addPorts(
  title: string,
  { count, ...job }: { readonly count: number; readonly [key: string]: unknown },
): Promise<void> {
  const share = count / BURSTS;
  await inTurn(async () => {}, [
    [
      { title, unit: 'per s', better: 'more' },
      (server, burst) =>
        server.load('addPorts', { bridge: 'br0', count: share, from: burst * share, ...job }),
    ],
  ]);
}

async function monitors(
  monitors: number,
  updates: number,
  syncs: typeof SYNCS | readonly [(typeof SYNCS)[number]],
): Promise<void> {
  const title = `${monitors} monitors, ${updates} updates`;
  await inTurn(
    async () => {},
    syncs.map(([sync, durable]) => [
      { title: `${title}${sync}`, unit: 'ms', better: 'less' },
      (server) => server.load('monitors', { monitors, updates, durable }),
    ]),
  );
}

const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  async add() {
    for (const [sync, durable] of SYNCS) {
      await addPort(`add-port, 1 client${sync}`, durable);
    }
  },

  async many() {
    for (const pipeline of [1, 20]) {
      for (const [sync, durable] of SYNCS) {
        const under = pipeline > 1 ? `, ${pipeline} requests each under way` : '';
        const job = { count: 10_000, clients: 50, pipeline, durable };
        await addPorts(`add-port, 50 clients${under}${sync}`, job);
      }
    }
  },

  async monitors() {
    await monitors(100, 1000, SYNCS);
  },

  /** The same with 10 and 100 times as many clients, monitors and ports on the bridge. */
  async growth() {
    for (const clients of [10, 100, 1000]) {
      const job = { count: Math.max(10_000, 30 * clients), clients, durable: true };
      await addPorts(`add-port, ${clients} clients, "durable": true`, job);
    }
    for (const count of [10, 100, 1000]) await monitors(count, 500, [SYNCS[1]]);
    for (const ports of [1000, 10_000, 100_000]) {
      await addPort(`add-port to a bridge of ${ports}, "durable": true`, true, ports);
    }
  },
};

const parts = positionals.length === 0 ? [...Object.keys(PARTS), 'large'] : positionals;
for (let round = 0; round < rounds; round++) for (const part of parts) await PARTS[part]?.();
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
