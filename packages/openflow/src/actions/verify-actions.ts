/** Which actions may stand together, and where, on the wire. */
import { vlog } from '@heddle/runtime';
import { OfpError } from '../errors.ts';
import type { OfpAct } from '../ofp-actions.ts';
import { refusal } from '../refuse.ts';
import { instructionOf } from './instruction-order.ts';

const log = vlog.module('ofp_actions');

/** Throws OfpError for a list, not within ct, that no flow may have. */
export function verifyActions(acts: readonly OfpAct[]): void {
  let conjunctions = 0;
  let others = 0;
  for (const act of acts) {
    if (act.type === 'conjunction') conjunctions++;
    else if (act.type !== 'note') others++;
    if (act.type === 'nat') throw new OfpError('OFPBAC_BAD_SET_ARGUMENT');
    if (act.type === 'set_field') checkField(act.set.field.name);
    else if (act.type === 'move') checkField(act.dst.field.name);
  }
  if (conjunctions > 0 && others > 0) throw new OfpError('NXBAC_BAD_CONJUNCTION');
}

/** A connection's mark and label are set within ct. */
function checkField(name: string): void {
  if (name !== 'ct_mark' && name !== 'ct_label') return;
  throw refusal(log, 'OFPBAC_BAD_SET_ARGUMENT', 'cannot set CT fields outside of ct action');
}

const ORDER = {
  meter: 0,
  apply_actions: 1,
  clear_actions: 2,
  write_actions: 3,
  write_metadata: 4,
  goto_table: 5,
} as const;

/** A flow's instructions that came as actions stand in the order in which they run. */
export function verifyOrder(acts: readonly OfpAct[]): void {
  let last = 0;
  for (const act of acts) {
    const at = ORDER[instructionOf(act)];
    if (at < last) throw new OfpError('OFPBAC_UNSUPPORTED_ORDER');
    last = at;
  }
}
