/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Token buckets: of meters, and of what ports may receive. `src/userspace/meters.ts` is the same in
 * TypeScript. A bucket holds bits, or thousandths of packets: a millisecond brings `rate` of them.
 */
#pragma once

#define METER_BANDS 8
#define MAX_ELAPSED_MS (1ULL << 30)

#define BAND_BITS 1 /* counts bits, not packets */
#define BAND_OWES 2 /* a super-packet that no full bucket could pay for is paid for later */

struct band {
  __s64 tokens, limit;
  __u64 rate;
  __u64 packets, bytes; /* dropped */
  __u32 flags, pad;
};

struct meter {
  struct bpf_spin_lock lock;
  __u32 bands;
  __u64 ms; /* of CLOCK_MONOTONIC: when the buckets were last filled */
  __u64 packets, bytes;
  struct band band[METER_BANDS];
};

MAP(meters, HASH, 65536, __u32, struct meter, BPF_F_NO_PREALLOC);

/* Whether a packet passes: of the bands that it exceeds, the one of the highest rate drops it. */
NOINL int meter_admits(__u32 id, __u32 len, __u32 gso)
{
  struct meter *m = bpf_map_lookup_elem(&meters, &id);
  if (!m)
    return 1;
  __u64 now = bpf_ktime_get_ns() / 1000000, most = 0;
  int worst = -1;
  bpf_spin_lock(&m->lock);
  __u64 elapsed = now > m->ms ? now - m->ms : 0;
  if (elapsed > MAX_ELAPSED_MS)
    elapsed = MAX_ELAPSED_MS;
  if (now > m->ms)
    m->ms = now;
  m->packets++;
  m->bytes += len;
#pragma unroll
  for (int i = 0; i < METER_BANDS; i++) {
    struct band *b = &m->band[i];
    if (i < m->bands) {
      __s64 cost = b->flags & BAND_BITS ? (__s64)len * 8 : 1000;
      __s64 tokens = b->tokens + (__s64)(elapsed * b->rate);
      if (tokens > b->limit)
        tokens = b->limit;
      if (tokens >= cost || (gso && (b->flags & BAND_OWES) && tokens == b->limit)) {
        tokens -= cost;
      } else if (worst < 0 || b->rate > most) {
        worst = i;
        most = b->rate;
      }
      b->tokens = tokens;
    }
  }
#pragma unroll
  for (int i = 0; i < METER_BANDS; i++) {
    if (i == worst) {
      m->band[i].packets++;
      m->band[i].bytes += len;
    }
  }
  bpf_spin_unlock(&m->lock);
  return worst < 0;
}
