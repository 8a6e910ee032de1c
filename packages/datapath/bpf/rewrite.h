/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Rewrites of header fields under a mask. Everything is written by bpf_skb_store_bytes: direct
 * packet writes would make the verifier unshare every cloned packet (all of local TCP) up front.
 *
 * Checksums: the IPv4 header by RFC 1624, L4 by bpf_l4_csum_replace, which keeps CHECKSUM_PARTIAL
 * and CHECKSUM_COMPLETE right. IPv6 has no header checksum that would balance a change, so there
 * BPF_F_RECOMPUTE_CSUM corrects what the device summed.
 */
#pragma once

/* The L4 checksum's offset in the packet, 0 when there is none; *flags for bpf_l4_csum_replace. */
INL __u32 l4_csum(struct scratch *s, bool pseudo, __u64 *flags)
{
  __u32 l4 = s->l4;
  *flags = pseudo ? BPF_F_PSEUDO_HDR : 0;
  if (!l4)
    return 0;
  switch (s->k.nw_proto) {
  case IPPROTO_TCP:
    return l4 + 16;
  case IPPROTO_UDP:
    *flags |= BPF_F_MARK_MANGLED_0;
    return l4 + 6;
  case IPPROTO_ICMPV6:
    return s->k.eth_type == bpf_htons(ETH_P_IPV6) ? l4 + 2 : 0;
  case IPPROTO_ICMP:
    return pseudo || s->k.eth_type != bpf_htons(ETH_P_IP) ? 0 : l4 + 2;
  }
  return 0;
}

INL int set_eth(struct __sk_buff *skb, const struct act *a)
{
  __u8 v[6];
  __u32 off = a->a16 & 0xff ? 6 : 0;
  if (bpf_skb_load_bytes(skb, off, v, 6))
    return -1;
#pragma unroll
  for (int i = 0; i < 6; i++)
    v[i] = (v[i] & ~a->b[8 + i]) | (a->b[i] & a->b[8 + i]);
  return bpf_skb_store_bytes(skb, off, v, 6, 0);
}

INL int set_ip4(struct __sk_buff *skb, struct scratch *s, const struct act *a)
{
  __u32 at = s->l3 + (a->a16 & 31), old, new;
  __u64 flags;
  if (s->k.eth_type != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, at, &old, 4))
    return -1;
  __u32 v = *(const __u32 *)a->b, m = *(const __u32 *)(a->b + 8);
  new = (old & ~m) | (v & m);
  if (new == old)
    return 0;
  __u32 csum = l4_csum(s, true, &flags);
  if (csum && bpf_l4_csum_replace(skb, csum, old, new, flags | 4))
    return -1;
  if (bpf_l3_csum_replace(skb, s->l3 + 10, old, new, 4))
    return -1;
  return bpf_skb_store_bytes(skb, at, &new, 4, 0);
}

/* TOS or TTL of IPv4: a byte that shares a checksummed 16-bit word with its neighbour. */
INL int set_ip4_byte(struct __sk_buff *skb, struct scratch *s, const struct act *a, __u32 off)
{
  __u32 at = s->l3 + (off & ~1U);
  __u8 w[2], n[2];
  if (bpf_skb_load_bytes(skb, at, w, 2))
    return -1;
  n[0] = w[0];
  n[1] = w[1];
  n[off & 1] = (w[off & 1] & ~a->b[8]) | (a->b[0] & a->b[8]);
  if (bpf_l3_csum_replace(skb, s->l3 + 10, *(__u16 *)w, *(__u16 *)n, 2))
    return -1;
  return bpf_skb_store_bytes(skb, at, n, 2, 0);
}

/* The first word of an IPv6 header: version, traffic class, label. Host order. */
INL int set_ip6_first(struct __sk_buff *skb, struct scratch *s, __u32 v, __u32 m)
{
  __be32 w;
  if (bpf_skb_load_bytes(skb, s->l3, &w, 4))
    return -1;
  w = (w & ~bpf_htonl(m)) | bpf_htonl(v & m);
  return bpf_skb_store_bytes(skb, s->l3, &w, 4, BPF_F_RECOMPUTE_CSUM);
}

INL int set_tos(struct __sk_buff *skb, struct scratch *s, const struct act *a)
{
  if (s->k.eth_type == bpf_htons(ETH_P_IP))
    return set_ip4_byte(skb, s, a, 1);
  if (s->k.eth_type == bpf_htons(ETH_P_IPV6))
    return set_ip6_first(skb, s, (__u32)a->b[0] << 20, (__u32)a->b[8] << 20);
  return -1;
}

INL int set_ttl(struct __sk_buff *skb, struct scratch *s, const struct act *a)
{
  __u8 v;
  if (s->k.eth_type == bpf_htons(ETH_P_IP))
    return set_ip4_byte(skb, s, a, 8);
  if (s->k.eth_type != bpf_htons(ETH_P_IPV6) || bpf_skb_load_bytes(skb, s->l3 + 7, &v, 1))
    return -1;
  v = (v & ~a->b[8]) | (a->b[0] & a->b[8]);
  return bpf_skb_store_bytes(skb, s->l3 + 7, &v, 1, BPF_F_RECOMPUTE_CSUM);
}

/* Eight bytes at `at` that an L4 checksum covers; `pseudo`: as part of the pseudo header. */
INL int set_summed8(struct __sk_buff *skb, struct scratch *s, const struct act *a, __u32 at,
                    bool pseudo)
{
  __u64 old, new, flags;
  if (bpf_skb_load_bytes(skb, at, &old, 8))
    return -1;
  __u64 v = *(const __u64 *)a->b, m = *(const __u64 *)(a->b + 8);
  new = (old & ~m) | (v & m);
  __s64 diff = bpf_csum_diff((__be32 *)&old, 8, (__be32 *)&new, 8, 0);
  if (diff < 0)
    return -1;
  __u32 csum = l4_csum(s, pseudo, &flags);
  if (csum && bpf_l4_csum_replace(skb, csum, 0, diff, flags))
    return -1;
  return bpf_skb_store_bytes(skb, at, &new, 8, pseudo ? BPF_F_RECOMPUTE_CSUM : 0);
}

INL int set_ip6(struct __sk_buff *skb, struct scratch *s, const struct act *a)
{
  if (s->k.eth_type != bpf_htons(ETH_P_IPV6))
    return -1;
  return set_summed8(skb, s, a, s->l3 + (a->a16 & 63), true);
}

INL int set_l4(struct __sk_buff *skb, struct scratch *s, const struct act *a)
{
  __u16 old, new, v, m;
  __u64 flags;
  __u32 at = s->l4;
  if (!at)
    return -1;
  if (a->type == A_SET_L4PORT) {
    at += a->a16 & 2;
    v = *(const __u16 *)a->b;
    m = *(const __u16 *)(a->b + 8);
  } else {
    __u32 shift = a->a16 & 0xff ? 8 : 0;
    v = (__u16)a->b[0] << shift;
    m = (__u16)a->b[8] << shift;
  }
  if (bpf_skb_load_bytes(skb, at, &old, 2))
    return -1;
  new = (old & ~m) | (v & m);
  __u32 csum = l4_csum(s, false, &flags);
  if (!csum)
    return -1;
  if (old != new && bpf_l4_csum_replace(skb, csum, old, new, flags | 2))
    return -1;
  return bpf_skb_store_bytes(skb, at, &new, 2, 0);
}

INL int set_arp(struct __sk_buff *skb, struct scratch *s, const struct act *a)
{
  /* 1 to 6 bytes, and for every verifier 1 to 8. */
  __u32 at = s->l3 + (a->a16 & 31), n = ((a->a32 - 1) & 7) + 1;
  __u8 v[8] = {};
  if (s->k.eth_type != bpf_htons(ETH_P_ARP) && s->k.eth_type != bpf_htons(ETH_P_RARP))
    return -1;
  if (bpf_skb_load_bytes(skb, at, v, n))
    return -1;
  *(__u64 *)v = (*(__u64 *)v & ~*(const __u64 *)(a->b + 8)) |
                (*(const __u64 *)a->b & *(const __u64 *)(a->b + 8));
  return bpf_skb_store_bytes(skb, at, v, n, BPF_F_RECOMPUTE_CSUM);
}

/* Half of the ND target, or the address in an ND option (as 8 bytes with its type and length). */
INL int set_nd(struct __sk_buff *skb, struct scratch *s, const struct act *a)
{
  __u32 at = s->l4;
  if (!at || s->k.nw_proto != IPPROTO_ICMPV6)
    return -1;
  if (a->a16 & 0xff)
    return set_summed8(skb, s, a, at + (a->a16 & 31), false);
  at += 24;
  for (int i = 0; i < MAX_ND_OPTIONS; i++) {
    __u8 h[2];
    if (bpf_skb_load_bytes(skb, at, h, 2) || !h[1])
      return 0;
    if (h[0] == a->a32 && h[1] == 1)
      return set_summed8(skb, s, a, at, false);
    at += h[1] * 8;
  }
  return 0;
}

NOINL int rewrite(struct __sk_buff *skb, struct scratch *s, struct act *a)
{
  if (!s || !a)
    return -1;
  if ((s->dirty & DIRTY_LAYOUT) && extract(skb, s))
    return -1;
  if (a->type == A_SET_ETH)
    return set_eth(skb, a);
  if (!s->l3)
    return -1;
  switch (a->type) {
  case A_SET_IP4:
    return set_ip4(skb, s, a);
  case A_SET_IP6:
    return set_ip6(skb, s, a);
  case A_SET_TOS:
    return set_tos(skb, s, a);
  case A_SET_TTL:
    return set_ttl(skb, s, a);
  case A_SET_LABEL:
    if (s->k.eth_type != bpf_htons(ETH_P_IPV6))
      return -1;
    return set_ip6_first(skb, s, a->a32, *(const __u32 *)(a->b + 8));
  case A_SET_L4PORT:
  case A_SET_ICMP:
    return set_l4(skb, s, a);
  case A_SET_ARP:
    return set_arp(skb, s, a);
  case A_SET_ND:
    return set_nd(skb, s, a);
  }
  return -1;
}
