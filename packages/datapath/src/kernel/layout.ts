/** The bytes that the programs share with the daemon: bpf/datapath.h, by hand and in order. */

/** Changes with any change of a layout or of a number below. */
export const ABI_VERSION = 18;

export const KEY_BYTES = 256;
export const MASK_WORDS = 24;
export const MAX_MASKS = 1024;
export const MAX_CHAIN = 16;
export const INLINE_ACTS = 8;
export const CHUNK_ACTS = 31;
export const MAX_CHUNKS = 64;
export const CTX_SLOTS = 8192;
export const CTX_ACTS = 16;
export const OUTN_PORTS = 10;
export const ACT_BYTES = 24;

export const A_END = 0;
export const A_OUT = 1;
export const A_OUTN = 2;
export const A_PUSH_VLAN = 3;
export const A_POP_VLAN = 4;
export const A_RECIRC = 5;
export const A_USERSPACE = 6;
export const A_TRUNC = 7;
export const A_DROP = 8;
export const A_SET_MARK = 9;
export const A_SET_ETH = 10;
export const A_SET_IP4 = 11;
export const A_SET_IP6 = 12;
export const A_SET_TOS = 13;
export const A_SET_TTL = 14;
export const A_SET_LABEL = 15;
export const A_SET_L4PORT = 16;
export const A_SET_ICMP = 17;
export const A_SET_ARP = 18;
export const A_SET_ND = 19;
export const A_SET_PRIORITY = 32;
export const A_METER = 33;
export const A_CLONE = 34;
export const A_CHECK_LEN = 35;
export const A_SKIP = 36;
export const A_SET_TUNNEL = 40;
export const A_CT = 64;
export const A_CT_MARK = 65;
export const A_CT_LABEL = 66;
export const A_CT_LABEL_MASK = 67;
export const A_CT_NAT = 68;
export const A_CT_CLEAR = 69;
export const SET_END = 0x8000;

/** struct mask */
export const MASK = { valid: 0, n: 4, seed: 8, idx: 16, m: 40, bytes: 232 };
/** struct mask_order */
export const MASK_ORDER = { n: 0, idx: 4, bytes: 4 + 2 * MAX_MASKS };
/** struct flow */
export const FLOW = {
  gen: 0,
  mask: 8,
  nact: 10,
  flags: 12,
  id: 16,
  next: 20,
  w: 24,
  acts: 216,
  bytes: 408,
};
export const FLOW_CHAINED = 1;
export const FLOW_GAP_MASK = 0xffff;
/** struct chunk */
export const CHUNK = { nact: 0, next: 4, acts: 8, bytes: 752 };
/** struct port */
export const PORT = { portNo: 0, slot: 4, policer: 8, bytes: 12 };
/** struct meter */
export const METER = { bands: 4, ms: 8, packets: 16, bytes: 24, band: 32, size: 416 };
/** struct band */
export const BAND = { tokens: 0, limit: 8, rate: 16, packets: 24, bytes: 32, flags: 40, size: 48 };
export const BAND_BITS = 1;
export const BAND_OWES = 2;
/** struct out, as 32-bit words */
export const OUT = { ifindex: 0, mtu: 1, peerMax: 2, slotAndMode: 3, words: 4 };
export const OUT_PEER = 1;
/** Of an entry of `peer_macs`, of which the last two are not used. */
export const PEER_MAC_BYTES = 8;
export const OUT_TUNNEL = 2;
/** struct tunnel_port */
export const TUNNEL_PORT_BYTES = 12;
/** struct address */
export const TUNNEL_KEY_BYTES = 16;
/** struct port_stat, as 64-bit words */
export const PORT_STAT = {
  rxPackets: 0,
  rxBytes: 1,
  txPackets: 2,
  txBytes: 3,
  rxDropped: 4,
  txDropped: 5,
  missed: 6,
  lost: 7,
  words: 8,
};
/** struct ctx */
export const CTX = {
  mark: 0,
  done: 4,
  inPort: 8,
  recircId: 12,
  pktMark: 16,
  nact: 20,
  next: 24,
  tunState: 28,
  acts: 32,
  tin: 416,
  tun: 480,
  ct: 544,
  ctOn: 608,
  priority: 612,
  bytes: 624,
};
export const TUN_IN = 1;
/** struct state, as 32-bit words */
export const STATE = {
  order: 0,
  injectIfindex: 1,
  coalesceIfindex: 3,
  segmentIfindex: 6,
  tunnelsSeq: 9,
  alive: 10,
  optionsSeed: 12,
};
/** struct options_key, struct options */
export const OPTIONS_KEY_BYTES = 16;
export const OPTIONS_BYTES = 256;
/** struct counters within struct scratch, as 64-bit words */
export const COUNTERS = {
  at: KEY_BYTES,
  hit: 0,
  missed: 1,
  lost: 2,
  maskHit: 3,
  cacheHit: 4,
  upcalls: 5,
  drops: 6,
};
export const DROP_NAMES = [
  'no actions',
  'no such port',
  'longer than MTU',
  'upcall lost',
  'too long for an upcall',
  'recirculation limit',
  'stale context',
  'action failed',
  'unknown device',
  'malformed',
  'no route',
  'ingress policing',
  'meter',
  'wrong tunnel checksum',
] as const;
export const DROP_NONE = 0;
export const DROP_EXPLICIT = 16;
export const DROP_REASONS = 64;
/** struct upcall */
export const UPCALL = {
  size: 0,
  len: 4,
  slot: 8,
  userdata: 12,
  type: 16,
  flags: 18,
  vlanTci: 20,
  vlanProto: 22,
  vhFlags: 24,
  vhGsoType: 25,
  vhHdrLen: 26,
  vhGsoSize: 28,
  vhCsumStart: 30,
  vhCsumOffset: 32,
  priority: 36,
  key: 40,
  keyBytes: 248,
  bytes: 288,
};
export const UPCALL_MISS = 0;
export const UPCALL_ACTION = 1;
export const UPCALL_RESEND = 2;
export const UPCALL_TOO_BIG = 3;
export const UPCALL_HELPER = 4;
export const UPCALL_VLAN = 1;
export const UPCALL_NO_CSUM_INFO = 2;
/** struct port_note */
export const PORT_NOTE = { name: 0, type: 16, ifindex: 20, bytes: 24 };
/** struct userdata */
export const USERDATA_BYTES = 256;
export const USERDATA_MAX = 252;
/** struct note */
export const NOTE_BYTES = 8192;
/** .rodata */
export const RODATA = { hashMask: 0, ringBytes: 8, haveKfuncs: 12, fibFlags: 16, decapFlags: 20 };
