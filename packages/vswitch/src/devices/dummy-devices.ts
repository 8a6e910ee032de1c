import { randomBytes } from 'node:crypto';
import type { DummyNetdev, DummyNetdevs } from '@heddle/datapath';
import { formatMac, parseMac } from '@heddle/packet';
import type { Device, DeviceChange, DeviceEvent, Devices } from './devices.ts';

/** Dummy devices first; `others` has the rest, when there is a rest. */
export class DummyDevices implements Devices {
  readonly #dummies: DummyNetdevs;
  readonly #others: Devices | undefined;

  constructor(
    dummies: DummyNetdevs,
    others: Devices | undefined,
    listener: (events: readonly DeviceEvent[]) => void,
  ) {
    this.#dummies = dummies;
    this.#others = others;
    dummies.onChange = ({ name }) => listener([{ name }]);
  }

  device(name: string): Device | undefined {
    const dummy = this.#dummies.get(name);
    return dummy ? deviceOf(dummy) : this.#others?.device(name);
  }

  set(name: string, change: DeviceChange): void {
    const dummy = this.#dummies.get(name);
    if (!dummy) {
      this.#others?.set(name, change);
      return;
    }
    if (change.mtu !== undefined) dummy.mtu = change.mtu;
    if (change.mac !== undefined) dummy.hwAddr = parseMac(change.mac) ?? dummy.hwAddr;
    if (change.up !== undefined) this.#dummies.setUp(dummy, change.up);
  }

  configure(name: string, options: ReadonlyMap<string, string>): void {
    const dummy = this.#dummies.get(name);
    if (dummy) dummy.configure(options);
    else this.#others?.configure(name, options);
  }

  close(): void {
    this.#dummies.onChange = undefined;
    this.#others?.close();
  }
}

export const DUMMY_KIND = 'dummy-netdev';

function deviceOf({ name, ifindex, hwAddr, mtu, isUp }: DummyNetdev): Device {
  const mac = formatMac(hwAddr);
  return { index: ifindex, name, kind: DUMMY_KIND, up: isUp, carrier: isUp, mtu, mac };
}

/** A bridge of dummies has an address of its own: unicast, locally administered. */
export function randomMac(): string {
  const bytes = randomBytes(6);
  bytes[0] = (bytes[0]! & ~0x01) | 0x02;
  return [...bytes].map((b) => b.toString(16).padStart(2, '0')).join(':');
}
