export { setMatchField } from './match-field.ts';
export { emitOfp10Match, OFP10_MATCH_LENGTH, parseOfp10Match } from './ofp10-match.ts';
export {
  emitOfp11StandardMatch,
  OFP11_MATCH_LENGTH,
} from './ofp11-match.ts';
export { emitNxMatch, emitOxmEntries, emitOxmMatch } from './oxm-emit.ts';
export {
  codePointByName,
  emitFieldHeader,
  type FieldHeader,
  isCookie,
  parseFieldHeader,
} from './oxm-header.ts';
export {
  type OxmParseOptions,
  type ParsedOxm,
  parseNxMatch,
  parseOfp11Match,
} from './oxm-parse.ts';
export { fieldPrerequisitesMet, flowHasField } from './prerequisites.ts';
