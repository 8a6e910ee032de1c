export {
  ACTION_SET_FIRST,
  ACTION_SET_LAST,
  ACTION_SET_WRITES,
  parseActionSet,
} from './action-set.ts';
export { ByteWriter } from './byte-writer.ts';
export {
  type CheckedActions,
  checkActions,
  checkActionsProtocols,
} from './check-actions.ts';
export { emitActions } from './emit-actions.ts';
export { type ActionFormat, formatActions } from './format-actions.ts';
export {
  emitInstructions,
  isInstruction,
  parseInstructions,
  putInstructions,
} from './instructions.ts';
export { parseActions, pullActions } from './parse-actions.ts';
export { enableDebugActions } from './parse-nicira.ts';
export {
  type ParseActionsTextOptions,
  type ParsedActions,
  parseActionsAndProtocols,
  parseActionsText,
} from './parse-text.ts';
export { formatTable, parseTable, type TableNames } from './table-names.ts';
