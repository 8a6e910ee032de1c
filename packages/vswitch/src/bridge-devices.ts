/** What a bridge asks of the devices of its interfaces: MTUs, addresses, options. */
import { messageOf, vlog } from '@heddle/runtime';
import type { DeviceChange, Devices } from './devices/devices.ts';
import { DUMMY_KIND, randomMac } from './devices/dummy-devices.ts';
import { guarded, partOf } from './guarded.ts';
import type { Iface } from './iface.ts';
import type { BridgeRow } from './port-config.ts';

const log = vlog.module('bridge');

type Ifaces = ReadonlyMap<string, Iface>;

export class BridgeDevices {
  #dummyMac: string | undefined;

  configure(row: BridgeRow, ifaces: Ifaces, devices: Devices): void {
    for (const iface of ifaces.values()) {
      if (iface.odpPort === undefined) continue;
      guarded(partOf(iface, 'device'), undefined, () =>
        devices.configure(iface.name, iface.row.options),
      );
    }
    configureMtu(ifaces, devices);
    this.#configureMacs(row, ifaces, devices);
  }

  #configureMacs(row: BridgeRow, ifaces: Ifaces, devices: Devices): void {
    for (const iface of ifaces.values()) {
      const isLocal = iface.name === row.name;
      const mac = isLocal ? this.#bridgeMac(row, ifaces, devices) : iface.row.mac;
      if (mac === undefined || iface.type !== 'internal' || iface.odpPort === undefined) continue;
      const link = devices.device(iface.name);
      if (link && link.mac !== mac.toLowerCase()) set(devices, iface.name, { mac });
    }
  }

  /** other_config:hwaddr, else the lowest address of the ports that are real devices. */
  #bridgeMac(row: BridgeRow, ifaces: Ifaces, devices: Devices): string | undefined {
    const given = row.other_config.get('hwaddr');
    if (given !== undefined && /^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/.test(given)) return given;
    if (devices.device(row.name)?.kind === DUMMY_KIND) {
      this.#dummyMac ??= randomMac();
      return this.#dummyMac;
    }
    let lowest: string | undefined;
    for (const iface of ifaces.values()) {
      if (iface.type !== 'system' || iface.odpPort === undefined) continue;
      const mac = devices.device(iface.name)?.mac;
      if (mac !== undefined && mac !== '' && (lowest === undefined || mac < lowest)) lowest = mac;
    }
    return lowest;
  }
}

/** Internal ports follow the smallest MTU of the others unless told otherwise. */
function configureMtu(ifaces: Ifaces, devices: Devices): void {
  let min = Infinity;
  for (const iface of ifaces.values()) {
    if (iface.type === 'internal' || iface.odpPort === undefined) continue;
    min = Math.min(min, devices.device(iface.name)?.mtu ?? Infinity);
  }
  for (const iface of ifaces.values()) {
    if (iface.odpPort === undefined) continue;
    const follow = iface.type === 'internal' && min !== Infinity ? min : undefined;
    const mtu = iface.row.mtu_request ?? follow;
    const link = mtu === undefined ? undefined : devices.device(iface.name);
    if (!link || mtu === undefined || link.mtu === mtu) continue;
    set(devices, iface.name, { mtu });
  }
}

function set(devices: Devices, name: string, change: DeviceChange): void {
  try {
    devices.set(name, change);
  } catch (error) {
    log.rl.warn(`could not set ${Object.keys(change)[0]} of ${name}: ${messageOf(error)}`, name);
  }
}
