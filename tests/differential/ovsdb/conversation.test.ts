/**
 * Several clients of the distribution's server and of ours say the same: transactions, some of
 * which wait for others, monitors of every version, changes of their conditions, locks, lost
 * connections and monitors resumed by `monitor_cond_since`. Every client hears the same.
 * HEDDLE_COUNT: how many messages; HEDDLE_SEED: which ones.
 */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isArray, isObject, type Json, type JsonObject, parseJson, printJson } from '@heddle/ovsdb';
import { JsonStream } from '@heddle/runtime';
import { Random } from '@heddle/testing/random';
import { bulk, count } from './bulk.ts';
import { canonical, hasOracle, Pair, sameResults } from './peer.ts';
import { ConversationMaker, type Step } from './random-conversation.ts';
import type { OpenMonitor } from './random-monitor.ts';
import { randomSchema } from './random-schema.ts';

const COUNT = count(1000);
const STEPS = 100;
const CLIENTS = 3;
const PATIENCE_MS = 5000;
const FLUSH = 'flush';

/** A connection, and what has been heard on it and not been looked at yet. */
class Line {
  readonly #socket: Socket;
  readonly heard: JsonObject[] = [];
  #flushes = 0;
  #flushed = 0;
  closed = false;

  constructor(path: string) {
    this.#socket = connect(path);
    const stream = new JsonStream();
    this.#socket.on('data', (bytes) => {
      for (const text of stream.push(bytes)) this.#take(parseJson(text) as JsonObject);
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.closed = true;
    });
  }

  send(message: Json): void {
    this.#socket.write(printJson(message));
  }

  close(): void {
    this.closed = true;
    this.#socket.destroy();
  }

  /** All that the server had to say of what it was sent before has come. */
  async flush(): Promise<void> {
    const wanted = ++this.#flushes;
    this.send({ id: FLUSH, method: 'echo', params: [] });
    while (this.#flushed < wanted && !this.closed) await delay(0);
  }

  #take(message: JsonObject): void {
    // Upstream drops what is cancelled without the answer of RFC 7047, section 4.1.4.
    if (message['error'] === 'canceled') return;
    if (message['id'] === FLUSH) this.#flushed++;
    else if (message['method'] === 'echo') this.send({ id: 'echo', result: [], error: null });
    else this.heard.push(this.#plain(message));
  }

  /** Ids of states are each server's own. */
  #plain(message: JsonObject): JsonObject {
    const { method, params, result = null, id } = message;
    // RFC 7047, section 4.1, has a result of null beside an error; upstream leaves it out.
    if (method === undefined && result === null) return { ...message, result };
    if (method === 'update3') {
      const [monitor, , updates] = params as [Json, Json, Json];
      return { ...message, params: [monitor, updates] };
    }
    if (String(id).startsWith('since ') && isArray(result)) {
      const [found, , updates] = result as [Json, Json, Json];
      return { ...message, result: [found, updates] };
    }
    return message;
  }
}

type Asked = Step & { kind: 'request' };

class Side {
  readonly #path: string;
  readonly lines: Line[];

  constructor(path: string) {
    this.#path = path;
    this.lines = Array.from({ length: CLIENTS }, () => new Line(path));
  }

  get isClosed(): boolean {
    return this.lines.some(({ closed }) => closed);
  }

  async take(step: Step): Promise<void> {
    const line = this.lines[step.client]!;
    if (step.kind === 'request') {
      const { method, params } = step;
      line.send({ id: idOf(method, step.id), method, params });
    } else if (step.kind === 'cancel') line.send({ id: null, method: 'cancel', params: [step.id] });
    else await this.#reconnect(step.client, step.monitors);
  }

  async #reconnect(client: number, monitors: readonly OpenMonitor[]): Promise<void> {
    this.lines[client]!.close();
    // Monitors that ask for the same as others share what their conditions look at in upstream's
    // server: those of the lost connection must be gone.
    for (let i = 0; i < 2; i++) {
      await Promise.all(this.lines.filter(({ closed }) => !closed).map((l) => l.flush()));
    }
    const line = new Line(this.#path);
    this.lines[client] = line;
    for (const { id, method, request } of monitors) {
      // Upstream’s server remembers no commits of a database that is not clustered.
      const since = method === 'monitor_cond_since' ? [ZERO] : [];
      const params = ['R', id, request, ...since];
      line.send({ id: idOf(method, `again ${id}`), method, params });
    }
  }

  async flush(): Promise<void> {
    await Promise.all(this.lines.map((line) => line.flush()));
  }

  close(): void {
    for (const line of this.lines) line.close();
  }
}

const ZERO = '00000000-0000-0000-0000-000000000000';

/** The answer to a resumption holds an id that is the server's own. */
function idOf(method: string, id: Json): Json {
  return method === 'monitor_cond_since' ? `since ${id}` : id;
}

/** Whether both have heard the same by now. */
function agree(a: Line, b: Line, asked: ReadonlyMap<Json, Asked>): boolean {
  if (a.heard.length !== b.heard.length) return false;
  const [x, y] = [a, b].map(({ heard }) => [...heard].sort((m, n) => (key(m) < key(n) ? -1 : 1)));
  return x!.every((m, i) => same(m, y![i]!, asked.get(m['id'] ?? null)));
}

function key(message: JsonObject): string {
  return message['method'] === undefined ? `reply ${message['id']}` : canonical(message);
}

function same(a: JsonObject, b: JsonObject, asked: Asked | undefined): boolean {
  if (canonical(a) === canonical(b)) return true;
  if (a['id'] !== b['id'] || asked === undefined) return false;
  if (asked.method === 'transact') {
    const [x, y] = [a, b].map(({ result }) => result!);
    return sameResults((asked.params as Json[]).slice(1), x!, y!);
  }
  // Of what is wrong in several tables, upstream's hash order decides which it tells of.
  const tables = isArray(asked.params) ? asked.params[2] : undefined;
  const several = isObject(tables) && Object.keys(tables).length > 1;
  return several && (a['error'] ?? null) !== null && (b['error'] ?? null) !== null;
}

async function compare(seed: number): Promise<void> {
  const r = new Random(seed);
  const schema = randomSchema(r);
  const pair = await Pair.start(schema.json);
  const [theirs, ours] = ['theirs', 'ours'].map((s) => new Side(join(pair.dir, `${s}.sock`)));
  const maker = new ConversationMaker(r, schema, CLIENTS);
  const asked = new Map<Json, Asked>();
  try {
    for (let i = 0; i < STEPS; i++) {
      const step = maker.step();
      if (step.kind === 'request') asked.set(idOf(step.method, step.id), step);
      else if (step.kind === 'reconnect') {
        for (const { id, method, request } of step.monitors) {
          const params = ['R', id, request];
          asked.set(idOf(method, `again ${id}`), {
            ...step,
            kind: 'request',
            id,
            method,
            params,
          });
        }
      }
      for (const side of [theirs!, ours!]) await side.take(step);
      if (!(await settled(theirs!, ours!, asked))) {
        if (ours!.lines.some(meetsZero)) return;
        const told = theirs!.lines.map(
          (line, c) => `client ${c}:\n${texts(line)}\nand not\n${texts(ours!.lines[c]!)}`,
        );
        assert.fail(`step ${i}, ${JSON.stringify(step)}: ovsdb-server says\n${told.join('\n')}`);
      }
      // Upstream's server dies of some arithmetic on reals, and keeps half of a change it refuses.
      if (theirs!.isClosed) return;
      const refused = theirs!.lines[step.client]!.heard.some(
        ({ error }) => (error ?? null) !== null,
      );
      if (refused && step.kind === 'request' && step.method === 'monitor_cond_change') return;
      for (const { lines } of [theirs!, ours!]) for (const { heard } of lines) heard.length = 0;
    }
  } finally {
    for (const side of [theirs!, ours!]) side.close();
    pair.stop();
  }
}

/** Upstream's server tells a real of 0 from one of -0 in an index, and prints both as 0. */
function meetsZero({ heard }: Line): boolean {
  return heard.some((message) =>
    /identical values \((.*\b)?0(\b.*)?\) for index/.test(canonical(message)),
  );
}

function texts({ heard, closed }: Line): string {
  return `${closed ? '(closed)' : ''}${heard.map(canonical).sort().join('\n')}`;
}

/** What one client causes, another hears of a little later. */
async function settled(
  theirs: Side,
  ours: Side,
  asked: ReadonlyMap<Json, Asked>,
): Promise<boolean> {
  const end = Date.now() + PATIENCE_MS;
  // What the second round brings was caused by what the first round waited for.
  for (let round = 0; ; round++) {
    await Promise.all([theirs.flush(), ours.flush()]);
    if (theirs.isClosed) return true;
    const agreed = theirs.lines.every((line, i) => agree(line, ours.lines[i]!, asked));
    if (agreed && round > 0) return true;
    if (Date.now() > end) return false;
  }
}

test(
  `conversations of ${COUNT} messages go as with ovsdb-server`,
  {
    skip: hasOracle() ? false : 'no ovsdb-server of the distribution',
  },
  () => bulk(Math.ceil(COUNT / STEPS), compare),
);
