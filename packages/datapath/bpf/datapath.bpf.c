/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The datapath at tc ingress. `port_in` runs on every port: extract the key, find the megaflow, run
 * its actions, or hand the packet to the daemon. `inject_in` runs at the far end of the injection
 * veth, where packets arrive that the daemon sends through explicit actions. A packet that came in
 * by a port never reaches the host's stack from here: it is redirected or dropped.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define INL static __attribute__((always_inline)) inline
#define NOINL __attribute__((noinline))

#include "kernel.h"
#include "datapath.h"
#include "lookup.h"
#include "upcall.h"
#include "meter.h"
#include "output.h"
#include "linear.h"
#include "extract.h"
#include "rewrite.h"
#include "coalesce.h"
#include "checksum.h"
#include "stream-head.h"
#include "tunnel-options.h"
#include "tunnel.h"
#include "tunnel-header.h"
#include "tunnel-out.h"
#include "tunnel-in.h"
#include "ct-helper.h"
#include "ct-tcp.h"
#include "conntrack.h"
#include "actions.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* Takes the flow's actions out before they run: an element may be reused while we look at it. */
INL bool take_acts(struct scratch *s, struct flow *f, __u32 *id)
{
  __u64 gen = f->gen;
  asm volatile("" ::: "memory");
  __u32 n = f->nact;
  for (int i = 0; i < INLINE_ACTS; i++) {
    if (i >= n)
      break;
    s->acts[i] = f->acts[i];
  }
  s->nact = n;
  s->next = f->next;
  s->chunk = 0;
  *id = f->id;
  asm volatile("" ::: "memory");
  return *(volatile __u64 *)&f->gen == gen;
}

INL void account(struct scratch *s, __u32 id, __u32 len)
{
  struct flow_stat *st = bpf_map_lookup_elem(&flow_stats, &id);
  if (!st)
    return;
  __sync_fetch_and_add(&st->packets, 1);
  __sync_fetch_and_add(&st->bytes, len);
  st->used = s->now;
  __u32 flags = bpf_ntohs(s->k.tcp_flags);
  if (flags & ~st->tcp_flags)
    __sync_fetch_and_or(&st->tcp_flags, flags);
}

INL void miss(struct __sk_buff *skb, struct scratch *s)
{
  __u32 slot = s->slot;
  struct port_stat *ps = bpf_map_lookup_elem(&port_stats, &slot);
  s->c.missed++;
  if (ps)
    ps->missed++;
  upcall(skb, s, UPCALL_MISS, 0);
}

/* One lookup and its actions. */
NOINL int pass(struct __sk_buff *skb, struct scratch *s)
{
  __u32 id = 0;
  if (!s)
    return RC_STOP;
  if (refresh(skb, s)) {
    drop_count(s, DROP_MALFORMED);
    return RC_STOP;
  }
  struct flow *f = lookup(skb, s);
  if (!f || !take_acts(s, f, &id)) {
    miss(skb, s);
    return RC_STOP;
  }
  s->c.hit++;
  account(s, id, skb->len);
  if (!s->nact && !s->next)
    drop_count(s, DROP_NONE);
  return run(skb, s);
}

INL int pipeline(struct __sk_buff *skb, struct scratch *s)
{
  for (int i = 0; i < MAX_RECIRC; i++)
    if (pass(skb, s) != RC_RECIRC)
      return s->verdict;
  drop_count(s, DROP_RECIRC);
  return TC_ACT_SHOT;
}

/* What is left to do when the lists are through. */
INL int conclude(struct __sk_buff *skb, struct scratch *s, int verdict)
{
  return s->wrap ? wrap(skb, s) : verdict;
}

INL struct scratch *begin(void)
{
  __u32 z = 0;
  struct scratch *s = bpf_map_lookup_elem(&scratch, &z);
  if (!s)
    return 0;
  s->now = bpf_ktime_get_coarse_ns();
  s->verdict = TC_ACT_SHOT;
  s->recirc = 0;
  s->trunc = 0;
  s->skip = 0;
  s->chunk = 0;
  s->tun_state = 0;
  s->wrap = 0;
  s->ct_on = 0;
  s->ct_entered = 0;
  s->dirty = DIRTY_LAYOUT;
  return s;
}

SEC("tc")
int port_in(struct __sk_buff *skb)
{
  __u32 ifindex = skb->ifindex;
  struct scratch *s = begin();
  if (!s)
    return TC_ACT_SHOT;
  struct port *p = bpf_map_lookup_elem(&ports, &ifindex);
  if (!p) {
    drop_count(s, DROP_UNKNOWN_PORT);
    return TC_ACT_SHOT;
  }
  __u32 slot = p->slot;
  s->in_port = p->port_no;
  s->slot = slot;
  struct port_stat *ps = bpf_map_lookup_elem(&port_stats, &slot);
  if (ps) {
    ps->rx_packets++;
    ps->rx_bytes += skb->len;
  }
  __u32 policer = p->policer;
  if (policer && !meter_admits(policer, skb->len, skb->gso_size)) {
    if (ps)
      ps->rx_dropped++;
    drop_count(s, DROP_POLICED);
    return TC_ACT_SHOT;
  }
  return conclude(skb, s, pipeline(skb, s));
}

SEC("tc")
int inject_in(struct __sk_buff *skb)
{
  __u32 mark = skb->mark, index = mark & (CTX_SLOTS - 1);
  struct scratch *s = begin();
  struct ctx *c = bpf_map_lookup_elem(&ctxs, &index);
  if (!s || !c || !mark) /* nothing but the daemon's packets is marked here */
    return TC_ACT_SHOT;
  if (c->mark != mark) {
    drop_count(s, DROP_STALE);
    return TC_ACT_SHOT;
  }
  s->in_port = c->in_port;
  s->slot = 0; /* upcalls of injected packets: the daemon's own share */
  s->recirc = c->recirc_id;
  s->nact = c->nact;
  s->next = c->next;
  s->skip = c->skip;
  s->tun_state = c->tun_state;
  if (c->tun_state) {
    s->tin = c->tin;
    s->tun = c->tun;
  }
  s->ct_on = c->ct_on;
  if (c->ct_on)
    s->ct = c->ct;
  skb->mark = c->pkt_mark;
  skb->priority = c->priority;
  for (int i = 0; i < CTX_ACTS; i++) {
    if (i >= c->nact)
      break;
    s->acts[i] = c->acts[i];
  }
  if (extract(skb, s)) {
    drop_count(s, DROP_MALFORMED);
    return TC_ACT_SHOT;
  }
  int rc = run(skb, s);
  c->done = mark;
  return conclude(skb, s, rc == RC_RECIRC ? pipeline(skb, s) : s->verdict);
}

/*
 * Looks closely at a packet on its way to the host: s->strip bytes come before the frame in it. 0: it
 * is a tunnel's, else the verdict is `s->verdict`.
 */
INL int look_closely(struct __sk_buff *skb, struct scratch *s, bool *bare)
{
  s->verdict = TC_ACT_UNSPEC;
  __u32 type = find_tunnel(skb, s);
  if (!type)
    return -1;
  __u32 l4 = s->l4;
  int n = parse_tunnel(skb, s, l4, type);
  if (n <= 0 && type >= TUN_GRE) /* somebody else's */
    return -1;
  s->verdict = TC_ACT_SHOT;
  if (n <= 0) {
    drop_count(s, DROP_MALFORMED);
    return -1;
  }
  if (s->tin.flags & TNL_F_CSUM && bad_checksum(skb, s, l4, outer_proto(type))) {
    drop_count(s, DROP_CHECKSUM);
    return -1;
  }
  s->tun_state = TUN_IN;
  s->strip = l4 + n;
  *bare = type == TUN_GRE_L3;
  if (*bare || !coalesces(skb, s, l4 + n))
    s->stream_seq = 0;
  else
    keep_head(skb, s);
  return 0;
}

/* On devices with addresses of the host: takes what is for a tunnel, lets all else pass. */
SEC("tc")
int underlay_in(struct __sk_buff *skb)
{
  __u32 z = 0;
  struct scratch *s = begin();
  struct state *st = bpf_map_lookup_elem(&state, &z);
  if (!s || !st || skb->vlan_present)
    return TC_ACT_UNSPEC;
  s->tunnels_seq = st->tunnels_seq;
  bool bare = false;
  if (!head_known(skb, s) && look_closely(skb, s, &bare))
    return s->verdict;
  __u32 strip = s->strip, slot = s->slot;
  __u64 seq = s->stream_seq;
  int rc = unwrap(skb, s, bare ? strip - ETH_HLEN : strip, seq, bare);
  if (rc < 0) {
    drop_count(s, DROP_MALFORMED);
    return TC_ACT_SHOT;
  }
  struct port_stat *ps = bpf_map_lookup_elem(&port_stats, &slot);
  if (ps) {
    ps->rx_packets++;
    ps->rx_bytes += skb->len;
  }
  if (seq)
    return by_gro(s);
  if (!rc)
    return conclude(skb, s, pipeline(skb, s));
  /* The kernel takes the frame for what the outer one was: only a device tells it otherwise. */
  return by_veth(skb, s, A_RECIRC, 0) ? TC_ACT_SHOT : s->verdict;
}

/* Where TCP segments of tunnels come out of GRO. */
SEC("tc")
int coalesced_in(struct __sk_buff *skb)
{
  struct scratch *s = begin();
  if (!s)
    return TC_ACT_SHOT;
  if (restore(skb, s)) {
    drop_count(s, DROP_STALE);
    return TC_ACT_SHOT;
  }
  s->in_port = s->stream.port_no;
  s->slot = s->stream.slot;
  s->tin = s->stream.tun;
  s->tun_state = TUN_IN;
  return conclude(skb, s, pipeline(skb, s));
}

/* Not attached anywhere: what the daemon treats by itself passes the same meters. */
SEC("tc")
int run_meter(struct __sk_buff *skb)
{
  return meter_admits(skb->mark, skb->priority, 0);
}

/* Not attached anywhere: BPF_PROG_TEST_RUN entry that leaves the key in the scratch map. */
SEC("tc")
int test_extract(struct __sk_buff *skb)
{
  struct scratch *s = begin();
  if (!s)
    return -1;
  s->in_port = skb->ifindex;
  return extract(skb, s);
}
