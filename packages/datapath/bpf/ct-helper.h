/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Control connections of FTP and TFTP: which of their packets the daemon reads, and numbers of
 * segments behind text that it made longer or shorter (src/conntrack/alg.ts, seq-adjust.ts).
 */
#pragma once

/* Without the daemon for so long, packets go on as they are. */
#define DAEMON_GONE_NS 2000000000ULL
#define TCP_OPT_SACK 5
#define SEQ_AFTER(a, b) ((__s32)((a) - (b)) > 0)

INL bool ct_may_gain(__u32 cte)
{
  return (cte & CTE_FTP) && (cte & (CTE_SNAT | CTE_DNAT));
}

INL __u32 ack_gain(const struct ct_gain *g, __u32 ack)
{
  return SEQ_AFTER(ack - g->before, g->pos) ? g->after : g->before;
}

/* What a segment's acknowledgement counts too many of what the other end sent, into s->w. */
NOINL int ct_ack_gain(struct __sk_buff *skb, struct scratch *s, __u32 reply)
{
  __be32 ack;
  if (!s || bpf_skb_load_bytes(skb, s->l4 + 8, &ack, 4))
    return 0;
  struct ct_key k = s->w.key;
  struct ct_gains *g = bpf_map_lookup_elem(&ct_gains, &k);
  if (g)
    s->w.ack_gain = ack_gain(reply ? &g->d[0] : &g->d[1], bpf_ntohl(ack));
  return 0;
}

/* A number at any offset of the segment, and the checksum with it. */
INL void put_number(struct __sk_buff *skb, __u32 l4, __u32 at, __u32 was, __u32 now)
{
  __be32 old = bpf_htonl(was), new = bpf_htonl(now);
  bpf_skb_store_bytes(skb, at, &new, 4, 0);
  if ((at - l4) & 1) {
    old = old << 8 | old >> 24;
    new = new << 8 | new >> 24;
  }
  bpf_l4_csum_replace(skb, l4 + 16, old, new, 4);
}

NOINL int move_sack(struct __sk_buff *skb, struct ct_gain *g, __u32 l4, __u32 end)
{
  __u32 at = l4 + 20, stop = 0, edge = 0;
  if (!g)
    return 0;
  for (int i = 0; i < 40; i++) {
    if (stop) {
      __be32 v;
      if (edge + 4 > stop) {
        at = stop;
        stop = 0;
        continue;
      }
      if (bpf_skb_load_bytes(skb, edge, &v, 4))
        return 0;
      __u32 ack = bpf_ntohl(v);
      put_number(skb, l4, edge, ack, ack - ack_gain(g, ack));
      edge += 4;
      continue;
    }
    __u8 o[2];
    if (at + 2 > end || bpf_skb_load_bytes(skb, at, o, 2) || !o[0])
      return 0;
    if (o[0] == 1) {
      at++;
      continue;
    }
    if (o[1] < 2 || at + o[1] > end)
      return 0;
    if (o[0] == TCP_OPT_SACK) {
      stop = at + o[1];
      edge = at + 2;
    } else {
      at += o[1];
    }
  }
  return 0;
}

/* Moves the numbers of a segment of the connection s->w.key that is to leave. */
NOINL int ct_move(struct __sk_buff *skb, struct scratch *s, __u32 reply)
{
  struct {
    __be32 seq, ack;
    __u8 off, flags;
  } h;
  if (!s)
    return 0;
  struct ct_key k = s->w.key;
  struct ct_gains *gains = bpf_map_lookup_elem(&ct_gains, &k);
  __u32 l4 = s->l4;
  if (!gains || bpf_skb_load_bytes(skb, l4 + 4, &h, 10))
    return 0;
  struct ct_gain *own = reply ? &gains->d[1] : &gains->d[0];
  struct ct_gain *other = reply ? &gains->d[0] : &gains->d[1];
  __u32 seq = bpf_ntohl(h.seq), ack = bpf_ntohl(h.ack);
  put_number(skb, l4, l4 + 4, seq, seq + (SEQ_AFTER(seq, own->pos) ? own->after : own->before));
  if (!(h.flags & 16))
    return 0;
  put_number(skb, l4, l4 + 8, ack, ack - ack_gain(other, ack));
  if (h.off >> 4 > 5)
    move_sack(skb, other, l4, l4 + (h.off >> 4) * 4);
  return 0;
}

/* Whether a packet of the connection reported last begins as one that announces another. */
NOINL int ct_announces(struct __sk_buff *skb, struct scratch *s, __u32 reply)
{
  __u32 z = 0;
  struct state *st = bpf_map_lookup_elem(&state, &z);
  if (!s || !st || (s->now > st->alive && s->now - st->alive > DAEMON_GONE_NS))
    return 0;
  __u32 at = s->l4, end = s->l4_end;
  __u8 b[4];
  if (s->w.cte & CTE_TFTP)
    return !reply && at + 10 <= end && !bpf_skb_load_bytes(skb, at + 8, b, 2) && !b[0] &&
           (b[1] == 1 || b[1] == 2);
  if (bpf_skb_load_bytes(skb, at + 12, b, 1))
    return 0;
  at += (b[0] >> 4) * 4;
  if (at + 5 > end || bpf_skb_load_bytes(skb, at, b, 4))
    return 0;
  if (reply)
    return b[0] == '2' && b[1] == '2' && (b[2] == '7' || b[2] == '9');
  return ((b[0] | 32) == 'p' && (b[1] | 32) == 'o' && (b[2] | 32) == 'r' && (b[3] | 32) == 't') ||
         ((b[0] | 32) == 'e' && (b[1] | 32) == 'p' && (b[2] | 32) == 'r' && (b[3] | 32) == 't');
}

/* Sends the packet to the daemon, to come back for what is left of its list. */
NOINL int hold(struct __sk_buff *skb, struct scratch *s)
{
  __u32 z = 0;
  struct state *st = bpf_map_lookup_elem(&state, &z);
  if (!s || !st)
    return 0;
  struct ctx *c = own_ctx(s, st, skb->mark, skb->priority);
  if (!c)
    return 0;
  keep_rest(s, c);
  s->verdict = TC_ACT_SHOT;
  upcall(skb, s, UPCALL_HELPER, c->mark);
  return 0;
}
