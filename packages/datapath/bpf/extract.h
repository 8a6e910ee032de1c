/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The flow key of a packet, equal field for field to extractFlow() of packages/packet. Ethernet and
 * IP headers are read from the linear part (made long enough first), the others wherever they lie.
 */
#pragma once

#define FIXED_HEADERS (ETH_HLEN + 8 + 8 + 40) /* two tags, LLC and SNAP, IPv6 */
#define MAX_EXT_HEADERS 16
#define MAX_ND_OPTIONS 16

struct arp_eth {
  __be16 hrd, pro;
  __u8 hln, pln;
  __be16 op;
  __u8 sha[6], spa[4], tha[6], tpa[4];
} __attribute__((packed));

struct vlan_tag {
  __be16 tci, type;
};

INL void copy6(void *to, const void *from)
{
  __builtin_memcpy(to, from, 6);
}

INL __be16 llc_type(struct __sk_buff *skb, __u32 off)
{
  struct {
    __u8 dsap, ssap, ctl, oui[3];
    __be16 type;
  } h;
  if (bpf_skb_load_bytes(skb, off, &h, sizeof h))
    return bpf_htons(FLOW_DL_TYPE_NONE);
  if (h.dsap == 0xaa && h.ssap == 0xaa && h.ctl == 3 && !h.oui[0] && !h.oui[1] && !h.oui[2] &&
      bpf_ntohs(h.type) >= ETH_P_802_3_MIN)
    return h.type;
  return bpf_htons(FLOW_DL_TYPE_NONE);
}

/* Ethernet and up to two tags, one of which may be in the metadata. Returns where L3 starts, 0 on failure. */
INL __u32 extract_eth(struct __sk_buff *skb, struct flow_key *k)
{
  void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
  struct ethhdr *e = data;
  if (data + sizeof *e > end)
    return 0;
  copy6(k->eth_dst, e->h_dest);
  copy6(k->eth_src, e->h_source);
  __be16 t = e->h_proto;
  __u32 off = ETH_HLEN, tags = 0;
  if (skb->vlan_present) {
    k->vlan0_tci = bpf_htons(skb->vlan_tci | VLAN_CFI_PRESENT);
    k->vlan0_tpid = skb->vlan_proto;
    tags = 1;
  }
#pragma unroll
  for (int i = 0; i < 2; i++) {
    struct vlan_tag *v = data + ETH_HLEN + 4 * i;
    if (!is_vlan(t) || tags >= 2 || (void *)(v + 1) > end)
      break;
    if (tags++) {
      k->vlan1_tci = v->tci | bpf_htons(VLAN_CFI_PRESENT);
      k->vlan1_tpid = t;
    } else {
      k->vlan0_tci = v->tci | bpf_htons(VLAN_CFI_PRESENT);
      k->vlan0_tpid = t;
    }
    t = v->type;
    off += 4;
  }
  if (bpf_ntohs(t) < ETH_P_802_3_MIN) {
    t = llc_type(skb, off);
    if (t != bpf_htons(FLOW_DL_TYPE_NONE))
      off += 8;
  }
  k->eth_type = t;
  return off;
}

INL void extract_arp(struct __sk_buff *skb, struct scratch *s, __u32 off)
{
  struct flow_key *k = &s->k;
  struct arp_eth a;
  if (bpf_skb_load_bytes(skb, off, &a, sizeof a))
    return;
  if (a.hrd != bpf_htons(1) || a.pro != bpf_htons(ETH_P_IP) || a.hln != 6 || a.pln != 4)
    return;
  s->l3 = off;
  if (bpf_ntohs(a.op) < 256)
    k->nw_proto = bpf_ntohs(a.op);
  __builtin_memcpy(k->nw_src, a.spa, 4);
  __builtin_memcpy(k->nw_dst, a.tpa, 4);
  copy6(k->arp_sha, a.sha);
  copy6(k->arp_tha, a.tha);
}

/* Returns where L4 starts; 0 when there is none. */
INL __u32 extract_ip4(struct __sk_buff *skb, struct scratch *s, __u32 off)
{
  struct flow_key *k = &s->k;
  void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
  struct iphdr *ip = data + off;
  if ((void *)(ip + 1) > end)
    return 0;
  __u32 ihl = ip->ihl * 4, total = bpf_ntohs(ip->tot_len), size = skb->len - off;
  if (!total && skb->gso_size) /* BIG TCP */
    total = size;
  if (ihl < sizeof *ip || size < ihl || total > size || ihl > total)
    return 0;
  s->l3 = off;
  s->l4_end = off + total;
  k->nw_src[0] = ip->saddr;
  k->nw_dst[0] = ip->daddr;
  k->nw_proto = ip->protocol;
  k->nw_tos = ip->tos;
  k->nw_ttl = ip->ttl;
  __u32 frag = bpf_ntohs(ip->frag_off);
  if (frag & 0x3fff) {
    k->nw_frag = FLOW_NW_FRAG_ANY;
    if (frag & 0x1fff) {
      k->nw_frag |= FLOW_NW_FRAG_LATER;
      return 0;
    }
  }
  return off + ihl;
}

/*
 * Moves s->l4 behind the extension headers that begin there; s->k.nw_proto is the type of the first
 * and then what follows the last. -1 when they are cut short: the packet counts as one without
 * fragment and protocol.
 *
 * This and the functions below are global, that is verified by themselves: inlined, every way
 * through their loops would multiply with what comes after.
 */
NOINL int skip_extensions(struct __sk_buff *skb, struct scratch *s)
{
  if (!s)
    return -1;
  struct {
    __u8 next, len;
    __be16 frag;
    __be32 id;
  } h;
  __u32 off = s->l4;
  __u8 proto = s->k.nw_proto, frag = 0;
  s->k.nw_proto = 0;
  for (int i = 0; i < MAX_EXT_HEADERS; i++) {
    if (proto != IPPROTO_HOPOPTS && proto != IPPROTO_ROUTING && proto != IPPROTO_DSTOPTS &&
        proto != IPPROTO_AH && proto != IPPROTO_FRAGMENT) {
      s->l4 = off;
      s->k.nw_proto = proto;
      s->k.nw_frag = frag;
      return 0;
    }
    if (off + sizeof h > s->l4_end || bpf_skb_load_bytes(skb, off, &h, sizeof h))
      return -1;
    if (proto == IPPROTO_FRAGMENT) {
      if (h.frag & bpf_htons(0xfff9))
        frag = FLOW_NW_FRAG_ANY;
      if (h.frag & bpf_htons(0xfff8)) {
        s->k.nw_frag = FLOW_NW_FRAG_ANY | FLOW_NW_FRAG_LATER;
        s->k.nw_proto = IPPROTO_FRAGMENT;
        return 0;
      }
      off += 8;
    } else {
      off += proto == IPPROTO_AH ? (h.len + 2) * 4 : (h.len + 1) * 8;
      if (off > s->l4_end)
        return -1;
    }
    proto = h.next;
  }
  return -1;
}

INL __u32 extract_ip6(struct __sk_buff *skb, struct scratch *s, __u32 off)
{
  struct flow_key *k = &s->k;
  void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
  struct ipv6hdr *ip = data + off;
  if ((void *)(ip + 1) > end)
    return 0;
  __u32 plen = bpf_ntohs(ip->payload_len), size = skb->len - off - sizeof *ip;
  __u32 first = *(__u32 *)ip;
  if (!plen && skb->gso_size) /* BIG TCP */
    plen = size;
  if (plen > size)
    return 0;
  __builtin_memcpy(k->nw_src, &ip->saddr, 16);
  __builtin_memcpy(k->nw_dst, &ip->daddr, 16);
  __u8 ttl = ip->hop_limit;
  k->nw_proto = ip->nexthdr;
  s->l3 = off;
  s->l4 = off + sizeof *ip;
  s->l4_end = s->l4 + plen;
  if (skip_extensions(skb, s))
    return 0;
  k->nw_tos = bpf_ntohl(first) >> 20;
  k->nw_ttl = ttl;
  k->ipv6_label = first & bpf_htonl(0xfffff);
  return k->nw_frag & FLOW_NW_FRAG_LATER ? 0 : s->l4;
}

INL int void_nd(struct flow_key *k)
{
  __builtin_memset(k->nd_target, 0, 16);
  __builtin_memset(k->arp_sha, 0, 12);
  return 0;
}

INL bool zero6(const __u8 *a)
{
  return !(a[0] | a[1] | a[2] | a[3] | a[4] | a[5]);
}

/* Target and link-layer options. A broken option ends the list, one given twice voids all. */
NOINL int extract_nd(struct __sk_buff *skb, struct scratch *s)
{
  if (!s)
    return 0;
  struct flow_key *k = &s->k;
  __u32 off = s->l4;
  struct {
    __u8 type, len, mac[6];
  } opt;
  if (off + 24 > s->l4_end || bpf_skb_load_bytes(skb, off + 8, k->nd_target, 16))
    return 0;
  off += 24;
  for (int i = 0; i < MAX_ND_OPTIONS; i++) {
    if (off + 8 > s->l4_end)
      return 0;
    if (bpf_skb_load_bytes(skb, off, &opt, sizeof opt))
      return 0;
    __u32 n = opt.len * 8;
    if (!n || off + n > s->l4_end)
      return 0;
    if (n == 8 && opt.type == 1) {
      if (!zero6(k->arp_sha))
        return void_nd(k);
      copy6(k->arp_sha, opt.mac);
    } else if (n == 8 && opt.type == 2) {
      if (!zero6(k->arp_tha))
        return void_nd(k);
      copy6(k->arp_tha, opt.mac);
    }
    off += n;
  }
  return 0;
}

INL int extract_tcp(struct scratch *s, const __be16 *h, __u32 have)
{
  __u32 doff = (bpf_ntohs(h[6]) >> 12) * 4;
  if (doff < 20 || doff > have)
    return 0;
  s->k.tp_src = h[0];
  s->k.tp_dst = h[1];
  s->k.tcp_flags = h[6] & bpf_htons(0xfff);
  s->doff = doff;
  return 0;
}

INL int extract_l4(struct __sk_buff *skb, struct scratch *s)
{
  struct flow_key *k = &s->k;
  __u32 off = s->l4;
  __be16 h[10] __attribute__((aligned(4)));
  __u32 have = s->l4_end > off ? s->l4_end - off : 0;
  switch (k->nw_proto) {
  case IPPROTO_TCP:
    if (have < 20)
      return 0;
    return read_at(skb, off, h, 20) ? 0 : extract_tcp(s, h, have);
  case IPPROTO_UDP:
  case IPPROTO_SCTP:
    if (have < (k->nw_proto == IPPROTO_UDP ? 8 : 12))
      return 0;
    if (read_at(skb, off, h, 4))
      return 0;
    k->tp_src = h[0];
    k->tp_dst = h[1];
    return 0;
  case IPPROTO_ICMP:
    if (k->eth_type != bpf_htons(ETH_P_IP) || have < 8 || bpf_skb_load_bytes(skb, off, h, 2))
      return 0;
    break;
  case IPPROTO_ICMPV6:
    if (k->eth_type != bpf_htons(ETH_P_IPV6) || have < 8 || bpf_skb_load_bytes(skb, off, h, 2))
      return 0;
    break;
  default:
    return 0;
  }
  __u8 type = ((__u8 *)h)[0], code = ((__u8 *)h)[1];
  k->tp_src = bpf_htons(type);
  k->tp_dst = bpf_htons(code);
  if (k->nw_proto == IPPROTO_ICMPV6 && !code && (type == 135 || type == 136))
    extract_nd(skb, s);
  return 0;
}

/* The ct_* fields: what tracking found, which is not in the packet. */
NOINL int put_ct(struct scratch *s)
{
  if (!s)
    return 0;
  struct flow_key *k = &s->k;
  const struct ct_md *c = &s->ct;
  const struct ct_tuple *t = &c->orig;
  k->ct_nw_src = k->ct_nw_dst = 0;
  k->ct_tp_src = k->ct_tp_dst = 0;
  k->ct_nw_proto = 0;
  __builtin_memset(k->ct_ipv6_src, 0, 32);
  if (!s->ct_on) {
    k->ct_state = k->ct_zone = 0;
    k->ct_mark = 0;
    __builtin_memset(k->ct_label, 0, 16);
    return 0;
  }
  k->ct_state = c->state;
  k->ct_zone = c->zone;
  k->ct_mark = c->mark;
  __builtin_memcpy(k->ct_label, c->label, 16);
  if (!t->proto)
    return 0;
  k->ct_nw_proto = t->proto;
  bool icmp = t->proto == (t->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
  k->ct_tp_src = icmp ? bpf_htons(t->icmp_type) : t->sport;
  k->ct_tp_dst = icmp ? 0 : t->dport;
  if (t->v6) {
    __builtin_memcpy(k->ct_ipv6_src, t->src, 16);
    __builtin_memcpy(k->ct_ipv6_dst, t->dst, 16);
  } else {
    k->ct_nw_src = t->src[0];
    k->ct_nw_dst = t->dst[0];
  }
  return 0;
}

/*
 * Makes Ethernet and IP headers part of the linear part where they are not. Not more than is needed:
 * TCP's packets have their headers there alone, and to add to them is to copy them, as TCP keeps them.
 */
INL void pull_headers(struct __sk_buff *skb)
{
  void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
  struct ethhdr *e = data;
  if (data + FIXED_HEADERS <= end || end - data >= skb->len)
    return;
  if (data + ETH_HLEN + sizeof(struct iphdr) <= end && e->h_proto == bpf_htons(ETH_P_IP))
    return;
  bpf_skb_pull_data(skb, skb->len < LINEAR ? skb->len : LINEAR);
}

/* Fills s->k and the header offsets; 0 on success. */
NOINL int extract(struct __sk_buff *skb, struct scratch *s)
{
  if (!s)
    return -1;
  struct flow_key *k = &s->k;
  __builtin_memset(k, 0, sizeof *k);
  k->in_port = s->in_port;
  k->recirc_id = s->recirc;
  k->skb_mark = skb->mark;
  if (s->tun_state & TUN_IN) {
    __builtin_memcpy(&k->tun_id, &s->tin, TUN_KEY_BYTES);
    __builtin_memcpy(&k->tun_gbp_id, &s->tin.gbp_id, 16);
  }
  if (s->ct_on)
    put_ct(s);
  s->dirty = 0;
  s->l3 = 0;
  s->l4 = 0;
  s->doff = 0;
  pull_headers(skb);
  __u32 off = extract_eth(skb, k) & 63;
  if (!off)
    return -1;
  __u32 l4 = 0;
  if (k->eth_type == bpf_htons(ETH_P_IP)) {
    l4 = extract_ip4(skb, s, off);
  } else if (k->eth_type == bpf_htons(ETH_P_IPV6)) {
    l4 = extract_ip6(skb, s, off);
  } else if (k->eth_type == bpf_htons(ETH_P_ARP) || k->eth_type == bpf_htons(ETH_P_RARP)) {
    extract_arp(skb, s, off);
  }
  s->l4 = l4;
  if (l4)
    extract_l4(skb, s);
  return 0;
}

/* As `extract`, where it is not known already what that would find. */
INL int refresh(struct __sk_buff *skb, struct scratch *s)
{
  if (s->dirty & ~DIRTY_CT)
    return extract(skb, s);
  s->k.recirc_id = s->recirc;
  if (s->dirty)
    put_ct(s);
  s->dirty = 0;
  return 0;
}
