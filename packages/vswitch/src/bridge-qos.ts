/** Queues and rates of a bridge's ports, both ways (ovs-vswitchd.conf.db(5), `qos`, `ingress_policing_rate`). */
import type { OdpPort } from '@heddle/datapath';
import type { Idl } from '@heddle/ovsdb';
import type { Backer } from './backer.ts';
import type { Devices } from './devices/devices.ts';
import { DUMMY_KIND } from './devices/dummy-devices.ts';
import { guarded, partOf } from './guarded.ts';
import type { Iface } from './iface.ts';
import { deviceSpeed } from './iface-status.ts';
import type { OfPort } from './ofproto.ts';
import type { BridgeRow, Schema } from './port-config.ts';
import { policingOf } from './qos/policing.ts';
import { type QosConfig, qosConfigOf } from './qos/qos-config.ts';
import type { QosTable } from './qos/qos-table.ts';

const DEFAULT_MTU = 1500;

export class BridgeQos {
  readonly #table: QosTable;
  readonly #backer: Backer;
  /** What the datapath was last told. */
  readonly #policing = new WeakMap<OfPort, string>();

  constructor(table: QosTable, backer: Backer) {
    this.#table = table;
    this.#backer = backer;
  }

  /** Whether anything changed for flows. */
  configure(idl: Idl<Schema>, row: BridgeRow, ifaces: Iterable<Iface>, devices: Devices): boolean {
    let changed = false;
    const ports = new Map(idl.deref('Port', row.ports).map((port) => [port.name, port]));
    for (const iface of ifaces) {
      const { port } = iface;
      if (!port) continue;
      changed =
        guarded(partOf(iface, 'QoS'), true, () => {
          const { bundle } = iface.home;
          const portRow = bundle.isFake ? undefined : ports.get(bundle.name);
          const config = portRow && qosConfigOf(idl, portRow);
          const marksChanged = setQueueDscp(port, config);
          this.#configureEgress(iface, config, devices);
          return marksChanged;
        }) || changed;
      guarded(partOf(iface, 'policing'), undefined, () =>
        this.#configurePolicing(iface, port, devices),
      );
    }
    return changed;
  }

  #configureEgress(iface: Iface, config: QosConfig | undefined, devices: Devices): void {
    const odpPort = deviceOf(iface, devices);
    if (odpPort === undefined) return;
    const device = devices.device(iface.name);
    // The egress of an internal port is its hidden end's.
    const ifindex = this.#backer.dpif.port(odpPort)?.ifindex ?? device?.index ?? 0;
    if (ifindex === 0) return;
    this.#table.configure(iface, ifindex, config, () => ({
      mtu: device?.mtu ?? DEFAULT_MTU,
      speed: device && deviceSpeed(device),
    }));
  }

  #configurePolicing(iface: Iface, port: OfPort, devices: Devices): void {
    const odpPort = deviceOf(iface, devices);
    if (odpPort === undefined) return;
    const policing = policingOf(iface.row);
    const text = JSON.stringify(policing);
    if (this.#policing.get(port) === text) return;
    const isLimited = policing.bits.rate > 0 || policing.kpkts.rate > 0;
    port.policing = isLimited ? policing : undefined;
    this.#backer.dpif.setPolicing(odpPort, policing);
    this.#policing.set(port, text);
  }
}

/** Undefined: it has no device of the kernel's. */
function deviceOf({ port, name }: Iface, devices: Devices): OdpPort | undefined {
  if (port?.tunnel || devices.device(name)?.kind === DUMMY_KIND) return undefined;
  return port?.odpPort;
}

/** Which packets a port marks on their way out; whether that has changed. */
function setQueueDscp(port: OfPort, config: QosConfig | undefined): boolean {
  const { bridge } = port.bundle;
  const marks = [...(config?.dscp ?? [])].map(
    ([queue, dscp]) => [bridge.queuePriority(queue), dscp << 2] as const,
  );
  if (String(marks) === String([...port.queueTos])) return false;
  port.queueTos = new Map(marks);
  return true;
}
