/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The tuple that a packet belongs to: addresses, ports or ICMP identifiers, read from it or from
 * the packet within an ICMP error, and turned round.
 */
#pragma once

/* Which pair of ICMP types, plus one; bit 7: the second of the pair. 0: no exchange. */
INL __u32 icmp_class(__u32 v6, __u32 type)
{
  if (v6)
    return type == 128 ? 1 : type == 129 ? 0x81 : 0;
  switch (type) {
  case 8:
    return 1;
  case 0:
    return 0x81;
  case 13:
    return 2;
  case 14:
    return 0x82;
  case 15:
    return 3;
  case 16:
    return 0x83;
  }
  return 0;
}

INL bool is_icmp(const struct ct_tuple *t)
{
  return t->proto == (t->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

INL __u8 icmp_reverse(__u32 v6, __u32 type)
{
  if (v6)
    return type == 128 ? 129 : 128;
  return type == 8 ? 0 : type == 0 ? 8 : type == 13 ? 14 : type == 14 ? 13 : type == 15 ? 16 : 15;
}

INL void ct_reverse(struct ct_tuple *to, const struct ct_tuple *t)
{
  __builtin_memcpy(to->src, t->dst, 16);
  __builtin_memcpy(to->dst, t->src, 16);
  to->sport = t->dport;
  to->dport = t->sport;
  to->proto = t->proto;
  to->v6 = t->v6;
  to->pad = 0;
  to->icmp_type = is_icmp(t) ? icmp_reverse(t->v6, t->icmp_type) : 0;
}

/* Fills the key of a tuple; 1 when the sender is the higher end. */
NOINL int ct_key_of(const struct ct_tuple *t, struct ct_key *k, __u32 zone)
{
  if (!t || !k)
    return 0;
  int d = t->src[0] < t->dst[0] ? -1 : t->src[0] > t->dst[0];
  if (t->v6) {
#pragma unroll
    for (int i = 1; i < 4; i++)
      if (!d)
        d = t->src[i] < t->dst[i] ? -1 : t->src[i] > t->dst[i];
  }
  if (!d)
    d = t->sport < t->dport ? -1 : t->sport > t->dport;
  int swapped = d > 0;
  __builtin_memcpy(k->a, swapped ? t->dst : t->src, 16);
  __builtin_memcpy(k->b, swapped ? t->src : t->dst, 16);
  k->pa = swapped ? t->dport : t->sport;
  k->pb = swapped ? t->sport : t->dport;
  k->zone = zone;
  k->proto = t->proto;
  k->kind = t->v6 ? CTK_V6 : 0;
  if (is_icmp(t)) {
    __u32 c = icmp_class(t->v6, t->icmp_type);
    k->kind |= CTK_CLASS(c & 3);
    if (swapped != (c >> 7))
      k->kind |= CTK_CROSSED;
  }
  return swapped;
}

/* The packet that an ICMP error quotes, as one in the error's own direction. 1, or -1. */
NOINL int ct_inner(struct __sk_buff *skb, struct scratch *s)
{
  if (!s)
    return -1;
  struct ct_tuple *t = &s->w.reply;
  __u32 at = s->l4 + 8, end = s->l4_end, v6 = s->k.eth_type == bpf_htons(ETH_P_IPV6);
  __u8 h[40];
  __builtin_memset(t, 0, sizeof *t);
  s->w.inner_l3 = at;
  t->v6 = v6;
  if (v6) {
    if (at + 40 > end || bpf_skb_load_bytes(skb, at, h, 40) || h[0] >> 4 != 6)
      return -1;
    t->proto = h[6];
    __builtin_memcpy(t->src, h + 8, 16);
    __builtin_memcpy(t->dst, h + 24, 16);
    at += 40;
  } else {
    if (at + 20 > end || bpf_skb_load_bytes(skb, at, h, 20) || h[0] >> 4 != 4)
      return -1;
    __u32 ihl = (h[0] & 15) * 4;
    if (ihl < 20 || at + ihl > end || (h[6] & 0x1f) || h[7])
      return -1;
    t->proto = h[9];
    __builtin_memcpy(t->src, h + 12, 4);
    __builtin_memcpy(t->dst, h + 16, 4);
    at += ihl;
  }
#pragma unroll
  for (int i = 0; i < 4; i++)
    if (t->src[i] != s->k.nw_dst[i])
      return -1;
  s->w.inner_l4 = at;
  if (t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP || is_icmp(t)) {
    if (at + (v6 && t->proto == IPPROTO_TCP ? 20 : 8) > end || bpf_skb_load_bytes(skb, at, h, 8))
      return -1;
    if (is_icmp(t)) {
      /* A code is told apart, too, and no exchange that is tracked has one. */
      if (!icmp_class(v6, h[0]) || h[1])
        return -1;
      t->icmp_type = h[0];
      __builtin_memcpy(&t->sport, h + 4, 2);
      t->dport = t->sport;
    } else {
      __builtin_memcpy(&t->sport, h, 4);
    }
  }
  ct_reverse(&s->w.t, t);
  return 1;
}

/* Fills s->w.t. 0: an ordinary packet; 1: an error about another; -1: cannot be tracked. */
NOINL int ct_read(struct __sk_buff *skb, struct scratch *s)
{
  if (!s)
    return -1;
  struct flow_key *k = &s->k;
  struct ct_tuple *t = &s->w.t;
  __u32 l4 = s->l4, have, v6 = k->eth_type == bpf_htons(ETH_P_IPV6);
  if (!l4 || !s->l3 || k->nw_frag || (!v6 && k->eth_type != bpf_htons(ETH_P_IP)))
    return -1;
  have = s->l4_end > l4 ? s->l4_end - l4 : 0;
  __builtin_memset(t, 0, sizeof *t);
  __builtin_memcpy(t->src, k->nw_src, 16);
  __builtin_memcpy(t->dst, k->nw_dst, 16);
  t->proto = k->nw_proto;
  t->v6 = v6;
  if (t->proto == IPPROTO_TCP) {
    if (!s->doff)
      return -1;
    t->sport = k->tp_src;
    t->dport = k->tp_dst;
  } else if (t->proto == IPPROTO_UDP) {
    __be16 h[2] __attribute__((aligned(4)));
    if (have < 8 || read_at(skb, l4 + 4, h, 4))
      return -1;
    /* Without a checksum in IPv4 only (RFC 8200, 8.1). */
    if ((bpf_ntohs(h[0]) != have && !skb->gso_size) || (v6 && !h[1]))
      return -1;
    t->sport = k->tp_src;
    t->dport = k->tp_dst;
  } else if (is_icmp(t)) {
    __u8 h[8];
    if (have < 8 || bpf_skb_load_bytes(skb, l4, h, 8))
      return -1;
    if (!icmp_class(v6, h[0])) {
      bool error = v6 ? h[0] >= 1 && h[0] <= 4
                      : h[0] == 3 || h[0] == 4 || h[0] == 5 || h[0] == 11 || h[0] == 12;
      return error ? ct_inner(skb, s) : -1;
    }
    if (h[1])
      return -1;
    t->icmp_type = h[0];
    __builtin_memcpy(&t->sport, h + 4, 2);
    t->dport = t->sport;
  }
  return 0;
}
