/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Generated from key-layout.ts by packages/packet/src/generate-flow.ts. Do not edit. */
#ifndef HEDDLE_FLOW_KEY_H
#define HEDDLE_FLOW_KEY_H

#define FLOW_KEY_WORDS 32
#define FLOW_KEY_WORDS_USED 31

#define FLOW_NW_FRAG_ANY 1
#define FLOW_NW_FRAG_LATER 2
#define VLAN_CFI_PRESENT 0x1000
#define FLOW_DL_TYPE_NONE 0x05ff

/* Header fields are in network byte order, ports, marks and conntrack in host order. */
struct flow_key {
  __u32 recirc_id; /* 0: 0 for a packet fresh from a port. */
  __u32 in_port; /* 4: Datapath port. */
  __u32 skb_mark; /* 8: The packet mark of the host. */
  __u32 dp_hash; /* 12: Computed by the `hash` action. */
  __be64 tun_id; /* 16: Tunnel key, a bigint. */
  __be32 tun_src[4]; /* 24: Outer IPv6 source; IPv4 uses the first 4 bytes in the programs. */
  __be32 tun_dst[4]; /* 40: Outer IPv6 destination; IPv4 uses the first 4 bytes in the programs. */
  __u16 tun_flags; /* 56: FLOW_TNL_F_* bits. */
  __u8 tun_tos; /* 58: Outer TOS. */
  __u8 tun_ttl; /* 59: Outer TTL. */
  __be16 tun_tp_src; /* 60: Outer UDP source port. */
  __be16 tun_tp_dst; /* 62: Outer UDP destination port. */
  __u8 eth_dst[6]; /* 64: Ethernet destination as a 48-bit number. */
  __be16 eth_type; /* 70: Type inside up to two VLAN tags; 0x05ff for a frame with a length instead. */
  __u8 eth_src[6]; /* 72: Ethernet source as a 48-bit number. */
  __be16 tcp_flags; /* 78: The 12 low bits of bytes 12 and 13. */
  __be16 vlan0_tci; /* 80: Outer tag; 0x1000 set when present. */
  __be16 vlan0_tpid; /* 82: Type of the outer tag. */
  __be16 vlan1_tci; /* 84: Inner tag; 0x1000 set when present. */
  __be16 vlan1_tpid; /* 86: Type of the inner tag. */
  __be32 nw_src[4]; /* 88: IPv6 source; IPv4 and ARP use the first 4 bytes. */
  __be32 nw_dst[4]; /* 104: IPv6 destination; IPv4 and ARP use the first 4 bytes. */
  __u8 nw_proto; /* 120: IP protocol, or the low 8 bits of ARP op. */
  __u8 nw_tos; /* 121: DSCP and ECN. */
  __u8 nw_ttl; /* 122: TTL or hop limit. */
  __u8 nw_frag; /* 123: FLOW_NW_FRAG_ANY 1, FLOW_NW_FRAG_LATER 2. */
  __be16 tp_src; /* 124: Source port, or ICMP type. */
  __be16 tp_dst; /* 126: Destination port, or ICMP code. */
  __u16 ct_state; /* 128: CS_* bits. */
  __u16 ct_zone; /* 130: Conntrack zone. */
  __u32 ct_mark; /* 132: Conntrack mark. */
  __u32 ct_label[4]; /* 136: Conntrack label, a bigint. */
  __be32 nd_target[4]; /* 152: Neighbour discovery target. */
  __u8 arp_sha[6]; /* 168: ARP sender hardware address. */
  __u8 arp_tha[6]; /* 174: ARP target hardware address. */
  __be32 ipv6_label; /* 180: IPv6 flow label, 20 bits. */
  __be32 ct_nw_src; /* 184: Source of the original direction. */
  __be32 ct_nw_dst; /* 188: Destination of the original direction. */
  __be16 ct_tp_src; /* 192: Source port of the original direction. */
  __be16 ct_tp_dst; /* 194: Destination port of that direction. */
  __u8 ct_nw_proto; /* 196: Protocol of the original direction. */
  __u8 pad[3]; /* 197: Zero. */
  __be32 ct_ipv6_src[4]; /* 200: Source of the original direction. */
  __be32 ct_ipv6_dst[4]; /* 216: Destination of that direction. */
  __be16 tun_gbp_id; /* 232: VXLAN group policy id. */
  __u8 tun_gbp_flags; /* 234: VXLAN group policy flags. */
  __u8 tun_opts_len; /* 235: Bytes of Geneve options. */
  __be32 tun_opts[3]; /* 236: Them, or a digest of what is longer. */
  __u64 spare[1]; /* 248: Zero. */
};

_Static_assert(__builtin_offsetof(struct flow_key, recirc_id) == 0, "recirc_id");
_Static_assert(__builtin_offsetof(struct flow_key, in_port) == 4, "in_port");
_Static_assert(__builtin_offsetof(struct flow_key, skb_mark) == 8, "skb_mark");
_Static_assert(__builtin_offsetof(struct flow_key, dp_hash) == 12, "dp_hash");
_Static_assert(__builtin_offsetof(struct flow_key, tun_id) == 16, "tun_id");
_Static_assert(__builtin_offsetof(struct flow_key, tun_src) == 24, "tun_src");
_Static_assert(__builtin_offsetof(struct flow_key, tun_dst) == 40, "tun_dst");
_Static_assert(__builtin_offsetof(struct flow_key, tun_flags) == 56, "tun_flags");
_Static_assert(__builtin_offsetof(struct flow_key, tun_tos) == 58, "tun_tos");
_Static_assert(__builtin_offsetof(struct flow_key, tun_ttl) == 59, "tun_ttl");
_Static_assert(__builtin_offsetof(struct flow_key, tun_tp_src) == 60, "tun_tp_src");
_Static_assert(__builtin_offsetof(struct flow_key, tun_tp_dst) == 62, "tun_tp_dst");
_Static_assert(__builtin_offsetof(struct flow_key, eth_dst) == 64, "eth_dst");
_Static_assert(__builtin_offsetof(struct flow_key, eth_type) == 70, "eth_type");
_Static_assert(__builtin_offsetof(struct flow_key, eth_src) == 72, "eth_src");
_Static_assert(__builtin_offsetof(struct flow_key, tcp_flags) == 78, "tcp_flags");
_Static_assert(__builtin_offsetof(struct flow_key, vlan0_tci) == 80, "vlan0_tci");
_Static_assert(__builtin_offsetof(struct flow_key, vlan0_tpid) == 82, "vlan0_tpid");
_Static_assert(__builtin_offsetof(struct flow_key, vlan1_tci) == 84, "vlan1_tci");
_Static_assert(__builtin_offsetof(struct flow_key, vlan1_tpid) == 86, "vlan1_tpid");
_Static_assert(__builtin_offsetof(struct flow_key, nw_src) == 88, "nw_src");
_Static_assert(__builtin_offsetof(struct flow_key, nw_dst) == 104, "nw_dst");
_Static_assert(__builtin_offsetof(struct flow_key, nw_proto) == 120, "nw_proto");
_Static_assert(__builtin_offsetof(struct flow_key, nw_tos) == 121, "nw_tos");
_Static_assert(__builtin_offsetof(struct flow_key, nw_ttl) == 122, "nw_ttl");
_Static_assert(__builtin_offsetof(struct flow_key, nw_frag) == 123, "nw_frag");
_Static_assert(__builtin_offsetof(struct flow_key, tp_src) == 124, "tp_src");
_Static_assert(__builtin_offsetof(struct flow_key, tp_dst) == 126, "tp_dst");
_Static_assert(__builtin_offsetof(struct flow_key, ct_state) == 128, "ct_state");
_Static_assert(__builtin_offsetof(struct flow_key, ct_zone) == 130, "ct_zone");
_Static_assert(__builtin_offsetof(struct flow_key, ct_mark) == 132, "ct_mark");
_Static_assert(__builtin_offsetof(struct flow_key, ct_label) == 136, "ct_label");
_Static_assert(__builtin_offsetof(struct flow_key, nd_target) == 152, "nd_target");
_Static_assert(__builtin_offsetof(struct flow_key, arp_sha) == 168, "arp_sha");
_Static_assert(__builtin_offsetof(struct flow_key, arp_tha) == 174, "arp_tha");
_Static_assert(__builtin_offsetof(struct flow_key, ipv6_label) == 180, "ipv6_label");
_Static_assert(__builtin_offsetof(struct flow_key, ct_nw_src) == 184, "ct_nw_src");
_Static_assert(__builtin_offsetof(struct flow_key, ct_nw_dst) == 188, "ct_nw_dst");
_Static_assert(__builtin_offsetof(struct flow_key, ct_tp_src) == 192, "ct_tp_src");
_Static_assert(__builtin_offsetof(struct flow_key, ct_tp_dst) == 194, "ct_tp_dst");
_Static_assert(__builtin_offsetof(struct flow_key, ct_nw_proto) == 196, "ct_nw_proto");
_Static_assert(__builtin_offsetof(struct flow_key, ct_ipv6_src) == 200, "ct_ipv6_src");
_Static_assert(__builtin_offsetof(struct flow_key, ct_ipv6_dst) == 216, "ct_ipv6_dst");
_Static_assert(__builtin_offsetof(struct flow_key, tun_gbp_id) == 232, "tun_gbp_id");
_Static_assert(__builtin_offsetof(struct flow_key, tun_gbp_flags) == 234, "tun_gbp_flags");
_Static_assert(__builtin_offsetof(struct flow_key, tun_opts_len) == 235, "tun_opts_len");
_Static_assert(__builtin_offsetof(struct flow_key, tun_opts) == 236, "tun_opts");
_Static_assert(sizeof(struct flow_key) == 256, "flow_key");

#endif
