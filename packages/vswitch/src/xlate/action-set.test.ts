/** The order of a bucket's actions, and which are left out, as Open vSwitch has it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseGroupLine } from '../oracle/parse-lines.ts';
import { orderActionSet } from './action-set.ts';

/** Buckets' actions, and what the distribution's Open vSwitch does of them, in order. */
const SETS: readonly (readonly [set: string, types: readonly string[]])[] = [
  ['ct(zone=1),output:2', ['output']],
  ['output:2,ct(zone=1)', ['output']],
  ['resubmit(,9),output:2', ['output']],
  ['ct(zone=1),resubmit(,9)', ['resubmit']],
  ['ct_clear,resubmit(,9)', ['resubmit']],
  ['ct(zone=1),ct_clear', ['ct_clear']],
  ['output:2,ct_clear', ['output']],
  ['ct_clear,group:2', ['group']],
  ['ct_clear,mod_dl_src:00:00:00:00:00:05', ['set_field', 'ct_clear']],
  ['ct(zone=1),mod_dl_src:00:00:00:00:00:05', ['set_field', 'ct']],
  ['mod_dl_src:00:00:00:00:00:05', []],
  ['mod_dl_src:00:00:00:00:00:05,output:NXM_NX_REG2[]', []],
  ['output:NXM_NX_REG2[],output:2', ['output']],
];

for (const [set, types] of SETS) {
  test(set, () => {
    const [, { buckets }] = parseGroupLine(`group_id=1,type=all,bucket=actions=${set}`);
    const [bucket] = buckets;
    assert.deepEqual(
      orderActionSet(bucket!.actions).map(({ type }) => type),
      types,
    );
  });
}
