/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Packets that leave by tunnels. */
#pragma once

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

/* Without tags, which have no place where there is no Ethernet header. */
INL int untag(struct __sk_buff *skb, struct scratch *s)
{
#pragma unroll
  for (int i = 0; i < 2; i++) {
    if (!skb->vlan_present && !is_vlan(skb->protocol))
      return 0;
    if (bpf_skb_vlan_pop(skb))
      return -1;
    s->dirty |= DIRTY_LAYOUT;
  }
  return 0;
}

/*
 * The packet, wrapped as s->tun says and on its way; `port`: datapath port, `type`: TUN_*. 1: it will
 * be, one segment at a time.
 */
NOINL int tunnel_out(struct __sk_buff *skb, struct scratch *s, __u32 port, __u32 type)
{
  if (!s || !(s->tun_state & TUN_OUT))
    return -1;
  bool bare = type == TUN_GRE_L3;
  if (bare && untag(skb, s))
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
  s->inner_type = bare ? eth[8] : PROTO_TEB;
  if (bare && bpf_ntohs(eth[8]) < ETH_P_802_3_MIN)
    return -3;
  __u32 l2 = bare ? 0 : ETH_HLEN + tag, len = skb->len - ETH_HLEN + l2, l3 = v6 ? 40 : 20;
  __u32 tl = put_l4(s, type, len, hash) & 511;
  if (!tl)
    return -3;
  __u32 room = l3 + tl + l2;
  __u64 flags = l2 ? BPF_F_ADJ_ROOM_ENCAP_L2_ETH : 0;
  flags |= v6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
  flags |= type >= TUN_GRE ? BPF_F_ADJ_ROOM_ENCAP_L4_GRE : BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
  flags |= BPF_F_ADJ_ROOM_ENCAP_L2(l2);
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
    int sum = sum_frame(skb, s, bare ? ETH_HLEN : 0);
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
  /* Without it this lies behind what is stored. */
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
