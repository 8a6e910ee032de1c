/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The parts of kernel structures that the datapath reads beyond the stable __sk_buff. Offsets are
 * relocated when the program is loaded (CO-RE), so that these few lines serve every kernel.
 */
#pragma once
#include <linux/types.h>

#define __relocated __attribute__((preserve_access_index))

struct sk_buff {
  unsigned char *head, *data;
  unsigned int end;
  __u8 ip_summed : 2, encapsulation : 1;
  __u16 csum_start, csum_offset, inner_transport_header;
} __relocated;

struct skb_shared_info {
  unsigned int gso_type;
} __relocated;

#define CHECKSUM_UNNECESSARY 1
#define CHECKSUM_PARTIAL 3

/* include/linux/skbuff.h, enum SKB_GSO_*; the only ones that a virtio_net_hdr can express. */
#define SKB_GSO_TCPV4 (1 << 0)
#define SKB_GSO_TCP_ECN (1 << 2)
#define SKB_GSO_TCPV6 (1 << 4)
#define SKB_GSO_UDP_L4 (1 << 17)

/* Since Linux 6.2; on older kernels `have_kfuncs` is false and the calls are dead code. */
extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __attribute__((weak));
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __attribute__((weak));
