/** What a bridge asks of the devices of its interfaces: MTUs, addresses, options. */
import { formatMac, isLocalMac, parseMac } from '@heddle/packet';
import { messageOf, vlog } from '@heddle/runtime';
import type { DeviceChange, Devices } from './devices/devices.ts';
import { DUMMY_KIND, randomMac } from './devices/dummy-devices.ts';
import { guarded, partOf } from './guarded.ts';
import type { Iface } from './iface.ts';
import { interfaceAddress, localAddress } from './local-address.ts';
import type { Ofproto } from './ofproto.ts';
import type { BridgeRow } from './port-config.ts';

const log = vlog.module('bridge');

type Ifaces = ReadonlyMap<string, Iface>;

interface Subject {
  readonly row: BridgeRow;
  readonly ifaces: Ifaces;
  readonly ofproto: Ofproto;
}

export class BridgeDevices {
  /** The local port's address when nothing says which. */
  #defaultAddress: number | undefined;

  /** The address that the local port is to have. */
  configure(bridge: Subject, devices: Devices): number {
    const { ifaces } = bridge;
    for (const iface of ifaces.values()) {
      if (iface.odpPort === undefined) continue;
      guarded(partOf(iface, 'device'), undefined, () =>
        devices.configure(iface.name, iface.row.options),
      );
    }
    configureMtu(ifaces, devices);
    const local = this.#localAddress(bridge, devices);
    for (const iface of ifaces.values()) {
      if (iface.type !== 'internal' || iface.odpPort === undefined) continue;
      const mac = iface.name === bridge.row.name ? local : interfaceAddress(iface.row);
      const link = mac === undefined ? undefined : devices.device(iface.name);
      if (mac === undefined || !link || link.mac === formatMac(mac)) continue;
      set(devices, iface.name, { mac: formatMac(mac) });
    }
    return local;
  }

  #localAddress({ row, ofproto }: Subject, devices: Devices): number {
    const addressOf = (name: string) => parseMac(devices.device(name)?.mac ?? '');
    const mac = localAddress(row, ofproto, addressOf);
    if (mac !== undefined) return mac;
    const local = devices.device(row.name);
    const own = local?.kind === DUMMY_KIND ? undefined : parseMac(local?.mac ?? '');
    // One that a daemon before this one, or the kernel, has made up may stay.
    this.#defaultAddress ??= own !== undefined && isLocalMac(own) ? own : parseMac(randomMac())!;
    return this.#defaultAddress;
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
