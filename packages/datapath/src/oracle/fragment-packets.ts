/** Random fragments of few packets, in any order: some missing, twice, overlapping, damaged. */
import * as b from '@heddle/packet/build';
import type { CtEvent } from './conntrack-packets.ts';
import type { Random } from './random-frame.ts';

const MACS = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };
/** No smaller ones are taken: set as `ipf-set-min-frag`. */
export const MIN_FRAGMENT = 400;

export interface FragmentEnds {
  readonly client: string;
  readonly server: string;
  /** Where answers go to. */
  readonly answersTo: string;
}

export class FragmentPackets {
  readonly #r: Random;
  readonly #ends: FragmentEnds;
  readonly #v6: boolean;
  readonly #queue: CtEvent[] = [];
  #id = 0;

  constructor(r: Random, ends: FragmentEnds) {
    this.#r = r;
    this.#ends = ends;
    this.#v6 = ends.client.includes(':');
  }

  next(): CtEvent {
    if (this.#queue.length === 0 || this.#r.below(8) === 0) this.#begin();
    return this.#queue.splice(this.#r.below(this.#queue.length), 1)[0]!;
  }

  #begin(): void {
    const r = this.#r;
    const reply = r.below(2) === 1;
    const { client, server, answersTo } = this.#ends;
    const ends = reply ? { src: server, dst: answersTo } : { src: client, dst: server };
    const whole = this.#ip(ends, this.#part(reply));
    const headers = this.#v6 ? 40 : 20;
    const payload = whole.bytes.slice(headers);
    // Theirs does not see that a fragment overlaps one that lies within it.
    const id = this.#id++ & 0xffff;
    for (let at = 0; at < payload.length; ) {
      const size = r.pick([400, 640, 1200, 1200, 96]);
      const isLast = at + size >= payload.length;
      const shift = r.below(30) === 0 && at > 0 && payload.length - at > 8 ? -8 : 0;
      const bytes = payload.slice(at, at + size);
      if (r.below(40) === 0) bytes[r.below(bytes.length)]! ^= 1;
      const frame = this.#fragment(ends, whole.proto, at + shift, !isLast, id, bytes);
      const event = { port: reply ? 2 : 1, frame };
      if (r.below(25) > 0) this.#queue.push(event);
      if (r.below(25) === 0) this.#queue.push(event);
      at += size;
    }
    if (this.#queue.length === 0) this.#begin();
  }

  #part(reply: boolean): b.Part {
    const r = this.#r;
    const body = Uint8Array.from({ length: 900 + r.below(2000) }, (_, i) => i & 0xff);
    const [client, server] = [2000 + r.below(2), 53];
    const ports = reply ? { src: server, dst: client } : { src: client, dst: server };
    switch (r.below(3)) {
      case 0: {
        const types = this.#v6 ? [128, 129] : [8, 0];
        const make = this.#v6 ? b.icmpv6 : b.icmp;
        return make({ type: types[reply ? 1 : 0]!, rest: (1 + r.below(2)) << 16 }, body);
      }
      case 1:
        return b.tcp({ ...ports, flags: 2, seq: r.below(1000) }, body);
      default:
        return b.udp(ports, body);
    }
  }

  /** The whole packet; `proto` is that of its payload. */
  #ip(ends: { src: string; dst: string }, part: b.Part): b.Part {
    const { bytes } = this.#v6 ? b.ipv6(ends, part) : b.ipv4(ends, part);
    return { proto: part.proto, bytes };
  }

  #fragment(
    ends: { src: string; dst: string },
    proto: number,
    offset: number,
    mf: boolean,
    id: number,
    bytes: Uint8Array,
  ): Uint8Array {
    const part = b.raw(proto, bytes);
    const ip = this.#v6
      ? b.ipv6(ends, b.ipv6Fragment({ off: offset / 8, mf, id }, part))
      : b.ipv4({ ...ends, id, mf, fragOff: offset / 8 }, part);
    return b.ethernet(MACS, ip);
  }
}
