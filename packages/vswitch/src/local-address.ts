/**
 * The Ethernet address of a bridge's local port, and the datapath id, which is made of it
 * (ovs-vswitchd.conf.db(5): `hwaddr` and `datapath-id` of Bridge, `mac` of Port and of Interface).
 */
import { isLocalMac, isMulticastMac, parseMac } from '@heddle/packet';
import { vlog } from '@heddle/runtime';
import type { Bundle, Ofproto } from './ofproto.ts';
import type { BridgeRow, InterfaceRow } from './port-config.ts';
import { isReservedMac } from './reserved.ts';

const log = vlog.module('bridge');

/** The address that a device has; undefined: it has none, or there is no such device. */
type AddressOf = (device: string) => number | undefined;

/**
 * The address that `other_config:hwaddr` asks for, else the lowest of the ports' that belongs to
 * hardware; undefined: there is none. Addresses that somebody made up, as those of veths and taps,
 * do not count: bridge and datapath id would change with each container that comes.
 */
export function localAddress(
  row: BridgeRow,
  ofproto: Ofproto,
  addressOf: AddressOf,
): number | undefined {
  const asked = parseMac(row.other_config.get('hwaddr') ?? '');
  if (asked !== undefined) {
    if (isMulticastMac(asked)) {
      log.rl.err(`bridge ${row.name}: cannot set MAC address to multicast address`, row.name);
    } else if (asked === 0) {
      log.rl.err(`bridge ${row.name}: cannot set MAC address to zero`, row.name);
    } else return asked;
  }
  let lowest: number | undefined;
  for (const bundle of ofproto.bundles.values()) {
    if (bundle.isMirrorOutput || bundle.isFake) continue;
    const mac = bundle.mac ?? deviceAddress(bundle, row.name, addressOf);
    if (mac === undefined || !isHardwareAddress(mac)) continue;
    if (lowest === undefined || mac < lowest) lowest = mac;
  }
  return lowest;
}

/** A bond's is that of the member whose name comes first. */
function deviceAddress(bundle: Bundle, local: string, addressOf: AddressOf): number | undefined {
  const names = bundle.ports.map(({ name }) => name).filter((name) => name !== local);
  const [first] = names.sort();
  return first === undefined ? undefined : addressOf(first);
}

function isHardwareAddress(mac: number): boolean {
  return mac !== 0 && !isMulticastMac(mac) && !isLocalMac(mac) && !isReservedMac(mac);
}

/** What an interface's own `mac` asks for; undefined: nothing, or what cannot be. */
export function interfaceAddress(row: InterfaceRow): number | undefined {
  const mac = parseMac(row.mac ?? '');
  if (mac === undefined) return undefined;
  if (isMulticastMac(mac)) {
    log.rl.err(`interface ${row.name}: cannot set MAC to multicast address`, row.name);
  } else if (mac === 0) {
    log.rl.err(`interface ${row.name}: cannot set MAC to all zero address`, row.name);
  } else return mac;
  return undefined;
}

/** 16 hexadecimal digits: what `other_config:datapath-id` says, else the local port's address. */
export function datapathId(row: BridgeRow, address: number): string {
  const asked = /^(?:0[xX]([0-9a-fA-F]{1,16})|([0-9a-fA-F]{16}))$/.exec(
    row.other_config.get('datapath-id') ?? '',
  );
  const id = (asked?.[1] ?? asked?.[2] ?? '').toLowerCase().padStart(16, '0');
  return /^0*$/.test(id) ? address.toString(16).padStart(16, '0') : id;
}
