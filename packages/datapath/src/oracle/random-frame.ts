/** Reproducible random frames: well-formed ones of every protocol, then cut, padded and mutated. */
import * as b from '@heddle/packet/build';

/** A small linear congruential generator: the same frames for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to n - 1. */
  below(n: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 0x1_0000_0000) * n);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  bytes(n: number): Uint8Array {
    return Uint8Array.from({ length: n }, () => this.below(256));
  }
}

function ipv6Address(r: Random): Uint8Array {
  const ip = r.bytes(16);
  if (r.chance(50)) ip.fill(0, 2 + r.below(6), 8 + r.below(8));
  return ip;
}

function transport(r: Random, v6: boolean): b.Part {
  const ports = { src: r.below(65536), dst: r.below(65536) };
  switch (r.below(7)) {
    case 0:
      return withDataOffset(b.tcp({ ...ports, flags: r.below(4096) }, r.bytes(r.below(20))), r);
    case 1:
      return b.udp(ports, r.bytes(r.below(20)));
    case 2:
      return b.raw(132, r.bytes(r.below(30)));
    case 3:
      return b.icmp({ type: r.below(256), code: r.below(4) }, r.bytes(r.below(8)));
    case 4:
      return b.icmpv6({ type: r.below(256), code: r.below(4) }, r.bytes(r.below(8)));
    case 5:
      return v6 ? neighbour(r) : b.raw(2, r.bytes(8));
    default:
      return b.raw(
        r.pick([0, 4, 41, 43, 44, 47, 50, 51, 59, 60, 89, 135, 136]),
        r.bytes(r.below(40)),
      );
  }
}

/** At times a TCP header that claims more or less than it has. */
function withDataOffset(tcp: b.Part, r: Random): b.Part {
  if (r.chance(15)) tcp.bytes[12] = (tcp.bytes[12]! & 0x0f) | (r.below(16) << 4);
  return tcp;
}

/** Link-layer options once, twice or broken. */
function neighbour(r: Random): b.Part {
  const one = neighbourOnce(r);
  if (!r.chance(30)) return one;
  const more = [...one.bytes, r.pick([1, 2, 14]), r.pick([0, 1, 1, 2]), ...r.bytes(6)];
  return b.raw(58, Uint8Array.from(more));
}

function neighbourOnce(r: Random): b.Part {
  return b.nd({
    type: r.pick([135, 136]),
    target: ipv6Address(r),
    ...(r.chance(50) && { sll: r.below(2 ** 40) }),
    ...(r.chance(50) && { tll: r.below(2 ** 40) }),
  });
}

function network(r: Random): b.Part {
  switch (r.below(9)) {
    case 0:
    case 1:
    case 2:
      return b.ipv4(
        {
          src: r.below(2 ** 32),
          dst: r.below(2 ** 32),
          tos: r.below(256),
          ttl: r.below(256),
          mf: r.chance(15),
          df: r.chance(50),
          fragOff: r.chance(15) ? r.below(0x2000) : 0,
          options: r.bytes(4 * (r.chance(20) ? r.below(11) : 0)),
        },
        transport(r, false),
      );
    case 3:
    case 4:
    case 5:
      return ipv6Packet(r);
    case 6:
      return arpPacket(r);
    case 7:
      return llc(r);
    default:
      return b.raw(r.pick([0x1234, 0x600, 0x88cc, 0x8809, 0x9100, 0x6558]), r.bytes(r.below(60)));
  }
}

function ipv6Packet(r: Random): b.Part {
  let payload = transport(r, true);
  if (r.chance(20)) {
    payload = b.ipv6Fragment({ off: r.pick([0, 0, 1, r.below(8192)]), mf: r.chance(50) }, payload);
  }
  for (let n = r.chance(30) ? r.below(4) : 0; n > 0; n--) {
    payload = b.ipv6Extension(r.pick([0, 43, 51, 60, 135]), payload, r.below(2));
  }
  const header = { src: ipv6Address(r), dst: ipv6Address(r), hopLimit: r.below(256) };
  return b.ipv6({ ...header, tos: r.below(256), label: r.below(2 ** 20) }, payload);
}

function arpPacket(r: Random): b.Part {
  const addresses = { spa: r.below(2 ** 32), tpa: r.below(2 ** 32) };
  const part = b.arp(
    {
      op: r.pick([1, 2, 3, 255, 256, 513]),
      sha: r.below(2 ** 48),
      tha: r.below(2 ** 48),
      ...addresses,
    },
    r.pick([0x0806, 0x0806, 0x8035]),
  );
  if (r.chance(20)) part.bytes[r.below(6)] = r.below(8);
  return part;
}

/** A length instead of a type, then LLC, perhaps SNAP with an Ethernet type. */
function llc(r: Random): b.Part {
  const snap = [0xaa, 0xaa, 3, 0, 0, r.chance(80) ? 0 : 1];
  const inner = r.chance(70) ? network(r) : b.raw(r.below(0x700), r.bytes(20));
  const type = [inner.proto >>> 8, inner.proto & 0xff];
  const bytes = r.chance(60) ? Uint8Array.from([...snap, ...type, ...inner.bytes]) : r.bytes(30);
  return b.raw(r.below(0x600), bytes);
}

/** `index` becomes the source address, so that every frame has its own flow. */
export function wellFormedFrame(r: Random, index: number): Uint8Array {
  let part = network(r);
  for (let n = r.chance(40) ? r.below(4) : 0; n > 0; n--) {
    const tag = { vid: r.below(4096), pcp: r.below(8), dei: r.chance(20) };
    part = b.vlan({ ...tag, tpid: r.pick([0x8100, 0x8100, 0x88a8, 0x9100]) }, part);
  }
  const frame = b.ethernet({ dst: r.below(2 ** 48), src: 0x0200_0000_0000 + index }, part);
  return r.chance(20) ? b.pad(frame, frame.length + r.below(30)) : frame;
}

/** The same, at times with bytes changed and the end cut off. */
export function randomFrame(r: Random, index: number): Uint8Array {
  const frame = wellFormedFrame(r, index);
  if (r.chance(25)) {
    for (let n = r.below(4); n >= 0; n--) {
      const at = 12 + r.below(frame.length - 12);
      frame[at] = r.pick([0, 0xff, r.below(256), frame[at]! ^ (1 << r.below(8))]);
    }
  }
  return r.chance(25) ? frame.slice(0, 14 + r.below(frame.length - 13)) : frame;
}
