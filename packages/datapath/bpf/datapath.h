/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the programs and the daemon share: maps, records, actions. `src/kernel/layout.ts` is the
 * daemon's view of the same bytes; a change here needs a new ABI number there.
 */
#pragma once
#include "ct-maps.h"
#include "flow-key.h"

#define KEY_WORDS 32  /* words of struct flow_key; the last one is always zero */
#define MASK_WORDS 24 /* words that one mask may use */
#define MAX_MASKS 1024
#define MAX_CHAIN 16 /* flows whose 64-bit hash is the same */
#define MAX_RECIRC 8
#define INLINE_ACTS 8
#define CHUNK_ACTS 31
#define MAX_CHUNKS 64 /* of one action list */
#define CACHE_SLOTS 16384
#define CTX_SLOTS 8192 /* the first half belongs to the daemon, the second to the programs */
#define CTX_ACTS 16
#define OUTN_PORTS 10

enum act_type {
  A_END,
  A_OUT,        /* a32 port; a16 & 1: last, by verdict */
  A_OUTN,       /* a16 ports in a32 and b */
  A_PUSH_VLAN,  /* a16 tpid (network order), a32 tci without CFI */
  A_POP_VLAN,
  A_RECIRC,     /* a32 recirc_id; a16 & 1: last */
  A_USERSPACE,  /* a32 id of the userdata; a16: of a sample, b[0..3] of 2^32 packets */
  A_TRUNC,      /* a32 bytes, for the next output */
  A_DROP,       /* a32 reason */
  A_SET_MARK,   /* a32 value, b[0..3] mask */
  A_SET_ETH,    /* a16 offset (0 dst, 6 src), b[0..5] value, b[8..13] mask */
  A_SET_IP4,    /* a16 offset in the IPv4 header (12 src, 16 dst), b[0..3] value, b[8..11] mask */
  A_SET_IP6,    /* a16 offset in the IPv6 header (8, 16 src; 24, 32 dst), b[0..7], b[8..15] */
  A_SET_TOS,    /* b[0] value, b[8] mask */
  A_SET_TTL,    /* b[0] value, b[8] mask */
  A_SET_LABEL,  /* a32 value in host order, b[8..11] mask in host order */
  A_SET_L4PORT, /* a16 offset (0 src, 2 dst), b[0..1] value, b[8..9] mask */
  A_SET_ICMP,   /* a16 offset (0 type, 1 code), b[0], b[8] */
  A_SET_ARP,    /* a16 offset in the ARP header, a32 length (2, 4 or 6), b value, b[8..] mask */
  A_SET_ND,     /* a16 offset 8 or 16: half of the target; 0: a32 = option type, 6 bytes */
  A_SET_PRIORITY = 32, /* a32: skb->priority, by which a qdisc chooses the class */
  A_METER, /* a32 id; a16: actions to skip when it does not let the packet pass, 0: drop it */
  A_CLONE, /* a16: length of the list that follows; a32 1: it changes nothing, else it is for a
              copy and ends with A_END */
  A_CHECK_LEN, /* a32 bytes; a16: actions to skip unless the packet is longer; b[0] 1: both lists
                  are the last thing done to it, and the first ends with A_END */
  A_SKIP, /* a16 actions */
  A_SET_TUNNEL = 40, /* a16 part 0: a32 flags, tos, ttl, b id, IPv4 src, dst; 1: a32 tp_src, tp_dst,
                        b gbp, options; 2: b IPv6 src; 3: b IPv6 dst */
  A_TUN_SEND,        /* wrapped already: to be routed */
  A_CT = 64,    /* a16 CTF_*, a32 zone and above it the policy, b[0..3] ports of the range */
  A_CT_MARK,    /* a32 value, b[0..3] mask: of the `ct` that follows, as the others here */
  A_CT_LABEL,   /* b: value */
  A_CT_LABEL_MASK, /* b: mask */
  A_CT_NAT,     /* b: first address, a32: how many follow it */
  A_CT_CLEAR,
};

/* In a16 of a set action: the last of those that one `set` was split into. */
#define SET_END 0x8000

struct act {
  __u16 type, a16;
  __u32 a32;
  __u8 b[16];
};

/* A mask, compacted to the words it uses; unused entries point at word 31 with a zero mask. */
struct mask {
  __u32 valid, n;
  __u64 seed; /* of the hash: differs by mask, secret by instance */
  __u8 idx[MASK_WORDS];
  __u64 m[MASK_WORDS];
};

/* Masks in the order in which they are tried. Two of them, switched by state.order. */
struct mask_order {
  __u32 n;
  __u16 idx[MAX_MASKS];
};

#define FLOW_CHAINED 1 /* another flow with this hash is at chain_next(hash) */

/* 408 bytes: with the kernel's own header and key an element takes 512. */
struct flow {
  __u64 gen;        /* never the same twice: a reused element shows */
  __u16 mask, nact; /* mask 0xffff: a gap in a chain */
  __u8 flags, pad[3];
  __u32 id, next;   /* index in flow_stats; first chunk of the list's rest plus one */
  __u64 w[MASK_WORDS];
  struct act acts[INLINE_ACTS];
};

struct flow_stat {
  __u64 packets, bytes, used; /* CLOCK_MONOTONIC, ns */
  __u32 tcp_flags, pad;
};

struct chunk {
  __u32 nact, next; /* next chunk plus one */
  struct act acts[CHUNK_ACTS];
};

struct cache_slot {
  __u32 tag, mask;
  __u64 hash; /* where the flow was that matched */
};

/* By ifindex. */
struct port {
  __u32 port_no;
  __u32 slot; /* in port_stats and quota */
  __u32 policer; /* key in meters of what the port may receive; 0: all */
};

#define OUT_PEER 1
#define OUT_TUNNEL 2 /* ifindex: TUN_* */

/* By port number; ifindex 0: no such port. */
struct out {
  __u32 ifindex, mtu;
  __u32 peer_max; /* longest L3 packet that may skip the device's own MTU check */
  __u16 slot, mode;
};

struct port_stat {
  __u64 rx_packets, rx_bytes, tx_packets, tx_bytes, rx_dropped, tx_dropped, missed, lost;
};

/* Bytes of ring records that a port has in flight: sent by the programs, acked by the daemon. */
struct quota {
  __u64 sent, acked;
};

/* FLOW_TNL_F_* of packages/packet. */
#define TNL_F_OAM 1
#define TNL_F_DF 2
#define TNL_F_CSUM 4
#define TNL_F_KEY 8
#define TNL_F_SEQ 16
#define TNL_F_CRIT 32 /* an option is critical */

/* A tunnel's header, in the order of the key: words 2 to 7, then 29 and 30. */
struct tun {
  __be64 id;
  __be32 src[4], dst[4];
  __u16 flags;
  __u8 tos, ttl;
  __be16 tp_src, tp_dst;
  __be16 gbp_id;
  __u8 gbp_flags, opts_len;
  __be32 opts[3]; /* a digest of what is longer; or struct erspan, and opts_len is 0 */
};
#define OPTS_INLINE 12
#define OPTS_MAX 252

/* Options that a key cannot hold: by their length and what stands for them there. */
struct options_key {
  __u32 len;
  __be32 digest[3];
};

struct options {
  __u8 b[256]; /* zeros behind them */
};

struct erspan {
  __u8 ver, dir, hwid, pad;
  __be32 idx;
};
#define TUN_KEY_BYTES 48

#define TUN_IN 1  /* tun_state: the packet came by tunnel `tin` */
#define TUN_OUT 2 /* `tun` is set */
#define TUN_CUT 4 /* a segment by itself, whose checksum is complete where programs cannot tell */
#define WRAP_DONE 255

struct route {
  __u32 ifindex, mtu, direct, nh_family;
  __be32 src[4], nh[4];
  __u8 mac[12];
  __u32 pad;
};

/* What an injected packet is to undergo: found by skb->mark. */
struct ctx {
  __u32 mark, done; /* done = mark when the packet has been through */
  __u32 in_port, recirc_id, pkt_mark, nact, next, tun_state;
  struct act acts[CTX_ACTS];
  struct tun tin, tun;
  struct ct_md ct;
  __u32 ct_on, priority;
  __u32 skip, pad; /* actions that are not to be carried out */
};

struct state {
  __u32 order;            /* which mask_order is in force */
  __u32 inject_ifindex;   /* the daemon's end of the injection veth */
  __u32 ctx_seq;          /* programs' next context */
  __u32 coalesce_ifindex; /* the near end of the coalescing veth; 0: there is none */
  __u64 stream_seq;       /* of the stream record made last */
  __u32 segment_ifindex;  /* what goes out there comes back one segment at a time; 0: nothing does */
  __u32 gre_seq, erspan_seq;
  __u32 tunnels_seq;      /* another whenever tunnels or addresses of the host are others */
  __u64 alive;            /* when the daemon was there last: CLOCK_MONOTONIC, ns */
  __u32 options_seed[3];  /* of digests, secret */
  __u32 pad2;
};

/* What segments have in common that may be made one packet. */
struct stream_id {
  struct tun tun;
  __u32 port_no, slot, mark;
  __u8 mac[12]; /* of the frame: destination, source */
};
#define STREAM_WORDS 11

struct stream_record {
  struct bpf_spin_lock lock;
  __u32 pad;
  __u64 seq;
  struct stream_id id;
};

/* A CPU's: the stream that was there last, its record, what is known of it. Times are coarse. */
struct stream {
  struct stream_id id;
  __u64 seq, bulk_at, whole_at; /* when a long segment was last seen, when a super-packet */
  __u32 run, pad;
};
#define STREAMS 1024

#define HEAD_WORDS 9
/*
 * A CPU's: the bytes from behind the Ethernet header on that the segments of a stream have in common, up
 * to the inner protocol, and where they are looked for.
 */
struct stream_head {
  __u64 want[HEAD_WORDS], mask[HEAD_WORDS];
  __u64 seq, used_at; /* seq 0: none */
  __u32 tunnels_seq, mark;
  __u32 strip, stream, slot, pad; /* bytes before the inner Ethernet header; in streams; of the port */
};
#define STREAM_HEADS 256
#define STREAM_RECORDS 4096

enum drop_reason {
  DROP_NONE,         /* an empty action list */
  DROP_NO_PORT,      /* output to a port that is not there */
  DROP_MTU,          /* longer than the output port's MTU */
  DROP_RING_FULL,    /* upcall lost */
  DROP_TOO_LONG,     /* for an upcall record */
  DROP_RECIRC,       /* recirculated too often */
  DROP_STALE,        /* injected without a valid context */
  DROP_ACTION,       /* an action could not be carried out */
  DROP_UNKNOWN_PORT, /* received on a device that is not a port */
  DROP_MALFORMED,    /* shorter than an Ethernet header, or a tunnel's that is none */
  DROP_NO_ROUTE,     /* to a tunnel's other end */
  DROP_POLICED,      /* more than the port may receive */
  DROP_METER,        /* more than a meter lets pass */
  DROP_CHECKSUM,     /* the outer checksum of a tunnel's packet is wrong */
  DROP_EXPLICIT = 16, /* first of the reasons that `drop` actions bring */
  DROP_REASONS = 64,
};

struct counters {
  __u64 hit, missed, lost, mask_hit, cache_hit, upcalls;
  __u64 drops[DROP_REASONS];
};

#define DIRTY_LAYOUT 1 /* offsets and key are out of date */
#define DIRTY_KEY 2    /* the key's values are */
#define DIRTY_CT 4     /* the key's ct_* fields are */

#define SUM_BYTES 512 /* what bpf_csum_diff takes at once */

/* Per CPU: the packet being worked on. */
struct scratch {
  struct flow_key k;
  struct counters c;
  struct act acts[CTX_ACTS];
  __u64 flow_hash;
  __u64 now; /* CLOCK_MONOTONIC, coarse, ns: when the program began */
  __u32 in_port, slot, recirc, trunc; /* trunc: bytes that the next output cuts off */
  __u32 l3, l4, l4_end; /* where headers start and the IP packet ends; 0: none */
  __u32 doff;           /* length of a whole TCP header; 0: there is none */
  __u32 dirty;          /* DIRTY_* */
  __u32 nact, next;     /* the list in acts, and its first chunk plus one */
  __u32 skip;           /* actions to come that are not to be carried out */
  __u32 at, chunk;      /* the action under way: index in acts, or in this chunk (plus one) */
  __be16 inner_type; /* GRE's protocol type, of a packet that comes or goes */
  __u16 pad;
  int verdict;
  __u32 tun_state; /* TUN_* */
  struct tun tin, tun;
  struct route rt;
  __u32 wrap, wrap_port, wrap_slot; /* the last output is one to a tunnel (TUN_*, WRAP_DONE) */
  __u8 hdr[576];                    /* of a tunnel, being put together */
  struct options options;           /* of a tunnel, that came */
  struct stream_id stream;
  __u64 stream_seq;
  __u32 tunnels_seq, strip; /* as it was when the program began; bytes before the inner frame */
  __u32 ct_on;      /* s->ct holds */
  __u32 ct_entered; /* and its connection is in the table: the program has seen it there */
  struct ct_md ct;
  struct ct_work w;
  __u8 sum[SUM_BYTES]; /* part of a packet, to be summed */
};

/* What becomes of a list after an action. */
#define RC_NEXT 0
#define RC_STOP 1   /* s->verdict stands */
#define RC_RECIRC 2 /* look up again with s->recirc */
#define RC_CT 3     /* call ct_exec, from as far out as can be: frames of calls are few */

#define UPCALL_MISS 0
#define UPCALL_ACTION 1
#define UPCALL_RESEND 2 /* to the port in `userdata`, as it is */
#define UPCALL_TOO_BIG 3 /* for a tunnel: `userdata` bytes would fit */
#define UPCALL_HELPER 4  /* announces a connection; comes back for the context `userdata` */
#define UPCALL_VLAN 1 /* flags: the outer tag is in vlan_tci and vlan_proto */
#define UPCALL_NO_CSUM_INFO 2

struct upcall {
  __u32 size;    /* of the record, as accounted in quota */
  __u32 len;     /* of the packet that follows */
  __u32 slot, userdata;
  __u16 type, flags, vlan_tci, vlan_proto;
  __u8 vh_flags, vh_gso_type;
  __u16 vh_hdr_len, vh_gso_size, vh_csum_start, vh_csum_offset;
  __u16 pad;
  __u32 priority; /* of the sk_buff */
  __u64 key[KEY_WORDS - 1];
};

#define MAP(name, t, max, K, V, flags)  \
  struct {                              \
    __uint(type, BPF_MAP_TYPE_##t);     \
    __uint(max_entries, max);           \
    __uint(map_flags, flags);           \
    __type(key, K);                     \
    __type(value, V);                   \
  } name SEC(".maps")

MAP(state, ARRAY, 1, __u32, struct state, BPF_F_MMAPABLE);
MAP(scratch, PERCPU_ARRAY, 1, __u32, struct scratch, 0);
MAP(masks, ARRAY, MAX_MASKS, __u32, struct mask, 0);
MAP(mask_orders, ARRAY, 2, __u32, struct mask_order, 0);
MAP(mask_cache, PERCPU_ARRAY, CACHE_SLOTS, __u32, struct cache_slot, 0);
MAP(flows, HASH, 1, __u64, struct flow, BPF_F_NO_PREALLOC);
MAP(flow_stats, ARRAY, 1, __u32, struct flow_stat, BPF_F_MMAPABLE);
MAP(chunks, ARRAY, 1, __u32, struct chunk, BPF_F_MMAPABLE);
MAP(ports, HASH, 1, __u32, struct port, BPF_F_NO_PREALLOC);
MAP(outs, ARRAY, 65536, __u32, struct out, BPF_F_MMAPABLE);
/* The first six bytes: address of a port's peer in another namespace. */
MAP(peer_macs, ARRAY, 65536, __u32, __u64, BPF_F_MMAPABLE);
MAP(port_stats, PERCPU_ARRAY, 1, __u32, struct port_stat, 0);
MAP(quotas, ARRAY, 1, __u32, struct quota, BPF_F_MMAPABLE);
MAP(cts, HASH, 1, struct ct_key, struct ct_entry, BPF_F_NO_PREALLOC);
MAP(ct_aliases, HASH, 1, struct ct_key, struct ct_alias, BPF_F_NO_PREALLOC);
MAP(ct_parents, HASH, 1, struct ct_key, struct ct_tuple, BPF_F_NO_PREALLOC);
MAP(ct_gains, HASH, CT_EXPECTS, struct ct_key, struct ct_gains, BPF_F_NO_PREALLOC);
MAP(ct_expects, HASH, CT_EXPECTS, struct ct_expect_key, struct ct_expect, BPF_F_NO_PREALLOC);
MAP(ct_zones, ARRAY, 65536, __u32, struct ct_zone, BPF_F_MMAPABLE);
MAP(ct_globals, ARRAY, 1, __u32, struct ct_global, BPF_F_MMAPABLE);
MAP(ct_recent, ARRAY, CT_RECENT, __u32, struct ct_key, 0);
MAP(ct_policies, ARRAY, CT_POLICIES, __u32, struct ct_policy, BPF_F_MMAPABLE);
MAP(streams, PERCPU_ARRAY, STREAMS, __u32, struct stream, 0);
MAP(stream_heads, PERCPU_ARRAY, STREAM_HEADS, __u32, struct stream_head, 0);
MAP(stream_records, ARRAY, STREAM_RECORDS, __u32, struct stream_record, 0);
MAP(tun_options, LRU_HASH, 8192, struct options_key, struct options, 0);
MAP(ctxs, ARRAY, CTX_SLOTS, __u32, struct ctx, BPF_F_MMAPABLE);

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} upcalls SEC(".maps");

/* The daemon's own notes, kept where the traffic's state is kept; no program reads them. */
struct port_note {
  char name[16];
  __u32 type, ifindex;
};
struct userdata {
  __u32 len;
  __u8 data[252];
};
struct note {
  __u32 len;
  __u8 text[8188];
};
MAP(port_notes, HASH, 1, __u32, struct port_note, BPF_F_NO_PREALLOC);
MAP(userdatas, HASH, 1, __u32, struct userdata, BPF_F_NO_PREALLOC);
MAP(notes, ARRAY, 1, __u32, struct note, 0);

/* Knobs, set before loading. */
const volatile __u64 hash_mask = ~0ULL; /* narrower only to force collisions in tests */
const volatile __u32 ring_bytes = 4096;
const volatile __u32 have_kfuncs = 1;
#define FIB_LOOKUP_SRC (1U << 4)
const volatile __u32 fib_flags = 0; /* SRC since Linux 6.7, MARK since 6.10 */
const volatile __u32 have_decap_flags = 1;
