/** MPLS label stack entries (RFC 3032) of a frame, which the datapath's key does not hold. */
import { getBe32 } from './bytes.ts';
import type { Flow } from './flow.ts';
import { ETH_HEADER_LEN, VLAN_HEADER_LEN } from './headers/ethernet.ts';

const VLAN_CFI = 0x1000;
const BOS = 0x100;

/** Where a packet's network header begins; `flow` has been extracted from it. */
export function headerOffset(flow: Flow): number {
  if (flow.packetType !== 0) return 0;
  let at = ETH_HEADER_LEN;
  if ((flow.vlanTci0 & VLAN_CFI) !== 0) at += VLAN_HEADER_LEN;
  if ((flow.vlanTci0 & flow.vlanTci1 & VLAN_CFI) !== 0) at += VLAN_HEADER_LEN;
  return at;
}

/** Fills in up to three entries; `flow` has been extracted from the frame. */
export function extractMpls(frame: Uint8Array, flow: Flow): void {
  let at = headerOffset(flow);
  for (const name of ['mplsLse0', 'mplsLse1', 'mplsLse2'] as const) {
    if (at + 4 > frame.length) return;
    flow[name] = getBe32(frame, at);
    if ((flow[name] & BOS) !== 0) return;
    at += 4;
  }
}
