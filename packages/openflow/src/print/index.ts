export { FlowReplyText } from './flow-reply-text.ts';
export { formatBytes, formatMessage } from './format-message.ts';
export { hexDump } from './hex-dump.ts';
export { type FlowStatsFormat, formatFlowStats } from './print-flows.ts';
export type { PrintNames } from './print-names.ts';
export { formatPacket } from './print-packets.ts';
