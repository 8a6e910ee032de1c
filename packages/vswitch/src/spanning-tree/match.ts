/** Which packets are BPDUs. */
import { type Flow, MAC_BROADCAST } from '@heddle/packet';
import type { Ofproto } from '../ofproto.ts';
import { BRIDGE_GROUP_MAC } from './bpdu.ts';

/** What a flow has for a type in frames that have a length instead (ovs-fields(7), "eth_type"). */
const DL_TYPE_NONE = 0x05ff;

export function isBpdu({ dlDst, dlType }: Flow): boolean {
  return dlDst === BRIDGE_GROUP_MAC && dlType === DL_TYPE_NONE;
}

/** Every BPDU is for a bridge with a spanning tree, by whichever port it comes. */
export function takesBpdu({ tree }: Ofproto, flow: Flow, wildcards: Flow): boolean {
  if (!tree) return false;
  wildcards.dlDst = MAC_BROADCAST;
  return isBpdu(flow);
}
