/** The conntrack fields of a flow. */
import type { Flow } from '@heddle/packet';

export function clearConntrack(flow: Flow): void {
  flow.ctState = 0;
  flow.ctZone = 0;
  flow.ctMark = 0;
  flow.ctLabel = 0n;
  flow.ctNwSrc = 0;
  flow.ctNwDst = 0;
  flow.ctNwProto = 0;
  flow.ctTpSrc = 0;
  flow.ctTpDst = 0;
}
