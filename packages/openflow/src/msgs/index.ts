export { type AddLayout, AddLayouts, addCookie, addPriority } from './add-layouts.ts';
export { bundledBytes, bundledOffset } from './bundle.ts';
export {
  errorName,
  errorNumbers,
  errorReply,
  errorToWire,
  isErrorName,
  type WireError,
} from './error.ts';
export type { DecodeContext } from './form.ts';
export { MessageLog } from './message-log.ts';
export { inPortMatch } from './packet-in.ts';
export { featuresSpeed } from './phy-port.ts';
export {
  decodeMessage,
  encodeMessage,
  encodeMultipart,
  messageName,
  messageType,
} from './registry.ts';
export { tableNames } from './table-features.ts';
