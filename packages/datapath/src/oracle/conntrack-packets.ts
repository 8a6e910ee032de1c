/** Random packets of few connections, most of them in their order, for both ways through a tracker. */

import * as b from '@heddle/packet/build';
import type { Random } from './random-frame.ts';

const MACS = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };
const SYN = 2;
const ACK = 16;
const FIN = 1;
const RST = 4;

export interface CtEvent {
  readonly port: number;
  readonly frame: Uint8Array;
}

/** Two ends that talk TCP more or less as they should. */
interface Talk {
  readonly ports: readonly [number, number];
  readonly seq: [number, number];
  step: number;
}

export class CtPackets {
  readonly #r: Random;
  readonly #talks: Talk[] = [];
  readonly #v6: boolean;
  readonly #damage: boolean;
  readonly #client: string;
  readonly #server: string;
  /** Where answers go to, and what they come from: with translation not what the client sees. */
  readonly #answers: {
    readonly from: string;
    readonly to: string;
    readonly ports: readonly [number, number] | undefined;
  };

  constructor(
    r: Random,
    o: {
      v6?: boolean;
      /** Damaged packets, too. */
      damage?: boolean;
      answersFrom?: string;
      answersTo?: string;
      ports?: readonly [number, number];
    } = {},
  ) {
    this.#r = r;
    this.#v6 = o.v6 ?? false;
    this.#damage = o.damage ?? true;
    this.#client = this.#v6 ? 'fd00::1' : '10.0.0.1';
    this.#server = this.#v6 ? 'fd00::2' : o.answersFrom ? '10.0.0.9' : '10.0.0.2';
    this.#answers = {
      from: this.#v6 ? 'fd00::2' : (o.answersFrom ?? this.#server),
      to: this.#v6 ? 'fd00::1' : (o.answersTo ?? this.#client),
      ports: o.ports,
    };
    for (let i = 0; i < 3; i++) this.#talks.push(this.#talk());
  }

  #talk(): Talk {
    const r = this.#r;
    const isn = () => (r.below(4) === 0 ? 0xfffffff0 : r.below(2 ** 32));
    return { ports: [1000 + r.below(4), 80], seq: [isn(), isn()], step: 0 };
  }

  /** The next packet; a damaged one has a wrong bit somewhere. */
  next(): CtEvent {
    const r = this.#r;
    switch (r.below(10)) {
      case 0:
      case 1:
        return this.#udp();
      case 2:
        return this.#ping();
      case 3:
        return this.#error();
      case 4:
        return this.#odd();
      default:
        return this.#tcp();
    }
  }

  #frame(reply: boolean, part: b.Part): CtEvent {
    const [src, dst] = reply
      ? [this.#answers.from, this.#answers.to]
      : [this.#client, this.#server];
    const ip = this.#v6
      ? b.ipv6({ src, dst }, part)
      : b.ipv4({ src, dst, id: this.#r.below(100) }, part);
    return { port: reply ? 2 : 1, frame: b.ethernet(MACS, ip) };
  }

  /** What the answering side takes for the ports of the two ends. */
  #ports(
    reply: boolean,
    [client, server]: readonly [number, number],
  ): { src: number; dst: number } {
    if (!reply) return { src: client, dst: server };
    const [c, s] = this.#answers.ports ?? [0, 0];
    return { src: s || server, dst: c || client };
  }

  #udp(): CtEvent {
    const reply = this.#r.below(2) === 1;
    const ports = this.#ports(reply, [2000 + this.#r.below(3), 53]);
    return this.#frame(
      reply,
      b.udp({ ...ports, csum: this.#r.below(4) > 0 }, new Uint8Array(this.#r.below(9))),
    );
  }

  #ping(): CtEvent {
    const reply = this.#r.below(2) === 1;
    const rest = ((1 + this.#r.below(2)) << 16) | this.#r.below(3);
    const types = this.#v6 ? [128, 129] : this.#r.below(5) === 0 ? [13, 14] : [8, 0];
    const make = this.#v6 ? b.icmpv6 : b.icmp;
    const code = this.#r.below(8) === 0 ? 1 : 0;
    return this.#frame(reply, make({ type: types[reply ? 1 : 0]!, code, rest }, new Uint8Array(4)));
  }

  /** An error about a packet of the other direction, whole or cut. */
  #error(): CtEvent {
    const r = this.#r;
    const about = r.below(3) === 0 ? this.#udp() : r.below(3) === 0 ? this.#ping() : this.#tcp();
    const reply = about.port === 1 ? r.below(8) > 0 : r.below(8) === 0;
    const types = this.#v6 ? [1, 2, 3, 4] : [3, 11, 12, 4, 5];
    const make = this.#v6 ? b.icmpv6 : b.icmp;
    const inner = about.frame.subarray(14);
    const header = this.#v6 ? 40 : 20;
    const keep = r.pick([
      header + 8,
      header + 8,
      inner.length,
      header + r.below(9),
      r.below(header),
    ]);
    return this.#frame(
      reply,
      make({ type: r.pick(types), code: r.below(2) }, inner.slice(0, Math.min(keep, inner.length))),
    );
  }

  #odd(): CtEvent {
    const r = this.#r;
    const reply = r.below(2) === 1;
    switch (r.below(5)) {
      case 0:
        return this.#frame(reply, b.raw(r.pick([47, 99]), new Uint8Array(8)));
      case 1: {
        const { port, frame } = this.#udp();
        if (!this.#damage) return { port, frame };
        const bad = frame.slice();
        bad[bad.length - 1 - r.below(20)]! ^= 1 << r.below(8);
        return { port, frame: bad };
      }
      case 2: {
        const make = this.#v6 ? b.icmpv6 : b.icmp;
        return this.#frame(reply, make({ type: r.pick([10, 9, 135, 42]) }, new Uint8Array(20)));
      }
      case 3: {
        const ports = this.#ports(reply, [1000 + r.below(4), 80]);
        const part = b.tcp({
          ...ports,
          flags: r.below(64),
          seq: r.below(2 ** 32),
          ack: r.below(2 ** 32),
        });
        return this.#frame(reply, part);
      }
      default: {
        const ports = this.#ports(reply, [3000, 9]);
        const bytes = new Uint8Array(16);
        const dv = new DataView(bytes.buffer);
        dv.setUint16(0, ports.src);
        dv.setUint16(2, ports.dst);
        return this.#frame(reply, b.raw(132, bytes));
      }
    }
  }

  #tcp(): CtEvent {
    const r = this.#r;
    const talk = r.pick(this.#talks);
    const [reply, flags] = this.#tcpStep(talk);
    const side = reply ? 1 : 0;
    let seq = talk.seq[side];
    let ack = talk.seq[1 - side]!;
    const length = (flags & (SYN | RST)) === 0 && r.below(2) === 0 ? r.below(30) : 0;
    const isSyn = (flags & SYN) !== 0;
    if (r.below(8) === 0)
      seq = (seq + r.pick([1, -1, 70000, -70000, 5, -5, 2 ** 31, 200000])) >>> 0;
    else talk.seq[side] = (seq + length + (isSyn || (flags & FIN) !== 0 ? 1 : 0)) >>> 0;
    if (r.below(12) === 0) ack = (ack + r.pick([1, -1, 70000, -70000, 2 ** 31])) >>> 0;
    if ((flags & ACK) === 0) ack = 0;
    const ports = this.#ports(reply, talk.ports);
    const window = r.pick([0xffff, 0xffff, 500, 0, 1]);
    const options =
      isSyn && r.below(2) === 0 ? Uint8Array.of(1, 3, 3, r.pick([0, 3, 7, 14, 20])) : undefined;
    const part = b.tcp(
      { ...ports, flags, seq, ack, window, ...(options && { options }) },
      new Uint8Array(length),
    );
    if (r.below(40) === 0) this.#talks[this.#talks.indexOf(talk)] = this.#talk();
    return this.#frame(reply, part);
  }

  #tcpStep(talk: Talk): [reply: boolean, flags: number] {
    const r = this.#r;
    if (r.below(15) === 0)
      return [r.below(2) === 0, r.pick([RST, RST | ACK, SYN, SYN | ACK, FIN | ACK, ACK])];
    switch (talk.step++) {
      case 0:
        return [false, SYN];
      case 1:
        return [true, SYN | ACK];
      case 2:
        return [false, ACK];
      default:
        if (r.below(10) === 0) {
          if (r.below(3) === 0) talk.step = 0;
          return [r.below(2) === 0, FIN | ACK];
        }
        return [r.below(2) === 0, ACK];
    }
  }
}
