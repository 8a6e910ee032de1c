/** A server with a large file: how it starts, finds rows, shows them and compacts. */
import { copyFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { delay } from '@heddle/testing';
import type { Lines, Measure } from './lines.ts';
import type { Kind, Server } from './servers.ts';

export class Large {
  readonly #file: string;
  readonly #pristine: string;
  readonly #size: { readonly interfaces: number; readonly rows: number };
  readonly #lines: Lines;

  constructor(
    dir: string,
    pristine: string,
    size: { readonly interfaces: number; readonly rows: number },
    lines: Lines,
  ) {
    this.#file = join(dir, 'large.db');
    this.#pristine = pristine;
    this.#size = size;
    this.#lines = lines;
  }

  /** A fresh copy of the file, which its reader finds in memory. */
  copy(): string {
    copyFileSync(this.#pristine, this.#file);
    return this.#file;
  }

  /** `start` is what the start took, wall and CPU; `empty` the memory of a server without rows. */
  async run(
    kind: Kind,
    server: Server,
    start: readonly [ms: number, cpuMs: number],
    empty: number,
  ): Promise<void> {
    const { interfaces, rows } = this.#size;
    const label = `${Math.round(statSync(this.#file).size / 1e6)} MB`;
    const note = (
      title: string,
      unit: string,
      better: Measure['better'],
      value: number,
      cpuMs?: number,
    ) => this.#lines.note(kind, { title, unit, better }, value, cpuMs);
    const timed = async (work: () => Promise<number>): Promise<[number, number]> => {
      const before = server.cpuMs;
      const value = await work();
      return [value, server.cpuMs - before];
    };
    note(`start from a file of ${label}`, 'ms', 'less', ...start);
    await delay(2000);
    note('memory per row after start', 'bytes', 'less', (server.memory - empty) / rows);
    const job = { rows: interfaces };
    await server.load('updates', { ...job, column: 'name', count: 2000 });
    const update = (column: string, count: number) =>
      timed(() => server.load<number>('updates', { ...job, column, count }));
    note(
      `update by an index, ${interfaces} rows`,
      'per s',
      'more',
      ...(await update('name', 2000)),
    );
    const scan = await update('ofport', 100);
    note(`update by another column, ${interfaces} rows`, 'per s', 'more', ...scan);
    const first = await timed(
      async () => (await server.load<{ ms: number }>('initial', { table: 'Interface' })).ms,
    );
    note(`first monitor of ${interfaces} rows`, 'ms', 'less', ...first);
    await delay(1000);
    const load = server.load<{ longest: number }>('latency', { ms: 12_000 });
    await delay(1000);
    const began = performance.now();
    await server.compact();
    note(`compaction of ${label}, all of it`, 'ms', 'less', performance.now() - began);
    const { longest } = await load;
    note('longest reply during compaction', 'ms', 'less', longest);
    await delay(2000);
    note('memory per row in the end', 'bytes', 'less', (server.memory - empty) / rows);
  }
}
