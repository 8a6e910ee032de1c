/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Address translation: src/conntrack/nat.ts and rewrite-packet.ts are the reference. */
#pragma once

#define NAT_ADDRESSES 4
/* Ports that are tried of each end: the first when it is outside the range, and NAT_TRIES in it. */
#define NAT_NEAR 128
#define NAT_TRIES (NAT_NEAR + 64 + 32 + 16)
#define NAT_CANDIDATES (2 * (NAT_TRIES + 1))

INL bool nat_ports(const struct ct_tuple *t)
{
  return t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP;
}

/* FNV-1a of the tuple, byte for byte as in the reference. */
NOINL int ct_hash(struct scratch *s)
{
  if (!s)
    return 0;
  const struct ct_tuple *t = &s->w.t;
  __u8 *b = s->w.buf;
  __u32 n = t->v6 ? 16 : 4;
  __builtin_memset(b, 0, 48);
  if (t->v6) {
    __builtin_memcpy(b, t->src, 16);
    __builtin_memcpy(b + 16, t->dst, 16);
    __builtin_memcpy(b + 32, &t->sport, 4);
    b[38] = t->proto;
    b[39] = t->icmp_type;
  } else {
    __builtin_memcpy(b, t->src, 4);
    __builtin_memcpy(b + 4, t->dst, 4);
    __builtin_memcpy(b + 8, &t->sport, 4);
    b[14] = t->proto;
    b[15] = t->icmp_type;
  }
  n = 2 * n + 9;
  __u32 h = 0x811c9dc5;
  for (int i = 0; i < 41; i++) {
    if (i >= n)
      break;
    h = (h ^ b[i]) * 0x01000193;
  }
  return h;
}

/* The address of a range that is `by` behind its first one. */
INL void nat_address(__be32 *to, const __be32 *min, __u32 by, bool v6)
{
  if (!v6) {
    to[0] = bpf_htonl(bpf_ntohl(min[0]) + by);
    to[1] = to[2] = to[3] = 0;
    return;
  }
  __u64 lo = ((__u64)bpf_ntohl(min[2]) << 32 | bpf_ntohl(min[3])) + by;
  __u64 old = (__u64)bpf_ntohl(min[2]) << 32 | bpf_ntohl(min[3]);
  __u64 hi = ((__u64)bpf_ntohl(min[0]) << 32 | bpf_ntohl(min[1])) + (lo < old);
  to[0] = bpf_htonl(hi >> 32);
  to[1] = bpf_htonl((__u32)hi);
  to[2] = bpf_htonl(lo >> 32);
  to[3] = bpf_htonl((__u32)lo);
}

/* Takes s->w.reply as the tuple of the answers, if it is free. */
NOINL int ct_claim(struct scratch *s, __u32 zone)
{
  if (!s)
    return -1;
  struct ct_key k;
  struct ct_alias a = { .key = s->w.key };
  a.swapped = ct_key_of(&s->w.reply, &k, zone);
  struct ct_entry *e = bpf_map_lookup_elem(&cts, &k);
  if (e && e->expires > s->now) {
    bool reply = a.swapped != (e->flags & CTE_SWAPPED);
    if (!reply || !(e->flags & (CTE_SNAT | CTE_DNAT)))
      return -1;
  }
  if (!bpf_map_update_elem(&ct_aliases, &k, &a, BPF_NOEXIST))
    return 0;
  /* What is there may lead to nothing any more. */
  struct ct_alias *old = bpf_map_lookup_elem(&ct_aliases, &k);
  if (!old)
    return -1;
  struct ct_key main = old->key;
  e = bpf_map_lookup_elem(&cts, &main);
  if (e && e->expires > s->now)
    return -1;
  return bpf_map_update_elem(&ct_aliases, &k, &a, BPF_ANY);
}

NOINL int ct_release(struct scratch *s, __u32 zone)
{
  if (!s)
    return 0;
  struct ct_key k;
  ct_key_of(&s->w.reply, &k, zone);
  bpf_map_delete_elem(&ct_aliases, &k);
  return 0;
}

/* Where to look for a port that nobody has asked for: with its kind, as Linux does. */
INL __u32 nat_kind(__u32 port, __u32 *min)
{
  *min = port < 512 ? 1 : port < 1024 ? 600 : 1024;
  return port < 512 ? 511 : port < 1024 ? 424 : 64512;
}

/* The port of that number: near the first, and then elsewhere. */
INL __u32 nat_nth(__u32 k, __u32 min, __u32 size, __u32 from, __u32 hash)
{
  __u32 round = k < NAT_NEAR ? 0 : k < NAT_NEAR + 64 ? 1 : k < NAT_NEAR + 96 ? 2 : 3;
  if (round ? size <= NAT_NEAR : k >= size)
    return ~0U;
  if (round) {
    k -= round == 1 ? NAT_NEAR : round == 2 ? NAT_NEAR + 64 : NAT_NEAR + 96;
    from = (hash + round) * 0x9e3779b1;
    from %= size;
  }
  return min + (from + k) % size;
}

/* Another port of the source, which is tried when the destination's does not do. */
INL __u32 nat_source(const struct ct_range *g, __u32 k, __u32 now)
{
  __u32 min, size = nat_kind(now, &min);
  return nat_nth(k, min, size, now < min ? 0 : (now - min) % size, g->hash);
}

/* The candidate of that number, 0 when it is taken for s->w.e, 1 when it is not free, -1: no more. */
NOINL int ct_try(struct scratch *s, __u32 zone, __u32 i)
{
  if (!s)
    return -1;
  const struct ct_range *g = &s->w.range;
  __u32 n = i / NAT_CANDIDATES, k = i % NAT_CANDIDATES, port = g->first, from = ~0U;
  if (n > g->span)
    return -1;
  if (!g->ports) {
    if (k)
      return 1;
  } else if (!k) {
    if (!g->outside)
      return 1;
  } else if (k <= NAT_TRIES) {
    port = nat_nth(k - 1, g->min, g->size, g->from, g->hash);
    if (port == ~0U)
      return 1;
  } else {
    if (g->src || k == NAT_TRIES + 1)
      return 1;
    from = nat_source(g, k - NAT_TRIES - 2, bpf_ntohs(s->w.t.sport));
    if (from == ~0U)
      return 1;
  }
  struct ct_tuple *r = &s->w.reply;
  ct_reverse(r, &s->w.t);
  __be32 *addr = g->src ? r->dst : r->src;
  if (g->given) {
    __u32 by = g->start + n;
    nat_address(addr, s->w.args.nat_min, g->span == ~0U ? by : by % (g->span + 1), r->v6);
  }
  if (g->ports && g->src)
    r->dport = bpf_htons(port);
  else if (g->ports)
    r->sport = bpf_htons(port);
  if (from != ~0U)
    r->dport = bpf_htons(from);
  if (ct_claim(s, zone))
    return 1;
  __builtin_memcpy(s->w.e.nat_addr, addr, 16);
  s->w.e.nat_port = g->src ? r->dport : r->sport;
  s->w.e.nat_from = g->src ? 0 : r->dport;
  s->w.e.flags |= g->src ? CTE_SNAT : CTE_DNAT;
  return 0;
}

/* Sets out to look for a free tuple for the answers of s->w.t. */
NOINL int ct_look(struct scratch *s, __u32 flags)
{
  if (!s)
    return 0;
  const struct ct_args *a = &s->w.args;
  struct ct_range *g = &s->w.range;
  __u32 h = ct_hash(s), pick = flags & CTF_RANDOM ? bpf_get_prandom_u32() : h;
  g->hash = h;
  g->src = !!(flags & CTF_SRC);
  g->ports = nat_ports(&s->w.t);
  g->given = !!(a->nat_min[0] | a->nat_min[1] | a->nat_min[2] | a->nat_min[3]);
  g->span = g->given ? a->nat_span : 0;
  g->start = g->span == ~0U ? pick : pick % (g->span + 1);
  __u32 now = bpf_ntohs(g->src ? s->w.t.sport : s->w.t.dport), min = now, max = now, first = now;
  if (a->port_min) {
    min = a->port_min;
    max = a->port_max < min ? min : a->port_max;
    pick = flags & CTF_RANDOM ? bpf_get_prandom_u32() : h;
    if (now < min || now > max || (flags & CTF_RANDOM))
      first = min + pick % (max - min + 1);
  } else if (g->src) {
    max = nat_kind(now, &min) - 1;
    max += min;
  }
  g->min = min;
  g->size = max - min + 1;
  g->first = first;
  g->from = (first < min ? min : first > max ? max : first) - min;
  g->outside = first < min || first > max;
  return 0;
}

/* The source's or destination's port of the packet, to what s->w.reply has there. */
NOINL int nat_port(struct __sk_buff *skb, struct scratch *s, __u32 dst)
{
  if (!s)
    return 0;
  struct act a = {};
  const struct ct_tuple *t = &s->w.reply;
  *(__u64 *)(a.b + 8) = ~0ULL;
  a.type = A_SET_L4PORT;
  a.a16 = dst ? 2 : 0;
  *(__u16 *)a.b = dst ? t->dport : t->sport;
  set_l4(skb, s, &a);
  return 0;
}

/* The source or destination (`dst`) of the packet, without ports, to what s->w.reply has there. */
NOINL int nat_outer(struct __sk_buff *skb, struct scratch *s, __u32 dst)
{
  if (!s)
    return 0;
  struct act a = {};
  const struct ct_tuple *t = &s->w.reply;
  const __be32 *v = dst ? t->dst : t->src;
  *(__u64 *)(a.b + 8) = ~0ULL;
  if (t->v6) {
    a.a16 = dst ? 24 : 8;
    __builtin_memcpy(a.b, v, 8);
    set_ip6(skb, s, &a);
    a.a16 += 8;
    __builtin_memcpy(a.b, v + 2, 8);
    set_ip6(skb, s, &a);
  } else {
    a.a16 = dst ? 16 : 12;
    *(__u32 *)a.b = v[0];
    set_ip4(skb, s, &a);
  }
  return 0;
}

/* The same two of the packet that an ICMP error quotes; `dst` is of the quoted packet. */
NOINL int nat_inner_port(struct __sk_buff *skb, struct scratch *s, __u32 dst)
{
  if (!s)
    return 0;
  const struct ct_tuple *t = &s->w.reply; /* of the error's direction: the quoted is its reverse */
  __u32 at = s->w.inner_l4 + (dst ? 2 : 0);
  __be16 port = dst ? t->sport : t->dport, old_port;
  if (bpf_skb_load_bytes(skb, at, &old_port, 2))
    return 0;
  bpf_l4_csum_replace(skb, s->l4 + 2, old_port, port, 2);
  bpf_skb_store_bytes(skb, at, &port, 2, 0);
  return 0;
}

NOINL int nat_inner(struct __sk_buff *skb, struct scratch *s, __u32 dst)
{
  if (!s)
    return 0;
  const struct ct_tuple *t = &s->w.reply;
  const __be32 *v = dst ? t->src : t->dst;
  __u32 at = s->w.inner_l3, csum = s->l4 + 2;
  if (t->v6) {
    __be32 old[4], now[4];
    at += dst ? 24 : 8;
    __builtin_memcpy(now, v, 16);
    if (bpf_skb_load_bytes(skb, at, old, 16))
      return 0;
    __s64 d = bpf_csum_diff(old, 16, now, 16, 0);
    bpf_l4_csum_replace(skb, csum, 0, d, 0);
    bpf_skb_store_bytes(skb, at, now, 16, 0);
  } else {
    __be32 old, now = v[0];
    at += dst ? 16 : 12;
    if (bpf_skb_load_bytes(skb, at, &old, 4))
      return 0;
    /* The header's own checksum balances the change for the message's. */
    bpf_l3_csum_replace(skb, s->w.inner_l3 + 10, old, now, 4);
    bpf_skb_store_bytes(skb, at, &now, 4, 0);
  }
  return 0;
}

/* Does to the packet what its connection, s->w.key, asks for. 1: it was translated. */
NOINL int ct_translate(struct __sk_buff *skb, struct scratch *s, __u32 reply)
{
  if (!s || (s->ct.state & (CS_SNAT | CS_DNAT)))
    return 0;
  struct ct_key k = s->w.key;
  struct ct_entry *e = bpf_map_lookup_elem(&cts, &k);
  if (!e || !(e->flags & (CTE_SNAT | CTE_DNAT)))
    return 0;
  __u32 snat = e->flags & CTE_SNAT, dst = reply ? !!snat : !snat;
  bool related = s->w.quotes;
  /* The packet as it is to be: the first one translated, or the answer to it untranslated. */
  struct ct_tuple *t = &s->w.reply;
  /* Not on the stack, of which little is left. */
  struct ct_tuple *orig = &s->w.parent;
  ct_orig(orig, e, &k);
  if (reply) {
    ct_reverse(t, orig);
  } else {
    *t = *orig;
    __builtin_memcpy(snat ? t->src : t->dst, e->nat_addr, 16);
    t->sport = snat ? e->nat_port : e->nat_from;
    if (!snat)
      t->dport = e->nat_port;
  }
  bool ports = nat_ports(t), both = ports && !snat && e->nat_from != orig->sport;
  if (related)
    nat_inner(skb, s, !dst);
  nat_outer(skb, s, dst);
  for (__u32 i = 0; i < 1 + both && ports; i++) {
    if (related)
      nat_inner_port(skb, s, i ? dst : !dst);
    else
      nat_port(skb, s, i ? !dst : dst);
  }
  s->dirty |= DIRTY_KEY;
  s->ct.state |= dst ? CS_DNAT : CS_SNAT;
  return 1;
}
