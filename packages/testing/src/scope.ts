/** Everything a test made, undone in the opposite order, whatever happened in between. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class Scope implements AsyncDisposable {
  readonly #undo: (() => Promise<void> | void)[] = [];

  /** Runs at the end of the scope, last deferred first. */
  defer(undo: () => Promise<void> | void): void {
    this.#undo.push(undo);
  }

  /** A directory that goes with the scope. Short, because a Unix socket's path has 107 bytes. */
  directory(prefix = 'heddle'): string {
    const path = mkdtempSync(join(tmpdir(), `${prefix}.`));
    this.defer(() => rmSync(path, { recursive: true, force: true }));
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = [];
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) {
      try {
        await undo();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'clean-up failed');
  }
}
