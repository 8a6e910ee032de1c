/** Random conversations of FTP and TFTP, with what they announce and what comes of it. */
import * as b from '@heddle/packet/build';
import type { CtEvent } from './conntrack-packets.ts';
import type { Random } from './random-frame.ts';

const MACS = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };
const FIN = 1;
const SYN = 2;
const RST = 4;
const PSH = 8;
const ACK = 16;

export interface HelperPacketOptions {
  readonly helper: 'ftp' | 'tftp';
  readonly v6: boolean;
  /** From here on ports are used, each by one talk. */
  readonly firstPort: number;
  readonly clientAs?: string | undefined;
  readonly serverAs?: string | undefined;
}

/** Announced by one talk. */
const PORTS_OF_TALK = 4;

interface Talk {
  readonly ports: readonly [number, number];
  /** The first of those that it announces. */
  readonly announces: number;
  readonly seq: [number, number];
  step: number;
}

export class HelperPackets {
  readonly #r: Random;
  readonly #o: HelperPacketOptions;
  readonly #talks: Talk[] = [];
  #nextPort: number;
  /** Where each end sends from, and what it takes the other for. */
  readonly #client: { readonly self: string; readonly other: string };
  readonly #server: { readonly self: string; readonly other: string };

  constructor(r: Random, o: HelperPacketOptions) {
    this.#r = r;
    this.#o = o;
    const [client, server] = o.v6 ? ['fd00::1', 'fd00::2'] : ['10.0.0.1', '10.0.0.2'];
    this.#client = { self: client, other: o.serverAs ?? server };
    this.#server = { self: server, other: o.clientAs ?? client };
    this.#nextPort = o.firstPort;
    for (let i = 0; i < 2; i++) this.#talks.push(this.#talk());
  }

  #talk(): Talk {
    const r = this.#r;
    const isn = () => (r.below(4) === 0 ? 0xfffffff0 : r.below(2 ** 32));
    const announces = this.#nextPort;
    this.#nextPort += PORTS_OF_TALK;
    return { ports: [announces, 21], announces, seq: [isn(), isn()], step: 0 };
  }

  next(): CtEvent {
    if (this.#o.helper === 'tftp') return this.#tftp();
    return this.#r.below(3) === 0 ? this.#data() : this.#control();
  }

  #frame(reply: boolean, part: b.Part): CtEvent {
    const { self: src, other: dst } = reply ? this.#server : this.#client;
    const ip = this.#o.v6 ? b.ipv6({ src, dst }, part) : b.ipv4({ src, dst, id: 7 }, part);
    return { port: reply ? 2 : 1, frame: b.ethernet(MACS, ip) };
  }

  #control(): CtEvent {
    const r = this.#r;
    const talk = r.pick(this.#talks);
    switch (talk.step++) {
      case 0:
        return this.#segment(talk, false, SYN, '');
      case 1:
        return this.#segment(talk, true, SYN | ACK, '');
      case 2:
        return this.#segment(talk, false, ACK, '');
    }
    if (r.below(12) === 0) {
      if (r.below(3) === 0) this.#talks[this.#talks.indexOf(talk)] = this.#talk();
      return this.#segment(talk, r.below(2) === 0, r.pick([FIN | ACK, RST | ACK]), '');
    }
    const reply = r.below(2) === 0;
    return this.#segment(talk, reply, PSH | ACK, reply ? this.#answer(talk) : this.#command(talk));
  }

  #segment(talk: Talk, reply: boolean, flags: number, text: string): CtEvent {
    const side = reply ? 1 : 0;
    const seq = talk.seq[side];
    talk.seq[side] = (seq + text.length + ((flags & (SYN | FIN)) !== 0 ? 1 : 0)) >>> 0;
    const [src, dst] = reply ? [talk.ports[1], talk.ports[0]] : talk.ports;
    const ack = (flags & ACK) !== 0 ? talk.seq[1 - side]! : 0;
    const part = b.tcp({ src, dst, flags, seq, ack }, Buffer.from(text, 'latin1'));
    return this.#frame(reply, part);
  }

  #port({ announces }: Talk): number {
    return announces + 1 + this.#r.below(PORTS_OF_TALK - 2);
  }

  #announced(talk: Talk, address: string): string {
    const r = this.#r;
    const port = this.#port(talk);
    const own = r.below(8) === 0 ? '10.0.0.77' : address;
    const bytes = [...own.split('.'), port >> 8, port & 255].map(String);
    switch (r.below(12)) {
      case 0:
        bytes[r.below(6)] = String(r.pick([256, 1000, -1, '', ' 1', '1 ']));
        break;
      case 1:
        bytes.splice(r.below(6), 1);
        break;
      case 2:
        bytes.splice(4, 2, '0', '0');
        break;
    }
    return bytes.join(',');
  }

  #case(word: string): string {
    return this.#r.pick([
      word,
      word,
      word.toLowerCase(),
      `${word[0]}${word.slice(1).toLowerCase()}`,
    ]);
  }

  #command(talk: Talk): string {
    const r = this.#r;
    const end = r.pick(['\r\n', '\r\n', '\n', '\r\nNOOP\r\n', ' \r\n', ',1\r\n']);
    const gap = r.pick([' ', ' ', ' ', '  ', ' '.repeat(r.pick([80, 130])), '\t', '-']);
    switch (r.below(6)) {
      case 0:
        return r.pick([
          'NOOP\r\n',
          'PASV\r\n',
          'EPSV\r\n',
          'POR',
          'PORT',
          '\0\0\0\0\0\0',
          'STOR a\r\n',
        ]);
      case 1:
        return Buffer.from(r.bytes(r.below(40))).toString('latin1');
      default:
        if (!this.#o.v6)
          return `${this.#case('PORT')}${gap}${this.#announced(talk, this.#client.self)}${end}`;
    }
    const address =
      r.below(8) === 0 ? r.pick(['fd00::9', 'fd00::2', 'zz', '10.0.0.1']) : 'FD00:0::1';
    const port = r.below(8) === 0 ? r.pick(['0', '70000', 'x', '']) : String(this.#port(talk));
    const d = r.pick(['|', '|', '!', '$']);
    const family = r.below(8) === 0 ? r.pick(['1', '3', '02', '']) : '2';
    return `${this.#case('EPRT')} ${[d, family, d, address, d, port, d].join('')}${end}`;
  }

  #answer(talk: Talk): string {
    const r = this.#r;
    const end = r.pick([')\r\n', ').\r\n', ')\n', ')']);
    switch (r.below(5)) {
      case 0:
        return r.pick(['200 PORT is fine\r\n', '226 done\r\n', '22', '150 ok\r\n']);
      case 1:
        return Buffer.from(r.bytes(r.below(40))).toString('latin1');
    }
    if (!this.#o.v6) {
      const words = r.pick([
        ' Entering Passive Mode (',
        ' (',
        ' =',
        '-x (',
        `${' '.repeat(r.pick([80, 130]))} (`,
      ]);
      return `227${words}${this.#announced(talk, this.#server.self)}${end}`;
    }
    const words = this.#case('Entering Extended Passive Mode');
    const port =
      r.below(8) === 0 ? r.pick(['0', '70000', 'x', ` 0${this.#port(talk)}`]) : this.#port(talk);
    return `229 ${words} (|||${port}|${end}`;
  }

  /** Of a connection that was announced, or of one that looks like it. */
  #data(): CtEvent {
    const r = this.#r;
    const reply = r.below(2) === 0;
    const far = 1500 + r.below(2);
    const near = r.pick(this.#talks).announces + 1 + r.below(PORTS_OF_TALK - 1);
    const isAnswer = r.below(2) === 0;
    const ports = isAnswer ? { src: near, dst: far } : { src: far, dst: near };
    const isTranslated = this.#o.clientAs !== undefined || this.#o.serverAs !== undefined;
    // How long theirs takes the ports of a connection that is over for used is its own affair.
    const end = isTranslated ? ACK : RST;
    const flags = r.pick([SYN, SYN, ACK, end, isAnswer ? SYN | ACK : ACK]);
    return this.#frame(reply, b.tcp({ ...ports, flags, seq: 100, ack: 100 }));
  }

  #tftp(): CtEvent {
    const r = this.#r;
    const reply = r.below(2) === 0;
    if (r.below(16) === 0) this.#nextPort += PORTS_OF_TALK;
    const client = this.#nextPort + r.below(2);
    if (r.below(2) === 0) {
      const data = [0, r.pick([1, 2]), ...Buffer.from('file\0octet\0')];
      const ports = reply ? { src: 69, dst: client } : { src: client, dst: 69 };
      return this.#frame(reply, b.udp(ports, Uint8Array.from(data)));
    }
    const server = 70 + r.below(2);
    const ports = reply ? { src: server, dst: client } : { src: client, dst: server };
    return this.#frame(reply, b.udp(ports, Uint8Array.of(0, 3, 0, 1, r.below(256))));
  }
}
