/**
 * Our ovs-vsctl beside the distribution's: the same lines, equal output, status and database.
 * HEDDLE_SEED chooses the random ones, HEDDLE_COUNT how many there are.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Random } from '@heddle/testing/random';
import { bulk, count } from '../ovsdb/bulk.ts';
import { LineMaker } from './generate.ts';
import { World } from './world.ts';

const COUNT = count(250);
/** A fresh database from time to time: where everything exists already, little can happen. */
const LINES_PER_WORLD = 200;

/** Splits at blanks outside of single and double quotes. */
function split(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map((m) =>
    m[0].replace(
      /'([^']*)'|"([^"]*)"/g,
      (_, single?: string, double?: string) => single ?? double ?? '',
    ),
  );
}

test('chosen lines', async () => {
  const lines = readFileSync(join(import.meta.dirname, 'lines.txt'), 'utf8')
    .split('\n')
    .filter((l) => l !== '' && !l.startsWith('#'));
  assert.ok(lines.length > 150);
  await using world = await World.open();
  for (const line of lines) await world.compare(['--no-wait', ...split(line)]);
});

test(`${COUNT} random lines`, () =>
  bulk(Math.ceil(COUNT / LINES_PER_WORLD), async (seed) => {
    const lines = new LineMaker(new Random(seed));
    await using world = await World.open();
    for (let i = 0; i < Math.min(LINES_PER_WORLD, COUNT); i++) {
      await world.compare(lines.line(world.contents));
    }
  }));
