/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A packet to the daemon with its key and all offload state, whole: a TCP super-packet with a
 * partial checksum comes back the same. Ring records have fixed sizes, the smallest that fits is
 * taken. A port may hold half of what is free of the ring (dynamic threshold): one that floods
 * misses leaves room for the others, and one alone can use a third.
 */
#pragma once

INL void drop_count(struct scratch *s, __u32 reason)
{
  s->c.drops[reason & (DROP_REASONS - 1)]++;
}

/* Bytes on the wire: a tag in the metadata counts. */
INL __u32 wire_length(struct __sk_buff *skb)
{
  return skb->len + (skb->vlan_present ? 4 : 0);
}

/* Bytes of the sk_buff that `trunc` leaves. */
INL __u32 truncated(struct __sk_buff *skb, struct scratch *s)
{
  __u32 cut = s->trunc;
  return cut + ETH_HLEN < skb->len ? skb->len - cut : cut ? ETH_HLEN : skb->len;
}

INL void fill_offload(struct __sk_buff *skb, struct upcall *u)
{
  if (!have_kfuncs) {
    u->flags |= UPCALL_NO_CSUM_INFO;
    u->vh_gso_size = skb->gso_size;
    return;
  }
  struct sk_buff *k = bpf_cast_to_kern_ctx(skb);
  if (BPF_CORE_READ_BITFIELD(k, ip_summed) == CHECKSUM_PARTIAL) {
    u->vh_flags = 1; /* VIRTIO_NET_HDR_F_NEEDS_CSUM */
    u->vh_csum_start = k->csum_start - (__u16)((__u64)k->data - (__u64)k->head);
    u->vh_csum_offset = k->csum_offset;
  }
  if (skb->gso_size) {
    struct skb_shared_info *si = bpf_rdonly_cast(
        (void *)(k->head + k->end), bpf_core_type_id_kernel(struct skb_shared_info));
    __u32 t = si->gso_type;
    u->vh_gso_size = skb->gso_size;
    /* VIRTIO_NET_HDR_GSO_TCPV4, _TCPV6, _UDP_L4, _ECN */
    u->vh_gso_type = (t & SKB_GSO_TCPV4) ? 1 : (t & SKB_GSO_TCPV6) ? 4 : (t & SKB_GSO_UDP_L4) ? 5 : 0;
    if (t & SKB_GSO_TCP_ECN)
      u->vh_gso_type |= 0x80;
  }
}

INL void fill_upcall(struct __sk_buff *skb, struct scratch *s, struct upcall *u, __u64 what)
{
  __builtin_memset(u, 0, offsetof(struct upcall, key));
  u->slot = s->slot;
  u->type = what >> 32;
  u->userdata = (__u32)what;
  u->priority = skb->priority;
  if (skb->vlan_present) {
    u->flags = UPCALL_VLAN;
    u->vlan_tci = skb->vlan_tci;
    u->vlan_proto = skb->vlan_proto;
  }
  fill_offload(skb, u);
  __builtin_memcpy(u->key, &s->k, sizeof u->key);
}

#define RECORD(name, bytes)   \
  struct name {               \
    struct upcall u;          \
    __u8 data[(bytes) - sizeof(struct upcall)]; \
  };
RECORD(record_512, 512)
RECORD(record_2k, 2048)
RECORD(record_16k, 16384)
RECORD(record_72k, 73728)
RECORD(record_264k, 270336)

/* To the verifier of Linux 6.1 two comparisons made one are none, and so is one with zero. */
#define BOUND(l) asm volatile("" : "+r"(l));

#define EMIT(T)                                                     \
  {                                                                 \
    if (q && (q->sent - q->acked + sizeof(struct T)) * 2 > room)    \
      return -1;                                                    \
    struct T *r = bpf_ringbuf_reserve(&upcalls, sizeof *r, 0);      \
    if (!r)                                                         \
      return -1;                                                    \
    fill_upcall(skb, s, &r->u, what);                               \
    __u32 l = len;                                                  \
    BOUND(l)                                                        \
    if (l > sizeof r->data) {                                       \
      bpf_ringbuf_discard(r, 0);                                    \
      return -1;                                                    \
    }                                                               \
    BOUND(l)                                                        \
    if (l < 2 || bpf_skb_load_bytes(skb, 0, r->data, l)) {          \
      bpf_ringbuf_discard(r, 0);                                    \
      return -1;                                                    \
    }                                                               \
    r->u.size = sizeof *r;                                          \
    r->u.len = l;                                                   \
    if (q)                                                          \
      __sync_fetch_and_add(&q->sent, sizeof *r);                    \
    bpf_ringbuf_submit(r, 0);                                       \
    return 0;                                                       \
  }

/* `what`: type in the upper half, id of the userdata in the lower. */
NOINL int emit_upcall(struct __sk_buff *skb, struct scratch *s, __u64 what)
{
  if (!s)
    return -1;
  __u32 slot = s->slot, len = truncated(skb, s);
  struct quota *q = bpf_map_lookup_elem(&quotas, &slot);
  __u64 used = bpf_ringbuf_query(&upcalls, BPF_RB_AVAIL_DATA);
  __u64 room = used < ring_bytes ? ring_bytes - used : 0;
  if (len <= sizeof(((struct record_512 *)0)->data))
    EMIT(record_512)
  if (len <= sizeof(((struct record_2k *)0)->data))
    EMIT(record_2k)
  if (len <= sizeof(((struct record_16k *)0)->data))
    EMIT(record_16k)
  if (len <= sizeof(((struct record_72k *)0)->data))
    EMIT(record_72k)
  if (len <= sizeof(((struct record_264k *)0)->data))
    EMIT(record_264k)
  drop_count(s, DROP_TOO_LONG);
  return -1;
}

INL void upcall(struct __sk_buff *skb, struct scratch *s, __u32 type, __u32 userdata)
{
  __u32 slot = s->slot;
  s->c.upcalls++;
  if (!emit_upcall(skb, s, (__u64)type << 32 | userdata))
    return;
  s->c.lost++;
  drop_count(s, DROP_RING_FULL);
  struct port_stat *ps = bpf_map_lookup_elem(&port_stats, &slot);
  if (ps)
    ps->lost++;
}
