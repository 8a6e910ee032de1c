/**
 * What a daemon leaves for the next one beside its flows: what protocols have agreed with their
 * peers, so that a restart is none to them. A file of JSON, written anew when something changes.
 */
import { readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { messageOf, vlog } from '@heddle/runtime';

const log = vlog.module('bridge');

const VERSION = 1;
/** How often the file is touched. */
const TOUCH_MS = 200;

export class CarryOver {
  readonly #path: string;
  readonly #found: Map<string, unknown>;
  readonly #entries = new Map<string, string>();
  readonly #lastAliveMs: number;
  #isDue = false;
  #touching: NodeJS.Timeout | undefined;

  constructor(path: string) {
    this.#path = path;
    this.#lastAliveMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? -Infinity;
    this.#found = load(path);
  }

  /** How long there has been no daemon, in milliseconds: protocols have limits to that. */
  get awayMs(): number {
    const ms = Date.now() - this.#lastAliveMs;
    return ms >= 0 ? ms : Infinity;
  }

  /** What the last daemon has left under a name; whoever takes it checks what it is. */
  found(key: string): unknown {
    return this.#found.get(key);
  }

  /** From now on what is configured is new. */
  settle(): void {
    this.#found.clear();
    this.#touching ??= setInterval(() => this.#touch(), TOUCH_MS).unref();
  }

  /** This daemon is about to end. */
  close(): void {
    clearInterval(this.#touching);
  }

  /** Keeps a value for the next daemon; undefined: there is nothing to keep any more. */
  put(key: string, value: unknown): void {
    const text = value === undefined ? undefined : JSON.stringify(value);
    if (text === this.#entries.get(key)) return;
    if (text === undefined) this.#entries.delete(key);
    else this.#entries.set(key, text);
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => this.#write());
  }

  /** There is no next daemon that it would be for. */
  remove(): void {
    this.#entries.clear();
    rmSync(this.#path, { force: true });
  }

  #touch(): void {
    if (this.#entries.size === 0) return;
    const now = Date.now() / 1000;
    try {
      utimesSync(this.#path, now, now);
    } catch {
      // There is no file when it could not be written, which has been told of.
    }
  }

  #write(): void {
    this.#isDue = false;
    const entries = [...this.#entries].map(([k, text]) => `${JSON.stringify(k)}:${text}`);
    const temporary = `${this.#path}.tmp`;
    try {
      writeFileSync(temporary, `{"version":${VERSION},"entries":{${entries.join(',')}}}\n`);
      renameSync(temporary, this.#path);
    } catch (error) {
      log.rl.warn(`${this.#path}: ${messageOf(error)}`);
    }
  }
}

function load(path: string): Map<string, unknown> {
  try {
    const { version, entries } = JSON.parse(readFileSync(path, 'utf8'));
    if (version === VERSION && typeof entries === 'object') return new Map(Object.entries(entries));
    log.warn(`${path}: not of this version, ignored`);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT') log.warn(`${path}: ${messageOf(error)}, ignored`);
  }
  return new Map();
}
