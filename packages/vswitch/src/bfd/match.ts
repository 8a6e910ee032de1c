/** Which packets are for a session: those to BFD's port, to its addresses where it has some. */
import { ETH_P_IP, type Flow, IPPROTO_UDP } from '@heddle/packet';
import { differingBit, differingBitOfMac } from '../xlate/look.ts';
import type { Bfd } from './bfd.ts';
import { DEFAULT_SRC_IP } from './config.ts';
import { BFD_PORT } from './packet.ts';

const FLOW_NW_FRAG_LATER = 2;

/** Whether a packet is one; `wildcards` says what of it was looked at. */
export function takesBfd({ settings }: Bfd, flow: Flow, wildcards: Flow): boolean {
  if (flow.dlType !== ETH_P_IP) return false;
  wildcards.nwProto = 0xff;
  wildcards.nwFrag = 0xff;
  if (flow.nwProto !== IPPROTO_UDP || (flow.nwFrag & FLOW_NW_FRAG_LATER) !== 0) return false;
  if (flow.tpDst !== BFD_PORT) {
    wildcards.tpDst |= differingBit(flow.tpDst, BFD_PORT);
    return false;
  }
  wildcards.tpDst = 0xffff;
  const { remoteDstMac, srcIp, checkTnlKey } = settings;
  if (remoteDstMac !== 0) {
    if (flow.dlDst !== remoteDstMac) {
      wildcards.dlDst = differingBitOfMac(flow.dlDst, remoteDstMac, wildcards.dlDst);
      return false;
    }
    wildcards.dlDst = 2 ** 48 - 1;
  }
  if (checkTnlKey) {
    wildcards.tunId = 0xffff_ffff_ffff_ffffn;
    if (flow.tunId !== 0n) return false;
  }
  if (srcIp === DEFAULT_SRC_IP) return true;
  if (flow.nwDst !== srcIp) {
    wildcards.nwDst = (wildcards.nwDst | differingBit(flow.nwDst, srcIp)) >>> 0;
    return false;
  }
  wildcards.nwDst = 0xffff_ffff;
  return true;
}
