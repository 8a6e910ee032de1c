/** The AF_PACKET socket that feeds the injection veth. */
import { check, syscall } from '@heddle/linux/native';
import { bind, type Fd, SOCK_RAW, setOption, socket } from '@heddle/linux/socket';

const SYS_GETSOCKOPT = process.arch === 'arm64' ? 209 : 55;
const SO_NETNS_COOKIE = 71;
const AF_PACKET = 17;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SOL_PACKET = 263;
const PACKET_VNET_HDR = 15;
const PACKET_QDISC_BYPASS = 20;
const SEND_BUFFER_BYTES = 64 << 20;

/** Receives nothing (protocol 0); sends frames behind a virtio_net_hdr: ENXIO without a device. */
export function openInjectionSocket(ifindex?: number): Fd {
  const fd = socket(AF_PACKET, SOCK_RAW, 0);
  setOption(fd, SOL_PACKET, PACKET_VNET_HDR, 1);
  setOption(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
  setOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES);
  if (ifindex === undefined) return fd;
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeInt32LE(ifindex, 4);
  bind(fd, address);
  return fd;
}

/** A number that no other network namespace ever has while the machine is up. */
export function netnsCookie(): bigint {
  using fd = socket(AF_PACKET, SOCK_RAW, 0);
  const value = Buffer.alloc(8);
  const length = Uint32Array.of(8);
  const r = syscall(SYS_GETSOCKOPT, fd.number, SOL_SOCKET, SO_NETNS_COOKIE, value, length);
  check(r, 'SO_NETNS_COOKIE');
  return value.readBigUInt64LE(0);
}
