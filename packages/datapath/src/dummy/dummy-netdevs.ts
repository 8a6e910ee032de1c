import { type Clock, SystemError } from '@heddle/runtime';
import type { VportType } from '../dpif.ts';
import { UserspaceDpif } from '../userspace/userspace-dpif.ts';
import { DummyNetdev } from './dummy-netdev.ts';

/** The address of the first device; each further one has the next. */
const FIRST_HW_ADDR = 0xaa55_aa55_0000;
/** Numbers for bridges' local ports, `br0` and so on. */
const BRIDGE_BASE = 100;

const DUMMY_TYPES: readonly VportType[] = ['dummy', 'dummy-internal', 'dummy-pmd'];
const ALL_TYPES: readonly VportType[] = [...DUMMY_TYPES, 'internal', 'system', 'tap'];

export interface DummyNetdevsOptions {
  readonly clock: Clock;
  /** Devices of every type are dummies, not only those of the dummy types. */
  readonly override: boolean;
}

/** All dummy devices of a process, by name. */
export class DummyNetdevs {
  readonly #options: DummyNetdevsOptions;
  readonly #devices = new Map<string, DummyNetdev>();
  #count = 0;
  /** Called when a device was set up or down, or came or went. */
  onChange: ((device: DummyNetdev) => void) | undefined;

  constructor(options: DummyNetdevsOptions) {
    this.#options = options;
  }

  get(name: string): DummyNetdev | undefined {
    return this.#devices.get(name);
  }

  values(): Iterable<DummyNetdev> {
    return this.#devices.values();
  }

  /** A datapath of dummy devices; `type@name` as in `dpif/show`. */
  openDpif(type: 'dummy' | 'netdev' | 'system', name = `ovs-${type}`): UserspaceDpif {
    const { clock, override } = this.#options;
    return new UserspaceDpif({
      type,
      name,
      clock,
      defer: (task) => task(),
      portTypes: override ? ALL_TYPES : [...DUMMY_TYPES, 'internal'],
      portType: (kind) => (kind === 'internal' ? 'dummy-internal' : kind),
      choosePort: dummyPortNumber,
      localPort: 'dummy-internal',
      openNetdev: (device, kind) => this.#open(device, kind),
    });
  }

  setUp(device: DummyNetdev, isUp: boolean): void {
    if (device.isUp === isUp) return;
    device.isUp = isUp;
    this.onChange?.(device);
  }

  addAddress(device: DummyNetdev, address: string): void {
    if (device.addresses.includes(address)) return;
    device.addresses.push(address);
    this.onChange?.(device);
  }

  #open(name: string, type: VportType): DummyNetdev {
    if (this.#devices.has(name)) throw new SystemError('EBUSY', name);
    const hwAddr = FIRST_HW_ADDR + this.#count++;
    const device = new DummyNetdev(name, type, hwAddr, this.#options.clock, (d) => {
      this.#devices.delete(d.name);
    });
    this.#devices.set(name, device);
    return device;
  }
}

/** The number that a name ends in, from 100 on for bridges; undefined: any. */
function dummyPortNumber(name: string): number | undefined {
  const digits = /\d+/.exec(name)?.[0];
  if (digits === undefined) return undefined;
  const n = Number(digits) + (name.startsWith('br') ? BRIDGE_BASE : 0);
  return n > 0 && n < 65535 ? n : undefined;
}
