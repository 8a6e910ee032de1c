/** The devices behind interfaces: the kernel's, or dummies of this process. */
import { type Link, LinkTable } from '@heddle/linux';

export type Device = Pick<Link, 'index' | 'name' | 'kind' | 'up' | 'carrier' | 'mtu' | 'mac'>;

export interface DeviceChange {
  readonly mtu?: number;
  readonly mac?: string;
  readonly up?: boolean;
}

export interface DeviceEvent {
  /** undefined: events were lost, any device may have changed. */
  readonly name: string | undefined;
}

export interface Devices {
  device(name: string): Device | undefined;
  /** Throws when the device refuses. */
  set(name: string, change: DeviceChange): void;
  /** What an Interface row's `options` say of the device itself. */
  configure(name: string, options: ReadonlyMap<string, string>): void;
  close(): void;
}

/** The devices of the kernel, in the network namespace of this process. */
export class KernelDevices implements Devices {
  readonly #links: LinkTable;

  constructor(listener: (events: readonly DeviceEvent[]) => void) {
    this.#links = new LinkTable((events) =>
      listener(events.map((e) => ({ name: e.type === 'overrun' ? undefined : e.link.name }))),
    );
  }

  device(name: string): Device | undefined {
    return this.#links.link(name);
  }

  set(name: string, change: DeviceChange): void {
    this.#links.setLink(name, change);
  }

  configure(): void {
    // The options are those of types that the datapath makes, not of devices.
  }

  close(): void {
    this.#links.close();
  }
}
