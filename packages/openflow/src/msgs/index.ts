export { decodeMessage, encodeMessage, encodeMultipart, messageName } from './registry.ts';
