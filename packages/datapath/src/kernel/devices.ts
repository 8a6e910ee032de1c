/** The devices of the datapath's network namespace, and word of what happens to them. */
import { existsSync, writeFileSync } from 'node:fs';
import { FdWatcher } from '@heddle/linux/native';
import { parseMessages } from '@heddle/linux/netlink/message';
import { NETLINK_ROUTE, NetlinkSocket } from '@heddle/linux/netlink/socket';
import { RTM_DELADDR, RTM_NEWADDR } from '@heddle/linux/rtnetlink/ip';
import {
  emitLink,
  type Link,
  parseLink,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
} from '@heddle/linux/rtnetlink/link';
import { type NewLink, Rtnl } from '@heddle/linux/rtnetlink/rtnl';
import { parseQdisc, RTM_DELQDISC, RTM_NEWQDISC, TC_H_ROOT } from '@heddle/linux/rtnetlink/tc';
import { SystemError, vlog } from '@heddle/runtime';

const log = vlog.module('dpif');
/** The group of devices that are to go: a number that nobody gives out, the same for every daemon. */
export const LEAVING_GROUP = 0x4844_4c45;
const RTNLGRP_LINK = 1;
const RTNLGRP_TC = 4;
const RTNLGRP_IPV4_IFADDR = 5;
const RTNLGRP_IPV6_IFADDR = 9;
const MONITOR_BYTES = 8 << 20;

export type DeviceListener = (ifindex: number, link: Link | undefined) => void;

export class Devices implements Disposable {
  readonly rtnl = new Rtnl();
  readonly #queries = new NetlinkSocket(NETLINK_ROUTE);
  readonly #events: NetlinkSocket;
  readonly #watcher: FdWatcher;
  readonly #listeners: DeviceListener[] = [];
  readonly #addressListeners: (() => void)[] = [];
  #removal: NodeJS.Immediate | undefined;

  constructor() {
    const options = {
      groups: [RTNLGRP_LINK, RTNLGRP_TC, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR],
      receiveBytes: MONITOR_BYTES,
    };
    this.#events = new NetlinkSocket(NETLINK_ROUTE, options);
    this.#watcher = new FdWatcher(this.#events.fd.number, () => this.#receive());
    this.#watcher.keepAlive(false);
  }

  /** `link` is undefined when the device has left this namespace. */
  watch(listener: DeviceListener): void {
    this.#listeners.push(listener);
  }

  /** Told after an address has come or gone. */
  watchAddresses(listener: () => void): void {
    this.#addressListeners.push(listener);
  }

  /** A veth's peer in another namespace; undefined when it may not be asked. */
  peer(link: Link): Link | undefined {
    if (link.peerIndex === undefined || link.peerNetnsid === undefined) return undefined;
    const payload = emitLink({ index: link.peerIndex }, { targetNetnsid: link.peerNetnsid });
    try {
      const answer = this.#queries.request('peer', RTM_GETLINK, 0, payload)[0];
      return answer && parseLink(answer.payload);
    } catch (e) {
      if (e instanceof SystemError) return undefined;
      throw e;
    }
  }

  /** A veth pair whose second end never speaks by itself: no IPv6 addresses, no router solicitation. */
  addVeth(end: NewLink, silent: NewLink, both = false): void {
    this.rtnl.createVeth({ ...end, up: false }, { ...silent, up: false });
    for (const { name } of both ? [end, silent] : [silent]) {
      const knob = `/proc/sys/net/ipv6/conf/${name}/disable_ipv6`;
      if (existsSync(knob)) writeFileSync(knob, '1');
    }
    this.rtnl.setLink(silent.name, { up: true });
    if (end.up === true) this.rtnl.setLink(end.name, { up: true });
  }

  /** Deletes a device if it is there. */
  remove(name: string): void {
    if (this.rtnl.link(name) !== undefined) this.rtnl.deleteLink(name);
  }

  /**
   * Deletes a device if it is there, together with others that go in this turn of the event loop: for each
   * that goes alone the kernel waits, for tens of milliseconds, until nobody uses it.
   */
  removeSoon(name: string): void {
    const link = this.rtnl.link(name);
    if (link === undefined) return;
    this.rtnl.setLink(link.index, { group: LEAVING_GROUP });
    this.#removal ??= setImmediate(() => this.finishRemovals());
  }

  /** Names of devices that are to go are free afterwards. */
  finishRemovals(): void {
    if (this.#removal === undefined) return;
    clearImmediate(this.#removal);
    this.#removal = undefined;
    this.removeLeaving();
  }

  /** Deletes what is to go, what a daemon that died had no time to delete, too. */
  removeLeaving(): void {
    try {
      this.rtnl.deleteGroup(LEAVING_GROUP);
    } catch (e) {
      if (!(e instanceof SystemError)) throw e;
      // ENODEV: somebody else was faster.
      if (e.code !== 'ENODEV') log.rl.warn(`devices of ports that are gone stay: ${e.message}`);
    }
  }

  [Symbol.dispose](): void {
    this.finishRemovals();
    this.#watcher.close();
    this.#events.close();
    this.#queries.close();
    this.rtnl.close();
  }

  #receive(): void {
    try {
      for (;;) {
        const datagram = this.#events.receive();
        if (datagram === undefined) return;
        for (const m of parseMessages(datagram)) {
          if (m.type === RTM_NEWADDR || m.type === RTM_DELADDR) this.#tellAddresses();
          if (m.type === RTM_NEWQDISC || m.type === RTM_DELQDISC) this.#tellQdisc(m.payload);
          if (m.type !== RTM_NEWLINK && m.type !== RTM_DELLINK) continue;
          // AF_BRIDGE tells of a bridge's ports, not of devices.
          if (m.payload[0] !== 0) continue;
          const link = parseLink(m.payload);
          this.#tell(link.index, m.type === RTM_NEWLINK ? link : undefined);
        }
      }
    } catch (e) {
      if (!(e instanceof SystemError) || e.code !== 'ENOBUFS') throw e;
      this.#tellAll();
    }
  }

  /** Events were lost: 0 says that any device may have left. */
  #tellAll(): void {
    for (const link of this.rtnl.links({ stats: false })) this.#tell(link.index, link);
    this.#tell(0, undefined);
    this.#tellAddresses();
  }

  /** A link does not tell of its qdisc by itself. */
  #tellQdisc(payload: Uint8Array): void {
    const { ifindex, parent } = parseQdisc(payload);
    const link = parent === TC_H_ROOT ? this.rtnl.link(ifindex) : undefined;
    if (link) this.#tell(ifindex, link);
  }

  #tellAddresses(): void {
    for (const l of this.#addressListeners) l();
  }

  #tell(ifindex: number, link: Link | undefined): void {
    for (const l of this.#listeners) l(ifindex, link);
  }
}
