/** The order of actions and instructions in text, in ovs-ofctl's words. */
import type { OfpAct } from '../ofp-actions.ts';
import { instructionOf } from './instruction-order.ts';
import type { Outer } from './text-context.ts';
import { fail } from './text-values.ts';

const ORDER = [
  'meter',
  'apply_actions',
  'clear_actions',
  'write_actions',
  'write_metadata',
  'goto_table',
] as const;

/** Throws HeddleError for a list that no flow may have. */
export function checkTextOrder(acts: readonly OfpAct[], outer: Outer): void {
  checkConjunctions(acts);
  for (const act of acts) checkConnectionFields(act, outer);
  let last = -1;
  for (const act of acts) {
    const instruction = instructionOf(act);
    if (outer !== 'flow') {
      if (instruction === 'apply_actions') continue;
      if (act.type === 'meter' && outer === 'actions') continue;
      if (act.type === 'meter') {
        fail(`${outer} action doesn't support nested action meter`);
      }
      fail(`${instruction} instruction not allowed here`);
    }
    const at = ORDER.indexOf(instruction);
    if (at === last && instruction !== 'apply_actions') {
      fail(`duplicate ${instruction} instruction not allowed, for OpenFlow 1.1+ compatibility`);
    }
    if (at < last) {
      const order = `${instruction} must appear before ${ORDER[last]!}`;
      fail(`invalid instruction ordering: ${order}, for OpenFlow 1.1+ compatibility`);
    }
    last = at;
  }
}

/** A connection's mark and label are set within ct, and nothing else is. */
function checkConnectionFields(act: OfpAct, outer: Outer): void {
  const field =
    act.type === 'set_field' ? act.set.field : act.type === 'move' ? act.dst.field : undefined;
  const ofConnection = field?.name === 'ct_mark' || field?.name === 'ct_label';
  if (outer !== 'ct') {
    if (ofConnection) fail('cannot set CT fields outside of ct action');
    return;
  }
  if (!field) fail(`ct action doesn't support nested action ${act.type}`);
  if (!ofConnection) fail(`ct action doesn't support nested modification of ${field.name}`);
}

/** Flows with conjunctions do nothing else: they only select others. */
function checkConjunctions(acts: readonly OfpAct[]): void {
  if (!acts.some((act) => act.type === 'conjunction')) return;
  const other = acts.find((act) => act.type !== 'conjunction' && act.type !== 'note');
  if (!other) return;
  fail(
    `"conjunction" actions may be used along with "note" but not any other kind of action (such as the "${other.type}" action used here)`,
  );
}
