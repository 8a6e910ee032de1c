/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The connection table. A connection is one element under a tuple that is the same for both
 * directions; a translated one has a second, small element that leads from the tuple of the
 * answers to it. `src/kernel/ct-entry.ts` is the daemon's view of the same bytes.
 */
#pragma once

#define CS_NEW 0x01
#define CS_EST 0x02
#define CS_REL 0x04
#define CS_RPL 0x08
#define CS_INV 0x10
#define CS_TRK 0x20
#define CS_SNAT 0x40
#define CS_DNAT 0x80

/* One way. ICMP: the identifier is both ports. */
struct ct_tuple {
  __be32 src[4], dst[4];
  __be16 sport, dport;
  __u8 proto, v6, icmp_type, pad;
};

/* Both ways: (a, pa) is the lower end. */
struct ct_key {
  __be32 a[4], b[4];
  __be16 pa, pb;
  __u16 zone;
  __u8 proto;
  __u8 kind; /* CTK_* */
};

#define CTK_V6 1
#define CTK_CROSSED 2  /* ICMP: the lower end sends the replies */
#define CTK_CLASS(c) ((c) << 2) /* ICMP: which pair of types */

struct ct_peer {
  __u32 lo, hi, win;
  __u8 state, scale;
  __u16 pad;
};

struct ct_entry {
  __u64 expires; /* CLOCK_MONOTONIC, ns */
  __u32 mark, label[4];
  __u16 policy;
  __be16 nat_from;        /* the source's port when the destination is translated */
  struct ct_peer peer[2]; /* of the originator, of the other end */
  __be32 nat_addr[4];     /* what the source or destination is translated to */
  __be16 nat_port;
  __u8 flags; /* CTE_* */
  __u8 other; /* CTO_*; not for TCP */
  __u32 born; /* never the same twice for a key, more or less */
};

#define CTE_SWAPPED 1 /* the originator is the higher end of the key */
#define CTE_SNAT 2
#define CTE_DNAT 4
#define CTE_FTP 8 /* has a helper */
#define CTE_TFTP 16
#define CTE_REL 32 /* was announced: ct_parents has by what */

#define CTO_FIRST 0
#define CTO_MULTIPLE 1
#define CTO_BIDIR 2

struct ct_alias {
  struct ct_key key;
  __u32 swapped; /* answers come from the higher end of the alias's own key */
};

/* A connection that is to come, from any port. */
struct ct_expect_key {
  __be32 src[4], dst[4];
  __be16 dport;
  __u16 zone;
  __u8 proto, v6;
  __u16 pad;
};

/* By whom it is expected while that lives, with what it begins and how it is translated. */
struct ct_expect {
  struct ct_key parent;
  __u32 born, mark, label[4];
  __be32 addr[4];
  __u16 port;      /* 0: any */
  __u8 flags, pad; /* CTE_SNAT or CTE_DNAT */
};
#define CT_EXPECTS 16384

/* Bytes that text gained in a direction: before the segment at `pos`, and with it. */
struct ct_gain {
  __u32 pos, before, after;
};

/* Of the originator's direction, and of the other. */
struct ct_gains {
  struct ct_gain d[2];
};

/* What tracking found of the packet: the ct_* fields. */
struct ct_md {
  __u16 state, zone;
  __u32 mark, label[4];
  struct ct_tuple orig; /* proto 0: none */
};

/* What a `ct` action brings beside its flags, put here by the slots before it. */
struct ct_args {
  __u32 mark, mark_mask, label[4], label_mask[4];
  __be32 nat_min[4];
  __u32 nat_span; /* addresses in the range, less one */
  __u16 port_min, port_max;
  __u32 given; /* one of those that stay 0 else */
};

/* What a free tuple is looked for in. */
struct ct_range {
  __u32 span, start, hash, min, size, first, from;
  __u8 src, ports, given, outside;
};

struct ct_work {
  struct ct_range range;
  struct ct_args args;
  struct ct_tuple t, reply;
  struct ct_key key;
  struct ct_entry e;
  struct ct_tuple parent; /* of what announced it */
  __u32 cte;              /* CTE_* of the connection reported last */
  __u32 quotes;           /* the packet is an error about another */
  __u32 ack_gain;         /* what its acknowledgement counts too many */
  __u32 inner_l3, inner_l4, zone, flags;
  __u8 buf[48];
};

struct ct_zone {
  __u32 limit; /* 0: the default; ~0: none */
  __s32 count;
  __u32 pad[2];
};

struct ct_global {
  __u32 max;
  __s32 count;
  __u32 default_limit; /* 0: none */
  __u32 no_seq_check;
  __u64 refused, evicted;
  __u64 head, tail; /* of ct_recent: where the next key goes, and the oldest one left */
  __u32 expects, pad; /* elements of ct_expects */
};

/* Keys of the connections entered last: where room is found in a table that is full. */
#define CT_RECENT 65536

enum ct_timeout {
  CTT_TCP_SYN_SENT,
  CTT_TCP_SYN_RECV,
  CTT_TCP_ESTABLISHED,
  CTT_TCP_FIN_WAIT,
  CTT_TCP_TIME_WAIT,
  CTT_TCP_CLOSE,
  CTT_UDP_FIRST,
  CTT_UDP_SINGLE,
  CTT_UDP_MULTIPLE,
  CTT_ICMP_FIRST,
  CTT_ICMP_REPLY,
  CTT_COUNT = 16,
};

/* Seconds. */
struct ct_policy {
  __u32 t[CTT_COUNT];
};
#define CT_POLICIES 256
