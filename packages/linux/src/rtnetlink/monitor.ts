/** Link changes as they happen (RTNLGRP_LINK), with a resync when the kernel had to drop some. */
import { errnoOf } from '@heddle/runtime/errors';
import { FdWatcher } from '../native.ts';
import { parseMessages } from '../netlink/message.ts';
import { NETLINK_ROUTE, NetlinkSocket } from '../netlink/socket.ts';
import { withNetns } from '../netns.ts';
import type { Fd } from '../socket.ts';
import { type Link, parseLink, RTM_DELLINK, RTM_NEWLINK } from './link.ts';

const RTNLGRP_LINK = 1;
const DATAGRAMS_PER_TURN = 256;

export type LinkEvent =
  | { readonly type: 'new' | 'deleted'; readonly link: Link }
  /** Events were lost: list the links again. */
  | { readonly type: 'overrun' };

export class LinkMonitor implements Disposable {
  readonly #socket: NetlinkSocket;
  readonly #watcher: FdWatcher;
  readonly #listener: (event: LinkEvent) => void;

  constructor(
    listener: (event: LinkEvent) => void,
    options: { netns?: Fd; receiveBytes?: number } = {},
  ) {
    const { netns, receiveBytes = 1 << 20 } = options;
    const open = (): NetlinkSocket =>
      new NetlinkSocket(NETLINK_ROUTE, { groups: [RTNLGRP_LINK], receiveBytes });
    this.#socket = netns ? withNetns(netns, open) : open();
    this.#listener = listener;
    this.#watcher = new FdWatcher(this.#socket.fd.number, () => this.#drain());
  }

  /** Whether the monitor keeps the process running. */
  keepAlive(keep: boolean): this {
    this.#watcher.keepAlive(keep);
    return this;
  }

  /** Takes in what has happened by now. */
  poll(): void {
    while (this.#drain());
  }

  close(): void {
    this.#watcher.close();
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Whether there may be more. */
  #drain(): boolean {
    for (let i = 0; i < DATAGRAMS_PER_TURN && !this.#socket.fd.closed; i++) {
      const datagram = this.#receive();
      if (datagram === 'overrun') this.#listener({ type: 'overrun' });
      else if (datagram) this.#deliver(datagram);
      else return false;
    }
    return !this.#socket.fd.closed;
  }

  #receive(): Uint8Array | 'overrun' | undefined {
    try {
      return this.#socket.receive();
    } catch (error) {
      if (errnoOf(error) === 'ENOBUFS') return 'overrun';
      throw error;
    }
  }

  #deliver(datagram: Uint8Array): void {
    for (const { type, payload } of parseMessages(datagram)) {
      if (type !== RTM_NEWLINK && type !== RTM_DELLINK) continue;
      // AF_BRIDGE tells of a bridge's ports, not of devices.
      if (payload[0] !== 0) continue;
      const kind = type === RTM_NEWLINK ? 'new' : 'deleted';
      this.#listener({ type: kind, link: parseLink(payload) });
    }
  }
}
