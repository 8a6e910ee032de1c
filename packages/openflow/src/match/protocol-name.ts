import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_MPLS_MC,
  ETH_P_MPLS_UC,
  ETH_P_RARP,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from '@heddle/packet';
import type { Match } from '../match.ts';

/** A protocol's name stands for the fields that it implies. */
export function protocolName({ key, mask }: Match): { name: string; saysProto: boolean } {
  if (mask.dlType === 0) return { name: '', saysProto: false };
  const proto = mask.nwProto === 0 ? -1 : key.nwProto;
  switch (key.dlType) {
    case ETH_P_IP:
      if (proto === IPPROTO_TCP) return { name: 'tcp', saysProto: true };
      if (proto === IPPROTO_UDP) return { name: 'udp', saysProto: true };
      if (proto === IPPROTO_SCTP) return { name: 'sctp', saysProto: true };
      if (proto === IPPROTO_ICMP) return { name: 'icmp', saysProto: true };
      return { name: 'ip', saysProto: false };
    case ETH_P_IPV6:
      if (proto === IPPROTO_TCP) return { name: 'tcp6', saysProto: true };
      if (proto === IPPROTO_UDP) return { name: 'udp6', saysProto: true };
      if (proto === IPPROTO_SCTP) return { name: 'sctp6', saysProto: true };
      if (proto === IPPROTO_ICMPV6) return { name: 'icmp6', saysProto: true };
      return { name: 'ipv6', saysProto: false };
    case ETH_P_ARP:
      return { name: 'arp', saysProto: false };
    case ETH_P_RARP:
      return { name: 'rarp', saysProto: false };
    case ETH_P_MPLS_UC:
      return { name: 'mpls', saysProto: false };
    case ETH_P_MPLS_MC:
      return { name: 'mplsm', saysProto: false };
    default:
      return { name: '', saysProto: false };
  }
}
