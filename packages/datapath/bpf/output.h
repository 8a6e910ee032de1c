/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Output to a port: every one but the last by clone, the last by verdict. A device whose peer is
 * in another namespace is reached there directly (bpf_redirect_peer), which saves a softirq but
 * skips the device's MTU check and what says whom a frame is for: only packets surely short enough,
 * to the peer's own address, take that way.
 */
#pragma once

INL bool is_vlan(__be16 type)
{
  return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

/* A context for a copy of the packet that has to travel through the injection veth. */
INL struct ctx *own_ctx(struct scratch *s, struct state *st, __u32 pkt_mark, __u32 priority)
{
  __u32 seq = __sync_fetch_and_add(&st->ctx_seq, 1);
  __u32 i = CTX_SLOTS / 2 + (seq & (CTX_SLOTS / 2 - 1));
  struct ctx *c = bpf_map_lookup_elem(&ctxs, &i);
  if (!c)
    return 0;
  c->mark = (seq << 13) | i;
  c->in_port = s->in_port;
  c->recirc_id = s->recirc;
  c->pkt_mark = pkt_mark;
  c->priority = priority;
  c->next = 0;
  c->skip = 0;
  c->tun_state = s->tun_state;
  if (s->tun_state) {
    c->tin = s->tin;
    c->tun = s->tun;
  }
  c->ct_on = s->ct_on;
  if (s->ct_on)
    c->ct = s->ct;
  return c;
}

INL void send_copy(struct __sk_buff *skb, struct scratch *s, struct state *st, struct ctx *c)
{
  __u32 mark = skb->mark;
  skb->mark = c->mark;
  if (bpf_clone_redirect(skb, st->inject_ifindex, 0))
    drop_count(s, DROP_ACTION);
  skb->mark = mark;
}

/* What comes behind the action at hand, for the packet to meet in the context. */
INL void keep_rest(struct scratch *s, struct ctx *c)
{
  __u32 n = s->chunk ? 0 : s->nact;
  for (int i = 0; i < CTX_ACTS; i++) {
    if (i >= n)
      break;
    c->acts[i] = s->acts[i];
  }
  c->nact = n;
  c->next = s->chunk ? s->chunk : s->next;
  c->skip = s->at + 1;
}

/* Sends a copy round through the injection veth, to meet the actions of a context there. */
INL void detour(struct __sk_buff *skb, struct scratch *s, const struct act *a0,
                const struct act *a1)
{
  __u32 z = 0;
  struct state *st = bpf_map_lookup_elem(&state, &z);
  if (!st)
    return;
  struct ctx *c = own_ctx(s, st, skb->mark, skb->priority);
  if (!c)
    return;
  c->acts[0] = *a0;
  if (a1)
    c->acts[1] = *a1;
  c->nact = a1 ? 2 : 1;
  send_copy(skb, s, st, c);
}

INL __u32 l3_length(struct __sk_buff *skb)
{
  __u32 len = skb->len - ETH_HLEN;
  if (!skb->vlan_present && is_vlan(skb->protocol))
    len -= 4;
  return len;
}

/*
 * Wrapping changes the packet: all but the last output send a copy round to be wrapped. The last
 * is left to the end of the program, where the stack is not deep.
 */
INL int output_tunnel(struct __sk_buff *skb, struct scratch *s, struct out *o, __u32 port,
                      __u32 last)
{
  if (last) {
    s->wrap = o->ifindex;
    s->wrap_port = port;
    s->wrap_slot = o->slot;
    return 0;
  }
  struct act a = { .type = A_OUT, .a16 = 1, .a32 = port };
  detour(skb, s, &a, 0);
  return 0;
}

/*
 * What reaches a peer directly is to it as if sent to its address, whatever the frame says
 * (skb_scrub_packet): it would route, or answer, what a bridge floods to others. By way of the
 * device eth_type_trans() tells broadcasts and other hosts' frames apart.
 */
INL bool is_for_peer(struct __sk_buff *skb, __u32 port)
{
  void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
  __u64 *mac = bpf_map_lookup_elem(&peer_macs, &port);
  if (!mac || data + sizeof *mac > end)
    return false;
  return (*mac ^ *(__u64 *)data) << 16 == 0;
}

NOINL int output(struct __sk_buff *skb, struct scratch *s, __u32 port, __u32 last)
{
  if (!s)
    return 0;
  struct out *o = bpf_map_lookup_elem(&outs, &port);
  if (!o || !o->ifindex) {
    s->trunc = 0;
    drop_count(s, DROP_NO_PORT);
    return 0;
  }
  __u32 cut = truncated(skb, s);
  if (cut < skb->len) {
    if (!last) {
      struct act t = { .type = A_TRUNC, .a32 = wire_length(skb) - (skb->len - cut) };
      struct act a = { .type = A_OUT, .a16 = 1, .a32 = port };
      s->trunc = 0;
      detour(skb, s, &t, &a);
      return 0;
    }
    /* The kernel does not cut into headers that it knows: the daemon sends such a stump. */
    if (bpf_skb_change_tail(skb, cut, 0)) {
      upcall(skb, s, UPCALL_RESEND, port);
      s->trunc = 0;
      return 0;
    }
  }
  s->trunc = 0;
  if (o->mode == OUT_TUNNEL)
    return output_tunnel(skb, s, o, port, last);
  __u32 len = l3_length(skb), gso = skb->gso_size, slot = o->slot, ifindex = o->ifindex;
  struct port_stat *ps = bpf_map_lookup_elem(&port_stats, &slot);
  if (!ps)
    return 0;
  if (!gso && len > o->mtu) {
    ps->tx_dropped++;
    drop_count(s, DROP_MTU);
    return 0;
  }
  ps->tx_packets++;
  ps->tx_bytes += skb->len;
  if (!last) {
    if (bpf_clone_redirect(skb, ifindex, 0) < 0)
      ps->tx_dropped++;
  } else if (o->mode == OUT_PEER && (gso || len <= o->peer_max) && is_for_peer(skb, port)) {
    /* Before Linux 6.15 the packet stays what it was to the port that it came by: another host's. */
    bpf_skb_change_type(skb, PACKET_HOST);
    s->verdict = bpf_redirect_peer(ifindex, 0);
  } else {
    s->verdict = bpf_redirect(ifindex, 0);
  }
  return 0;
}
