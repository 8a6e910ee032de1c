import { type LinkEvent, LinkMonitor, Rtnl } from '@heddle/linux';
import { errnoOf, SystemError } from '@heddle/runtime';
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
  /** By index, but for taps: those of the kernel. */
  readonly #open = new Map<number, LinuxNetdev>();
  /** By this alias the taps of one switch are known after its daemon has died. */
  readonly #alias: string;
  readonly #leftovers: Set<string>;

  constructor(alias: string) {
    this.#alias = alias;
    new LinkMonitor((event) => this.#changed(event)).keepAlive(false);
    const mine = this.#rtnl.links({ stats: false }).filter((link) => link.alias === alias);
    this.#leftovers = new Set(mine.map((link) => link.name));
  }

  open(name: string, type: VportType): LinuxNetdev {
    if (type === 'tap') return this.#openTap(name);
    const link = this.#rtnl.link(name);
    if (link === undefined) throw new SystemError('ENODEV', name);
    if (link.master !== undefined) throw new SystemError('EBUSY', name);
    const device = new LinuxNetdev({
      name,
      channel: new PacketChannel(link.index),
      loop: this.#loop,
      isThere: () => this.#isThere(link.index),
      closed: () => this.#open.delete(link.index),
    });
    this.#open.set(link.index, device);
    return device;
  }

  #isThere(ifindex: number): boolean {
    return this.#rtnl.link(ifindex) !== undefined;
  }

  /** The socket of a device that was down before it left does not tell of it. */
  #changed(event: LinkEvent): void {
    if (event.type === 'new') return;
    for (const [ifindex, device] of this.#open) {
      const isLost =
        event.type === 'overrun' ? !this.#isThere(ifindex) : event.link.index === ifindex;
      if (isLost) device.leave('device is gone');
    }
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
      // One that has left for another namespace lives on behind its descriptor.
      isThere: (error) => errnoOf(error) !== 'EBADFD',
      remove: () => channel.remove(),
    });
  }
}
