/** Long dumps leave others their turn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachSliced, inPieces, runSliced } from './slices.ts';

/** Numbers of which each takes a while. */
function* slowly(count: number): Generator<number> {
  for (let n = 0; n < count; n++) {
    const until = performance.now() + 0.1;
    while (performance.now() < until);
    yield n;
  }
}

/** How often others had their turn while `work` went on. */
async function turns(work: Promise<unknown>): Promise<number> {
  let isDone = false;
  let n = 0;
  const count = (): void => {
    n++;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  await work;
  isDone = true;
  return n;
}

test('others have their turn between slices, and nothing is left out', async () => {
  const seen: number[] = [];
  assert.ok((await turns(forEachSliced(slowly(1000), (n) => seen.push(n)))) > 5);
  assert.deepEqual(seen, [...Array(1000).keys()]);
  let steps = 0;
  const pausing = function* (): Generator<void> {
    for (; steps < 10; steps++) yield;
  };
  assert.ok((await turns(runSliced(pausing()))) > 5);
  assert.equal(steps, 10);
});

test('text comes in pieces, no faster than they are taken', async () => {
  let made = 0;
  const line = (n: number): string => {
    made = n;
    return `${n}\n`.padStart(1000);
  };
  const pieces = inPieces(slowly(1000), line);
  const first = await pieces.next();
  assert.ok(!first.done && first.value.length < 70_000);
  assert.ok(made < 100);
  let text = first.value as string;
  for await (const piece of pieces) text += piece;
  assert.deepEqual(text.trim().split(/\s+/).map(Number), [...Array(1000).keys()]);
});
