/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * TCP segments that tunnels bring one by one become super-packets before they are looked up, as
 * the kernel's own tunnel devices have it (gro_cells): a segment is sent, unwrapped, through a veth
 * whose far end receives by GRO. What GRO must not mix, and what the far end has to know, is the
 * tunnel's header and the frame's addresses: both lie in a record, and a number that is never
 * given twice stands for it, where the frame had its addresses. GRO compares those.
 *
 * Only bulk streams go this way; of them all that must not be overtaken. Where super-packets come
 * by themselves (a device with GRO that knows tunnels) they are let alone.
 */
#pragma once

#define BULK_BYTES 1000
#define BULK_RUN 2
#define STREAM_IDLE_NS 20000000ULL  /* two ticks at least, of any kernel */
#define STREAM_WHOLE_NS 200000000ULL
#define SEQ_PREFIX 0x02 /* of both addresses: local, not a group */

#define TCP_ACK 0x10
#define TCP_SYN 0x02

/* Of what most often tells streams apart: the key, the ports, the frame's addresses. */
INL __u32 stream_slot(const struct stream_id *id)
{
  const __u64 *mac = (const void *)(id->mac + 4);
  return mix(mix(id->tun.id, *mac), *(const __u32 *)&id->tun.tp_src) >> 54;
}

INL bool same_stream(const struct stream_id *a, const struct stream_id *b)
{
  const __u64 *x = (const void *)a, *y = (const void *)b;
  __u64 d = 0;
#pragma unroll
  for (int i = 0; i < STREAM_WORDS; i++)
    d |= x[i] ^ y[i];
  return !d;
}

/* Bytes of TCP's payload in the frame at `off`, more than 0 too where something else tells of
 * order (FIN, RST); 0: an acknowledgment or no TCP. */
INL __u32 tcp_payload(struct __sk_buff *skb, struct scratch *s, __u32 off)
{
  __u8 h[48] __attribute__((aligned(8))), flags, doff;
  if (read_at(skb, off, h, sizeof h))
    return 0;
  __be16 type = *(__be16 *)(h + 12);
  __u32 len;
  if (type == bpf_htons(ETH_P_IP)) {
    if (h[14] != 0x45 || h[23] != IPPROTO_TCP || (*(__be16 *)(h + 20) & bpf_htons(0x3fff)))
      return 0;
    len = bpf_ntohs(*(__be16 *)(h + 16)) - 20;
    doff = h[46] >> 4;
    flags = h[47];
  } else if (type == bpf_htons(ETH_P_IPV6)) {
    __u8 t[2] __attribute__((aligned(2)));
    if (h[20] != IPPROTO_TCP || read_at(skb, off + 66, t, 2))
      return 0;
    len = bpf_ntohs(*(__be16 *)(h + 18));
    doff = t[0] >> 4;
    flags = t[1];
  } else {
    return 0;
  }
  __builtin_memcpy(s->stream.mac, h, 12);
  if (flags & TCP_SYN || len > 65535 || len < doff * 4)
    return 0;
  len -= doff * 4;
  return len || flags == TCP_ACK ? len : 1;
}

/* The number of a record of s->stream; 0: none. */
INL __u64 stream_record(struct scratch *s, struct state *st, __u64 known)
{
  __u32 i = known & (STREAM_RECORDS - 1);
  struct stream_record *r = bpf_map_lookup_elem(&stream_records, &i);
  if (known && r && r->seq == known)
    return known;
  __u64 seq = __sync_fetch_and_add(&st->stream_seq, 1) + 1;
  i = seq & (STREAM_RECORDS - 1);
  r = bpf_map_lookup_elem(&stream_records, &i);
  if (!r)
    return 0;
  bpf_spin_lock(&r->lock);
  r->seq = seq;
  r->id = s->stream;
  bpf_spin_unlock(&r->lock);
  return seq;
}

/*
 * Whether the frame at `off`, which came by tunnel s->tin, is to go by way of GRO: then s->stream_seq
 * is its number.
 */
NOINL int coalesces(struct __sk_buff *skb, struct scratch *s, __u32 off)
{
  __u32 z = 0;
  struct state *st = bpf_map_lookup_elem(&state, &z);
  if (!s || !st || !st->coalesce_ifindex)
    return 0;
  __u32 gso = skb->gso_size, payload = tcp_payload(skb, s, off);
  if (!payload)
    return 0;
  struct stream_id *id = &s->stream;
  id->tun = s->tin;
  id->port_no = s->in_port;
  id->slot = s->slot;
  id->mark = skb->mark;
  __u32 slot = stream_slot(id);
  struct stream *e = bpf_map_lookup_elem(&streams, &slot);
  if (!e)
    return 0;
  __u64 now = s->now;
  bool bulk = payload >= BULK_BYTES, idle = now - e->bulk_at > STREAM_IDLE_NS;
  if (!same_stream(&e->id, id)) {
    /* One that is on its way must not change it in between. */
    if (!bulk || !idle)
      return 0;
    e->id = *id;
    e->seq = 0;
    e->whole_at = 0;
  }
  if (bulk) {
    e->bulk_at = now;
    if (idle)
      e->run = 0;
    if (gso)
      e->whole_at = now;
  } else if (idle) {
    return 0;
  }
  if (gso || (e->whole_at && now - e->whole_at < STREAM_WHOLE_NS))
    return 0;
  if (e->run < BULK_RUN) {
    e->run += bulk;
    return 0;
  }
  e->seq = stream_record(s, st, e->seq);
  s->stream_seq = e->seq;
  return e->seq != 0;
}

/* The number where the frame's addresses were. */
INL void put_seq(__u8 *mac, __u64 seq)
{
  mac[0] = mac[6] = SEQ_PREFIX;
  mac[1] = seq;
  mac[2] = seq >> 8;
  mac[3] = seq >> 16;
  mac[4] = seq >> 24;
  mac[5] = seq >> 32;
  mac[7] = seq >> 40;
  mac[8] = seq >> 48;
  mac[9] = seq >> 56;
  mac[10] = mac[11] = 0;
}

INL __u64 get_seq(const __u8 *mac)
{
  return mac[1] | (__u64)mac[2] << 8 | (__u64)mac[3] << 16 | (__u64)mac[4] << 24 |
         (__u64)mac[5] << 32 | (__u64)mac[7] << 40 | (__u64)mac[8] << 48 | (__u64)mac[9] << 56;
}

/* What came out of GRO gets its addresses back, and s->stream says by which tunnel it came. */
NOINL int restore(struct __sk_buff *skb, struct scratch *s)
{
  __u8 mac[12];
  if (!s || bpf_skb_load_bytes(skb, 0, mac, sizeof mac))
    return -1;
  __u64 seq = get_seq(mac);
  __u32 i = seq & (STREAM_RECORDS - 1);
  struct stream_record *r = bpf_map_lookup_elem(&stream_records, &i);
  if (!r)
    return -1;
  bpf_spin_lock(&r->lock);
  bool found = r->seq == seq && seq;
  s->stream = r->id;
  bpf_spin_unlock(&r->lock);
  if (!found)
    return -1;
  __builtin_memcpy(mac, s->stream.mac, 12);
  if (bpf_skb_store_bytes(skb, 0, mac, sizeof mac, 0))
    return -1;
  return bpf_skb_change_type(skb, PACKET_HOST);
}

INL int by_gro(struct scratch *s)
{
  __u32 z = 0;
  struct state *st = bpf_map_lookup_elem(&state, &z);
  return st ? bpf_redirect(st->coalesce_ifindex, 0) : TC_ACT_SHOT;
}
