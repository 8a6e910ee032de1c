export { type Colors, parseColors } from './colors.ts';
export { type FieldText, formatFieldText, parseFieldText } from './field-text.ts';
export {
  CT_STATE,
  type FlagNames,
  formatFlags,
  formatFlagsMasked,
  TCP_FLAGS,
} from './flag-text.ts';
export { formatFlow } from './flow-format.ts';
export { setMatchField } from './match-field.ts';
export { formatMatch, type MatchFormat } from './match-format.ts';
export { parseMatchField } from './match-parse.ts';
export { normalizeMatch, normalizeMatchLogged } from './normalize.ts';
export {
  formatPort,
  ofp10PortToOfp11,
  ofp11PortToOfp10,
  type PortNames,
  parsePort,
  quoteName,
} from './ofp-port.ts';
export { emitOfp10Match, OFP10_MATCH_LENGTH, parseOfp10Match } from './ofp10-match.ts';
export { emitOfp11StandardMatch, OFP11_MATCH_LENGTH } from './ofp11-match.ts';
export { emitNxMatch, emitOxmEntries, emitOxmMatch, putOxmMatch } from './oxm-emit.ts';
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
export { formatOxm, parseOxmText } from './oxm-text.ts';
export { fieldPrerequisitesMet } from './prerequisites.ts';
export * from './protocols.ts';
export { formatPacketType } from './value-text.ts';
