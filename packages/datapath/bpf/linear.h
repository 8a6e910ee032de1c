/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Reads of headers. Most lie in a packet's linear part, where they are read in place: a helper that
 * copies some bytes takes ten times as long. What lies elsewhere is copied.
 */
#pragma once

#define LINEAR 128 /* Ethernet, inline tag, IPv6 with an extension header, TCP */

/* `n` bytes at `off`, a constant number that four divides, or two bytes; 0 on success. */
INL int read_at(struct __sk_buff *skb, __u32 off, void *to, __u32 n)
{
  void *data = (void *)(long)skb->data, *at = data + (off & (LINEAR - 1));
  if (off >= LINEAR || at + n > (void *)(long)skb->data_end)
    return bpf_skb_load_bytes(skb, off, to, n);
  if (n & 3)
    __builtin_memcpy(to, __builtin_assume_aligned(at, 2), n);
  else
    __builtin_memcpy(to, __builtin_assume_aligned(at, 4), n);
  return 0;
}
