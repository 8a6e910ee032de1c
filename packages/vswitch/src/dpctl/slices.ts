/** Long ways through tables, a slice at a time: between slices the daemon does its other work. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Milliseconds, and how many elements go by between looks at the clock. */
const SLICE_MS = 4;
const LOOK_EVERY = 64;
const PIECE_CHARS = 1 << 16;

class Slices {
  #until = performance.now() + SLICE_MS;
  #seen = 0;

  /** Counts an element; whether it is time for others. */
  isOver(): boolean {
    return ++this.#seen % LOOK_EVERY === 0 && performance.now() >= this.#until;
  }

  async next(): Promise<void> {
    await nextTurn();
    this.#until = performance.now() + SLICE_MS;
  }
}

export async function forEachSliced<T>(all: Iterable<T>, visit: (one: T) => void): Promise<void> {
  const slices = new Slices();
  for (const one of all) {
    visit(one);
    if (slices.isOver()) await slices.next();
  }
}

/** Takes all steps of what pauses by itself. */
export async function runSliced(steps: Iterable<void>): Promise<void> {
  for (const _ of steps) await nextTurn();
}

/** The text of all, in pieces of some length; the table is read no faster than they are taken. */
export async function* inPieces<T>(
  all: Iterable<T>,
  textOf: (one: T) => string,
): AsyncGenerator<string> {
  const slices = new Slices();
  let piece = '';
  for (const one of all) {
    piece += textOf(one);
    if (piece.length >= PIECE_CHARS) {
      yield piece;
      piece = '';
    }
    if (slices.isOver()) await slices.next();
  }
  if (piece !== '') yield piece;
}
