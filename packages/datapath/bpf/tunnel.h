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
#define TUN_GRE_L3 5 /* without Ethernet headers: within the datapath their addresses are 0 */

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
#define GRE_L3_KEY (IPPROTO_GRE << 16 | 2)
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
