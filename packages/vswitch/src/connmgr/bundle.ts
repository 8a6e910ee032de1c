/** Bundles: messages that take effect together or not at all (OpenFlow 1.5, 7.3.9). */
import type { MessageLog, OfpMessageType } from '@heddle/openflow';

export interface Bundle {
  readonly id: number;
  readonly flags: number;
  isClosed: boolean;
  readonly messages: MessageLog;
  /** Which there are among the messages. */
  readonly types: Set<OfpMessageType>;
}

export const MAX_BUNDLES = 1024;
