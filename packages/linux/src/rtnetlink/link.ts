/** Links: struct ifinfomsg and its attributes (linux/if_link.h). */
import {
  type Attributes,
  emitAttributes,
  parseAttributes,
  type Table,
} from '../netlink/attributes.ts';
import { DecodeError } from '../netlink/decode-error.ts';

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const IFF_UP = 0x1;
export const IFF_PROMISC = 0x100;
export const IFF_LOWER_UP = 0x10000;
const HEADER = 16;

export const IFLA = {
  address: [1, 'mac'],
  broadcast: [2, 'mac'],
  ifname: [3, 'string'],
  mtu: [4, 'u32'],
  link: [5, 'u32'],
  qdisc: [6, 'string'],
  master: [10, 'u32'],
  txqlen: [13, 'u32'],
  operstate: [16, 'u8'],
  linkinfo: [18, { kind: [1, 'string'], data: [2, 'bytes'], slaveKind: [4, 'string'] }],
  netNsPid: [19, 'u32'],
  ifalias: [20, 'string'],
  stats64: [23, 'bytes'],
  group: [27, 'u32'],
  netNsFd: [28, 'u32'],
  extMask: [29, 'u32'],
  promiscuity: [30, 'u32'],
  numTxQueues: [31, 'u32'],
  numRxQueues: [32, 'u32'],
  carrier: [33, 'u8'],
  linkNetnsid: [37, 's32'],
  gsoMaxSegs: [40, 'u32'],
  targetNetnsid: [46, 's32'],
  minMtu: [50, 'u32'],
  maxMtu: [51, 'u32'],
  altIfname: [53, 'string'],
  permAddress: [54, 'mac'],
} as const satisfies Table;

export type LinkAttributes = Attributes<typeof IFLA>;

/** rtnl_link_stats64 by the kernel's names, in its order. */
export const LINK_STATS = [
  'rx_packets',
  'tx_packets',
  'rx_bytes',
  'tx_bytes',
  'rx_errors',
  'tx_errors',
  'rx_dropped',
  'tx_dropped',
  'multicast',
  'collisions',
  'rx_length_errors',
  'rx_over_errors',
  'rx_crc_errors',
  'rx_frame_errors',
  'rx_fifo_errors',
  'rx_missed_errors',
  'tx_aborted_errors',
  'tx_carrier_errors',
  'tx_fifo_errors',
  'tx_heartbeat_errors',
  'tx_window_errors',
] as const;
export type LinkStats = Record<(typeof LINK_STATS)[number], number>;

export interface Link {
  readonly index: number;
  readonly name: string;
  readonly flags: number;
  /** ARPHRD_*: 1 Ethernet, 772 loopback, 65534 none. */
  readonly type: number;
  /** What made it: veth, tun, bridge …; '' for a real device. */
  readonly kind: string;
  readonly up: boolean;
  /** IFF_LOWER_UP: carrier while up. */
  readonly carrier: boolean;
  readonly mtu: number;
  readonly mac: string;
  /** The other end of a veth pair, or what the link stands on; in `peerNetnsid` when that is set. */
  readonly peerIndex: number | undefined;
  readonly peerNetnsid: number | undefined;
  readonly master: number | undefined;
  readonly alias: string;
  /** Kind of the qdisc at the root; a change of it alone is not told as a change of the link. */
  readonly qdisc: string;
  readonly stats: LinkStats;
  readonly attributes: LinkAttributes;
}

export interface LinkHeader {
  readonly index?: number;
  readonly flags?: number;
  readonly change?: number;
}

export function emitLink(header: LinkHeader, attributes: LinkAttributes): Buffer {
  const head = Buffer.alloc(HEADER);
  head.writeInt32LE(header.index ?? 0, 4);
  head.writeUInt32LE(header.flags ?? 0, 8);
  head.writeUInt32LE(header.change ?? 0, 12);
  return Buffer.concat([head, emitAttributes(IFLA, attributes)]);
}

export function parseLink(payload: Uint8Array): Link {
  if (payload.length < HEADER) throw new DecodeError('short ifinfomsg');
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const flags = view.getUint32(8, true);
  const attributes = parseAttributes(IFLA, payload.subarray(HEADER));
  return {
    index: view.getInt32(4, true),
    name: attributes.ifname ?? '',
    flags,
    type: view.getUint16(2, true),
    kind: attributes.linkinfo?.kind ?? '',
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    mtu: attributes.mtu ?? 0,
    mac: attributes.address ?? '',
    peerIndex: attributes.link,
    peerNetnsid: attributes.linkNetnsid,
    master: attributes.master,
    alias: attributes.ifalias ?? '',
    qdisc: attributes.qdisc ?? '',
    stats: parseStats(attributes.stats64),
    attributes,
  };
}

function parseStats(bytes: Uint8Array | undefined): LinkStats {
  const view = bytes && new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = (i: number): number =>
    view && view.byteLength >= i * 8 + 8 ? Number(view.getBigUint64(i * 8, true)) : 0;
  return Object.fromEntries(LINK_STATS.map((name, i) => [name, at(i)])) as LinkStats;
}

/** VETH_INFO_PEER: the peer's own ifinfomsg with attributes, within IFLA_INFO_DATA. */
export function emitVethPeer(peer: LinkAttributes): Buffer {
  return emitAttributes({ peer: [1, 'bytes'] }, { peer: emitLink({}, peer) });
}
