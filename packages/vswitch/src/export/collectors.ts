/** UDP towards collectors (ovs-vswitchd.conf.db(5), `targets` of NetFlow, sFlow and IPFIX). */
import { createSocket, type Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { messageOf, vlog } from '@heddle/runtime';

const log = vlog.module('collectors');

/** Datagrams that wait for a socket hold no more than this. */
const MAX_QUEUED_BYTES = 4 << 20;
/** Datagrams that wait for a socket to be connected. */
const MAX_EARLY = 64;

export interface Target {
  readonly address: string;
  readonly port: number;
}

/** `ip:port` or `[ip6]:port`; `:port` may be left out where there is a default. */
export function parseTarget(text: string, defaultPort: number | undefined): Target | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text.trim());
  const address = match?.[1] ?? match?.[2] ?? '';
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (isIP(address) === 0 || port === undefined || port < 1 || port > 65535) return undefined;
  return { address, port };
}

/** Where datagrams go; each target gets each of them. */
export class Collectors {
  readonly #sinks: Sink[];

  constructor(targets: readonly Target[]) {
    this.#sinks = targets.map((target) => new Sink(target));
  }

  /** How many targets it went to, and how many it did not. */
  send(datagram: Uint8Array): { readonly sent: number; readonly failed: number } {
    let sent = 0;
    for (const sink of this.#sinks) if (sink.send(datagram)) sent++;
    return { sent, failed: this.#sinks.length - sent };
  }

  close(): void {
    for (const sink of this.#sinks) sink.close();
  }
}

class Sink {
  readonly #name: string;
  readonly #socket: Socket;
  #early: Uint8Array[] | undefined = [];
  #isClosed = false;

  constructor({ address, port }: Target) {
    const isV6 = isIP(address) === 6;
    this.#name = isV6 ? `[${address}]:${port}` : `${address}:${port}`;
    this.#socket = createSocket(isV6 ? 'udp6' : 'udp4');
    this.#socket.unref();
    this.#socket.on('error', (error) => this.#failed(error));
    this.#socket.connect(port, address, () => {
      const waiting = this.#early ?? [];
      this.#early = undefined;
      for (const datagram of waiting) this.send(datagram);
    });
  }

  send(datagram: Uint8Array): boolean {
    if (this.#isClosed) return false;
    if (this.#early) {
      if (this.#early.length >= MAX_EARLY) return false;
      this.#early.push(datagram);
      return true;
    }
    if (this.#socket.getSendQueueSize() > MAX_QUEUED_BYTES) return false;
    this.#socket.send(datagram, (error) => {
      if (error) this.#failed(error);
    });
    return true;
  }

  #failed(error: Error): void {
    if (this.#isClosed) return;
    log.rl.warn(`${this.#name}: sending to collector failed (${messageOf(error)})`, this.#name);
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.close();
  }
}
