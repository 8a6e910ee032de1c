/** A bare JSON-RPC client and the two servers under comparison. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Database,
  type Json,
  type JsonObject,
  OvsdbServer,
  parseJson,
  printJson,
} from '@heddle/ovsdb';
import { JsonStream } from '@heddle/runtime';

export class Peer {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (message: JsonObject) => void>();
  #notifications: JsonObject[] = [];
  #id = 0;
  closed = false;

  constructor(path: string) {
    this.#socket = connect(path);
    const stream = new JsonStream();
    this.#socket.on('data', (bytes) => {
      for (const text of stream.push(bytes)) this.#message(parseJson(text) as JsonObject);
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.closed = true;
      for (const done of this.#waiting.values()) done({ result: null, error: 'closed' });
      this.#waiting.clear();
    });
  }

  /** The reply without its id. */
  call(method: string, params: Json): Promise<{ result: Json; error: Json }> {
    if (this.closed) return Promise.resolve({ result: null, error: 'closed' });
    const id = ++this.#id;
    return new Promise((resolve) => {
      this.#waiting.set(id, ({ result, error }) =>
        resolve({ result: result ?? null, error: error ?? null }),
      );
      this.#socket.write(printJson({ id, method, params }));
    });
  }

  /** Notifications that have come since the last call of this. */
  async notifications(): Promise<JsonObject[]> {
    await this.call('echo', []);
    return this.#notifications.splice(0);
  }

  close(): void {
    this.#socket.destroy();
  }

  #message(message: JsonObject): void {
    if (message['method'] !== undefined) {
      if (message['method'] === 'echo') {
        this.#socket.write(printJson({ id: message['id']!, result: [], error: null }));
      } else this.#notifications.push(message);
      return;
    }
    const done = this.#waiting.get(message['id'] as number);
    this.#waiting.delete(message['id'] as number);
    done?.(message);
  }
}

/** One database with one schema on the distribution's server and on ours. */
export class Pair {
  readonly dir: string;
  readonly server = new OvsdbServer();
  readonly #pidfile: string;

  private constructor(dir: string) {
    this.dir = dir;
    this.#pidfile = join(dir, 'theirs.pid');
  }

  static async start(schema: Json): Promise<Pair> {
    const pair = new Pair(mkdtempSync(join(tmpdir(), 'heddle-ovsdb-')));
    const { dir } = pair;
    writeFileSync(join(dir, 'schema'), printJson(schema));
    for (const side of ['theirs', 'ours']) {
      command('ovsdb-tool', 'create', join(dir, `${side}.db`), join(dir, 'schema'));
    }
    command(
      'ovsdb-server',
      join(dir, 'theirs.db'),
      `--remote=punix:${dir}/theirs.sock`,
      `--unixctl=${dir}/theirs.ctl`,
      `--pidfile=${dir}/theirs.pid`,
      '--detach',
      '--no-chdir',
      '-vconsole:off',
      '-vsyslog:off',
    );
    await pair.server.addDatabase(Database.open(join(dir, 'ours.db')));
    await pair.server.addRemote(`punix:${dir}/ours.sock`);
    return pair;
  }

  /** [theirs, ours] */
  peers(): [Peer, Peer] {
    return [new Peer(join(this.dir, 'theirs.sock')), new Peer(join(this.dir, 'ours.sock'))];
  }

  stop(): void {
    this.server.close();
    try {
      process.kill(Number(readFileSync(this.#pidfile, 'utf8')));
    } catch {
      // It has died by itself.
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export function command(...argv: string[]): string {
  const { status, stderr, stdout } = spawnSync(argv[0]!, argv.slice(1), {
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (status !== 0) throw new Error(`${argv.join(' ')}: exit ${status}: ${stderr}`);
  return stdout;
}

export function hasOracle(): boolean {
  return spawnSync('ovsdb-server', ['--version']).status === 0;
}

/** Replies and updates in an order of their own: upstream's is that of its hash tables. */
export function canonical(json: Json): string {
  return JSON.stringify(order(json), (_key, value) =>
    typeof value === 'bigint' || (Number.isInteger(value) && !Number.isSafeInteger(value))
      ? `${BigInt(value)}n`
      : value,
  );
}

function order(json: Json): Json {
  if (Array.isArray(json)) return json.map(order);
  if (json === null || typeof json !== 'object') return json;
  const out: Record<string, Json> = {};
  for (const key of Object.keys(json).sort()) {
    // A version is random.
    if (key === '_version') continue;
    const value = order((json as JsonObject)[key]!);
    out[key] =
      key === 'rows' && Array.isArray(value)
        ? [...value].sort((a, b) => (canonical(a) < canonical(b) ? -1 : 1))
        : value;
  }
  return out;
}

/**
 * Whether two results of one transaction say the same. Where several members of a row are wrong,
 * or rows collide, upstream's hash order decides which one it tells of: then only the place of
 * the failure counts.
 */
export function sameResults(ops: readonly Json[], theirs: Json, ours: Json): boolean {
  if (canonical(theirs) === canonical(ours)) return true;
  if (!Array.isArray(theirs) || !Array.isArray(ours) || theirs.length !== ours.length) return false;
  return theirs.every((result, i) => {
    if (canonical(result) === canonical(ours[i]!)) return true;
    return isError(result) && isError(ours[i]!) && ambiguous(ops[i], result as JsonObject);
  });
}

function isError(result: Json): boolean {
  return result !== null && typeof result === 'object' && 'error' in result;
}

function ambiguous(op: Json | undefined, result: JsonObject): boolean {
  // The commit itself has failed, for one of several reasons or rows.
  if (op === undefined) return true;
  const { row, rows } = op as JsonObject;
  const width = (json: Json | undefined) => Object.keys((json ?? {}) as object).length;
  // Each row may break another rule by a mutation.
  const mutated = (op as JsonObject)['op'] === 'mutate' && result['syntax'] === undefined;
  const spoilt = String(result['details']).startsWith('Parsing ');
  return (
    spoilt || mutated || (op as JsonObject)['op'] === 'insert' || width(row) > 1 || width(rows) > 0
  );
}
