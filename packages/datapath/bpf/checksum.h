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
    if (n >= SUM_BYTES) {
      if (bpf_skb_load_bytes(skb, off, s->sum, SUM_BYTES))
        return -1;
      n = SUM_BYTES;
    } else {
      __builtin_memset(s->sum, 0, SUM_BYTES);
      BOUND(n)
      if (n < 1 || n > SUM_BYTES || bpf_skb_load_bytes(skb, off, s->sum, n))
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
