/** Random frames that meet the matches of random flows: of all protocols, and others much like them. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import * as b from '@heddle/packet/build';
import { randomPacket } from '@heddle/vswitch/oracle/random-packet';

const MACS = ['50:54:00:00:00:01', '50:54:00:00:00:02', '50:54:00:00:00:03', 'ff:ff:ff:ff:ff:ff'];
const IPS = ['10.0.0.1', '10.0.0.2', '10.0.1.5', '192.168.0.1', '10.0.0.240'];
const IP6S = ['fe80::1', 'fe80::2', '2001:db8::1', '2001:db8::2'];
const PORTS = [1, 2, 80, 1000];
const ETH_P_MPLS_UC = 0x8847;
const IPPROTO_SCTP = 132;
const ETHERNET_BYTES = 14;

function transport(r: Random, isIpv6: boolean): b.Part {
  const ports = { src: r.pick(PORTS), dst: r.pick(PORTS) };
  const body = r.bytes(r.pick([0, 20, 120]));
  switch (r.below(6)) {
    case 0:
    case 1:
      return b.tcp({ ...ports, flags: r.pick([0x02, 0x12, 0x10, 0x18, 0x11, 0x04]) }, body);
    case 2:
    case 3:
      return b.udp(ports, body);
    case 4:
      return b.raw(IPPROTO_SCTP, Uint8Array.from([0, ports.src, 0, ports.dst, ...r.bytes(16)]));
    default:
      return isIpv6
        ? b.icmpv6({ type: r.pick([128, 129, 135]) }, r.bytes(20))
        : b.icmp({ type: r.pick([0, 8]), code: r.below(2) }, r.bytes(20));
  }
}

function network(r: Random): b.Part {
  const addresses = { src: r.pick(IPS), dst: r.pick(IPS) };
  const ttl = r.pick([0, 1, 2, 64, 64]);
  const tos = r.pick([0, 0, 8, 3]);
  switch (r.below(8)) {
    case 0: {
      const hosts = { sha: r.pick(MACS), tha: 0, spa: addresses.src, tpa: addresses.dst };
      return b.arp({ op: r.pick([1, 1, 2]), ...hosts }, 0x806);
    }
    case 1:
    case 2:
      return b.ipv6({ src: r.pick(IP6S), dst: r.pick(IP6S), hopLimit: ttl }, transport(r, true));
    case 3: {
      const inner = b.ipv4({ ...addresses, ttl }, transport(r, false)).bytes;
      const labels = Array.from({ length: 1 + r.below(2) }, () => [
        ...[0, r.below(2), (r.pick([0, 3]) << 4) | (r.pick([0, 5]) << 1)],
        r.pick([0, 1, 64]),
      ]);
      labels.at(-1)![2]! |= 1;
      return b.raw(ETH_P_MPLS_UC, Uint8Array.from([...labels.flat(), ...inner]));
    }
    default:
      return b.ipv4({ ...addresses, ttl, tos }, transport(r, false));
  }
}

function fresh(r: Random): Uint8Array {
  if (r.chance(20)) return randomPacket(r);
  let part = network(r);
  for (let n = r.pick([0, 0, 0, 1, 1, 2]); n > 0; n--) {
    part = b.vlan({ vid: r.pick([0, 5, 6, 9]), pcp: r.pick([0, 0, 3]), tpid: 0x8100 }, part);
  }
  return b.ethernet({ src: r.pick(MACS.slice(0, 3)), dst: r.pick(MACS) }, part);
}

/** A new frame, or one that differs in a few bits from one before, so that it may meet the same megaflow. */
export function randomFrame(r: Random, before: Uint8Array[]): Uint8Array {
  const frame = anyFrame(r, before);
  // Upstream's no-receive holds for 802.1D, too.
  if (isBpdu(frame)) frame[5] = 2;
  return frame;
}

function isLaterFragment(frame: Uint8Array): boolean {
  let at = ETHERNET_BYTES - 2;
  while (frame[at] === 0x81 || frame[at] === 0x88) at += 4;
  const isIpv4 = frame[at] === 0x08 && frame[at + 1] === 0;
  return isIpv4 && ((frame[at + 8]! & 0x1f) | frame[at + 9]!) !== 0;
}

function isBpdu(frame: Uint8Array): boolean {
  return [0x01, 0x80, 0xc2, 0, 0, 0].every((byte, i) => frame[i] === byte);
}

function anyFrame(r: Random, before: Uint8Array[]): Uint8Array {
  const known = before.length > 0 && r.chance(55) ? r.pick(before) : undefined;
  if (!known) {
    const frame = fresh(r);
    before.push(frame);
    return frame;
  }
  const frame = known.slice();
  for (let n = r.below(3); n > 0; n--) {
    // Addresses, most of all: what else is changed breaks checksums.
    const at = r.chance(70) ? r.below(ETHERNET_BYTES - 2) : r.below(Math.min(frame.length, 60));
    frame[at]! ^= 1 << r.below(8);
  }
  // Upstream takes what other fragments carry for a header with a checksum to adjust.
  return isLaterFragment(frame) ? known : frame;
}
