/** Numbers by which a namespace knows others (linux/net_namespace.h): struct rtgenmsg. */
import {
  type Attributes,
  emitAttributes,
  parseAttributes,
  type Table,
} from '../netlink/attributes.ts';

export const RTM_NEWNSID = 88;
export const RTM_GETNSID = 90;
const NETNSA = { nsid: [1, 's32'], pid: [2, 'u32'], fd: [3, 'u32'] } as const satisfies Table;

export type NetnsidAttributes = Attributes<typeof NETNSA>;

export function emitNetnsid(attributes: NetnsidAttributes): Buffer {
  return Buffer.concat([Buffer.alloc(4), emitAttributes(NETNSA, attributes)]);
}

export function parseNetnsid(payload: Uint8Array): number | undefined {
  const { nsid } = parseAttributes(NETNSA, payload.subarray(4));
  return nsid === undefined || nsid < 0 ? undefined : nsid;
}
