/** rtnetlink(7) for one network namespace. Synchronous; refusals are NetlinkErrors. */

import {
  NetlinkError,
  type NetlinkMessage,
  NLM_F_CREATE,
  NLM_F_ECHO,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from '../netlink/message.ts';
import { NETLINK_ROUTE, NetlinkSocket } from '../netlink/socket.ts';
import { withNetns } from '../netns.ts';
import type { Fd } from '../socket.ts';
import * as ip from './ip.ts';
import * as link from './link.ts';
import * as netnsid from './netnsid.ts';
import * as tc from './tc.ts';

const CREATE = NLM_F_CREATE | NLM_F_EXCL;
const RTEXT_FILTER_SKIP_STATS = 8;
/** Of devices that send at once until they are given a qdisc. */
const NO_QDISC = 'noqueue';

/** What to change of a link; what is left out stays. */
export interface LinkChange {
  readonly name?: string;
  readonly mtu?: number;
  readonly mac?: string;
  readonly alias?: string;
  readonly up?: boolean;
  readonly promisc?: boolean;
  /** ifindex of the bridge to join; 0 to leave. */
  readonly master?: number;
  /** Of devices that are changed together (`ip link set group`, ip-link(8)). */
  readonly group?: number;
  readonly netns?: Fd;
  readonly netnsPid?: number;
}

/** A link to be: `netns` is where it is made. */
export interface NewLink extends Omit<LinkChange, 'promisc' | 'name'> {
  readonly name: string;
  readonly txQueues?: number;
  readonly rxQueues?: number;
  /** Longer super-packets are cut before the device gets them. */
  readonly gsoMaxSegs?: number;
}

export class Rtnl implements Disposable {
  readonly #socket: NetlinkSocket;

  /** Opened in `ns`, it stays in that namespace for good; without it in the thread's own. */
  constructor(ns?: Fd) {
    const open = (): NetlinkSocket => new NetlinkSocket(NETLINK_ROUTE);
    this.#socket = ns ? withNetns(ns, open) : open();
  }

  links(options: { stats?: boolean } = {}): link.Link[] {
    const extMask = options.stats === false ? RTEXT_FILTER_SKIP_STATS : 0;
    const payload = link.emitLink({}, { extMask });
    return this.#dump('list links', link.RTM_GETLINK, payload).map((m) =>
      link.parseLink(m.payload),
    );
  }

  /** The link, or undefined when there is none (now). */
  link(which: string | number): link.Link | undefined {
    const byName = typeof which === 'string';
    const name = byName ? nameAttributes(which) : {};
    if (name === undefined) return undefined;
    const payload = link.emitLink({ index: byName ? 0 : which }, name);
    try {
      const answer = this.#request(`link ${which}`, link.RTM_GETLINK, 0, payload);
      return answer[0] && link.parseLink(answer[0].payload);
    } catch (error) {
      if (error instanceof NetlinkError && error.code === 'ENODEV') return undefined;
      throw error;
    }
  }

  /** A veth pair, each end made where it belongs. */
  createVeth(end: NewLink, peer: NewLink): void {
    const data = link.emitVethPeer(newLinkAttributes(peer));
    this.#createLink('veth', end, data);
    this.#finish(peer, { up: peer.up ?? false });
  }

  createBridge(bridge: NewLink): void {
    this.#createLink('bridge', bridge);
  }

  /** Any kind without data of its own: ifb, dummy … */
  createLink(kind: string, options: NewLink): void {
    this.#createLink(kind, options);
  }

  setLink(which: string | number, change: LinkChange): void {
    let flags = 0;
    let mask = 0;
    for (const [wanted, bit] of [
      [change.up, link.IFF_UP],
      [change.promisc, link.IFF_PROMISC],
    ] as const) {
      if (wanted === undefined) continue;
      mask |= bit;
      if (wanted) flags |= bit;
    }
    const index = this.#index(which);
    const payload = link.emitLink({ index, flags, change: mask }, linkAttributes(change));
    this.#request(`set link ${which}`, link.RTM_NEWLINK, 0, payload);
  }

  deleteLink(which: string | number): void {
    const payload = link.emitLink({ index: this.#index(which) }, {});
    this.#request(`delete link ${which}`, link.RTM_DELLINK, 0, payload);
  }

  /** Deletes all links of a group, for which the kernel waits but once; throws ENODEV when there is none. */
  deleteGroup(group: number): void {
    const payload = link.emitLink({}, { group });
    this.#request(`delete group ${group}`, link.RTM_DELLINK, 0, payload);
  }

  addresses(ifindex?: number): ip.Address[] {
    const all = this.#dump('list addresses', ip.RTM_GETADDR, Buffer.alloc(8));
    const parsed = all.map((m) => ip.parseAddress(m.payload));
    return ifindex === undefined ? parsed : parsed.filter((a) => a.ifindex === ifindex);
  }

  addAddress(ifindex: number, address: string): void {
    const payload = ip.emitAddress(ifindex, address);
    this.#request(`add address ${address}`, ip.RTM_NEWADDR, CREATE, payload);
  }

  deleteAddress(ifindex: number, address: string): void {
    const payload = ip.emitAddress(ifindex, address);
    this.#request(`delete address ${address}`, ip.RTM_DELADDR, 0, payload);
  }

  routes(family = 0): ip.Route[] {
    const payload = Buffer.alloc(12);
    payload.writeUInt8(family, 0);
    return this.#dump('list routes', ip.RTM_GETROUTE, payload).map((m) => ip.parseRoute(m.payload));
  }

  /** The way to an address, as the kernel would choose it; throws ENETUNREACH and its like. */
  routeTo(address: string): ip.Route | undefined {
    const payload = ip.emitRouteQuery(address);
    const [answer] = this.#request(`route to ${address}`, ip.RTM_GETROUTE, 0, payload);
    return answer && ip.parseRoute(answer.payload);
  }

  addRoute(route: ip.RouteRequest): void {
    const what = `add route ${route.dst ?? 'default'}`;
    this.#request(what, ip.RTM_NEWROUTE, CREATE, ip.emitRoute(route));
  }

  replaceRoute(route: ip.RouteRequest): void {
    const flags = NLM_F_CREATE | NLM_F_REPLACE;
    const what = `replace route ${route.dst ?? 'default'}`;
    this.#request(what, ip.RTM_NEWROUTE, flags, ip.emitRoute(route));
  }

  deleteRoute(route: ip.RouteRequest): void {
    const what = `delete route ${route.dst ?? 'default'}`;
    const payload = ip.emitRoute(route);
    // As ip-route(8) deletes: RT_SCOPE_NOWHERE, no protocol, no type match whatever is there.
    payload.set([0, 255, 0], 5);
    this.#request(what, ip.RTM_DELROUTE, 0, payload);
  }

  neighbours(): ip.Neighbour[] {
    const all = this.#dump('list neighbours', ip.RTM_GETNEIGH, Buffer.alloc(12));
    return all.map((m) => ip.parseNeighbour(m.payload));
  }

  /** A permanent neighbour, made or replaced. */
  setNeighbour(ifindex: number, address: string, mac: string): void {
    const payload = ip.emitNeighbour(ifindex, address, mac);
    const flags = NLM_F_CREATE | NLM_F_REPLACE;
    this.#request(`set neighbour ${address}`, ip.RTM_NEWNEIGH, flags, payload);
  }

  deleteNeighbour(ifindex: number, address: string): void {
    const payload = ip.emitNeighbour(ifindex, address);
    this.#request(`delete neighbour ${address}`, ip.RTM_DELNEIGH, 0, payload);
  }

  /** The number by which this namespace knows another; undefined when it has none yet. */
  netnsid(of: Fd): number | undefined {
    const payload = netnsid.emitNetnsid({ fd: of.number });
    const answer = this.#request('netns id', netnsid.RTM_GETNSID, 0, payload)[0];
    return answer && netnsid.parseNetnsid(answer.payload);
  }

  /** Gives another namespace a number, the next free one unless given. */
  assignNetnsid(of: Fd, nsid = -1): void {
    const payload = netnsid.emitNetnsid({ nsid, fd: of.number });
    this.#request('assign netns id', netnsid.RTM_NEWNSID, 0, payload);
  }

  qdiscs(ifindex: number): tc.Qdisc[] {
    const all = this.#dump('list qdiscs', tc.RTM_GETQDISC, tc.emitQdiscDump());
    return all.map((m) => tc.parseQdisc(m.payload)).filter((q) => q.ifindex === ifindex);
  }

  /**
   * The qdisc at the root of a device's egress; undefined when it is one that nobody has set. The
   * kernel tells the answer to all who listen to RTNLGRP_TC, as if the qdisc had changed.
   */
  rootQdisc(ifindex: number): tc.Qdisc | undefined {
    if (this.link(ifindex)?.qdisc === NO_QDISC) return undefined;
    const payload = tc.emitTcPlace(ifindex, 0, tc.TC_H_ROOT);
    try {
      const answer = this.#request('root qdisc', tc.RTM_GETQDISC, NLM_F_ECHO, payload)[0];
      const qdisc = answer && tc.parseQdisc(answer.payload);
      return qdisc?.handle === 0 ? undefined : qdisc;
    } catch (error) {
      if (error instanceof NetlinkError && error.code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Makes a qdisc at the root, in place of one that is there, or changes the one of the same handle. */
  setRootQdisc(qdisc: Omit<tc.TcRequest, 'parent'>): void {
    const payload = tc.emitTc({ ...qdisc, parent: tc.TC_H_ROOT });
    const flags = NLM_F_CREATE | NLM_F_REPLACE;
    this.#request(`set qdisc ${qdisc.kind}`, tc.RTM_NEWQDISC, flags, payload);
  }

  /** The device has again what the kernel gives by default; false: it had nothing else. */
  deleteRootQdisc(ifindex: number): boolean {
    if (!this.rootQdisc(ifindex)) return false;
    const payload = tc.emitTcPlace(ifindex, 0, tc.TC_H_ROOT);
    this.#request('delete root qdisc', tc.RTM_DELQDISC, 0, payload);
    return true;
  }

  /** In the kernel's order. */
  classes(ifindex: number): tc.TcClass[] {
    const payload = tc.emitTcPlace(ifindex, 0, 0);
    return this.#dump('list classes', tc.RTM_GETTCLASS, payload).map((m) =>
      tc.parseQdisc(m.payload),
    );
  }

  /** Made or changed. */
  setClass(request: tc.TcRequest): void {
    this.#request('set class', tc.RTM_NEWTCLASS, NLM_F_CREATE, tc.emitTc(request));
  }

  deleteClass(ifindex: number, handle: number): void {
    const payload = tc.emitTcPlace(ifindex, handle, 0);
    this.#request('delete class', tc.RTM_DELTCLASS, 0, payload);
  }

  /** The clsact qdisc, if it is not there yet. Listing comes last: the kernel lists all devices'. */
  ensureClsact(ifindex: number): void {
    try {
      this.#request('add clsact', tc.RTM_NEWQDISC, CREATE, tc.emitClsact(ifindex));
    } catch (error) {
      if (!this.qdiscs(ifindex).some((q) => q.kind === 'clsact')) throw error;
    }
  }

  /** Takes every filter of both directions with it. */
  deleteClsact(ifindex: number): void {
    this.#request('delete clsact', tc.RTM_DELQDISC, 0, tc.emitClsact(ifindex));
  }

  filters(ifindex: number, direction: tc.Direction): tc.TcFilter[] {
    const payload = tc.emitFilterDump(ifindex, direction);
    const all = this.#dump('list filters', tc.RTM_GETTFILTER, payload);
    return all.flatMap((m) => tc.parseFilter(m.payload) ?? []);
  }

  /** A direct-action filter; `replace` swaps the program of one that is there without a gap. */
  setBpfFilter(
    place: tc.FilterPlace,
    program: { fd: number; name: string },
    options: { replace?: boolean } = {},
  ): void {
    const flags = options.replace ? NLM_F_CREATE | NLM_F_REPLACE : CREATE;
    const payload = tc.emitBpfFilter(place, program);
    this.#request('set bpf filter', tc.RTM_NEWTFILTER, flags, payload);
  }

  deleteBpfFilter(place: tc.FilterPlace): void {
    this.#request('delete bpf filter', tc.RTM_DELTFILTER, 0, tc.emitBpfFilter(place));
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #createLink(kind: string, options: NewLink, data?: Uint8Array): void {
    const attributes = newLinkAttributes(options);
    attributes.linkinfo = data ? { kind, data } : { kind };
    const up = options.up ? link.IFF_UP : 0;
    const payload = link.emitLink({ flags: up, change: up }, attributes);
    this.#request(`create ${kind} ${options.name}`, link.RTM_NEWLINK, CREATE, payload);
    this.#finish(options, {});
  }

  /** What the kernel ignores while it makes a link: the alias, and a peer's flags. */
  #finish(made: NewLink, change: LinkChange): void {
    const rest = made.alias === undefined ? change : { ...change, alias: made.alias };
    if (rest.up !== true && rest.alias === undefined) return;
    if (made.netns) {
      using there = new Rtnl(made.netns);
      there.setLink(made.name, rest);
    } else {
      this.setLink(made.name, rest);
    }
  }

  /** The kernel takes names too, but sets IFLA_IFNAME as a rename when an index is given. */
  #index(which: string | number): number {
    if (typeof which === 'number') return which;
    const found = this.link(which);
    if (!found) throw new NetlinkError('ENODEV', `link ${which}`);
    return found.index;
  }

  #request(what: string, type: number, flags: number, payload: Uint8Array): NetlinkMessage[] {
    return this.#socket.request(what, type, flags, payload);
  }

  #dump(what: string, type: number, payload: Uint8Array): NetlinkMessage[] {
    return this.#socket.dump(what, type, payload);
  }
}

/** With the zero at their ends, linux/if.h. */
const IFNAMSIZ = 16;
const ALTIFNAMSIZ = 128;

/** How the kernel is asked for a name: `undefined` when no link can have it. */
function nameAttributes(name: string): link.LinkAttributes | undefined {
  const size = Buffer.byteLength(name) + 1;
  if (size === 1 || size > ALTIFNAMSIZ) return undefined;
  return size > IFNAMSIZ ? { altIfname: name } : { ifname: name };
}

function newLinkAttributes(made: NewLink): link.LinkAttributes {
  const out = linkAttributes(made);
  if (made.txQueues !== undefined) out.numTxQueues = made.txQueues;
  if (made.rxQueues !== undefined) out.numRxQueues = made.rxQueues;
  if (made.gsoMaxSegs !== undefined) out.gsoMaxSegs = made.gsoMaxSegs;
  return out;
}

function linkAttributes(change: LinkChange): link.LinkAttributes {
  const out: link.LinkAttributes = {};
  if (change.name !== undefined) out.ifname = change.name;
  if (change.mtu !== undefined) out.mtu = change.mtu;
  if (change.mac !== undefined) out.address = change.mac;
  if (change.alias !== undefined) out.ifalias = change.alias;
  if (change.master !== undefined) out.master = change.master;
  if (change.group !== undefined) out.group = change.group;
  if (change.netns !== undefined) out.netNsFd = change.netns.number;
  if (change.netnsPid !== undefined) out.netNsPid = change.netnsPid;
  return out;
}
