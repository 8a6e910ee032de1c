/**
 * V8 interprets what has not run often: the first transactions of a server take ten times as long
 * as later ones. So a server that is left alone after its start plays some with itself, on a
 * database in memory that nobody sees.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { coverage, JsonStream, messageOf, rehearsalBudgetMs, vlog } from '@heddle/runtime';
import { Tables } from '../engine/table.ts';
import { LogFile } from '../file/log.ts';
import { volatileStorage } from '../file/storage.ts';
import type { Json } from '../notation/index.ts';
import { parseSchema } from '../schema/schema.ts';
import { vswitchSchema } from '../schemas/vswitch.ts';
import { Database } from './database.ts';
import { type Request, rehearsedMonitors, rehearsedRequests } from './rehearsed-requests.ts';
import { OvsdbServer } from './server.ts';

const log = vlog.module('ovsdb_server');
/** How long nothing has come from any client when a rehearsal begins or goes on. */
const QUIET_MS = 200;
/** A rehearsal works so long, and then rests as long. One request takes less than 2 ms. */
const SLICE_MS = 3;
/** How many requests are under way at once: a lone one is served in another way than several. */
const GROUPS = [1, 1, 1, 3];
/** Processor time of a rehearsal. */
const BUDGET_MS = 2000;

export interface RehearsalOptions {
  /** How long to wait before it begins. Servers that live shorter do without. */
  readonly afterMs?: number;
  /** Processor time of this process after which it ends. */
  readonly cpuMs?: number;
}

/**
 * Rehearses while the server's clients are silent; resolves with the number of requests when it is
 * over. What cannot be set up is left out.
 */
export async function rehearse(
  server: OvsdbServer,
  { afterMs = 2000, cpuMs = rehearsalBudgetMs(BUDGET_MS) }: RehearsalOptions = {},
): Promise<number> {
  await pause(afterMs);
  let stage: Stage | undefined;
  try {
    await quiet(server);
    const endUs = usedUs() + cpuMs * 1000;
    stage = await uncounted(server, () => Stage.open());
    return await play(server, stage, endUs);
  } catch (error) {
    log.dbg(`no rehearsal: ${messageOf(error)}`);
    return 0;
  } finally {
    stage?.close();
  }
}

async function play(server: OvsdbServer, stage: Stage, endUs: number): Promise<number> {
  let requests = 0;
  let sliceMs = performance.now();
  const script = rehearsedRequests();
  for (let some = take(script, 1); some.length > 0; some = take(script, GROUPS[requests % 4]!)) {
    if (performance.now() - sliceMs > SLICE_MS) {
      await pause(SLICE_MS);
      await quiet(server);
      if (usedUs() > endUs) break;
      sliceMs = performance.now();
    }
    await uncounted(server, () => Promise.all(some.map((request) => stage.request(request))));
    requests += some.length;
  }
  return requests;
}

function take<T>(from: Iterator<T>, n: number): T[] {
  const out: T[] = [];
  for (let i = 0; i < n; i++) {
    const next = from.next();
    if (next.done) break;
    out.push(next.value);
  }
  return out;
}

async function quiet(server: OvsdbServer): Promise<void> {
  while (performance.now() - server.heardMs < QUIET_MS) await pause(QUIET_MS);
}

function pause(ms: number): Promise<void> {
  return delay(ms, undefined, { ref: false });
}

/** Takes back what `work` counts, unless a client may have counted meanwhile. */
async function uncounted<T>(server: OvsdbServer, work: () => Promise<T>): Promise<T> {
  const { heardMs } = server;
  const takeBack = coverage.disregard();
  const result = await work();
  if (server.heardMs === heardMs) takeBack();
  return result;
}

function usedUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** A server, a client that makes requests, and others that watch. */
class Stage {
  readonly #server: OvsdbServer;
  readonly #writer: Socket;
  readonly #watchers: readonly Socket[];
  readonly #stream = new JsonStream();
  /** In the order of the requests. */
  readonly #replied: ((text: string) => void)[] = [];

  private constructor(server: OvsdbServer, writer: Socket, watchers: readonly Socket[]) {
    this.#server = server;
    this.#writer = writer;
    this.#watchers = watchers;
    writer.on('data', (bytes) => {
      for (const text of this.#stream.push(bytes)) this.#replied.shift()?.(text);
    });
  }

  static async open(): Promise<Stage> {
    const dir = mkdtempSync(join(tmpdir(), 'ovsdb-rehearsal-'));
    const server = new OvsdbServer();
    try {
      const path = join(dir, 'db');
      writeFileSync(path, '');
      const file = LogFile.load(path, () => ({ goodBytes: 0, torn: undefined }), volatileStorage);
      const tables = new Tables(parseSchema(vswitchSchema as unknown as Json));
      await server.addDatabase(new Database(tables, file));
      const socket = join(dir, 'sock');
      await server.addRemote(`punix:${socket}`);
      const clients = [undefined, ...rehearsedMonitors()].map(() => connect(socket).unref());
      for (const client of clients) await connected(client);
      const [writer, ...watchers] = clients;
      rehearsedMonitors().forEach((monitor, i) => {
        watchers[i]!.resume().write(JSON.stringify({ id: i, ...monitor }));
      });
      const stage = new Stage(server, writer!, watchers);
      await stage.request({ method: 'echo', params: [] });
      return stage;
    } catch (error) {
      server.close();
      throw error;
    } finally {
      // Nothing is left behind, whenever the server dies.
      rmSync(dir, { recursive: true, force: true });
    }
  }

  request({ method, params }: Request): Promise<string> {
    return new Promise((resolve) => {
      this.#replied.push(resolve);
      this.#writer.write(JSON.stringify({ id: 0, method, params }));
    });
  }

  close(): void {
    for (const socket of [this.#writer, ...this.#watchers]) socket.destroy();
    this.#server.close();
  }
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.on('error', reject);
  });
}
