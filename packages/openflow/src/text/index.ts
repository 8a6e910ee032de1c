export {
  type FlowTextOptions,
  type ParsedFlowMod,
  parseFlowMod,
  parseFlowModLine,
} from './flow-text.ts';
