/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Geneve options that are longer than a key has room for. The key has a digest of them, and a table
 * what it stands for: programs enter what comes, the daemon what goes out. It forgets what has not
 * been used for long. Options with the digest of others that are there are refused.
 */
#pragma once

/* packages/packet/src/tunnel-options.ts has the same. */
INL void options_digest(const struct options *o, __u32 len, const __u32 *seed, __be32 *out)
{
  const __u32 *w = (const void *)o->b;
  __u32 a = seed[0] ^ len, b = seed[1], c = seed[2];
  for (int i = 0; i < 64; i++) {
    a = (a ^ w[i]) * 0x9E3779B1;
    a ^= a >> 15;
    b = (b + w[i]) * 0x85EBCA77;
    b ^= b >> 13;
    c = (c ^ w[i]) * 0xC2B2AE3D;
    c ^= c >> 16;
  }
  out[0] = a;
  out[1] = b;
  out[2] = c;
}

/* s->tin.opts_len bytes at `off`, and their digest into s->tin. */
NOINL int take_options(struct __sk_buff *skb, struct scratch *s, __u32 off)
{
  __u32 z = 0;
  struct state *st = bpf_map_lookup_elem(&state, &z);
  /* The same as `s`: before Linux 6.3 a map takes no values out of an argument's memory. */
  struct scratch *own = bpf_map_lookup_elem(&scratch, &z);
  if (!s || !st || !own)
    return -1;
  __u32 n = s->tin.opts_len;
  struct options_key key = { .len = n };
  struct options *taken = &own->options;
  __builtin_memset(taken, 0, sizeof *taken);
  BOUND(n)
  if (n > OPTS_MAX)
    return -1;
  BOUND(n)
  if (n < 2 || bpf_skb_load_bytes(skb, off, taken->b, n))
    return -1;
  options_digest(taken, key.len, st->options_seed, key.digest);
  __builtin_memcpy(s->tin.opts, key.digest, 12);
  struct options *known = bpf_map_lookup_elem(&tun_options, &key);
  if (!known)
    return bpf_map_update_elem(&tun_options, &key, taken, BPF_ANY);
  const __u64 *x = (const void *)known->b, *y = (const void *)taken->b;
  __u64 d = 0;
  for (int i = 0; i < 32; i++)
    d |= x[i] ^ y[i];
  return d ? -1 : 0;
}

/* What the digest in s->tun stands for, behind a Geneve header. */
NOINL int put_options(struct scratch *s, __u32 at)
{
  if (!s || at > 128)
    return -1;
  struct options_key key = { .len = s->tun.opts_len };
  __builtin_memcpy(key.digest, s->tun.opts, 12);
  struct options *o = bpf_map_lookup_elem(&tun_options, &key);
  if (!o)
    return -1;
  __builtin_memcpy(s->hdr + at, o->b, 256);
  return 0;
}
