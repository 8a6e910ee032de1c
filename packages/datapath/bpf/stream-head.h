/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Segments of a stream that goes by GRO (coalesce.h), known by their heads. One that was looked at
 * closely leaves the bytes that all of its stream have in common: the outer headers without lengths,
 * IP's number and checksum, the frame's addresses, and that TCP over IP is in it, no fragment. What
 * agrees with them needs no parsing, nor a look into tables; what does not is looked at closely.
 */
#pragma once

#define HEAD_BYTES (HEAD_WORDS * 8)
#define HEAD_L4 20 /* outer L4, from the outer IP header on */

/* By what tells streams apart; where Geneve's options come before the addresses they count for those. */
INL struct stream_head *head_slot(const __u8 *ip)
{
  bool udp = ip[9] == IPPROTO_UDP;
  __u64 a = *(const __u32 *)(ip + HEAD_L4);
  __u32 at = udp ? 20 : ip[HEAD_L4] & 0x20 ? 12 : 8; /* of the end of the first address */
  /* The VNI or GRE's key, if there is one, and the addresses. */
  const __u64 *b = (const void *)(ip + HEAD_L4 + (udp ? 12 : 4));
  const __u64 *c = (const void *)(ip + HEAD_L4 + at);
  __u32 slot = mix(mix(a, *b), *c) >> 56;
  return bpf_map_lookup_elem(&stream_heads, &slot);
}

/*
 * Whether the packet is one more of a known stream: then s->stream_seq is its number, and s->strip and
 * s->slot are set.
 */
NOINL int head_known(struct __sk_buff *skb, struct scratch *s)
{
  void *data = (void *)(long)skb->data;
  __u8 *ip = data + ETH_HLEN;
  if (!s || skb->protocol != bpf_htons(ETH_P_IP) || skb->gso_size ||
      (void *)ip + HEAD_BYTES > (void *)(long)skb->data_end)
    return 0;
  struct stream_head *h = head_slot(ip);
  if (!h || !h->seq || h->tunnels_seq != s->tunnels_seq || h->mark != skb->mark)
    return 0;
  const __u64 *w = (const void *)ip;
  __u64 d = 0;
#pragma unroll
  for (int i = 0; i < HEAD_WORDS; i++)
    d |= (w[i] & h->mask[i]) ^ h->want[i];
  if (d)
    return 0;
  const __be32 *v = (const void *)ip;
  __u64 sum = 0;
#pragma unroll
  for (int i = 0; i < 5; i++)
    sum += v[i];
  if (csum_fold(sum) != 0xffff || skb->len != ETH_HLEN + bpf_ntohs(((struct iphdr *)ip)->tot_len))
    return 0;
  __u32 stream = h->stream, record = h->seq & (STREAM_RECORDS - 1);
  struct stream *e = bpf_map_lookup_elem(&streams, &stream);
  struct stream_record *r = bpf_map_lookup_elem(&stream_records, &record);
  if (!e || !r || e->seq != h->seq || r->seq != h->seq || s->now - e->bulk_at > STREAM_IDLE_NS ||
      (e->whole_at && s->now - e->whole_at < STREAM_WHOLE_NS))
    return 0;
  __u32 payload = tcp_payload(skb, s, h->strip);
  if (!payload)
    return 0;
  if (payload >= BULK_BYTES)
    e->bulk_at = s->now;
  h->used_at = s->now;
  s->stream_seq = h->seq;
  s->strip = h->strip;
  s->slot = h->slot;
  return 1;
}

/* Keeps the head of a packet that `coalesces`; s->strip is where its inner frame begins. */
NOINL int keep_head(struct __sk_buff *skb, struct scratch *s)
{
  void *data = (void *)(long)skb->data;
  __u8 *ip = data + ETH_HLEN;
  if (!s || skb->protocol != bpf_htons(ETH_P_IP) || s->l4 != ETH_HLEN + HEAD_L4 ||
      s->tin.flags & TNL_F_CSUM || (void *)ip + HEAD_BYTES > (void *)(long)skb->data_end)
    return 0;
  bool udp = ip[9] == IPPROTO_UDP;
  if (!udp && ip[HEAD_L4] & 0x10) /* GRE with sequence numbers */
    return 0;
  struct stream_head *h = head_slot(ip);
  __u32 inner = s->strip; /* the inner IP header, from the outer one on */
  BOUND(inner)
  if (!h || inner < HEAD_L4 || inner > HEAD_BYTES - 10)
    return 0;
  if (h->seq && h->tunnels_seq == s->tunnels_seq && s->now - h->used_at < STREAM_IDLE_NS)
    return 0; /* another's */
  __be16 type;
  if (bpf_skb_load_bytes(skb, s->strip + 12, &type, 2))
    return 0;
  __u8 *m = (void *)h->mask;
  __builtin_memset(m, 0xff, HEAD_BYTES);
  *(__u32 *)(m + 2) = 0;  /* length, number */
  *(__u16 *)(m + 10) = 0; /* checksum */
  if (udp)
    *(__u16 *)(m + HEAD_L4 + 4) = 0; /* length */
  for (int i = HEAD_L4; i < HEAD_BYTES; i++)
    if (i >= inner)
      m[i] = 0;
  if (type == bpf_htons(ETH_P_IPV6)) {
    m[inner + 6] = 0xff; /* what follows */
  } else {
    m[inner] = 0xff; /* version and length */
    m[inner + 6] = 0x3f;
    m[inner + 7] = 0xff; /* fragment or not */
    m[inner + 9] = 0xff; /* protocol */
  }
  const __u64 *w = (const void *)ip;
#pragma unroll
  for (int i = 0; i < HEAD_WORDS; i++)
    h->want[i] = w[i] & h->mask[i];
  h->seq = s->stream_seq;
  h->used_at = s->now;
  h->tunnels_seq = s->tunnels_seq;
  h->mark = skb->mark;
  h->strip = s->strip;
  h->slot = s->stream.slot;
  h->stream = stream_slot(&s->stream);
  return 0;
}
