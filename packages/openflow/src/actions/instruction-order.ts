import type { OfpAct } from '../ofp-actions.ts';

export type InstructionName =
  | 'meter'
  | 'apply_actions'
  | 'clear_actions'
  | 'write_actions'
  | 'write_metadata'
  | 'goto_table';

/** The instruction that carries it on the wire of OpenFlow 1.1 and later. */
export function instructionOf(act: OfpAct): InstructionName {
  switch (act.type) {
    case 'meter':
    case 'clear_actions':
    case 'write_actions':
    case 'write_metadata':
    case 'goto_table':
      return act.type;
    default:
      return 'apply_actions';
  }
}
