/** Linux as the switch needs it. BPF is in '@heddle/linux/bpf/index'. */

export { Ethtool, type Feature, type LinkSettings } from './ethtool.ts';
export { fdLeakCheck, openFds } from './fd-leak.ts';
export { linuxFileLocks } from './file-lock.ts';
export * from './native.ts';
export { DecodeError } from './netlink/decode-error.ts';
export { NetlinkError } from './netlink/message.ts';
export * from './netns.ts';
export {
  PACKET_OUTGOING,
  PacketSocket,
  type PacketSocketOptions,
  type ReceivedPacket,
} from './packet-socket.ts';
export type { Address, Neighbour, Route, RouteRequest } from './rtnetlink/ip.ts';
export { LINK_STATS, type Link, type LinkStats } from './rtnetlink/link.ts';
export { LinkTable } from './rtnetlink/link-table.ts';
export { type LinkEvent, LinkMonitor } from './rtnetlink/monitor.ts';
export { type LinkChange, type NewLink, Rtnl } from './rtnetlink/rtnl.ts';
export type {
  Direction,
  FilterPlace,
  Qdisc,
  TcClass,
  TcFilter,
  TcRequest,
  TcStats,
} from './rtnetlink/tc.ts';
export { Fd } from './socket.ts';
export { getSysctl, readProtocolCounters, setSysctl } from './sysctl.ts';
export { Tap, tapSupported } from './tap.ts';
