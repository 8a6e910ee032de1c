/** A Bridge row made real. */

import type { OdpPort, VportType } from '@heddle/datapath';
import { parseVersions } from '@heddle/openflow';
import type { Idl } from '@heddle/ovsdb';
import { parseMac } from '@heddle/packet';
import { type Clock, type TlsFiles, vlog } from '@heddle/runtime';
import type { Backer } from './backer.ts';
import { announcements } from './bond/announce.ts';
import type { Bond } from './bond/bond.ts';
import { configureBond } from './bond/config.ts';
import { BridgeDevices } from './bridge-devices.ts';
import { BridgeQos } from './bridge-qos.ts';
import { ALL_VERSIONS, Connections } from './connmgr/connections.ts';
import type { ControllerConfig } from './connmgr/controller-config.ts';
import type { SwitchDescription } from './connmgr/env.ts';
import { FailOpen } from './connmgr/fail-open.ts';
import type { Device, DeviceChange, Devices } from './devices/devices.ts';
import { configureTables } from './flow-table-config.ts';
import { guarded, guardedAsync, type Part, partOf } from './guarded.ts';
import { Iface } from './iface.ts';
import { lacpToKeep, restoreLacp } from './lacp/carry-over.ts';
import { configureLacp } from './lacp/config.ts';
import { slowFrame } from './lacp/pdu.ts';
import { datapathId } from './local-address.ts';
import { MAC_DEFAULT_MAX, MacLearning } from './mac-learning.ts';
import { configureSnooping } from './mcast-snooping/config.ts';
import { configureMirrors } from './mirror.ts';
import { mirrorSettings } from './mirror-config.ts';
import { OfportMap } from './ofport-map.ts';
import { Bundle, type OfPort, Ofproto } from './ofproto.ts';
import { OfprotoDpif } from './ofproto-dpif.ts';
import {
  type BridgeRow,
  configureBundle,
  type InterfaceRow,
  type PortRow,
  type Schema,
} from './port-config.ts';
import { configureWatches } from './port-monitor-config.ts';
import type { DeviceQos } from './qos/device-qos.ts';
import type { QosTable } from './qos/qos-table.ts';

const log = vlog.module('bridge');

interface DesiredIface {
  readonly row: InterfaceRow;
  readonly type: string;
  readonly port: PortRow;
  /** Of a bond, beside its members (ovs-vswitchd.conf.db(5), `bond_fake_iface`). */
  readonly isFake?: boolean;
}

/** What bridges share. */
export interface BridgeEnv {
  readonly clock: Clock;
  readonly device: (name: string) => Device | undefined;
  readonly setDevice: (name: string, change: DeviceChange) => void;
  readonly qos: QosTable;
  /** The host's own address towards another. */
  readonly sourceTowards: (address: string) => string | undefined;
  /** What the bridge writes of itself is other than it was. */
  readonly statusChanged: () => void;
}

/** Ports that an earlier daemon left in the datapath, by the names of their devices. */
export type AdoptedPorts = ReadonlyMap<string, { portNo: OdpPort; type: VportType }>;

/** One bridge: its ports as the database wants them, its features, its connections. */
export class Bridge {
  readonly name: string;
  readonly backer: Backer;
  /** As translation sees it. */
  readonly ofproto: Ofproto;
  /** As controllers have it in hand. */
  readonly ofprotoDpif: OfprotoDpif;
  readonly connections: Connections;
  readonly #failOpen: FailOpen;
  /** Whether the tables are as controllers or as nobody wants them; they start anew when it changes. */
  #tablesFor: string | undefined;
  readonly ifaces = new Map<string, Iface>();
  readonly #ofports = new OfportMap();
  readonly #env: BridgeEnv;
  readonly #qos: BridgeQos;
  readonly #devices = new BridgeDevices();
  /** A controller has changed what a port does. */
  onPortConfig: () => void = () => {};
  row: BridgeRow;
  datapathId = '';

  constructor(row: BridgeRow, backer: Backer, env: BridgeEnv) {
    const { clock, device, sourceTowards } = env;
    this.name = row.name;
    this.#env = env;
    this.row = row;
    this.backer = backer;
    this.#qos = new BridgeQos(env.qos, backer);
    const macs = new MacLearning<Bundle>(clock, (vlan, mac) =>
      backer.udpif.macChanged(this.ofproto, vlan, mac),
    );
    this.ofproto = new Ofproto(row.name, macs);
    this.ofproto.hasQdiscs = backer.dpif.engine === 'kernel';
    this.ofprotoDpif = new OfprotoDpif(this.ofproto, {
      backer,
      device,
      qos: (port) => this.#qosOf(port),
      description: () => this.#description(),
      sourceTowards,
      portConfigChanged: () => this.onPortConfig(),
      setUp: (port, isUp) => {
        env.setDevice(port.name, { up: isUp });
        if (port.odpPort !== undefined) backer.dpif.deviceSet?.(port.odpPort);
      },
    });
    backer.bridges.set(this.ofproto, this.ofprotoDpif);
    this.connections = new Connections(this.ofprotoDpif.connmgr, () => this.#followControllers());
    this.#failOpen = new FailOpen(this.ofprotoDpif, this.connections);
  }

  /** What the database asks for, by name; a row's later namesake loses. */
  desired(idl: Idl<Schema>): Map<string, DesiredIface> {
    const out = new Map<string, DesiredIface>();
    for (const portUuid of this.row.ports) {
      const port = idl.get('Port', portUuid);
      for (const uuid of port?.interfaces ?? []) {
        const row = idl.get('Interface', uuid);
        if (!port || !row || out.has(row.name)) continue;
        out.set(row.name, { row, type: Iface.typeOf(row, this.name), port });
      }
    }
    for (const port of idl.deref('Port', this.row.ports)) {
      const { name } = port;
      if (!port.bond_fake_iface || port.interfaces.length < 2 || out.has(name)) continue;
      out.set(name, {
        row: { ...idl.blank('Interface'), name },
        type: 'internal',
        port,
        isFake: true,
      });
    }
    return out;
  }

  /** First half of a reconfiguration: what is not wanted goes, so that others can have it. */
  async removeUnwanted(desired: ReadonlyMap<string, DesiredIface>): Promise<boolean> {
    let changed = false;
    for (const [name, iface] of this.ifaces) {
      const want = desired.get(name);
      if (want && isSamePlace(iface, want)) {
        const request = want.row.ofport_request;
        if (request === undefined || !iface.port || request === iface.port.ofport) continue;
      }
      await this.#close(iface);
      this.ifaces.delete(name);
      changed = true;
    }
    for (const [name, bundle] of this.ofproto.bundles) {
      if (bundle.ports.length > 0) continue;
      if ([...desired.values()].some((d) => !d.isFake && d.port.name === name)) continue;
      this.ofproto.bundles.delete(name);
    }
    return changed;
  }

  /** Second half: opens what is wanted and configures it. Whether anything changed for flows. */
  async addWanted(
    desired: ReadonlyMap<string, DesiredIface>,
    adopted: AdoptedPorts,
  ): Promise<boolean> {
    const switching = this.#part('switching');
    let changed = guarded(switching, true, () => this.#configureSwitch());
    const bonded = new Map<Bundle, PortRow>();
    for (const { row, type, port, isFake } of inOrder(desired.values())) {
      const bundle = isFake ? new Bundle(port.name, this.ofproto, true) : this.#bundle(port.name);
      if (!isFake) bonded.set(bundle, port);
      if (!isFake && configureBundle(bundle, port)) {
        changed = true;
        this.ofproto.macs.flush(bundle);
        this.ofproto.snooping?.flush(bundle);
      }
      let iface = this.ifaces.get(row.name);
      if (!iface) {
        const isLocal = row.name === this.name;
        iface = new Iface(row, type, {
          backer: this.backer,
          bundle,
          ofports: this.#ofports,
          isLocal,
        });
        this.ifaces.set(row.name, iface);
      }
      iface.row = row;
      const part = partOf(iface, 'port');
      changed = (await guardedAsync(part, true, () => this.#realize(iface, adopted))) || changed;
    }
    for (const [bundle, port] of bonded) {
      const part = this.#partOfBundle(bundle, 'bond');
      const macOf = (of: OfPort) => this.#env.device(of.name)?.mac;
      const configure = () => configureBond(bundle, port, macOf, this.ofprotoDpif.nowMs());
      if (!guarded(part, true, configure)) continue;
      changed = true;
      this.#env.statusChanged();
    }
    return changed;
  }

  /** Opens an interface or follows its options; whether anything changed. One that fails halfway is closed. */
  async #realize(iface: Iface, adopted: AdoptedPorts): Promise<boolean> {
    try {
      const changed = await iface.reconfigure();
      if (iface.isOpen) return changed;
      await iface.open(adopted);
      return changed || iface.isOpen;
    } catch (error) {
      await iface.close();
      throw error;
    }
  }

  async #close(iface: Iface): Promise<void> {
    guarded(partOf(iface, 'QoS'), undefined, () => this.#env.qos.remove(iface));
    await iface.close();
  }

  /** Never throws. */
  async close(): Promise<void> {
    const end = (feature: string, work: () => void): void =>
      guarded(this.#part(feature), undefined, work);
    end('spanning tree', () => this.ofproto.tree?.close());
    for (const iface of this.ifaces.values()) await this.#close(iface);
    this.ifaces.clear();
    this.ofproto.bundles.clear();
    end('controllers', () => this.connections.close());
    end('exporters', () => this.ofprotoDpif.exporters.close());
    for (const meter of this.ofproto.meters.values()) end('meters', () => meter.remove());
    this.ofproto.meters.clear();
    this.backer.bridges.delete(this.ofproto);
    this.backer.xlateConfig.recirc.dropBridge(this.ofproto);
  }

  #part(feature: string): Part {
    return { of: `bridge ${this.name}`, feature };
  }

  #partOfBundle({ name, ports }: Bundle, feature: string): Part {
    const told = ports.flatMap((port) => this.ifaces.get(port.name) ?? []);
    return { of: `port ${name}`, feature, told };
  }

  /** Who controls it (ovs-vswitchd.conf.db(5), "OpenFlow Configuration"). */
  configureControllers(
    controllers: readonly ControllerConfig[],
    tls: () => TlsFiles | undefined,
    mayConnect: boolean,
  ): void {
    const versions = this.row.protocols.reduce((bits, p) => bits | (parseVersions(p) ?? 0), 0);
    const now = mayConnect ? controllers : [];
    this.connections.configure(now, versions === 0 ? ALL_VERSIONS : versions, tls);
    const hasControllers = controllers.some((c) => c.kind === 'primary');
    const isSecure = this.row.fail_mode === 'secure';
    const tablesFor = `${hasControllers}/${isSecure}`;
    if (tablesFor === this.#tablesFor) return;
    // A bridge that only changes how it fails keeps what its controllers have set up.
    if (!hasControllers || !this.#tablesFor?.startsWith('true')) {
      this.ofprotoDpif.flush(!hasControllers && !isSecure);
    }
    this.#tablesFor = tablesFor;
  }

  configureTables(idl: Idl<Schema>): void {
    configureTables(this.ofprotoDpif, idl, this.row);
  }

  get bonds(): Bond[] {
    return [...this.ofproto.bundles.values()].flatMap((bundle) => bundle.bond ?? []);
  }

  /** LACP of ports, once devices are what they will be. */
  configureLacp(idl: Idl<Schema>, devices: Devices): void {
    const mac = parseMac(devices.device(this.name)?.mac ?? '') ?? 0;
    const rowOf = (name: string) => this.ifaces.get(name)?.row;
    for (const uuid of this.row.ports) {
      const row = idl.get('Port', uuid);
      const bundle = row && this.ofproto.bundles.get(row.name);
      if (!row || !bundle) continue;
      guarded(this.#partOfBundle(bundle, 'LACP'), undefined, () => {
        const isNew = bundle.lacp === undefined;
        const now = this.ofprotoDpif.nowMs();
        configureLacp(bundle, row, rowOf, mac, now);
        const { carryOver, dpif } = this.backer;
        if (!bundle.lacp || !isNew || !dpif.adopted) return;
        restoreLacp(bundle.lacp, carryOver?.found(this.#lacpKey(bundle)), now);
      });
    }
  }

  /** BFD, CFM and LLDP of interfaces, once devices are what they will be. */
  configureWatches(idl: Idl<Schema>): void {
    const uuid = this.row.auto_attach;
    const autoAttach = uuid === undefined ? undefined : idl.get('AutoAttach', uuid);
    for (const iface of this.ifaces.values()) {
      const { port, row } = iface;
      if (!port) continue;
      guarded(partOf(iface, 'BFD, CFM and LLDP'), undefined, () =>
        configureWatches(port, row, autoAttach, this.backer.monitor),
      );
    }
  }

  /** Lets bonds and LACP follow their links and the time. */
  runBonds(): void {
    for (const { lacp } of this.ofproto.bundles.values()) {
      for (const { port, pdu } of lacp?.run(this.ofprotoDpif.nowMs()) ?? []) {
        this.ofprotoDpif.sendFrame(port, slowFrame(this.ofprotoDpif.hwAddr(port), pdu));
      }
    }
    const { carryOver } = this.backer;
    for (const bundle of carryOver ? this.ofproto.bundles.values() : []) {
      carryOver?.put(this.#lacpKey(bundle), bundle.lacp && lacpToKeep(bundle.lacp));
    }
    for (const bond of this.bonds) {
      const { active } = bond;
      if (bond.run(this.ofprotoDpif.nowMs())) this.bondMoved(bond, active !== undefined);
    }
  }

  #lacpKey(bundle: Bundle): string {
    return `lacp/${this.name}/${bundle.name}`;
  }

  /** Writes the address of each bond's active member. */
  writeBonds(txn: ReturnType<Idl<Schema>['txn']>, idl: Idl<Schema>): void {
    for (const uuid of this.row.ports) {
      const row = idl.get('Port', uuid);
      const bond = row && this.ofproto.bundles.get(row.name)?.bond;
      if (!row || (!bond && row.bond_active_slave === undefined)) continue;
      const active = bond?.active && this.#env.device(bond.active.port.name)?.mac;
      if (row.bond_active_slave !== active) {
        txn.update('Port', uuid, { bond_active_slave: active });
      }
    }
  }

  /** Packets take other members of a bond than before: megaflows and the switches beyond hear of it. */
  bondMoved(bond: Bond, announce = true): void {
    this.ofprotoDpif.tablesChanged();
    this.#env.statusChanged();
    if (!announce) return;
    for (const { port, frame } of announcements(this.ofproto, bond)) {
      this.ofprotoDpif.sendFrame(port, frame);
    }
  }

  /** Mirrors, once ports are what they will be; whether anything changed for flows. */
  configureMirrors(idl: Idl<Schema>): boolean {
    return configureMirrors(this.ofproto, mirrorSettings(idl, this.ofproto, this.row));
  }

  /** Collectors; whether anything changed for flows. */
  configureExporters(idl: Idl<Schema>): boolean {
    return this.ofprotoDpif.exporters.configure(idl, this.row);
  }

  /** Once a second: timeouts, and whether the controllers are there. */
  housekeep(): void {
    this.ofproto.snooping?.expire();
    this.ofprotoDpif.expire();
    this.ofprotoDpif.exporters.run();
    this.#followControllers();
  }

  #followControllers(): void {
    this.#failOpen.run(this.row.fail_mode !== 'secure');
  }

  #description(): Partial<SwitchDescription> {
    const { other_config: config } = this.row;
    const dp = config.get('dp-desc');
    const serial = config.get('dp-sn');
    return { ...(dp !== undefined && { dp }), ...(serial !== undefined && { serial }) };
  }

  /** Addresses, MTUs and the datapath id, which depend on what devices there are. */
  configureDevices(devices: Devices): void {
    const mac = this.#devices.configure(this, devices);
    const known = this.datapathId;
    this.datapathId = datapathId(this.row, mac);
    if (known !== this.datapathId) {
      log.info(`bridge ${this.name}: using datapath ID ${this.datapathId}`);
      if (known !== '') this.#env.statusChanged();
    }
    const id = BigInt(`0x${this.datapathId}`);
    const before = this.ofprotoDpif.datapathId;
    this.ofprotoDpif.datapathId = id;
    // Who knows it by another is to get to know it anew.
    if (before !== 0n && before !== id) this.connections.drop();
  }

  #qosOf(port: OfPort): DeviceQos | undefined {
    const iface = this.ifaces.get(port.name);
    return iface && this.#env.qos.of(iface);
  }

  /** Queues and rates of the ports, both ways; whether anything changed for flows. */
  configureQos(idl: Idl<Schema>, devices: Devices): boolean {
    return this.#qos.configure(idl, this.row, this.ifaces.values(), devices);
  }

  #configureSwitch(): boolean {
    const { row, ofproto } = this;
    const integer = (key: string, fallback: number, min: number) => {
      const n = Number.parseInt(row.other_config.get(key) ?? '', 10);
      return Number.isInteger(n) && n >= min ? n : fallback;
    };
    const before = ofproto.forwardBpdu;
    ofproto.forwardBpdu = row.other_config.get('forward-bpdu') === 'true';
    const flooding = ofproto.macs.configure({
      idleMs: Math.min(Math.max(integer('mac-aging-time', 300, 1), 15), 3600) * 1000,
      max: Math.max(integer('mac-table-size', MAC_DEFAULT_MAX, 1), 10),
      floodVlans: new Set(row.flood_vlans),
    });
    const snooping = configureSnooping(ofproto, row, {
      nowMs: () => this.ofprotoDpif.nowMs(),
      changed: () => this.ofprotoDpif.tablesChanged(),
    });
    return flooding || snooping || before !== ofproto.forwardBpdu;
  }

  #bundle(name: string): Bundle {
    let bundle = this.ofproto.bundles.get(name);
    if (!bundle) {
      bundle = new Bundle(name, this.ofproto);
      this.ofproto.bundles.set(name, bundle);
    }
    return bundle;
  }
}

function isSamePlace({ type, home: { bundle } }: Iface, want: DesiredIface): boolean {
  return (
    type === want.type && bundle.name === want.port.name && bundle.isFake === (want.isFake ?? false)
  );
}

/** Who asks for an OpenFlow port number comes first. */
function inOrder(desired: Iterable<DesiredIface>): DesiredIface[] {
  const later = ({ row }: DesiredIface): number => (row.ofport_request === undefined ? 1 : 0);
  return [...desired].sort(
    (a, b) =>
      later(a) - later(b) || (a.row.name < b.row.name ? -1 : a.row.name > b.row.name ? 1 : 0),
  );
}
