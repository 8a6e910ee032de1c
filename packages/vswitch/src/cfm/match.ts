/** Which packets are CCMs for an interface. */
import type { Flow } from '@heddle/packet';
import { differingBitOfMac } from '../xlate/look.ts';
import { CCM_MAC, ETH_P_CFM, EXTENDED_CCM_MAC } from './ccm.ts';
import type { Cfm } from './cfm.ts';

/** Whether a packet is one; `wildcards` says what of it was looked at. */
export function takesCfm({ settings }: Cfm, flow: Flow, wildcards: Flow): boolean {
  if (flow.dlType !== ETH_P_CFM) return false;
  const address = settings.isExtended ? EXTENDED_CCM_MAC : CCM_MAC;
  if (flow.dlDst !== address) {
    wildcards.dlDst = differingBitOfMac(flow.dlDst, address, wildcards.dlDst);
    return false;
  }
  wildcards.dlDst = 2 ** 48 - 1;
  if (!settings.checksTnlKey) return true;
  wildcards.tunId = 0xffff_ffff_ffff_ffffn;
  return flow.tunId === 0n;
}
