/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The `ct` action: src/conntrack/conntrack.ts is its reference. Functions are global, that is
 * verified by themselves. Checksums are not verified here: most are still to be completed, and
 * the receiver drops what is damaged.
 */
#pragma once

#define CTF_COMMIT 1
#define CTF_FORCE 2
#define CTF_NAT 4
#define CTF_SRC 8
#define CTF_DST 16
#define CTF_RANDOM 32
#define CTF_FTP 1024
#define CTF_TFTP 2048
#define CTF_EXPECTED 0x10000 /* the connection was announced */

#define NSEC 1000000000ULL
#define CT_EVICT_TRIES 4

#include "ct-tuple.h"

INL void ct_count(__u32 zone, __s32 by)
{
  __u32 z = 0;
  struct ct_zone *cz = bpf_map_lookup_elem(&ct_zones, &zone);
  struct ct_global *g = bpf_map_lookup_elem(&ct_globals, &z);
  if (cz)
    __sync_fetch_and_add(&cz->count, by);
  if (g)
    __sync_fetch_and_add(&g->count, by);
}

/* Removes the connection of s->w.key; 0 when it was there. The alias is found by translating as it was done. */
NOINL int ct_remove(struct scratch *s)
{
  if (!s)
    return 0;
  struct ct_key k = s->w.key;
  struct ct_entry *e = bpf_map_lookup_elem(&cts, &k);
  if (!e)
    return -1;
  if (e->flags & (CTE_SNAT | CTE_DNAT)) {
    struct ct_tuple *t = &s->w.reply; /* not on the stack, of which little is left */
    __builtin_memset(t, 0, sizeof *t);
    bool sw = e->flags & CTE_SWAPPED, src = e->flags & CTE_SNAT;
    /* As the answers come: from the destination to the source of the first packet. */
    __builtin_memcpy(t->src, sw ? k.a : k.b, 16);
    __builtin_memcpy(t->dst, sw ? k.b : k.a, 16);
    t->sport = sw ? k.pa : k.pb;
    t->dport = sw ? k.pb : k.pa;
    __builtin_memcpy(src ? t->dst : t->src, e->nat_addr, 16);
    t->dport = src ? e->nat_port : e->nat_from;
    if (!src)
      t->sport = e->nat_port;
    t->proto = k.proto;
    t->v6 = k.kind & CTK_V6;
    if (is_icmp(t)) {
      t->icmp_type = t->v6 ? 129 : (k.kind >> 2 & 3) == 1 ? 0 : (k.kind >> 2 & 3) == 2 ? 14 : 16;
      if (src)
        t->dport = t->sport;
      else
        t->sport = t->dport;
    }
    struct ct_key ak;
    ct_key_of(t, &ak, k.zone);
    bpf_map_delete_elem(&ct_aliases, &ak);
  }
  if (e->flags & CTE_REL)
    bpf_map_delete_elem(&ct_parents, &k);
  if (ct_may_gain(e->flags))
    bpf_map_delete_elem(&ct_gains, &k);
  if (bpf_map_delete_elem(&cts, &k))
    return -1;
  ct_count(k.zone, -1);
  return 0;
}

INL void ct_touch(struct scratch *s, struct ct_entry *e, __u32 timeout)
{
  __u32 p = e->policy & (CT_POLICIES - 1);
  struct ct_policy *pol = bpf_map_lookup_elem(&ct_policies, &p);
  if (!pol)
    return;
  __u64 x = s->now + pol->t[timeout & (CTT_COUNT - 1)] * NSEC;
  /* Not for every packet: a second more or less does not matter. */
  if (x > e->expires + NSEC || x < e->expires)
    e->expires = x;
}

INL bool ct_seq_free(void)
{
  __u32 z = 0;
  struct ct_global *g = bpf_map_lookup_elem(&ct_globals, &z);
  return g && g->no_seq_check;
}

/* The tuple of the first packet of the connection of key `k`. */
INL void ct_orig(struct ct_tuple *t, const struct ct_entry *e, const struct ct_key *k)
{
  bool sw = e->flags & CTE_SWAPPED;
  __builtin_memcpy(t->src, sw ? k->b : k->a, 16);
  __builtin_memcpy(t->dst, sw ? k->a : k->b, 16);
  t->sport = sw ? k->pb : k->pa;
  t->dport = sw ? k->pa : k->pb;
  t->proto = k->proto;
  t->v6 = k->kind & CTK_V6;
  t->icmp_type = 0;
  t->pad = 0;
  __u32 class = k->kind >> 2 & 3;
  if (is_icmp(t))
    t->icmp_type = t->v6 ? 128 : class == 1 ? 8 : class == 2 ? 13 : 15;
}

/* Sets and reports what the connection of key `k` carries; one that was announced keeps it. */
INL void ct_report(struct scratch *s, struct ct_entry *e, struct ct_key *k)
{
  struct ct_args *a = &s->w.args;
  bool rel = e->flags & CTE_REL;
  s->w.cte = e->flags;
  if (a->given && !rel) {
    if (a->mark_mask)
      e->mark = (e->mark & ~a->mark_mask) | (a->mark & a->mark_mask);
#pragma unroll
    for (int i = 0; i < 4; i++)
      if (a->label_mask[i])
        e->label[i] = (e->label[i] & ~a->label_mask[i]) | (a->label[i] & a->label_mask[i]);
  }
  __builtin_memcpy(s->ct.label, e->label, 16);
  s->ct.mark = e->mark;
  ct_orig(&s->ct.orig, e, k);
  struct ct_tuple *parent = rel ? bpf_map_lookup_elem(&ct_parents, k) : 0;
  if (parent)
    s->ct.orig = *parent;
}

/* The same of s->w.key. */
NOINL int ct_note(struct scratch *s)
{
  if (!s)
    return 0;
  struct ct_key k = s->w.key;
  struct ct_entry *e = bpf_map_lookup_elem(&cts, &k);
  if (e)
    ct_report(s, e, &k);
  return 0;
}

INL __u32 ct_step(struct __sk_buff *skb, struct scratch *s, struct ct_entry *e, const struct ct_key *k,
                  __u32 reply)
{
  if (k->proto == IPPROTO_TCP) {
    s->w.ack_gain = 0;
    if (ct_may_gain(e->flags))
      ct_ack_gain(skb, s, reply);
    __u32 r = tcp_update(skb, s, e, (reply ? 1 : 0) | (ct_seq_free() ? 2 : 0));
    if (r >> 8)
      ct_touch(s, e, (r >> 8) - 1);
    return r & 0xff;
  }
  bool icmp = k->proto == (k->kind & CTK_V6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
  __u8 was = e->other, now = reply ? CTO_BIDIR : was == CTO_FIRST && !icmp ? CTO_MULTIPLE : was;
  if (was != now)
    e->other = now;
  if (now == CTO_BIDIR) {
    ct_touch(s, e, icmp ? CTT_ICMP_REPLY : CTT_UDP_MULTIPLE);
    return CTU_VALID;
  }
  ct_touch(s, e, icmp ? CTT_ICMP_FIRST : CTT_UDP_SINGLE);
  return CTU_VALID_NEW;
}

/* In what ct_find returns, above the direction. */
#define CT_MOVED(u) (((u) + 1) << 8)

/*
 * Looks s->w.t up; s->w.key is then the connection's. 0: none; 1: its direction; 2: the other; -1:
 * one whose time is over. `how`: 1: the packet moves the connection on, 2: unless it is an answer;
 * CT_MOVED(CTU_*) says that it did, and what is reported unless that is CTU_NEW.
 */
NOINL int ct_find(struct __sk_buff *skb, struct scratch *s, __u32 zone, __u32 how)
{
  if (!s)
    return 0;
  struct ct_key k;
  __u32 swapped = ct_key_of(&s->w.t, &k, zone), reply;
  struct ct_entry *e = bpf_map_lookup_elem(&cts, &k);
  if (e) {
    reply = swapped != (e->flags & CTE_SWAPPED);
    /* Answers to a translated connection come by its alias alone. */
    if (reply && (e->flags & (CTE_SNAT | CTE_DNAT)))
      e = 0;
  }
  if (!e) {
    struct ct_alias *a = bpf_map_lookup_elem(&ct_aliases, &k);
    if (!a || a->swapped != swapped)
      return 0;
    k = a->key;
    e = bpf_map_lookup_elem(&cts, &k);
    if (!e)
      return 0;
    reply = 1;
  }
  s->w.key = k;
  if (e->expires <= s->now)
    return -1;
  if (!how || (reply && how == 2))
    return reply ? 2 : 1;
  __u32 r = ct_step(skb, s, e, &k, reply);
  if (r != CTU_NEW)
    ct_report(s, e, &k);
  return (reply ? 2 : 1) | CT_MOVED(r);
}

/* Whether a connection can be spared in a full table: over, or not answered yet. */
INL bool ct_spare(const struct ct_entry *e, __u32 proto, __u64 now)
{
  if (e->expires <= now)
    return true;
  if (proto != IPPROTO_TCP)
    return e->other != CTO_BIDIR;
  return e->peer[1].state == TS_CLOSED ||
         (e->peer[0].state >= TS_FIN_WAIT_2 && e->peer[1].state >= TS_FIN_WAIT_2);
}

/* Removes the first that can be spared of the oldest in ct_recent. 0 when there was one. */
NOINL int ct_evict(struct scratch *s)
{
  __u32 z = 0;
  struct ct_global *g = bpf_map_lookup_elem(&ct_globals, &z);
  if (!s || !g)
    return -1;
  for (int i = 0; i < CT_EVICT_TRIES; i++) {
    __u64 head = g->head, tail = g->tail;
    if (head - tail > CT_RECENT)
      tail = head - CT_RECENT;
    if (tail == head)
      return -1;
    /* Another CPU may look at the same one: it is removed but once. */
    g->tail = tail + 1;
    __u32 at = tail & (CT_RECENT - 1);
    struct ct_key *r = bpf_map_lookup_elem(&ct_recent, &at);
    if (!r)
      return -1;
    struct ct_key k = *r;
    struct ct_entry *e = bpf_map_lookup_elem(&cts, &k);
    if (!e || !ct_spare(e, k.proto, s->now))
      continue;
    s->w.key = k;
    if (ct_remove(s))
      continue;
    __sync_fetch_and_add(&g->evicted, 1);
    return 0;
  }
  return -1;
}

/* 1: there is room for one more; 0: none; -1: the table is full. */
INL int ct_admits(__u32 zone)
{
  __u32 z = 0;
  struct ct_zone *cz = bpf_map_lookup_elem(&ct_zones, &zone);
  struct ct_global *g = bpf_map_lookup_elem(&ct_globals, &z);
  if (!cz || !g)
    return 0;
  __u32 limit = cz->limit ? cz->limit : g->default_limit;
  if (limit == ~0U)
    limit = 0;
  if (limit && cz->count >= (__s32)limit)
    return 0;
  return g->count < (__s32)g->max ? 1 : -1;
}

INL int ct_refuse(void)
{
  __u32 z = 0;
  struct ct_global *g = bpf_map_lookup_elem(&ct_globals, &z);
  if (g)
    __sync_fetch_and_add(&g->refused, 1);
  return -1;
}

#include "ct-nat.h"

/* 0 when s->w.t may begin a connection; its first state is in s->w.e. */
NOINL int ct_first(struct __sk_buff *skb, struct scratch *s)
{
  if (!s)
    return -1;
  __builtin_memset(&s->w.e, 0, sizeof s->w.e);
  if (s->w.t.proto == IPPROTO_TCP)
    return tcp_begin(skb, s);
  if (is_icmp(&s->w.t))
    return icmp_class(s->w.t.v6, s->w.t.icmp_type) & 0x80 ? -1 : 0;
  return 0;
}

/* Makes ready to enter what ct_first has begun; 1: it is to be translated. */
NOINL int ct_prepare(struct scratch *s, __u32 zone, __u32 flags)
{
  if (!s)
    return 0;
  struct ct_entry *e = &s->w.e;
  struct ct_key k;
  __u32 swapped = ct_key_of(&s->w.t, &k, zone);
  e->flags = (e->flags & CTE_REL) | (swapped ? CTE_SWAPPED : 0);
  if (k.proto == IPPROTO_TCP && (flags & CTF_FTP))
    e->flags |= CTE_FTP;
  if (k.proto == IPPROTO_UDP && (flags & CTF_TFTP))
    e->flags |= CTE_TFTP;
  e->born = bpf_get_prandom_u32();
  /* Policies tell of these protocols alone. */
  if (k.proto == IPPROTO_TCP || k.proto == IPPROTO_UDP || is_icmp(&s->w.t))
    e->policy = s->w.zone >> 16;
  e->expires = 0;
  ct_touch(s, e, k.proto == IPPROTO_TCP ? CTT_TCP_SYN_SENT
                                     : is_icmp(&s->w.t) ? CTT_ICMP_FIRST : CTT_UDP_FIRST);
  s->w.key = k;
  return (flags & CTF_NAT) && (flags & (CTF_SRC | CTF_DST));
}

NOINL int ct_insert(struct scratch *s, __u32 zone)
{
  if (!s)
    return -1;
  /* From the stack: before Linux 6.2 neither may lie in an argument's memory. */
  struct ct_key k = s->w.key;
  struct ct_entry e = s->w.e;
  if (bpf_map_update_elem(&cts, &k, &e, BPF_NOEXIST))
    return -1;
  ct_count(zone, 1);
  __u32 z = 0;
  struct ct_global *g = bpf_map_lookup_elem(&ct_globals, &z);
  if (!g)
    return 0;
  __u32 at = __sync_fetch_and_add(&g->head, 1) & (CT_RECENT - 1);
  bpf_map_update_elem(&ct_recent, &at, &k, BPF_ANY);
  return 0;
}

/* Keeps by what the connection of s->w.key was announced. */
NOINL int ct_adopt(struct scratch *s)
{
  if (!s)
    return 0;
  struct ct_key k = s->w.key;
  struct ct_tuple t = s->w.parent;
  bpf_map_update_elem(&ct_parents, &k, &t, BPF_ANY);
  return 0;
}

/* Enters the connection that ct_first has begun. 0 when it is in the table. */
INL int ct_commit(struct scratch *s, __u32 zone, __u32 flags)
{
  int room = ct_admits(zone);
  if (!room || (room < 0 && ct_evict(s)))
    return ct_refuse();
  int nat = ct_prepare(s, zone, flags);
  if (nat) {
    int r = 1;
    ct_look(s, flags);
    for (int i = 0; i < NAT_ADDRESSES * NAT_CANDIDATES; i++) {
      r = ct_try(s, zone, i);
      if (r <= 0)
        break;
    }
    if (r)
      return -1;
  }
  if (ct_insert(s, zone)) {
    if (nat)
      ct_release(s, zone);
    return -1;
  }
  if (flags & CTF_EXPECTED)
    ct_adopt(s);
  return 0;
}

/*
 * Whether s->w.t was announced: s->w.e is then what that connection begins with, s->w.args how it is
 * translated. Returns the action's flags for it.
 */
NOINL int ct_expected(struct scratch *s, __u32 zone, __u32 flags)
{
  __u32 z = 0;
  struct ct_global *g = bpf_map_lookup_elem(&ct_globals, &z);
  if (!s || !g || !g->expects)
    return flags;
  const struct ct_tuple *t = &s->w.t;
  struct ct_expect_key xk = {.dport = t->dport, .zone = zone, .proto = t->proto, .v6 = t->v6};
  __builtin_memcpy(xk.src, t->src, 16);
  __builtin_memcpy(xk.dst, t->dst, 16);
  struct ct_expect *x = bpf_map_lookup_elem(&ct_expects, &xk);
  if (!x)
    return flags;
  struct ct_key k = x->parent;
  struct ct_entry *e = bpf_map_lookup_elem(&cts, &k);
  if (!e || e->born != x->born || e->expires <= s->now)
    return flags;
  ct_orig(&s->w.parent, e, &k);
  s->w.e.mark = x->mark;
  __builtin_memcpy(s->w.e.label, x->label, 16);
  s->w.e.flags = CTE_REL;
  struct ct_args *a = &s->w.args;
  a->given = 1;
  a->given = 1;
  __builtin_memcpy(a->nat_min, x->addr, 16);
  a->nat_span = 0;
  a->port_min = a->port_max = x->port;
  flags &= ~(CTF_SRC | CTF_DST | CTF_RANDOM);
  return flags | CTF_EXPECTED | (x->flags & CTE_SNAT ? CTF_SRC : CTF_DST);
}

/* Whether the packet has been through this zone; s->w.t is then its connection's first tuple. */
NOINL int ct_known(struct __sk_buff *skb, struct scratch *s, __u32 zone, __u32 flags)
{
  if (!s || !s->ct_on || !(s->ct.state & CS_TRK) || s->ct.zone != zone || (flags & CTF_FORCE) ||
      (s->ct.state & CS_INV) || !s->ct.orig.proto)
    return 0;
  if (s->ct.state & CS_REL) {
    /* One that was announced tells of the other's tuple: an answer to it leads back. */
    if (ct_read(skb, s))
      return 0;
    ct_reverse(&s->w.reply, &s->w.t);
    s->w.t = s->w.reply;
    return 2;
  }
  s->w.t = s->ct.orig;
  if (is_icmp(&s->w.t)) {
    __be16 id;
    if (!s->l4 || bpf_skb_load_bytes(skb, s->l4 + 4, &id, 2))
      return 0;
    s->w.t.sport = id;
    s->w.t.dport = id;
  }
  return 1;
}

/* In what ct_judge returns: ct_report was there. */
#define CT_NOTED 4

/* What the packet is to its connection; 1: it has one, 2: in the opposite direction, 0: none. */
INL int ct_judge(struct __sk_buff *skb, struct scratch *s, __u32 zone, __u32 flags)
{
  int seen = ct_read(skb, s);
  if (seen < 0) {
    s->ct.state |= CS_INV;
    return 0;
  }
  __u32 how = seen ? 0 : flags & CTF_FORCE ? 2 : 1;
  int found = ct_find(skb, s, zone, how), u = (found >> 8) - 1;
  if (found > 0)
    found &= 3;
  if (found < 0 || (found == 2 && (flags & CTF_FORCE))) {
    ct_remove(s);
    found = 0;
  }
  if (seen) {
    s->w.quotes = 1;
    s->ct.state |= found ? CS_REL | (found == 2 ? CS_RPL : 0) : CS_INV;
    return found;
  }
  if (found) {
    if (u == CTU_INVALID) {
      s->ct.state |= CS_INV;
      return found | CT_NOTED;
    }
    if (u != CTU_NEW) {
      s->ct.state |= u == CTU_VALID ? CS_EST | (found == 2 ? CS_RPL : 0) : CS_NEW;
      if (s->w.cte & CTE_REL)
        s->ct.state |= CS_REL;
      return found | CT_NOTED;
    }
    ct_remove(s);
  }
  if (ct_first(skb, s)) {
    s->ct.state |= CS_INV;
    return 0;
  }
  s->ct.state |= CS_NEW;
  s->ct.orig = s->w.t;
  flags = ct_expected(s, zone, flags);
  if (flags & CTF_EXPECTED)
    s->ct.state |= CS_REL;
  if (flags & CTF_COMMIT)
    return !ct_commit(s, zone, flags);
  if (flags & CTF_EXPECTED) {
    s->ct.mark = s->w.e.mark;
    __builtin_memcpy(s->ct.label, s->w.e.label, 16);
    s->ct.orig = s->w.parent;
  }
  return 0;
}

/* Whether the connection is as the action would leave it: entered, in this zone, with nothing to be set. */
INL bool ct_settled(const struct scratch *s, __u32 zone, __u32 flags)
{
  return s->ct_on && s->ct_entered && s->ct.zone == zone && !s->w.args.given &&
         !(flags & (CTF_FORCE | CTF_NAT)) && !(s->ct.state & (CS_INV | CS_REL)) &&
         !is_icmp(&s->ct.orig);
}

/* The `ct` action; what the slots before it brought is in s->w.args. 1: the daemon is to see it. */
NOINL int ct_exec(struct __sk_buff *skb, struct scratch *s)
{
  if (!s || ((s->dirty & ~DIRTY_CT) && extract(skb, s)))
    return -1;
  __u32 zone = s->w.zone & 0xffff, flags = s->w.flags, nat = 0;
  if (ct_settled(s, zone, flags))
    return 0;
  s->w.quotes = 0;
  int known = s->ct_on ? ct_known(skb, s, zone, flags) : 0;
  int found = known ? ct_find(skb, s, zone, 0) : 0;
  if (known == 2 && found > 0) {
    found = 3 - found;
  } else if (known == 1 && found == 1) {
    found = s->ct.state & CS_RPL ? 2 : 1;
  } else {
    known = 0;
    __builtin_memset(&s->ct, 0, sizeof s->ct);
    s->ct.state = CS_TRK;
    s->ct.zone = zone;
    found = ct_judge(skb, s, zone, flags);
  }
  if (found) {
    if (!(found & CT_NOTED))
      ct_note(s);
    if (flags & CTF_NAT)
      nat = ct_translate(skb, s, (found & 3) == 2);
    if (nat && !s->w.quotes && ct_may_gain(s->w.cte))
      ct_move(skb, s, (found & 3) == 2);
  }
  if (s->w.args.given)
    __builtin_memset(&s->w.args, 0, sizeof s->w.args);
  s->ct_on = 1;
  s->ct_entered = found && !s->w.quotes;
  s->dirty |= DIRTY_CT;
  if (!found || !(s->w.cte & (CTE_FTP | CTE_TFTP)) || (s->ct.state & (CS_INV | CS_REL)))
    return 0;
  /* To be looked at when its addresses are those that the other end sees. */
  if (s->w.cte & (CTE_SNAT | CTE_DNAT) ? !nat : known)
    return 0;
  return ct_announces(skb, s, (found & 3) == 2);
}
