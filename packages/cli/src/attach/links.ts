/** The devices of an attachment, through rtnetlink. Each function is one synchronous step. */
import { createAnonymousNetns, openNetns } from '@heddle/linux/netns';
import { type NewLink, Rtnl } from '@heddle/linux/rtnetlink/rtnl';
import type { Fd } from '@heddle/linux/socket';
import { errnoOf } from '@heddle/runtime/errors';
import { AttachError } from './errors.ts';
import type { InsideConfig, Prefix } from './inside-config.ts';
import { formatOwner, type Owner, ownerOfPid, parseOwner } from './owner.ts';

/** Alias of an outer end that is not in the database yet: followed by the attaching process. */
const PENDING = 'heddle-attach:';

/**
 * Where a veth pair is put together before it shows. Until `handOver` the outer end lives in a
 * namespace that ends with this object, or with this process.
 */
export class LinkWorkshop implements Disposable {
  readonly #target: Fd;
  readonly #hold: Fd;

  constructor(targetNetns: string) {
    this.#target = openNetns({ path: targetNetns });
    this.#hold = createAnonymousNetns();
  }

  /** Both ends, the inner one in its place, with its addresses, up. */
  build(port: string, config: InsideConfig): void {
    using hold = new Rtnl(this.#hold);
    using inside = new Rtnl(this.#target);
    const { interfaceName: name, mtu, mac } = config;
    if (inside.link(name) !== undefined) {
      throw new AttachError(`there is an interface ${name} inside already`);
    }
    const alias = PENDING + formatOwner(ownerOfPid(process.pid)!);
    const size = mtu === undefined ? {} : { mtu };
    const inner: NewLink = { name, netns: this.#target, ...size, ...(mac ? { mac } : {}) };
    hold.createVeth({ name: port, ...size }, inner);
    hold.setLink(port, { alias });
    inside.setLink(name, { up: true });
    const index = inside.link(name)!.index;
    for (const prefix of config.addresses) addAddress(inside, index, prefix);
    for (const gateway of config.gateways) addGateway(inside, index, gateway);
  }

  /** Brings the outer end to this process's namespace and up. */
  handOver(port: string): void {
    using home = new Rtnl();
    using hold = new Rtnl(this.#hold);
    using own = openNetns({ path: '/proc/thread-self/ns/net' });
    hold.setLink(port, { netns: own });
    home.setLink(port, { up: true });
  }

  /** The database knows the port now: from here on its owner answers for it. */
  claimed(port: string): void {
    using home = new Rtnl();
    home.setLink(port, { alias: '' });
  }

  /** What was not handed over goes at once: the kernel ends a namespace at its own leisure. */
  [Symbol.dispose](): void {
    {
      using hold = new Rtnl(this.#hold);
      for (const { name, kind } of hold.links({ stats: false })) {
        if (kind === 'veth') hold.deleteLink(name);
      }
    }
    this.#hold[Symbol.dispose]();
    this.#target[Symbol.dispose]();
  }
}

function addAddress(inside: Rtnl, index: number, { address, length }: Prefix): void {
  inside.addAddress(index, `${address}/${length}`);
}

function addGateway(inside: Rtnl, ifindex: number, { address: gateway }: Prefix): void {
  try {
    inside.addRoute({ gateway, ifindex });
  } catch (error) {
    const code = errnoOf(error);
    const why =
      code === 'EEXIST'
        ? 'there is a default route already'
        : code === 'ENETUNREACH' || code === 'EHOSTUNREACH'
          ? 'it is in none of the interface’s networks'
          : (error as Error).message;
    throw new AttachError(`gateway ${gateway}: ${why}`);
  }
}

/** Changes an interface that is attached already. */
export function configureInside(netns: string, name: string, addresses: readonly Prefix[]): void {
  using target = openNetns({ path: netns });
  using inside = new Rtnl(target);
  const link = inside.link(name);
  if (link === undefined) throw new AttachError(`there is no interface ${name} inside`);
  for (const prefix of addresses) addAddress(inside, link.index, prefix);
}

export function linkExists(name: string): boolean {
  using home = new Rtnl();
  return home.link(name) !== undefined;
}

export function linkNames(): Set<string> {
  using home = new Rtnl();
  return new Set(home.links({ stats: false }).map(({ name }) => name));
}

/** Outer ends that an attach brought out and did not enter into the database (yet). */
export function pendingLinks(): { name: string; owner: Owner }[] {
  using home = new Rtnl();
  return home.links({ stats: false }).flatMap(({ name, alias }) => {
    if (!alias.startsWith(PENDING)) return [];
    const owner = parseOwner(alias.slice(PENDING.length));
    return owner === undefined ? [] : [{ name, owner }];
  });
}

/** Both ends of a veth pair go together. No error when there is none any more. */
export function removeLink(name: string): void {
  using home = new Rtnl();
  if (home.link(name)?.kind !== 'veth') return;
  try {
    home.deleteLink(name);
  } catch (error) {
    if (errnoOf(error) !== 'ENODEV') throw error;
  }
}
