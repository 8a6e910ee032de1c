export { setMatchField } from './match-field.ts';
export { emitNxMatch, emitOxmEntries, emitOxmMatch } from './oxm-emit.ts';
export {
  codePointByName,
  emitFieldHeader,
  type FieldHeader,
  isCookie,
  parseFieldHeader,
} from './oxm-header.ts';
export { type OxmParseOptions, type ParsedOxm, parseNxMatch, parseOxmMatch } from './oxm-parse.ts';
export { fieldPrerequisitesMet, flowHasField } from './prerequisites.ts';
