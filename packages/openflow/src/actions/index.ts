export { emitActions } from './emit-actions.ts';
export { emitInstructions, isInstruction, parseInstructions } from './instructions.ts';
export { parseActions } from './parse-actions.ts';
