export { atoi, parseInteger } from '../actions/text-values.ts';
export { parseCtTuple } from './ct-tuple.ts';
export { FlowTemplates } from './flow-templates.ts';
export {
  type FlowTextOptions,
  type ParsedFlowMod,
  parseFlowMod,
  parseFlowModLine,
} from './flow-text.ts';
export { parseGroupId } from './group-id.ts';
export {
  type GroupTextOptions,
  type ParsedGroupMod,
  parseGroupMod,
  parseGroupModLine,
} from './group-text.ts';
export { parseMeterId, parseMeterMod } from './meter-text.ts';
export {
  type MonitorTextOptions,
  type ParsedFlowMonitor,
  parseFlowMonitorRequest,
} from './monitor-text.ts';
export {
  type PacketOutTextOptions,
  type ParsedPacketOut,
  parsePacketOut,
} from './packet-out-text.ts';
export { requireProtocols } from './protocol-choice.ts';
export { parseTlvMap } from './tlv-text.ts';
