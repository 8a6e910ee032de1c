/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Masked lookup: for each mask a 64-bit hash of the words that it uses leads to at most one flow,
 * whose words are compared in full. A per-CPU cache by the packet's own hash remembers which mask
 * matched, so that the cost does not grow with the number of masks. Words go in unrolled groups of
 * eight without early exits: the verifier likes it and it is faster than a loop.
 */
#pragma once

#define K1 0x9E3779B97F4A7C15ULL

#define WORD(j) (kw[m->idx[j] & (KEY_WORDS - 1)] & m->m[j])
#define HASH_GROUP(o)                                  \
  _Pragma("unroll") for (int j = o; j < o + 8; j += 2) \
  {                                                    \
    a = (a ^ WORD(j)) * K1;                            \
    a ^= a >> 32;                                      \
    b = (b ^ WORD(j + 1)) * K1;                        \
    b ^= b >> 32;                                      \
  }

INL __u64 mix(__u64 h, __u64 w)
{
  h = (h ^ w) * K1;
  return h ^ (h >> 29);
}

INL __u64 mask_hash(const struct mask *m, const struct flow_key *k)
{
  const __u64 *kw = (const void *)k;
  __u64 a = m->seed, b = K1;
  HASH_GROUP(0)
  if (m->n > 8) {
    HASH_GROUP(8)
    if (m->n > 16) {
      HASH_GROUP(16)
    }
  }
  return mix(a, b) & hash_mask;
}

INL __u64 chain_next(__u64 h)
{
  return mix(h, K1);
}

#define EQ_GROUP(o) _Pragma("unroll") for (int j = o; j < o + 8; j++) d |= WORD(j) ^ f->w[j];

INL bool flow_eq(const struct mask *m, __u32 index, const struct flow_key *k, const struct flow *f)
{
  const __u64 *kw = (const void *)k;
  __u64 d = f->mask ^ index;
  EQ_GROUP(0)
  if (m->n > 8) {
    EQ_GROUP(8)
    if (m->n > 16) {
      EQ_GROUP(16)
    }
  }
  return d == 0;
}

/* One mask with all flows of a chain; on success the map key of the flow is in s->flow_hash. */
NOINL int probe(struct scratch *s, __u32 index)
{
  if (!s)
    return 0;
  struct mask *m = bpf_map_lookup_elem(&masks, &index);
  if (!m || !m->valid)
    return 0;
  s->c.mask_hit++;
  __u64 h = mask_hash(m, &s->k);
  for (int i = 0; i < MAX_CHAIN; i++) {
    struct flow *f = bpf_map_lookup_elem(&flows, &h);
    if (!f)
      return 0;
    if (flow_eq(m, index, &s->k, f)) {
      s->flow_hash = h;
      return 1;
    }
    if (!(f->flags & FLOW_CHAINED))
      return 0;
    h = chain_next(h);
  }
  return 0;
}

/* All masks in turn: the index of the one that matched, or -1. */
NOINL int search(struct scratch *s)
{
  if (!s)
    return -1;
  __u32 z = 0;
  struct state *st = bpf_map_lookup_elem(&state, &z);
  if (!st)
    return -1;
  __u32 which = st->order & 1;
  struct mask_order *o = bpf_map_lookup_elem(&mask_orders, &which);
  if (!o)
    return -1;
  for (int i = 0; i < MAX_MASKS; i++) {
    if (i >= o->n)
      break;
    __u32 index = o->idx[i];
    if (probe(s, index))
      return index;
  }
  return -1;
}

/*
 * The mask cache's answer, verified; NULL when it has none. Most often the flow is the last packet's
 * of this hash; else the packet differs in what the mask looks at, and what it has there is hashed.
 */
INL struct flow *cached(struct scratch *s, struct cache_slot *e, __u32 tag)
{
  if (e->tag != tag)
    return 0;
  __u32 index = e->mask;
  __u64 h = e->hash;
  struct mask *m = bpf_map_lookup_elem(&masks, &index);
  if (!m || !m->valid)
    return 0;
  struct flow *f = bpf_map_lookup_elem(&flows, &h);
  if (!f || !flow_eq(m, index, &s->k, f)) {
    __u64 now = mask_hash(m, &s->k);
    if (now == h)
      return 0;
    f = bpf_map_lookup_elem(&flows, &now);
    if (!f || !flow_eq(m, index, &s->k, f))
      return 0;
    e->hash = now;
  }
  s->c.mask_hit++;
  s->c.cache_hit++;
  return f;
}

INL struct flow *lookup(struct __sk_buff *skb, struct scratch *s)
{
  __u64 h = ((__u64)bpf_get_hash_recalc(skb) ^ *(const __u64 *)&s->k) * K1;
  __u32 slot = h >> 50, tag = (__u32)(h >> 16) | 1;
  struct cache_slot *e = bpf_map_lookup_elem(&mask_cache, &slot);
  if (!e)
    return 0;
  struct flow *f = cached(s, e, tag);
  if (f)
    return f;
  int index = search(s);
  if (index < 0)
    return 0;
  /* From the stack: before Linux 6.2 a key must not lie in an argument's memory. */
  __u64 found = s->flow_hash;
  e->tag = tag;
  e->mask = index;
  e->hash = found;
  return bpf_map_lookup_elem(&flows, &found);
}
