/** Many runs of one comparison, each from a seed of its own. */
import assert from 'node:assert/strict';

export const FIRST_SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const MAX_FAILURES = 20;

/** HEDDLE_COUNT of steps, or so many by default. */
export function count(byDefault: number): number {
  return Number(process.env['HEDDLE_COUNT'] ?? byDefault);
}

/** Goes on after a failure, to tell of all seeds that fail, up to twenty of them. */
export async function bulk(runs: number, run: (seed: number) => Promise<void>): Promise<void> {
  const failures: Error[] = [];
  for (let seed = FIRST_SEED; seed < FIRST_SEED + runs; seed++) {
    try {
      await run(seed);
    } catch (error) {
      failures.push(
        new Error(`HEDDLE_SEED=${seed}: ${(error as Error).message}`, { cause: error }),
      );
      if (failures.length === MAX_FAILURES) break;
    }
  }
  if (failures.length === 1) throw failures[0];
  assert.equal(failures.length, 0, failures.map(({ message }) => message).join('\n\n'));
}
