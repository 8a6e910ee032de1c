import { Rtnl } from '@heddle/linux';
import { SystemError } from '@heddle/runtime';
import type { VportType } from '../dpif.ts';
import { UserspaceDpif } from '../userspace/userspace-dpif.ts';
import { PacketChannel, TapChannel } from './channel.ts';
import { LinuxNetdev, NetdevLoop } from './linux-netdev.ts';

export interface NetdevDpifOptions {
  readonly instance: string;
  /** Of the datapath, and of the tap that is its port 0. */
  readonly name: string;
}

/** `netdev@NAME` over the devices of this network namespace. */
export function openNetdevDpif({ instance, name }: NetdevDpifOptions): UserspaceDpif {
  const devices = new Devices(`heddle netdev ${instance}`);
  return new UserspaceDpif({
    type: 'netdev',
    name,
    defer: (task) => task(),
    // An internal port is a tap, and is listed as one.
    portType: (type) => (type === 'internal' ? 'tap' : type),
    localPort: 'tap',
    openNetdev: (name, type) => devices.open(name, type),
    dropLeftovers: () => devices.dropLeftovers(),
  });
}

class Devices {
  readonly #rtnl = new Rtnl();
  readonly #loop = new NetdevLoop();
  /** By this alias the taps of one switch are known after its daemon has died. */
  readonly #alias: string;
  readonly #leftovers: Set<string>;

  constructor(alias: string) {
    this.#alias = alias;
    const mine = this.#rtnl.links({ stats: false }).filter((link) => link.alias === alias);
    this.#leftovers = new Set(mine.map((link) => link.name));
  }

  open(name: string, type: VportType): LinuxNetdev {
    if (type === 'tap') return this.#openTap(name);
    const link = this.#rtnl.link(name);
    if (link === undefined) throw new SystemError('ENODEV', name);
    if (link.master !== undefined) throw new SystemError('EBUSY', name);
    return new LinuxNetdev({
      name,
      channel: new PacketChannel(link.index),
      loop: this.#loop,
      isThere: () => this.#rtnl.link(link.index) !== undefined,
    });
  }

  /** A tap keeps its addresses while no daemon is there; what nobody took since the start goes. */
  dropLeftovers(): void {
    for (const name of this.#leftovers) this.#rtnl.deleteLink(name);
    this.#leftovers.clear();
  }

  #openTap(name: string): LinuxNetdev {
    const channel = new TapChannel(name);
    this.#leftovers.delete(name);
    this.#rtnl.setLink(name, { alias: this.#alias });
    return new LinuxNetdev({
      name,
      channel,
      loop: this.#loop,
      // A tap that is deleted or has left lives on behind its descriptor.
      isThere: () => true,
      remove: () => channel.remove(),
    });
  }
}
