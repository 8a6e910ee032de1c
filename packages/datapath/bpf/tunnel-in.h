/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Packets that tunnels bring. */
#pragma once

INL int parse_erspan(struct __sk_buff *skb, struct tun *t, __u32 off)
{
  struct erspan *e = (void *)t->opts;
  __be32 h[4], more;
  if (bpf_skb_load_bytes(skb, off, h, 16) || *(__be16 *)h != GRE_SEQ)
    return 0;
  __u32 base = bpf_ntohl(h[2]);
  e->ver = base >> 28;
  t->flags |= TNL_F_KEY;
  t->id = (__u64)bpf_htonl(base & 1023) << 32;
  if (e->ver == 1) {
    e->idx = h[3] & bpf_htonl(0xfffff);
    return 16;
  }
  if (e->ver != 2 || bpf_skb_load_bytes(skb, off + 16, &more, 4))
    return 0;
  __u32 m = bpf_ntohl(more);
  if (m & 1) /* something of the platform's follows */
    return 0;
  e->dir = m >> 3 & 1;
  e->hwid = (m >> 4 & 15) | (m >> 4 & 0x30);
  return 20;
}

/* The tunnel header at `off` into s->tin; returns its length, 0: no such header. */
NOINL int parse_tunnel(struct __sk_buff *skb, struct scratch *s, __u32 off, __u32 type)
{
  if (!s)
    return 0;
  struct tun *t = &s->tin;
  __be32 h[4];
  if (type == TUN_ERSPAN)
    return parse_erspan(skb, t, off);
  if (type == TUN_GRE || type == TUN_GRE_L3) {
    __be16 g[2] __attribute__((aligned(4)));
    __u32 n = 4;
    __be32 key;
    if (read_at(skb, off, g, 4) || (g[0] & GRE_OTHERS) ||
        (type == TUN_GRE && g[1] != PROTO_TEB) || bpf_ntohs(g[1]) < ETH_P_802_3_MIN)
      return 0;
    s->inner_type = g[1];
    if (g[0] & GRE_CSUM) {
      t->flags |= TNL_F_CSUM;
      n += 4;
    }
    if (g[0] & GRE_KEY) {
      if (read_at(skb, off + n, &key, 4))
        return 0;
      t->flags |= TNL_F_KEY;
      t->id = (__u64)key << 32;
      n += 4;
    }
    return g[0] & GRE_SEQ ? n + 4 : n;
  }
  if (read_at(skb, off, h, 16))
    return 0;
  struct udp_hdr *u = (void *)h;
  t->tp_src = u->source;
  t->tp_dst = u->dest;
  if (u->check)
    t->flags |= TNL_F_CSUM;
  t->flags |= TNL_F_KEY;
  t->id = (__u64)bpf_htonl(bpf_ntohl(h[3]) >> 8) << 32;
  if (type == TUN_VXLAN) {
    __u32 f = bpf_ntohl(h[2]);
    bool gbp = f >> 24 == 0x88;
    if ((h[2] != VXLAN_I && !gbp) || (bpf_ntohl(h[3]) & 0xff))
      return 0;
    if (gbp) {
      t->gbp_id = bpf_htons(f);
      t->gbp_flags = f >> 16;
    }
    return 16;
  }
  struct geneve_hdr *g = (void *)(h + 2);
  if (g->ver_len >> 6 || g->proto != PROTO_TEB)
    return 0;
  if (g->flags & 0x80)
    t->flags |= TNL_F_OAM;
  t->opts_len = (g->ver_len & 63) * 4;
  if (t->opts_len > OPTS_INLINE) {
    if (take_options(skb, s, off + 16))
      return 0;
  } else if (t->opts_len == 12) {
    if (bpf_skb_load_bytes(skb, off + 16, t->opts, 12))
      return 0;
  } else if (t->opts_len >= 8) {
    if (bpf_skb_load_bytes(skb, off + 16, t->opts, 8))
      return 0;
  } else if (t->opts_len) {
    if (bpf_skb_load_bytes(skb, off + 16, t->opts, 4))
      return 0;
  }
  return 16 + t->opts_len;
}

/*
 * Whether an IP packet is as long as it says and its header's checksum holds (`sum` of its first 20
 * bytes; 0: IPv6). What a device has put behind it is cut off.
 */
INL bool is_sound(struct __sk_buff *skb, struct scratch *s, __u32 l4, __u32 end, __u64 sum)
{
  if (sum && l4 > ETH_HLEN + 20) {
    int options = sum_packet(skb, s, ETH_HLEN + 20, l4);
    if (options < 0)
      return false;
    sum += options;
  }
  if (sum && csum_fold(sum) != 0xffff)
    return false;
  if (skb->gso_size || skb->len == end)
    return true;
  return end > l4 && skb->len > end && !bpf_skb_change_tail(skb, end, 0);
}

/*
 * The type of the tunnel of ours that it is for, 0: of none. Its port goes into s->in_port and s->slot,
 * the outer header into s->tin, where L4 begins into s->l4.
 */
NOINL int find_tunnel(struct __sk_buff *skb, struct scratch *s)
{
  if (!s)
    return 0;
  struct tun *t = &s->tin;
  struct address to = {};
  __be32 h[10];
  __u32 proto, l4, end;
  __u64 sum = 0;
  if (skb->protocol == bpf_htons(ETH_P_IP)) {
    if (read_at(skb, ETH_HLEN, h, 20))
      return 0;
    struct iphdr *ip = (void *)h;
    proto = ip->protocol;
    if ((proto != IPPROTO_UDP && proto != IPPROTO_GRE) || (ip->frag_off & bpf_htons(0x3fff)) ||
        ip->ihl < 5 || ip->version != 4)
      return 0;
    l4 = ETH_HLEN + ip->ihl * 4;
    end = ETH_HLEN + bpf_ntohs(ip->tot_len);
#pragma unroll
    for (int i = 0; i < 5; i++)
      sum += h[i];
  } else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
    if (read_at(skb, ETH_HLEN, h, 40))
      return 0;
    proto = ((struct ipv6hdr *)h)->nexthdr;
    if (proto != IPPROTO_UDP && proto != IPPROTO_GRE)
      return 0;
    l4 = ETH_HLEN + 40;
    end = l4 + bpf_ntohs(((struct ipv6hdr *)h)->payload_len);
  } else {
    return 0;
  }
  __u32 key = proto << 16;
  __be16 port;
  /* The UDP port, or what GRE carries. */
  if (read_at(skb, l4 + 2, &port, 2))
    return 0;
  if (proto == IPPROTO_UDP)
    key |= port;
  else if (port == PROTO_ERSPAN1 || port == PROTO_ERSPAN2)
    key = ERSPAN_KEY;
  else if (port != PROTO_TEB)
    key = GRE_L3_KEY;
  struct tunnel_port *p = bpf_map_lookup_elem(&tunnels, &key);
  if (!p)
    return 0;
  __builtin_memset(t, 0, sizeof *t);
  if (skb->protocol == bpf_htons(ETH_P_IP)) {
    struct iphdr *ip = (void *)h;
    t->src[0] = ip->saddr;
    t->dst[0] = ip->daddr;
    t->tos = ip->tos;
    t->ttl = ip->ttl;
    t->flags = ip->frag_off & IP_DF ? TNL_F_DF : 0;
    to.a[0] = ip->daddr;
  } else {
    struct ipv6hdr *ip = (void *)h;
    __builtin_memcpy(t->src, &ip->saddr, 16);
    __builtin_memcpy(t->dst, &ip->daddr, 16);
    t->tos = bpf_ntohl(h[0]) >> 20;
    t->ttl = ip->hop_limit;
    __builtin_memcpy(to.a, &ip->daddr, 16);
  }
  if (!bpf_map_lookup_elem(&locals, &to) || !is_sound(skb, s, l4, end, sum))
    return 0;
  s->l4 = l4;
  s->in_port = p->port_no;
  s->slot = p->slot;
  return p->type;
}

/*
 * Takes `strip` bytes of headers off, of which the last 14 are the inner Ethernet header, or, `bare`, in
 * the place of such a one; `seq`: the number to put in the place of its addresses, if not 0.
 */
INL int unwrap(struct __sk_buff *skb, struct scratch *s, __u32 strip, __u64 seq, bool bare)
{
  __be16 eth[7] __attribute__((aligned(4)));
  bool v6 = skb->protocol == bpf_htons(ETH_P_IPV6);
  asm volatile("" : "+r"(skb)); /* or its address is kept, which the verifier takes for another's */
  if (bare) {
    __builtin_memset(eth, 0, 12);
    eth[6] = s->inner_type;
  } else if (read_at(skb, strip, eth, 12) || read_at(skb, strip + 12, eth + 6, 2)) {
    return -1;
  }
  bool in4 = eth[6] == bpf_htons(ETH_P_IP), in6 = eth[6] == bpf_htons(ETH_P_IPV6);
  __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;
  if (have_decap_flags) {
    if (v6 && !in6)
      flags |= DECAP_L3_IPV4;
    if (!v6 && in6)
      flags |= DECAP_L3_IPV6;
  }
  if (seq)
    put_seq((void *)eth, seq);
  /* An IP header's worth must remain. */
  __u32 left = skb->len - strip, least = in6 || (v6 && !have_decap_flags) ? 54 : 34;
  bool tiny = left < least;
  if (tiny && bpf_skb_change_tail(skb, strip + least, 0))
    return -1;
  if (bpf_skb_adjust_room(skb, -(__s32)strip, BPF_ADJ_ROOM_MAC, flags) ||
      bpf_skb_store_bytes(skb, 0, eth, 14, 0))
    return -1;
  if (tiny && bpf_skb_change_tail(skb, left, 0))
    return -1;
  return (in4 || in6) && skb->protocol == eth[6] ? 0 : 1;
}
