/** Packets as hosts send them, for which there is no megaflow yet. */
import type { DpPacket, Upcall } from '@heddle/datapath';
import { extractFlow } from '@heddle/packet';
import {
  arp,
  ethernet,
  icmpv6,
  ipv4,
  ipv6,
  nd,
  type Part,
  pad,
  tcp,
  udp,
} from '@heddle/packet/build';

type Missed = Pick<Upcall, 'flow' | 'packet'>;

const MANY = 256;
/** Every so many the one before comes once more. */
const REPEATED = 9;
const FIRST_SOURCE = 0x0400_0000_0000;
const SOURCE_AT = 6;
/** A checksum that is left to the device that sends it: VIRTIO_NET_HDR_F_NEEDS_CSUM. */
const PARTIAL = { flags: 1, gsoType: 0, hdrLen: 0, gsoSize: 0, csumStart: 34, csumOffset: 6 };

export class Packets {
  readonly #made: readonly Missed[];
  #count = 0;
  #source = FIRST_SOURCE;

  constructor(ports: readonly number[]) {
    this.#made = Array.from({ length: MANY }, (_, n) => make(n, ports[(n >> 4) % ports.length]!));
  }

  /** Good until the next ones are asked for. */
  next(count: number): Missed[] {
    return Array.from({ length: Math.min(count, MANY) }, () => {
      if (++this.#count % REPEATED !== 0) this.#source++;
      const missed = this.#made[this.#source % MANY]!;
      missed.flow.dlSrc = this.#source;
      Buffer.from(missed.packet.data.buffer).writeUIntBE(this.#source, SOURCE_AT, 6);
      return missed;
    });
  }
}

function make(n: number, inPort: number): Missed {
  const macs = { src: 0, dst: 0x0200_0000_0000 + (n % 5) };
  const data = pad(ethernet(macs, payload(n)));
  const packet: DpPacket = { data };
  if (n % 11 === 0) packet.vnet = PARTIAL;
  if (n % 13 === 0) packet.priority = 1;
  return { flow: extractFlow(data, { inPort }), packet };
}

/** What hosts send by themselves. */
const ICMPV6: readonly Part[] = [
  nd({ type: 135, target: 'fd00::2' }),
  nd({ type: 135, target: 'fd00::2', sll: 1 }),
  nd({ type: 136, target: 'fd00::2', tll: 1 }),
  icmpv6({ type: 133 }),
  // A report of multicast listeners.
  icmpv6({ type: 143 }, new Uint8Array(20)),
  icmpv6({ type: 128 }, new Uint8Array(20)),
];

function payload(n: number): Part {
  const data = new Uint8Array(18);
  if (n % 16 === 3) {
    return arp({ op: 1, sha: FIRST_SOURCE, spa: '10.0.0.1', tha: 0, tpa: `10.0.${n % 4}.2` });
  }
  const ports = { src: 1000 + n, dst: 20 + (n % 4) };
  const l4 = n % 3 === 0 ? tcp(ports, data) : udp(ports, data);
  if (n % 32 === 7)
    return ipv6({ src: 'fe80::1', dst: 'ff02::1' }, ICMPV6[(n >> 5) % ICMPV6.length]!);
  if (n % 16 === 7) return ipv6({ src: `fd00::${n % 10}`, dst: 'fd00::2' }, l4);
  if (n % 64 === 9) return ipv4({ src: '10.9.8.7', dst: '10.0.0.1', mf: true }, l4);
  const dst = n % 2 === 0 ? `10.0.${n % 4}.1` : `10.${n % 50}.${(7 * n) & 0xff}.${n & 0xff}`;
  return ipv4({ src: '10.9.8.7', dst }, l4);
}
