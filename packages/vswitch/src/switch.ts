/**
 * The switch: follows the database, makes bridges and ports real, and writes back what became of
 * them. Reconfiguration goes from the desired state to the actual one and may be run at any time.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Dpif, DummyNetdevs } from '@heddle/datapath';
import { Idl, vswitchSchema } from '@heddle/ovsdb';
import {
  type Clock,
  coverage,
  every,
  messageOf,
  OVS_VERSION,
  realClock,
  type Timer,
  type TlsFiles,
  vlog,
} from '@heddle/runtime';
import { Backer } from './backer.ts';
import { type AdoptedPorts, Bridge } from './bridge.ts';
import { CarryOver } from './carry-over.ts';
import { controllersOf } from './controller-rows.ts';
import { ctConfigOf } from './ct-config.ts';
import type { DeviceEvent, Devices } from './devices/devices.ts';
import { openDevices } from './devices/open-devices.ts';
import { Datapaths } from './dpctl/datapaths.ts';
import { guarded, guardedAsync, partOf } from './guarded.ts';
import type { Iface } from './iface.ts';
import { InBandControl } from './in-band/in-band.ts';
import { updateLinkState } from './link-state.ts';
import type { OfPort } from './ofproto.ts';
import { isOwnWriteBack } from './own-columns.ts';
import { connectPatches } from './patches.ts';
import type { BridgeRow, OpenVSwitchRow, Schema } from './port-config.ts';
import type { PortMonitor } from './port-monitor.ts';
import { QosTable } from './qos/qos-table.ts';
import { configureTree } from './spanning-tree/configure.ts';
import { StatusWriter } from './status-writer.ts';
import { NeighbourTable } from './tunnel/neighbours.ts';
import { TunnelRoutes } from './tunnel/routes.ts';

const log = vlog.module('bridge');
const reconfigured = coverage.counter('bridge_reconfigure');
const STATS_INTERVAL_MS = 5000;
const HOUSEKEEPING_MS = 1000;
const BOND_INTERVAL_MS = 100;
/** A configuration is in force at the latest so long after its changes are made. */
const REVALIDATION_MS = 500;

export interface SwitchOptions {
  readonly remote: string;
  /** `name`: of a datapath by hand; without it the one that the bridges of a type share. */
  readonly openDpif: (type: string, name?: string) => Promise<Dpif>;
  readonly clock?: Clock;
  /** The types that `openDpif` knows. */
  readonly datapathTypes: readonly string[];
  readonly ifaceTypes: readonly string[];
  /** With `--enable-dummy`. */
  readonly dummy?: { readonly netdevs: DummyNetdevs; readonly override: boolean };
  /** File of what the next daemon goes on with. */
  readonly carryOverPath?: string;
  /** For a database behind `ssl:`. */
  readonly tls?: TlsFiles;
}

export class Switch {
  readonly idl: Idl<Schema>;
  readonly bridges = new Map<string, Bridge>();
  readonly backers = new Map<string, Backer>();
  readonly datapaths: Datapaths;
  readonly #options: SwitchOptions;
  readonly #clock: Clock;
  readonly devices: Devices;
  /** Where tunnels' packets go. */
  readonly routes: TunnelRoutes;
  readonly neighbours: NeighbourTable;
  readonly qos: QosTable;
  readonly #inBand: InBandControl;
  readonly #status: StatusWriter;
  readonly #carryOver: CarryOver | undefined;
  readonly #timers: Timer[] = [];
  /** What writes counters into the database. */
  #counting: { readonly ms: number; readonly timer: Timer } | undefined;
  #adopted = new Map<Backer, AdoptedPorts>();
  #running: Promise<void> = Promise.resolve();
  #wanted = false;
  #configured = false;
  /** `flow-restore-wait`: until it is taken away for the first time, flows are being restored. */
  #isRestoring = true;
  #stopped = false;
  #firstDone: (() => void) | undefined;
  /** Resolves when what the database says is in force for the first time. */
  readonly ready: Promise<void>;

  constructor(options: SwitchOptions) {
    this.#options = options;
    this.#clock = options.clock ?? realClock;
    this.datapaths = new Datapaths(options, () => [...this.backers.values()].map((b) => b.dpif));
    this.qos = new QosTable(() => this.#clock.nowMs());
    this.routes = new TunnelRoutes(options.dummy?.netdevs);
    this.neighbours = new NeighbourTable(() => this.#clock.nowMs());
    this.neighbours.onChange = () => this.belowChanged();
    const { carryOverPath: path } = options;
    this.#carryOver = path === undefined ? undefined : new CarryOver(path);
    this.devices = openDevices(options.dummy, (events) => this.#deviceEvents(events));
    this.#inBand = new InBandControl(this.devices, this.routes, options.dummy === undefined);
    this.ready = new Promise((resolve) => {
      this.#firstDone = resolve;
    });
    this.idl = new Idl(vswitchSchema, {
      remote: options.remote,
      lock: 'ovs_vswitchd',
      ...(options.tls && { tls: options.tls }),
    });
    this.#status = new StatusWriter(this, {
      mayWrite: () => !this.#stopped && this.#configured && this.idl.synced && this.idl.hasLock,
      tryAgain: () => this.reconfigureSoon(),
    });
  }

  start(): void {
    this.idl.onChange((events) => {
      if (events.some((e) => !isOwnWriteBack(e))) this.reconfigureSoon();
    });
    this.idl.onState(() => {
      if (this.idl.synced && this.idl.hasLock) this.reconfigureSoon();
    });
    this.idl.start();
    this.#countEvery(STATS_INTERVAL_MS);
    this.#timers.push(
      every(this.#clock, STATS_INTERVAL_MS, () => this.#status.writeSystemStatistics()),
    );
    this.#timers.push(every(this.#clock, HOUSEKEEPING_MS, () => this.#housekeeping()));
    this.#timers.push(every(this.#clock, BOND_INTERVAL_MS, () => this.#runBonds()));
  }

  /** `stats-update-interval`. */
  #countEvery(ms: number): void {
    if (this.#counting?.ms === ms) return;
    this.#counting?.timer.cancel();
    const timer = every(this.#clock, ms, () => this.#status.writeStatistics());
    this.#counting = { ms, timer };
  }

  /** Leaves everything in the datapath as it is, for the next daemon; or removes it all. */
  async stop(cleanup: boolean): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
    this.#counting?.timer.cancel();
    this.devices.close();
    this.routes.close();
    await this.#running;
    for (const bridge of this.bridges.values()) {
      bridge.connections.close();
      bridge.ofprotoDpif.exporters.close();
    }
    if (cleanup) this.qos.removeAll();
    this.qos.close();
    await this.datapaths.close();
    this.#carryOver?.close();
    if (cleanup) this.#carryOver?.remove();
    for (const backer of this.backers.values()) {
      backer.udpif.stop();
      if (cleanup) await backer.dpif.destroy();
      else backer.dpif[Symbol.dispose]();
    }
    this.idl.close();
  }

  /** Runs a reconfiguration when the present one, if any, is over. */
  reconfigureSoon(): void {
    if (this.#wanted || this.#stopped) return;
    this.#wanted = true;
    this.#running = this.#running.then(async () => {
      this.#wanted = false;
      if (this.#stopped || !this.idl.synced || !this.idl.hasLock) return;
      try {
        await this.#reconfigure();
      } catch (error) {
        log.err(`reconfiguration failed: ${String((error as Error).stack ?? messageOf(error))}`);
      }
    });
  }

  get options(): SwitchOptions {
    return this.#options;
  }

  ifaces(): Iface[] {
    return [...this.bridges.values()].flatMap((b) => [...b.ifaces.values()]);
  }

  /** What runs the protocols of a port. */
  monitorOf(port: OfPort): PortMonitor {
    return this.bridges.get(port.bundle.bridge.name)!.backer.monitor;
  }

  async #reconfigure(): Promise<void> {
    const root = this.idl.rows('Open_vSwitch')[0];
    if (!root) {
      this.#firstDone?.();
      return;
    }
    reconfigured.add();
    const nextCfg = root.next_cfg;
    this.#isRestoring &&= root.other_config.get('flow-restore-wait') === 'true';
    let changed = await this.#syncBridges(root);
    changed = (await this.#syncPorts()) || changed;
    changed = connectPatches(this.ifaces()) || changed;
    changed = this.#ofEach('mirrors', (bridge) => bridge.configureMirrors(this.idl)) || changed;
    await this.#dropLeftovers();
    changed = this.#configureFeatures() || changed;
    this.#updateLinkStates();
    this.#ofEach('bonds', (bridge) => {
      bridge.ofprotoDpif.connmgr.ports.update();
      bridge.runBonds();
    });
    this.#configureBackers(root, changed);
    this.#ofEach('spanning tree', (bridge) => this.#configureTree(bridge));
    await Promise.all([...this.bridges.values()].map((b) => b.connections.listening()));
    await this.#revalidated();
    await this.#status.writeAll(root, nextCfg, !this.#configured);
    if (!this.#configured) {
      this.#configured = true;
      this.#carryOver?.settle();
      log.info(`ovs-vswitchd (Open vSwitch) ${OVS_VERSION}`);
      this.#firstDone?.();
    }
  }

  /** What is not wanted goes before anything comes; whether anything changed for flows. */
  async #syncPorts(): Promise<boolean> {
    let changed = false;
    const desired = [...this.bridges.values()].map((b) => [b, b.desired(this.idl)] as const);
    const part = ({ name }: Bridge) => ({ of: `bridge ${name}`, feature: 'ports' });
    for (const [bridge, want] of desired) {
      const remove = () => bridge.removeUnwanted(want);
      changed = (await guardedAsync(part(bridge), true, remove)) || changed;
    }
    for (const [bridge, want] of desired) {
      const add = () => bridge.addWanted(want, this.#adopted.get(bridge.backer) ?? new Map());
      changed = (await guardedAsync(part(bridge), true, add)) || changed;
    }
    return changed;
  }

  /** What bridges do with the ports that they have; whether anything changed for flows. */
  #configureFeatures(): boolean {
    const { idl, devices } = this;
    this.#ofEach('devices', (bridge) => bridge.configureDevices(devices));
    let changed = this.#ofEach('QoS', (bridge) => bridge.configureQos(idl, devices));
    this.#ofEach('LACP', (bridge) => bridge.configureLacp(idl, devices));
    this.#ofEach('BFD, CFM and LLDP', (bridge) => bridge.configureWatches(idl));
    this.#ofEach('flow tables', (bridge) => bridge.configureTables(idl));
    this.#ofEach('controllers', (bridge) => {
      const controllers = controllersOf(idl, bridge.row);
      bridge.configureControllers(controllers, () => this.#tls(), !this.#isRestoring);
    });
    this.#ofEach('in-band control', (bridge) => this.#inBand.configure(idl, bridge));
    this.#inBand.run(this.bridges.values());
    changed = this.#ofEach('exporters', (bridge) => bridge.configureExporters(idl)) || changed;
    return changed;
  }

  /** A feature of every bridge, each on its own; whether anything changed for flows. */
  #ofEach(feature: string, configure: (bridge: Bridge) => unknown): boolean {
    let changed = false;
    for (const bridge of this.bridges.values()) {
      const part = { of: `bridge ${bridge.name}`, feature };
      changed = guarded(part, true, () => configure(bridge) === true) || changed;
    }
    return changed;
  }

  /** Who has waited for a configuration finds packets of known flows treated by it, too. */
  async #revalidated(): Promise<void> {
    const all = [...this.backers.values()].map(({ udpif }) => udpif.wait());
    const limit = new AbortController();
    const late = delay(REVALIDATION_MS, undefined, { signal: limit.signal, ref: false });
    await Promise.race([Promise.all(all), late.catch(() => {})]);
    limit.abort();
  }

  #configureTree(bridge: Bridge): void {
    configureTree(bridge, this.idl, this.devices, () => this.#status.soon(bridge));
    bridge.onPortConfig = () => {
      if (bridge.ofproto.tree) this.#configureTree(bridge);
    };
  }

  async #syncBridges(root: OpenVSwitchRow): Promise<boolean> {
    let changed = false;
    const wanted = new Map(
      root.bridges.flatMap((u) => {
        const row = this.idl.get('Bridge', u);
        return row ? [[row.name, row] as const] : [];
      }),
    );
    for (const [name, bridge] of this.bridges) {
      const row = wanted.get(name);
      if (row && normalizeType(row.datapath_type) === bridge.backer.dpif.type) {
        bridge.row = row;
        continue;
      }
      await bridge.close();
      this.bridges.delete(name);
      changed = true;
    }
    for (const [name, row] of wanted) {
      if (this.bridges.has(name)) continue;
      try {
        const backer = await this.#backer(normalizeType(row.datapath_type));
        this.bridges.set(name, this.#newBridge(row, backer));
        changed = true;
      } catch (error) {
        log.rl.err(`failed to create bridge ${name}: ${messageOf(error)}`, name);
      }
    }
    return changed;
  }

  #newBridge(row: BridgeRow, backer: Backer): Bridge {
    const bridge: Bridge = new Bridge(row, backer, {
      clock: this.#clock,
      device: (name) => this.devices.device(name),
      setDevice: (name, change) => this.devices.set(name, change),
      qos: this.qos,
      sourceTowards: (address) => this.routes.lookup(address)?.source,
      statusChanged: () => this.#status.soon(bridge),
    });
    return bridge;
  }

  async #backer(type: string): Promise<Backer> {
    const known = this.backers.get(type);
    if (known) return known;
    await this.datapaths.destroyOf(type);
    const dpif = await this.#options.openDpif(type);
    const { routes, neighbours } = this;
    const macOf = (device: string) => this.devices.device(device)?.mac;
    const backer = new Backer(dpif, this.#clock, { routes, neighbours, macOf });
    if (dpif.engine === 'kernel') backer.carryOver = this.#carryOver;
    this.backers.set(type, backer);
    const ports = dpif.adopted ? [...dpif.ports()] : [];
    this.#adopted.set(backer, new Map(ports.map((p) => [p.name, p])));
    backer.onLiveness = (port) => this.bridges.get(port.bundle.bridge.name)?.runBonds();
    backer.onPortStatus = (port) => {
      const iface = this.bridges.get(port.bundle.bridge.name)?.ifaces.get(port.name);
      if (iface) this.#status.soon(iface);
    };
    dpif.onPortChange((odpPort) => this.#portChanged(backer, odpPort));
    return backer;
  }

  /** Ports that an earlier daemon left and the database knows no more. */
  async #dropLeftovers(): Promise<void> {
    for (const [backer, ports] of this.#adopted) {
      for (const { portNo } of ports.values()) {
        if (backer.ports.has(portNo) || backer.vports.has(portNo)) continue;
        const { ifindex = 0 } = backer.dpif.port(portNo) ?? {};
        const part = { of: backer.dpif.name, feature: `port ${portNo}` };
        await guardedAsync(part, undefined, async () => {
          if (ifindex !== 0) this.qos.removeLeftover(ifindex);
          await backer.dpif.portDel(portNo).catch(() => {});
        });
      }
    }
    for (const { dpif } of this.#adopted.keys()) {
      guarded({ of: dpif.name, feature: 'leftovers' }, undefined, () => dpif.dropLeftovers?.());
    }
    this.#adopted = new Map();
  }

  #configureBackers(root: OpenVSwitchRow, changed: boolean): void {
    const config = (key: string) => Number.parseInt(root.other_config.get(key) ?? '', 10);
    const limit = config('vlan-limit');
    this.#countEvery(Math.max(config('stats-update-interval') || 0, STATS_INTERVAL_MS));
    const bundleIdleSec = Math.max(config('bundle-idle-timeout') || 10, 1);
    for (const { ofprotoDpif } of this.bridges.values())
      ofprotoDpif.connmgr.bundleIdleMs = bundleIdleSec * 1000;
    for (const backer of this.backers.values()) {
      const { options } = backer.udpif;
      options.maxIdleMs = Math.max(config('max-idle') || 10_000, 500);
      options.flowLimit = Math.max(config('flow-limit') || 200_000, 1);
      const before = backer.xlateConfig.vlanLimit;
      backer.vlanLimit = Number.isInteger(limit) && limit >= 0 ? limit : 1;
      const zonesPart = { of: backer.dpif.name, feature: 'conntrack zones' };
      const zones = guarded(zonesPart, true, () =>
        backer.ctZones.configure(ctConfigOf(this.idl, root, backer.dpif.type)),
      );
      if (changed || zones || before !== backer.xlateConfig.vlanLimit) backer.udpif.configChanged();
      if (!this.#isRestoring) backer.udpif.start();
    }
  }

  #updateLinkStates(): void {
    for (const iface of this.ifaces()) {
      guarded(partOf(iface, 'link state'), true, () => updateLinkState(iface, this.devices));
    }
  }

  /** Routes, neighbours or addresses that tunnels depend on are others. */
  belowChanged(): void {
    for (const { native, tunnels, udpif } of this.backers.values()) {
      native?.refresh();
      if (native && tunnels.size > 0) udpif.configChanged();
    }
  }

  /** Routes change without a word to us. */
  #followEgress(): void {
    let changed = this.#status.followEgress(this.ifaces());
    for (const { native, tunnels } of this.backers.values()) {
      if (native && tunnels.size > 0) changed = native.refresh() || changed;
    }
    if (changed) this.belowChanged();
  }

  #deviceEvents(events: readonly DeviceEvent[]): void {
    if (!this.#configured || this.#stopped) return;
    const devices = new Map<Bridge, Set<Iface>>();
    for (const event of events) {
      if (event.name === undefined) this.reconfigureSoon();
      else this.#collect(event.name, devices);
    }
    for (const [bridge, ifaces] of devices) {
      const open = [...ifaces].filter((iface) => iface.isOpen);
      if (open.length < ifaces.size) this.reconfigureSoon();
      let changed = false;
      for (const iface of open) changed = updateLinkState(iface, this.devices) || changed;
      if (changed) {
        bridge.backer.udpif.configChanged();
        bridge.runBonds();
        if (bridge.ofproto.tree) this.#configureTree(bridge);
      }
      if (open.length > 0) bridge.configureDevices(this.devices);
      for (const { port } of open) if (port) bridge.ofprotoDpif.connmgr.ports.changed(port);
      for (const iface of ifaces) this.#status.soon(iface);
    }
  }

  #collect(device: string, into: Map<Bridge, Set<Iface>>): void {
    for (const bridge of this.bridges.values()) {
      const iface = bridge.ifaces.get(device);
      if (!iface) continue;
      const there = into.get(bridge);
      if (there) there.add(iface);
      else into.set(bridge, new Set([iface]));
    }
  }

  /** A device has vanished or come back: its interface is closed, and opened again if it can be. */
  #portChanged(backer: Backer, odpPort: number): void {
    const port = backer.ports.get(odpPort);
    if (!port) return;
    const iface = this.bridges.get(port.bundle.bridge.name)?.ifaces.get(port.name);
    if (!iface) return;
    const present = backer.dpif.port(odpPort);
    if (present?.name === iface.name && present.ifindex !== 0) {
      this.#status.soon(iface);
      return;
    }
    log.info(`${iface.name}: device is gone`);
    this.#running = this.#running.then(() => iface.close());
    backer.udpif.configChanged();
    this.reconfigureSoon();
  }

  /** What the SSL row says, or else the command line. */
  #tls(): TlsFiles | undefined {
    const root = this.idl.rows('Open_vSwitch')[0];
    const ssl = root?.ssl === undefined ? undefined : this.idl.get('SSL', root.ssl);
    if (!ssl) return this.#options.tls;
    return {
      privateKey: ssl.private_key,
      certificate: ssl.certificate,
      caCert: ssl.ca_cert,
      bootstrap: ssl.bootstrap_ca_cert,
    };
  }

  #runBonds(): void {
    for (const bridge of this.bridges.values()) bridge.runBonds();
  }

  #housekeeping(): void {
    for (const bridge of this.bridges.values()) {
      bridge.ofproto.macs.expire(bridge.ofproto.tree?.ageingMs);
      bridge.housekeep();
    }
    this.#inBand.run(this.bridges.values());
    this.neighbours.expire();
    if (this.#configured) this.#followEgress();
  }
}

/** The empty type is `system`. */
function normalizeType(type: string): string {
  return type === '' ? 'system' : type;
}
