/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Internet checksums (RFC 1071) over parts of a packet, for tunnels whose outer headers have one.
 * Sums are in the byte order of the packet, 32 bits not folded yet, or folded to 16.
 */
#pragma once

#define CSUM_ROUNDS 136 /* of SUM_BYTES each: a packet of 64 KiB and its headers */

INL __u32 csum_fold(__u64 sum)
{
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

/* Of the bytes from `off` to `end`, folded; -1: they are not there. */
NOINL int sum_packet(struct __sk_buff *skb, struct scratch *s, __u32 off, __u32 end)
{
  if (!s)
    return -1;
  __s64 sum = 0;
  for (int i = 0; i < CSUM_ROUNDS; i++) {
    if (off >= end)
      return csum_fold(sum);
    __u32 n = end - off;
    if (n < SUM_BYTES)
      __builtin_memset(s->sum, 0, SUM_BYTES);
    if (n >= SUM_BYTES) {
      if (bpf_skb_load_bytes(skb, off, s->sum, SUM_BYTES))
        return -1;
      n = SUM_BYTES;
    } else if (n == 1) {
      if (bpf_skb_load_bytes(skb, off, s->sum, 1))
        return -1;
    } else {
      BOUND(n)
      if (n > SUM_BYTES)
        return -1;
      BOUND(n)
      if (n < 2 || bpf_skb_load_bytes(skb, off, s->sum, n))
        return -1;
    }
    sum = bpf_csum_diff(0, 0, (void *)s->sum, SUM_BYTES, sum);
    if (sum < 0)
      return -1;
    off += n;
  }
  return -1;
}

/* Of a pseudo header with the addresses of a tunnel's packet. */
INL __u64 sum_pseudo(const __be32 *src, const __be32 *dst, __u32 proto, __u32 len)
{
  __u64 sum = bpf_htonl(len);
  sum += bpf_htonl(proto);
#pragma unroll
  for (int i = 0; i < 4; i++)
    sum += (__u64)src[i] + dst[i];
  return sum;
}

/*
 * Whether the checksum of the UDP or GRE header at `off` is wrong, the packet being s->tin's. What the
 * kernel knows to be right, or has still to complete, is not looked at.
 */
NOINL int bad_checksum(struct __sk_buff *skb, struct scratch *s, __u32 off, __u32 proto)
{
  if (!s)
    return 1;
  if (!have_kfuncs || skb->gso_size)
    return 0;
  struct sk_buff *k = bpf_cast_to_kern_ctx(skb);
  __u32 known = BPF_CORE_READ_BITFIELD(k, ip_summed);
  if (known == CHECKSUM_PARTIAL || known == CHECKSUM_UNNECESSARY)
    return 0;
  __u32 len = skb->len;
  int sum = sum_packet(skb, s, off, len);
  if (sum < 0)
    return 1;
  __u64 all = sum;
  if (proto == IPPROTO_UDP)
    all += sum_pseudo(s->tin.src, s->tin.dst, proto, len - off);
  return csum_fold(all) != 0xffff;
}

/* Of the frame from `off` on, as it will be when a checksum that is still to be completed is; -1: none. */
NOINL int sum_frame(struct __sk_buff *skb, struct scratch *s, __u32 off)
{
  __u32 end = skb->len;
  __u64 sum = 0;
  if (have_kfuncs) {
    struct sk_buff *k = bpf_cast_to_kern_ctx(skb);
    if (BPF_CORE_READ_BITFIELD(k, ip_summed) == CHECKSUM_PARTIAL) {
      __be16 partial;
      /* From there on everything will sum to the complement of what stands in the checksum's place. */
      end = k->csum_start - (__u16)((__u64)k->data - (__u64)k->head);
      if (bpf_skb_load_bytes(skb, end + k->csum_offset, &partial, 2))
        return -1;
      sum = (__u16)~partial;
    }
  }
  int rest = sum_packet(skb, s, off, end);
  return rest < 0 ? -1 : csum_fold(sum + rest);
}
