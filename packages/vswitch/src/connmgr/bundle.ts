/** Bundles: messages that take effect together or not at all (OpenFlow 1.5, 7.3.9). */
import type { OfpMessage } from '@heddle/openflow';

export interface Bundle {
  readonly id: number;
  readonly flags: number;
  isClosed: boolean;
  readonly messages: OfpMessage[];
}

export const MAX_BUNDLES = 1024;
