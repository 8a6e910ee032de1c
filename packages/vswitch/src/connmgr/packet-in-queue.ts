/** Packet-ins that a peer has not read yet (ovs-vswitchd.conf.db(5), "controller_queue_size"). */
import type { OfpChannel } from './ofconn.ts';

export class PacketInQueue {
  /** How many there may be. */
  limit: number;
  /** Where each ends in the bytes that were ever sent. */
  #ends: number[] = [];

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Sends a packet-in unless too many wait. */
  send(channel: Pick<OfpChannel, 'backlog' | 'sentBytes'>, send: () => void): void {
    if (this.#ends.length > 0) {
      const { backlog, sentBytes } = channel;
      const taken = this.#ends.findIndex((end) => end > sentBytes - backlog);
      this.#ends = taken < 0 ? [] : this.#ends.slice(taken);
      if (this.#ends.length >= this.limit) return;
    }
    send();
    if (channel.backlog > 0) this.#ends.push(channel.sentBytes);
  }
}
