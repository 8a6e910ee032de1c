/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Tunnels without tunnel devices: headers are put on and the packet routed where it leaves the
 * datapath, and taken off at ingress of the devices that own an address of the host. IP frames
 * grow by bpf_skb_adjust_room, which keeps GSO; others by bpf_skb_change_head and then go round
 * through the injection veth, which tells the kernel anew what protocol the packet is of.
 */
#pragma once

#define TUN_VXLAN 1
#define TUN_GENEVE 2
#define TUN_GRE 3
#define TUN_ERSPAN 4

#define VXLAN_I bpf_htonl(0x08000000)
#define VXLAN_GBP bpf_htonl(0x80000000)
#define GRE_CSUM bpf_htons(0x8000)
#define GRE_KEY bpf_htons(0x2000)
#define GRE_SEQ bpf_htons(0x1000)
#define GRE_OTHERS bpf_htons(0x4fff) /* routing, version and what no one uses */
#define PROTO_TEB bpf_htons(0x6558)
#define PROTO_ERSPAN1 bpf_htons(0x88be)
#define PROTO_ERSPAN2 bpf_htons(0x22eb)
#define ERSPAN_KEY (IPPROTO_GRE << 16 | 1) /* in `tunnels` */
#define IP_DF bpf_htons(0x4000)

/* Bits 7 and 8 since Linux 6.3. */
#define DECAP_L3_IPV4 (1ULL << 7)
#define DECAP_L3_IPV6 (1ULL << 8)

#define L4_AT 64 /* in scratch.hdr: UDP or GRE; the IP header and Ethernet lie before it */
#define ROUTE_SLOTS 256
#define ROUTE_NS 64000000ULL

struct vxlan_hdr {
  __be32 flags, vni;
};

struct geneve_hdr {
  __u8 ver_len, flags;
  __be16 proto;
  __be32 vni;
};

struct udp_hdr {
  __be16 source, dest, len, check;
};

/* Where the outer packet of a destination goes, for the next few milliseconds. */
struct tun_route {
  __be32 dst[4], src[4]; /* as asked for */
  __u64 expires;
  __u32 mark, ifindex, mtu, pad;
  __be32 from[4];
  __u8 mac[12];
  __u32 pad2;
};

struct address {
  __be32 a[4];
};

struct tunnel_port {
  __u32 port_no, slot, type;
};

struct device_source {
  __u32 ifindex, family;
};

MAP(tun_routes, PERCPU_ARRAY, ROUTE_SLOTS, __u32, struct tun_route, 0);
MAP(tunnels, HASH, 256, __u32, struct tunnel_port, 0); /* by protocol << 16 | UDP port (network order) */
MAP(locals, HASH, 65536, struct address, __u32, BPF_F_NO_PREALLOC);
MAP(sources, HASH, 4096, struct device_source, struct address, BPF_F_NO_PREALLOC);

INL bool is_ip6(const __be32 *src, const __be32 *dst)
{
  return dst[1] | dst[2] | dst[3] | src[1] | src[2] | src[3];
}

/* One part of a set(tunnel(...)); the first forgets what was. */
INL int set_tunnel(struct scratch *s, const struct act *a)
{
  struct tun *t = &s->tun;
  switch (a->a16 & 0xff) {
  case 0:
    __builtin_memset(t, 0, sizeof *t);
    __builtin_memcpy(&t->id, a->b, 8);
    __builtin_memcpy(t->src, a->b + 8, 4);
    __builtin_memcpy(t->dst, a->b + 12, 4);
    t->flags = a->a32;
    t->tos = a->a32 >> 16;
    t->ttl = a->a32 >> 24;
    s->tun_state |= TUN_OUT;
    break;
  case 1:
    __builtin_memcpy(&t->tp_src, &a->a32, 4);
    __builtin_memcpy(&t->gbp_id, a->b, 16);
    break;
  case 2:
    __builtin_memcpy(t->src, a->b, 16);
    break;
  case 3:
    __builtin_memcpy(t->dst, a->b, 16);
    break;
  }
  return RC_NEXT;
}

/* The way to s->tun.dst into s->rt; s->rt.direct: with the next hop's address. 0 on success. */
NOINL int tunnel_route(struct __sk_buff *skb, struct scratch *s)
{
  if (!s)
    return -1;
  __u32 z = 0, mark = skb->mark;
  struct tun *t = &s->tun;
  bool v6 = is_ip6(t->src, t->dst);
  __u64 now = s->now;
  __u64 h = (t->dst[0] ^ ((__u64)t->dst[3] << 32) ^ t->src[0] ^ mark) * K1;
  __u32 slot = h >> 56;
  struct tun_route *e = bpf_map_lookup_elem(&tun_routes, &slot);
  struct state *st = bpf_map_lookup_elem(&state, &z);
  if (!e || !st)
    return -1;
  __u64 d = 0;
#pragma unroll
  for (int i = 0; i < 4; i++)
    d |= (e->dst[i] ^ t->dst[i]) | (e->src[i] ^ t->src[i]);
  s->rt.direct = 0;
  if (!(d | (e->mark ^ mark)) && now < e->expires) {
    s->rt.ifindex = e->ifindex;
    s->rt.mtu = e->mtu;
    s->rt.direct = 1;
    __builtin_memcpy(s->rt.src, e->from, 16);
    __builtin_memcpy(s->rt.mac, e->mac, 12);
    return 0;
  }
  struct bpf_fib_lookup p = {};
  p.family = v6 ? 10 : 2;
  p.l4_protocol = IPPROTO_UDP;
  p.tot_len = 1;
  p.ifindex = st->inject_ifindex;
  __u32 flags = fib_flags;
  if (v6) {
    __builtin_memcpy(p.ipv6_src, t->src, 16);
    __builtin_memcpy(p.ipv6_dst, t->dst, 16);
  } else {
    p.ipv4_src = t->src[0];
    p.ipv4_dst = t->dst[0];
  }
  bool own = !(t->src[0] | t->src[1] | t->src[2] | t->src[3]);
  if (!own)
    flags &= ~FIB_LOOKUP_SRC;
  int rc = bpf_fib_lookup(skb, &p, sizeof p, flags);
  if (rc != BPF_FIB_LKUP_RET_SUCCESS && rc != BPF_FIB_LKUP_RET_NO_NEIGH)
    return -1;
  if (own && !(flags & FIB_LOOKUP_SRC)) {
    struct device_source ds = { p.ifindex, p.family };
    struct address *a = bpf_map_lookup_elem(&sources, &ds);
    if (!a)
      return -1;
    __builtin_memcpy(s->rt.src, a->a, 16);
  } else if (v6) {
    __builtin_memcpy(s->rt.src, p.ipv6_src, 16);
  } else {
    s->rt.src[0] = p.ipv4_src;
  }
  s->rt.ifindex = p.ifindex;
  s->rt.mtu = rc ? 65535 : p.mtu_result;
  __builtin_memcpy(s->rt.nh, p.ipv6_dst, 16);
  s->rt.nh_family = p.family;
  if (rc)
    return 0;
  __builtin_memcpy(s->rt.mac, p.dmac, 6);
  __builtin_memcpy(s->rt.mac + 6, p.smac, 6);
  __builtin_memcpy(e->dst, t->dst, 16);
  __builtin_memcpy(e->src, t->src, 16);
  __builtin_memcpy(e->from, s->rt.src, 16);
  __builtin_memcpy(e->mac, s->rt.mac, 12);
  e->mark = mark;
  e->ifindex = p.ifindex;
  e->mtu = p.mtu_result;
  e->expires = now + ROUTE_NS;
  return 0;
}

/*
 * Out by the route just found. A route from the cache has the next hop's address; one looked up
 * leaves by the kernel's neighbour table, so that neighbours are asked whether they are still there.
 */
INL int leave(struct scratch *s)
{
  if (s->rt.direct)
    return bpf_redirect(s->rt.ifindex, 0);
  struct bpf_redir_neigh nh = { .nh_family = s->rt.nh_family };
  __builtin_memcpy(nh.ipv6_nh, s->rt.nh, 16);
  return bpf_redirect_neigh(s->rt.ifindex, &nh, sizeof nh, 0);
}

/* RFC 2784 and 2890. The checksum comes first, and later. */
INL __u32 put_gre(struct scratch *s, __be32 id)
{
  __u32 z = 0, n = 0, flags = s->tun.flags;
  __be16 *g = (void *)(s->hdr + L4_AT);
  __be32 *w = (void *)(g + 2);
  g[0] = 0;
  g[1] = PROTO_TEB;
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
  if (type == TUN_GRE)
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
  if (type == TUN_GRE) {
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

/* The sender shall hear of it: the key becomes that of an answer from the tunnel's other end. */
INL int too_big(struct __sk_buff *skb, struct scratch *s, __u32 port, __u32 room)
{
  drop_count(s, DROP_MTU);
  if (s->rt.mtu <= room)
    return -1;
  s->k.in_port = port;
  s->k.recirc_id = 0;
  __builtin_memcpy(&s->k.tun_id, &s->tun, TUN_KEY_BYTES);
  __builtin_memcpy(s->k.tun_src, s->tun.dst, 16);
  __builtin_memcpy(s->k.tun_dst, s->rt.src, 16);
  upcall(skb, s, UPCALL_TOO_BIG, s->rt.mtu - room);
  return -1;
}

/* Where the payload of a segment begins; 0: unknown. */
INL __u32 payload_at(const struct scratch *s)
{
  return s->doff ? s->l4 + s->doff : 0;
}

/* Round through the injection veth; the packet is complete but for its way. */
INL int by_veth(struct __sk_buff *skb, struct scratch *s, __u16 act, __u32 a32)
{
  __u32 z = 0, mark = skb->mark;
  struct state *st = bpf_map_lookup_elem(&state, &z);
  if (!st)
    return -1;
  struct ctx *c = own_ctx(s, st, mark, skb->priority);
  if (!c)
    return -1;
  struct act a = { .type = act, .a16 = 1, .a32 = a32 };
  c->acts[0] = a;
  c->nact = 1;
  skb->mark = c->mark;
  s->verdict = bpf_redirect(st->inject_ifindex, 0);
  return 0;
}

/*
 * Whether the header is one for each segment: the kernel would give all of a super-packet's the same.
 * Where programs cannot tell whether a checksum is complete, it is completed on the same way.
 */
INL bool must_cut(struct __sk_buff *skb, struct scratch *s, __u32 type)
{
  bool csum = s->tun.flags & TNL_F_CSUM;
  if (s->tun_state & TUN_CUT)
    return false;
  if (skb->gso_size)
    return csum || s->tun.flags & TNL_F_SEQ || type == TUN_ERSPAN;
  return csum && !have_kfuncs;
}

/* To come back here segment by segment. */
INL int cut(struct __sk_buff *skb, struct scratch *s, __u32 port)
{
  __u32 z = 0, mark = skb->mark;
  struct state *st = bpf_map_lookup_elem(&state, &z);
  if (!st || !st->segment_ifindex)
    return -3;
  struct ctx *c = own_ctx(s, st, mark, skb->priority);
  if (!c)
    return -1;
  struct act a = { .type = A_OUT, .a16 = 1, .a32 = port };
  c->acts[0] = a;
  c->nact = 1;
  c->tun_state |= TUN_CUT;
  skb->mark = c->mark;
  s->verdict = bpf_redirect(st->segment_ifindex, 0);
  return 1;
}

/*
 * The packet, wrapped as s->tun says and on its way; `port`: datapath port, `type`: TUN_*. 1: it will
 * be, one segment at a time.
 */
NOINL int tunnel_out(struct __sk_buff *skb, struct scratch *s, __u32 port, __u32 type)
{
  if (!s || !(s->tun_state & TUN_OUT))
    return -1;
  if ((s->dirty & DIRTY_LAYOUT) && extract(skb, s))
    return -1;
  if (must_cut(skb, s, type))
    return cut(skb, s, port);
  if (tunnel_route(skb, s))
    return -2;
  bool v6 = is_ip6(s->tun.src, s->tun.dst), csum = s->tun.flags & TNL_F_CSUM && type != TUN_ERSPAN;
  __u32 hash = bpf_get_hash_recalc(skb), gso = skb->gso_size, tag = 0, at = payload_at(s);
  __be16 eth[9];
  if (bpf_skb_load_bytes(skb, 0, eth, 14))
    return -1;
  eth[8] = eth[6];
  if (skb->vlan_present) {
    __be16 tci = bpf_htons(skb->vlan_tci), tpid = skb->vlan_proto;
    if (bpf_skb_vlan_pop(skb))
      return -1;
    eth[6] = tpid;
    eth[7] = tci;
    tag = 4;
  }
  __u32 len = skb->len + tag, l3 = v6 ? 40 : 20;
  __u32 tl = put_l4(s, type, len, hash) & 511;
  if (!tl)
    return -3;
  __u32 room = l3 + tl + 14 + tag;
  __u64 flags = BPF_F_ADJ_ROOM_ENCAP_L2_ETH;
  flags |= v6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
  flags |= type >= TUN_GRE ? BPF_F_ADJ_ROOM_ENCAP_L4_GRE : BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
  flags |= BPF_F_ADJ_ROOM_ENCAP_L2(14 + tag);
  if (!gso) {
    if (l3 + tl + len > s->rt.mtu)
      return too_big(skb, s, port, room);
  } else if (at && gso + at - 14 + room <= s->rt.mtu) {
    flags |= BPF_F_ADJ_ROOM_FIXED_GSO;
  } else if (gso <= room || !at || gso + at - 14 > s->rt.mtu) {
    return too_big(skb, s, port, room);
  }
  __u32 total = tl + len > 65535 - l3 ? 65535 - l3 : tl + len;
  if (csum) {
    int sum = sum_frame(skb, s);
    if (sum < 0)
      return -1;
    __u64 all = sum;
    if (tag)
      all += (__u64)eth[6] + eth[7];
    put_checksum(s, type, tl, total, v6, all);
  }
  if (v6)
    put_ip6(s, type, total);
  else
    put_ip4(s, type, total);
  __u8 *start = s->hdr + L4_AT - 34;
  if (v6)
    start = s->hdr + L4_AT - 54;
  __builtin_memcpy(start, s->rt.mac, 12);
  *(__be16 *)(start + 12) = v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
  __u8 *inner = s->hdr + L4_AT + tl;
  __builtin_memcpy(inner, eth, 14);
  if (tag)
    __builtin_memcpy(inner + 14, eth + 7, 4);
  __be16 type3 = eth[8];
  bool ip = (type3 == bpf_htons(ETH_P_IP) || type3 == bpf_htons(ETH_P_IPV6)) &&
            skb->protocol == type3;
  bool whole = false;
  int rc = ip ? bpf_skb_adjust_room(skb, room, BPF_ADJ_ROOM_MAC, flags) : -1;
  if (rc) {
    if (gso || bpf_skb_change_head(skb, room, 0))
      return -3;
    whole = true;
  }
  __u32 n = (14 + room) & 511;
  if (n < 14 || bpf_skb_store_bytes(skb, 0, start, n, 0))
    return -4;
  if (whole)
    return by_veth(skb, s, A_TUN_SEND, 0);
  s->verdict = leave(s);
  return 0;
}

/* A packet that was wrapped on the other side of the injection veth. */
NOINL int tunnel_send(struct __sk_buff *skb, struct scratch *s)
{
  if (!s || tunnel_route(skb, s))
    return -2;
  if (s->rt.direct && bpf_skb_store_bytes(skb, 0, s->rt.mac, 12, 0))
    return -1;
  s->verdict = leave(s);
  return 0;
}

/* The last output, to a tunnel. */
NOINL int wrap(struct __sk_buff *skb, struct scratch *s)
{
  if (!s)
    return TC_ACT_SHOT;
  __u32 len = skb->len, slot = s->wrap_slot;
  int rc = s->wrap == WRAP_DONE ? tunnel_send(skb, s) : tunnel_out(skb, s, s->wrap_port, s->wrap);
  if (rc == -2)
    drop_count(s, DROP_NO_ROUTE);
  else if (rc < -2)
    drop_count(s, DROP_ACTION);
  if (s->wrap == WRAP_DONE)
    return rc ? TC_ACT_SHOT : s->verdict;
  if (rc > 0)
    return s->verdict;
  struct port_stat *ps = bpf_map_lookup_elem(&port_stats, &slot);
  if (!ps)
    return TC_ACT_SHOT;
  if (rc) {
    ps->tx_dropped++;
    return TC_ACT_SHOT;
  }
  ps->tx_packets++;
  ps->tx_bytes += len;
  return s->verdict;
}

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
  if (type == TUN_GRE) {
    __be16 g[2];
    __u32 n = 4;
    __be32 key;
    if (bpf_skb_load_bytes(skb, off, g, 4) || g[1] != PROTO_TEB || (g[0] & GRE_OTHERS))
      return 0;
    if (g[0] & GRE_CSUM) {
      t->flags |= TNL_F_CSUM;
      n += 4;
    }
    if (g[0] & GRE_KEY) {
      if (bpf_skb_load_bytes(skb, off + n, &key, 4))
        return 0;
      t->flags |= TNL_F_KEY;
      t->id = (__u64)key << 32;
      n += 4;
    }
    return g[0] & GRE_SEQ ? n + 4 : n;
  }
  if (bpf_skb_load_bytes(skb, off, h, 16))
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
    if (bpf_skb_load_bytes(skb, ETH_HLEN, h, 20))
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
    if (bpf_skb_load_bytes(skb, ETH_HLEN, h, 40))
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
  if (bpf_skb_load_bytes(skb, l4 + 2, &port, 2))
    return 0;
  if (proto == IPPROTO_UDP)
    key |= port;
  else if (port == PROTO_ERSPAN1 || port == PROTO_ERSPAN2)
    key = ERSPAN_KEY;
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
 * Takes `strip` bytes of headers off, of which the last 14 are the inner Ethernet header; `seq`: the
 * number to put in the place of its addresses, if not 0.
 */
INL int unwrap(struct __sk_buff *skb, struct scratch *s, __u32 strip, __u64 seq)
{
  __be16 eth[7];
  bool v6 = skb->protocol == bpf_htons(ETH_P_IPV6);
  if (bpf_skb_load_bytes(skb, strip, eth, 14))
    return -1;
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
