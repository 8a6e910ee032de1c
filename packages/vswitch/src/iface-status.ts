/** What is written back into Interface rows (ovs-vswitchd.conf.db(5), "Interface Status"). */
import type { PortStats } from '@heddle/datapath';
import { Ethtool } from '@heddle/linux';
import { formatMac } from '@heddle/packet';
import { bfdStatus } from './bfd/text.ts';
import { type CfmStatus, cfmStatus } from './cfm/status.ts';
import type { Device } from './devices/devices.ts';
import { DUMMY_KIND } from './devices/dummy-devices.ts';
import { NO_FEATURES, type PortFeatures, portFeatures } from './devices/port-features.ts';
import type { Iface } from './iface.ts';

/** The columns of an interface that the switch owns, but for statistics. */
export interface InterfaceStatus extends CfmStatus {
  readonly ofport: number | undefined;
  readonly error: string | undefined;
  readonly ifindex: number | undefined;
  readonly mac_in_use: string | undefined;
  readonly mtu: number | undefined;
  readonly admin_state: 'up' | 'down' | undefined;
  readonly link_state: 'up' | 'down' | undefined;
  readonly link_speed: number | undefined;
  readonly duplex: 'full' | 'half' | undefined;
  readonly link_resets: number | undefined;
  readonly status: ReadonlyMap<string, string>;
  readonly bfd_status: ReadonlyMap<string, string>;
}

interface DeviceFacts {
  readonly speed: number | undefined;
  readonly duplex: 'full' | 'half' | undefined;
  readonly status: ReadonlyMap<string, string>;
  readonly features: PortFeatures;
}

const NO_FACTS: DeviceFacts = {
  speed: undefined,
  duplex: undefined,
  status: new Map(),
  features: NO_FEATURES,
};
/** What ethtool tells, kept by device: it hardly changes and costs system calls. */
const facts = new Map<string, DeviceFacts>();

/** `found` is a device of the interface's name, which is another's unless the interface is open. */
export function interfaceStatus(iface: Iface, found: Device | undefined): InterfaceStatus {
  const state = (up: boolean) => (up ? 'up' : 'down');
  const link = iface.isOpen ? found : undefined;
  const device = link ? factsOf(link) : NO_FACTS;
  const { tunnel, hwAddr = 0 } = iface.port ?? {};
  const isVirtual = iface.isOpen && (iface.type === 'patch' || tunnel !== undefined);
  return {
    ofport: iface.port?.ofport ?? -1,
    error: iface.problem,
    ifindex: isVirtual ? 0 : link?.index,
    mac_in_use: isVirtual ? formatMac(hwAddr) : link?.mac || undefined,
    mtu: link?.mtu,
    admin_state: isVirtual ? 'up' : link && state(link.up),
    link_state: isVirtual ? 'up' : link && state(link.carrier),
    link_speed: device.speed,
    duplex: device.duplex,
    link_resets: iface.isOpen ? iface.linkResets : undefined,
    status: isVirtual ? new Map() : device.status,
    ...cfmStatus(iface.port?.cfm),
    bfd_status: iface.port?.bfd ? bfdStatus(iface.port.bfd) : new Map(),
  };
}

/** In bits a second, when the device knows. */
export function deviceSpeed(link: Device): number | undefined {
  return factsOf(link).speed;
}

export function deviceFeatures(link: Device): PortFeatures {
  return factsOf(link).features;
}

function factsOf(link: Device): DeviceFacts {
  if (link.kind === DUMMY_KIND) return NO_FACTS;
  const key = `${link.index}/${link.name}/${link.carrier}`;
  let known = facts.get(key);
  if (!known) {
    if (facts.size > 10_000) facts.clear();
    known = askEthtool(link.name);
    facts.set(key, known);
  }
  return known;
}

function askEthtool(name: string): DeviceFacts {
  try {
    using ethtool = new Ethtool();
    const driver = ethtool.driver(name);
    const settings = ethtool.linkSettings(name);
    const speed = settings?.speed;
    return {
      speed: speed === undefined ? undefined : speed * 1_000_000,
      duplex: settings?.duplex,
      features: portFeatures(settings),
      status: driver
        ? new Map([
            ['driver_name', driver.driver],
            ['driver_version', driver.version],
            ['firmware_version', driver.firmware],
          ])
        : new Map(),
    };
  } catch {
    return NO_FACTS;
  }
}

/** The `statistics` column: counters by upstream's names; what is not counted is left out. */
export function statisticsMap(s: PortStats): Map<string, number> {
  const counters: [string, number][] = [
    ['collisions', s.collisions],
    ['rx_bytes', s.rxBytes],
    ['rx_crc_err', s.rxCrcErrors],
    ['rx_dropped', s.rxDropped],
    ['rx_errors', s.rxErrors],
    ['rx_frame_err', s.rxFrameErrors],
    ['rx_missed_errors', Math.min(s.rxErrors, 0)],
    ['rx_over_err', s.rxOverErrors],
    ['rx_packets', s.rxPackets],
    ['tx_bytes', s.txBytes],
    ['tx_dropped', s.txDropped],
    ['tx_errors', s.txErrors],
    ['tx_packets', s.txPackets],
    ...(s.custom ?? []),
  ];
  return new Map(counters.filter(([, n]) => n >= 0));
}
