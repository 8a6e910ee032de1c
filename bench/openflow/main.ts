/**
 * Flow tables beside Open vSwitch's: commands, first packets through tables of several sizes,
 * revalidation, traces. Both switches are up at once, and short bursts of the same work alternate between
 * them: the ratios of pairs hold where the machine's speed varies and others use it.
 *   node bench/openflow/main.ts [--flows N] [--rounds N] [--brief] [tables] [upcalls] [trace] [revalidation]
 */
import { parseArgs } from 'node:util';
import { isolate } from '@heddle/testing';
import { partsAsked } from '../parts.ts';
import { results } from './results.ts';
import { measureRevalidation } from './revalidation.ts';
import { measureTables } from './tables.ts';
import { measureTraces } from './traces.ts';
import { measureUpcalls } from './upcalls.ts';

isolate();

const PARTS = ['tables', 'upcalls', 'trace', 'revalidation'] as const;
const { values, positionals } = parseArgs({
  options: {
    flows: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '1' },
    brief: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const parts = partsAsked(positionals, PARTS);
const flows = Number(values.flows);

for (let round = 0; round < Number(values.rounds); round++) {
  if (parts.has('tables')) await measureTables(flows, values.brief);
  if (parts.has('upcalls')) await measureUpcalls();
  if (parts.has('trace')) await measureTraces();
  if (parts.has('revalidation')) await measureRevalidation();
  process.stderr.write(`round ${round + 1} done\n`);
}
console.log(results(`${flows} flows`));
