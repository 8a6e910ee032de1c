/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* TCP's states and windows; src/conntrack/tcp.ts is the same and says where it is from. */
#pragma once

#define TH_FIN 1
#define TH_SYN 2
#define TH_RST 4
#define TH_PSH 8
#define TH_ACK 16
#define TH_URG 32

#define TS_CLOSED 0
#define TS_SYN_SENT 2
#define TS_ESTABLISHED 4
#define TS_CLOSING 7
#define TS_FIN_WAIT_2 9
#define TS_TIME_WAIT 10

#define WS_SHIFT 0x0f
#define WS_UNKNOWN 0x40
#define WS_GIVEN 0x80
#define WS_MAX 14
#define MAX_ACK_WINDOW (0xffff + 1500)

enum { CTU_VALID, CTU_VALID_NEW, CTU_INVALID, CTU_NEW };
#define CTU_TIMEOUT(t) (((t) + 1) << 8)

struct tcp_seg {
  __u32 flags, seq, ack, win, len;
  __u32 scale; /* WS_GIVEN | shift, or 0 */
};

/* Window scale of a SYN (RFC 7323, 2.2), with WS_GIVEN; 0 when it has none. */
NOINL int tcp_scale(struct __sk_buff *skb, __u32 at, __u32 end)
{
  __u8 o[3];
  for (int i = 0; i < 40; i++) {
    if (at + 3 > end || bpf_skb_load_bytes(skb, at, o, 3) || !o[0])
      return 0;
    if (o[0] == 3)
      return WS_GIVEN | (o[2] > WS_MAX ? WS_MAX : o[2]);
    at += o[0] == 1 ? 1 : o[1] < 2 ? 2 : o[1];
  }
  return 0;
}

INL int tcp_read(struct __sk_buff *skb, struct scratch *s, struct tcp_seg *g)
{
  struct {
    __be16 src, dst;
    __be32 seq, ack;
    __u8 off, flags;
    __be16 win;
  } h;
  __u32 l4 = s->l4, end = s->l4_end;
  if (read_at(skb, l4, &h, sizeof h))
    return -1;
  __u32 hl = (h.off >> 4) * 4;
  g->flags = h.flags & 0x3f;
  g->seq = bpf_ntohl(h.seq);
  g->ack = bpf_ntohl(h.ack);
  g->win = bpf_ntohs(h.win);
  g->len = end - l4 - hl;
  g->scale = g->flags & TH_SYN ? tcp_scale(skb, l4 + 20, l4 + hl) : 0;
  return 0;
}

INL bool tcp_impossible(__u32 f)
{
  if ((f & TH_SYN) && (f & (TH_RST | TH_FIN)))
    return true;
  if (!(f & (TH_SYN | TH_ACK | TH_RST)))
    return true;
  return !(f & TH_ACK) && (f & (TH_FIN | TH_PSH | TH_URG));
}

INL bool geq(__u32 a, __u32 b)
{
  return (__s32)(a - b) >= 0;
}

INL __u32 round_up(__u32 win, __u32 shift)
{
  return (win + (1U << shift) - 1) >> shift;
}

/* 0: the packet begins a connection, written to s->w.e. */
NOINL int tcp_begin(struct __sk_buff *skb, struct scratch *s)
{
  struct tcp_seg g;
  if (!s || tcp_read(skb, s, &g))
    return -1;
  if (tcp_impossible(g.flags) || (g.flags & (TH_SYN | TH_ACK)) == (TH_SYN | TH_ACK))
    return -1;
  struct ct_peer *p = &s->w.e.peer[0], *q = &s->w.e.peer[1];
  p->state = TS_SYN_SENT;
  p->lo = g.seq;
  p->hi = g.seq + g.len + 1;
  p->win = g.win ? g.win : 1;
  q->hi = 1;
  q->win = 1;
  if (g.flags & TH_SYN) {
    p->hi++;
    p->scale = g.scale;
    if (g.scale)
      p->win = round_up(p->win, g.scale & WS_SHIFT);
  } else {
    p->scale = WS_UNKNOWN;
    q->scale = WS_UNKNOWN;
  }
  if (g.flags & TH_FIN)
    p->hi++;
  return 0;
}

INL __u32 tcp_timeout(const struct ct_peer *p, const struct ct_peer *q)
{
  __u32 low = p->state < q->state ? p->state : q->state;
  __u32 high = p->state < q->state ? q->state : p->state;
  if (low >= TS_FIN_WAIT_2)
    return CTT_TCP_CLOSE;
  if (low >= TS_CLOSING)
    return CTT_TCP_TIME_WAIT;
  if (low < TS_ESTABLISHED)
    return CTT_TCP_SYN_RECV;
  return high >= TS_CLOSING ? CTT_TCP_FIN_WAIT : CTT_TCP_ESTABLISHED;
}

/* CTU_*, with a new timeout. `how`: 1 reply direction, 2 without sequence checks. */
NOINL int tcp_update(struct __sk_buff *skb, struct scratch *s, struct ct_entry *e, __u32 how)
{
  struct tcp_seg g;
  if (!s || !e || tcp_read(skb, s, &g))
    return CTU_INVALID;
  if (g.flags & TH_ACK)
    g.ack -= s->w.ack_gain;
  struct ct_peer *src = how & 1 ? &e->peer[1] : &e->peer[0];
  struct ct_peer *dst = how & 1 ? &e->peer[0] : &e->peer[1];
  __u32 f = g.flags, win = g.win, sws = 0, dws = 0;
  bool syn = f & TH_SYN;
  if (tcp_impossible(f))
    return CTU_INVALID;
  if ((f & (TH_SYN | TH_ACK)) == TH_SYN) {
    if (dst->state >= TS_FIN_WAIT_2 && src->state >= TS_FIN_WAIT_2)
      return CTU_NEW;
    if (src->state <= TS_SYN_SENT) {
      src->state = TS_SYN_SENT;
      return CTU_VALID_NEW | CTU_TIMEOUT(CTT_TCP_SYN_SENT);
    }
  }
  __u32 scales = src->scale & dst->scale;
  if (!syn && (scales & WS_GIVEN)) {
    sws = src->scale & WS_SHIFT;
    dws = dst->scale & WS_SHIFT;
  } else if (!syn && (scales & WS_UNKNOWN)) {
    sws = WS_MAX;
    dws = WS_MAX;
  }
  __u32 seq = g.seq, ack = g.ack, end = seq + g.len;
  if (syn)
    end++;
  if (f & TH_FIN)
    end++;
  bool check_ack = true;
  if (src->state < TS_SYN_SENT) {
    if (syn && (dst->scale & WS_GIVEN)) {
      if (g.scale) {
        src->scale = g.scale;
        sws = g.scale & WS_SHIFT;
        win = round_up(win, sws);
        dws = dst->scale & WS_SHIFT;
      } else {
        dst->win <<= dst->scale & WS_SHIFT;
        dst->scale = 0;
      }
    }
    src->lo = seq;
    src->state = TS_SYN_SENT;
    __u32 w = dst->win << dws, room = end + (w ? w : 1);
    if (src->hi == 1 || geq(room, src->hi)) {
      src->hi = room;
      check_ack = false;
    }
    if (win > src->win)
      src->win = win;
  }
  if (!(f & TH_ACK) || (!ack && (f & TH_RST)))
    ack = dst->lo;
  if (seq == end) {
    seq = src->lo;
    end = seq;
  }
  __s64 skew = check_ack ? (__s32)(dst->lo - ack) : 0;
  bool in = geq(src->hi, end) && geq(seq, src->lo - (dst->win << dws)) && skew >= -MAX_ACK_WINDOW &&
            skew <= ((__s64)MAX_ACK_WINDOW << sws) &&
            (!(f & TH_RST) || g.seq == src->lo || g.seq == src->lo + 1 || g.seq + 1 == src->lo);
  if (how & 2)
    in = true;
  if (!in) {
    if (dst->state >= TS_SYN_SENT && dst->state < TS_FIN_WAIT_2 && src->state < TS_FIN_WAIT_2)
      return CTU_INVALID;
    if (!geq(src->hi + MAX_ACK_WINDOW, end) || !geq(seq, src->lo - MAX_ACK_WINDOW))
      return CTU_INVALID;
  }
  if (src->win < win)
    src->win = win;
  if (geq(end, src->lo))
    src->lo = end;
  __u32 room = win << sws;
  if (geq(ack + room, dst->hi))
    dst->hi = ack + (room ? room : 1);
  if ((f & TH_FIN) && src->state < TS_CLOSING)
    src->state = TS_CLOSING;
  if (in && (f & TH_ACK)) {
    if (dst->state == TS_SYN_SENT)
      dst->state = TS_ESTABLISHED;
    else if (dst->state == TS_CLOSING)
      dst->state = TS_FIN_WAIT_2;
  }
  if (f & TH_RST) {
    src->state = TS_TIME_WAIT;
    dst->state = TS_TIME_WAIT;
  }
  return in ? CTU_VALID | CTU_TIMEOUT(tcp_timeout(src, dst)) : CTU_VALID;
}
