/** Masks that look at every header field of a packet (`upcall/disable-megaflows`). */
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_RARP,
  type Flow,
  KEY_SLOTS,
  kindSize,
  VLAN_CFI,
} from '@heddle/packet';

const ALWAYS = ['pktMark', 'ctZone', 'ctMark', 'ctLabel', 'recircId', 'dpHash', 'inPort'];
const ETHERNET = ['dlSrc', 'dlDst', 'dlType', 'vlanTci0'];
const IP = ['nwProto', 'nwTos', 'nwTtl', 'nwFrag'];
const ARP = ['nwSrc', 'nwDst', 'nwProto', 'arpSha', 'arpTha'];
const CT_STATE_BITS = 0xff;

/** At least what `looked` looks at. */
export function exactMask(flow: Flow, looked: Flow): Flow {
  const mask = looked.clone();
  fill(mask, [...ALWAYS, ...ETHERNET, ...networkFields(flow)]);
  if ((flow.vlanTci0 & VLAN_CFI) !== 0) fill(mask, ['vlanTpid0']);
  mask.ctState |= CT_STATE_BITS;
  return mask;
}

function networkFields({ dlType, nwFrag, nwProto }: Flow): readonly string[] {
  if (dlType === ETH_P_ARP || dlType === ETH_P_RARP) return ARP;
  if (dlType !== ETH_P_IP && dlType !== ETH_P_IPV6) return [];
  const addresses = dlType === ETH_P_IP ? ['nwSrc', 'nwDst'] : ['ipv6Src', 'ipv6Dst', 'ipv6Label'];
  const isLater = (nwFrag & 2) !== 0;
  const ports = isLater ? [] : ['tpSrc', 'tpDst', ...(nwProto === 6 ? ['tcpFlags'] : [])];
  return [...addresses, ...IP, ...ports];
}

function fill(mask: Flow, names: readonly string[]): void {
  for (const name of names) {
    const { offset, kind } = KEY_SLOTS.get(name)!;
    mask.u8.fill(0xff, offset, offset + kindSize(kind));
  }
}
