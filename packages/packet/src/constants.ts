/** Numbers of the protocols, named as the kernel's and the protocols' headers name them. */

export const ETH_P_IP = 0x0800;
export const ETH_P_ARP = 0x0806;
export const ETH_P_TEB = 0x6558;
export const ETH_P_RARP = 0x8035;
export const ETH_P_8021Q = 0x8100;
export const ETH_P_8021AD = 0x88a8;
export const ETH_P_IPV6 = 0x86dd;
export const ETH_P_MPLS_UC = 0x8847;
export const ETH_P_MPLS_MC = 0x8848;
export const ETH_P_NSH = 0x894f;
export const ETH_TYPE_MIN = 0x600;
/** `eth_type` of a frame with a length field and no SNAP type. */
export const FLOW_DL_TYPE_NONE = 0x05ff;

export const VLAN_CFI = 0x1000;
export const VLAN_VID_MASK = 0x0fff;
export const VLAN_PCP_SHIFT = 13;

export const IPPROTO_HOPOPTS = 0;
export const IPPROTO_ICMP = 1;
export const IPPROTO_IGMP = 2;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_ROUTING = 43;
export const IPPROTO_FRAGMENT = 44;
export const IPPROTO_GRE = 47;
export const IPPROTO_AH = 51;
export const IPPROTO_ICMPV6 = 58;
export const IPPROTO_DSTOPTS = 60;
export const IPPROTO_SCTP = 132;
export const IPPROTO_UDPLITE = 136;

export const FLOW_NW_FRAG_ANY = 1;
export const FLOW_NW_FRAG_LATER = 2;

export const ND_NEIGHBOR_SOLICIT = 135;
export const ND_NEIGHBOR_ADVERT = 136;
export const ND_OPT_SOURCE_LINKADDR = 1;
export const ND_OPT_TARGET_LINKADDR = 2;

export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;
export const TCP_PSH = 0x08;
export const TCP_ACK = 0x10;
export const TCP_URG = 0x20;

/** Bits of `tun_flags`: what a tunnel header says, or is to say, besides its key. */
export const FLOW_TNL_F_OAM = 1;
export const FLOW_TNL_F_DONT_FRAGMENT = 2;
export const FLOW_TNL_F_CSUM = 4;
/** There is a key at all. */
export const FLOW_TNL_F_KEY = 8;
/** GRE packets are to be numbered; of no packet that came. */
export const FLOW_TNL_F_SEQ = 16;
/** One of its options is critical; of no packet that came. */
export const FLOW_TNL_F_CRIT = 32;

export function isMpls(dlType: number): boolean {
  return dlType === ETH_P_MPLS_UC || dlType === ETH_P_MPLS_MC;
}
