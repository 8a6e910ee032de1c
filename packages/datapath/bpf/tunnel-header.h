/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Outer headers, put together in s->hdr. */
#pragma once

/* RFC 2784 and 2890. The checksum comes first, and later. */
INL __u32 put_gre(struct scratch *s, __be32 id)
{
  __u32 z = 0, n = 0, flags = s->tun.flags;
  __be16 *g = (void *)(s->hdr + L4_AT);
  __be32 *w = (void *)(g + 2);
  g[0] = 0;
  g[1] = s->inner_type;
  if (flags & TNL_F_CSUM) {
    g[0] |= GRE_CSUM;
    w[0] = 0;
    n = 1;
  }
  if (flags & TNL_F_KEY) {
    g[0] |= GRE_KEY;
    w[n] = id;
    n++;
  }
  if (flags & TNL_F_SEQ) {
    struct state *st = bpf_map_lookup_elem(&state, &z);
    g[0] |= GRE_SEQ;
    w[n] = st ? bpf_htonl(__sync_fetch_and_add(&st->gre_seq, 1)) : 0;
    n++;
  }
  return 4 + n * 4;
}

/* draft-foschiano-erspan-03, sections 4.2 and 4.3; 0: there is no such header. */
INL __u32 put_erspan(struct scratch *s, __be32 id)
{
  struct erspan *e = (void *)s->tun.opts;
  __u32 z = 0, session = bpf_ntohl(id), ver = e->ver;
  struct state *st = bpf_map_lookup_elem(&state, &z);
  if (!st || session > 1023 || (ver != 1 && ver != 2))
    return 0;
  __be16 *g = (void *)(s->hdr + L4_AT);
  __be32 *w = (void *)(g + 2);
  g[0] = GRE_SEQ;
  w[0] = bpf_htonl(__sync_fetch_and_add(&st->erspan_seq, 1));
  w[1] = bpf_htonl(ver << 28 | session);
  if (ver == 1) {
    g[1] = PROTO_ERSPAN1;
    w[2] = e->idx;
    return 16;
  }
  g[1] = PROTO_ERSPAN2;
  w[2] = bpf_htonl(bpf_ktime_get_ns() / 100000);
  w[3] = bpf_htonl((e->hwid & 0x30) << 4 | (e->hwid & 15) << 4 | (e->dir & 1) << 3);
  return 20;
}

/* UDP or GRE and what follows it, for an inner frame of `len` bytes; returns its length, or 0. */
INL __u32 put_l4(struct scratch *s, __u32 type, __u32 len, __u32 hash)
{
  struct tun *t = &s->tun;
  __be32 id = (__be32)(t->id >> 32);
  if (type == TUN_GRE || type == TUN_GRE_L3)
    return put_gre(s, id);
  if (type == TUN_ERSPAN)
    return put_erspan(s, id);
  struct udp_hdr *u = (void *)(s->hdr + L4_AT);
  u->source = bpf_htons(32768 | ((hash ^ hash >> 16) & 0x7fff));
  if (t->tp_src)
    u->source = t->tp_src;
  u->dest = t->tp_dst;
  u->check = 0;
  __u32 vni = bpf_htonl(bpf_ntohl(id) << 8), opts = 0;
  if (type == TUN_VXLAN) {
    struct vxlan_hdr *x = (void *)(u + 1);
    x->flags = VXLAN_I;
    x->vni = vni;
    if (t->gbp_id || t->gbp_flags)
      x->flags |= VXLAN_GBP | bpf_htonl((__u32)t->gbp_flags << 16 | bpf_ntohs(t->gbp_id));
  } else {
    struct geneve_hdr *g = (void *)(u + 1);
    opts = t->opts_len & OPTS_MAX;
    g->ver_len = opts / 4;
    g->flags = (t->flags & TNL_F_OAM ? 0x80 : 0) | (t->flags & TNL_F_CRIT ? 0x40 : 0);
    g->proto = PROTO_TEB;
    g->vni = vni;
    if (opts <= OPTS_INLINE)
      __builtin_memcpy(g + 1, t->opts, OPTS_INLINE);
    else if (put_options(s, L4_AT + 16))
      return 0;
  }
  u->len = bpf_htons(len + 16 + opts);
  return 16 + opts;
}

INL __u32 outer_proto(__u32 type)
{
  return type >= TUN_GRE ? IPPROTO_GRE : IPPROTO_UDP;
}

/* The checksum of `tl` bytes of UDP or GRE header and what follows them, which sums to `sum`. */
INL void put_checksum(struct scratch *s, __u32 type, __u32 tl, __u32 len, bool v6, __u64 sum)
{
  struct tun *t = &s->tun;
  __be32 *w = (void *)(s->hdr + L4_AT);
  sum += (__u32)bpf_csum_diff(0, 0, w, tl & 508, 0);
  if (type != TUN_VXLAN && type != TUN_GENEVE) {
    w[1] |= (__u16)~csum_fold(sum); /* its first two bytes, on little-endian machines */
    return;
  }
  sum += bpf_htonl(len);
  sum += bpf_htonl(IPPROTO_UDP);
  sum += (__u64)s->rt.src[0] + t->dst[0];
  if (v6)
#pragma unroll
    for (int i = 1; i < 4; i++)
      sum += (__u64)s->rt.src[i] + t->dst[i];
  __u16 check = ~csum_fold(sum);
  ((struct udp_hdr *)w)->check = check ? check : 0xffff;
}

INL void put_ip4(struct scratch *s, __u32 type, __u32 len)
{
  struct tun *t = &s->tun;
  struct iphdr *h = (void *)(s->hdr + L4_AT - 20);
  __builtin_memset(h, 0, 20);
  h->version = 4;
  h->ihl = 5;
  h->tos = t->tos;
  h->tot_len = bpf_htons(len + 20);
  h->frag_off = t->flags & TNL_F_DF ? IP_DF : 0;
  h->ttl = t->ttl;
  h->protocol = outer_proto(type);
  h->saddr = s->rt.src[0];
  h->daddr = t->dst[0];
  __u32 sum = 0;
#pragma unroll
  for (int i = 0; i < 10; i++)
    sum += ((__u16 *)h)[i];
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  h->check = ~sum;
}

INL void put_ip6(struct scratch *s, __u32 type, __u32 len)
{
  struct tun *t = &s->tun;
  struct ipv6hdr *h = (void *)(s->hdr + L4_AT - 40);
  *(__be32 *)h = bpf_htonl(0x60000000 | (__u32)t->tos << 20);
  h->payload_len = bpf_htons(len);
  h->nexthdr = outer_proto(type);
  h->hop_limit = t->ttl;
  __builtin_memcpy(&h->saddr, s->rt.src, 16);
  __builtin_memcpy(&h->daddr, t->dst, 16);
}
