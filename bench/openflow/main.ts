/**
 * Flow tables beside Open vSwitch's, in one run: commands, first packets through tables of several
 * sizes, revalidation, traces. The ratios are what to look at, those of CPU time where other load
 * stretches times.
 *   node bench/openflow/main.ts [--flows N] [--rounds N] [--brief] [tables] [upcalls] [trace] [revalidation]
 */
import { parseArgs } from 'node:util';
import { Instance, isolate } from '@heddle/testing';
import { results, type Who } from './results.ts';
import { measureRevalidation } from './revalidation.ts';
import { measureTables } from './tables.ts';
import { measureTraces } from './traces.ts';
import { measureUpcalls } from './upcalls.ts';

isolate();

const PARTS = ['tables', 'upcalls', 'trace', 'revalidation'] as const;
const { values, positionals } = parseArgs({
  options: {
    flows: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    brief: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const parts = new Set<string>(positionals.length === 0 ? PARTS : positionals);
const unknown = [...parts].find((part) => !PARTS.includes(part as (typeof PARTS)[number]));
if (unknown !== undefined) throw new Error(`no part ${unknown}: ${PARTS.join(' ')}`);
const flows = Number(values.flows);

/** Open vSwitch's kernel module is not there: its userspace datapath. */
const SIDES = [
  { who: 'ours', open: Instance.ours, type: 'system' },
  { who: 'theirs', open: Instance.oracle, type: 'netdev' },
] as const satisfies readonly { who: Who; open: typeof Instance.ours; type: string }[];

for (let round = 0; round < Number(values.rounds); round++) {
  for (const side of SIDES) {
    if (parts.has('tables')) await measureTables(side, flows, values.brief);
    if (parts.has('upcalls')) await measureUpcalls(side);
    if (parts.has('trace')) await measureTraces(side);
    if (parts.has('revalidation')) await measureRevalidation(side);
  }
}
console.log(results(`${flows} flows`));
