/** A datapath that bridges of one type share: `ovs-system` or `ovs-netdev`. */

import type { Dpif, OdpPort } from '@heddle/datapath';
import { extractFlow, FLOW_TNL_F_OAM } from '@heddle/packet';
import type { Clock } from '@heddle/runtime';
import type { CarryOver } from './carry-over.ts';
import { CtZones } from './ct-zones.ts';
import { DpFeatures } from './dp-features.ts';
import { slowPdu } from './lacp/pdu.ts';
import { OFPP_LOCAL, type OfPort, type Ofproto, type XlateConfig } from './ofproto.ts';
import type { OfprotoDpif } from './ofproto-dpif.ts';
import { Udpif } from './ofproto-dpif-upcall.ts';
import { PortMonitor } from './port-monitor.ts';
import { NativeTunnels } from './tunnel/native.ts';
import type { NeighbourTable } from './tunnel/neighbours.ts';
import { TunnelPorts } from './tunnel/ports.ts';
import type { TunnelRoutes } from './tunnel/routes.ts';
import { solicitation } from './tunnel/solicitation.ts';
import { TunnelVports } from './tunnel/vports.ts';
import { makeXlateConfig } from './xlate/config.ts';
import type { ProtocolPacket } from './xlate/protocols.ts';
import { xlateActions } from './xlate/xlate.ts';

/** What tunnels have below them. */
export interface Below {
  readonly routes: TunnelRoutes;
  readonly neighbours: NeighbourTable;
  readonly macOf: (device: string) => string | undefined;
}

export class Backer {
  readonly dpif: Dpif;
  readonly clock: Clock;
  readonly udpif: Udpif;
  readonly features: DpFeatures;
  readonly ports = new Map<OdpPort, OfPort>();
  readonly bridges = new Map<Ofproto, OfprotoDpif>();
  readonly tunnels = new TunnelPorts();
  readonly vports: TunnelVports;
  readonly ctZones: CtZones;
  readonly monitor: PortMonitor;
  /** A protocol holds a port for good, or no longer. */
  onLiveness: (port: OfPort) => void = () => {};
  /** What the database says of a port's protocols is no longer so. */
  onPortStatus: (port: OfPort) => void = () => {};
  /** For the next daemon, when there is to be one that adopts the flows. */
  carryOver: CarryOver | undefined;
  /** Where bridges carry tunnels' packets. */
  readonly native: NativeTunnels | undefined;
  readonly #xlate: { vlanLimit: number } & XlateConfig;

  constructor(dpif: Dpif, clock: Clock, below?: Below) {
    this.dpif = dpif;
    this.clock = clock;
    this.features = new DpFeatures(dpif);
    this.vports = new TunnelVports(dpif);
    this.ctZones = new CtZones(dpif.ct);
    const isNative = below !== undefined && dpif.actions.has('tnl_push');
    this.native = isNative ? this.#nativeTunnels(below) : undefined;
    this.#xlate = makeXlateConfig({
      dpif,
      ports: this.ports,
      tunnels: this.tunnels,
      native: () => (this.features.isOn('tnl_push_pop') ? this.native : undefined),
      hashAlgorithm: () => this.features.hashAlgorithm,
      ctTimeoutOf: (zone) => this.ctZones.policyOf(zone),
    });
    this.udpif = new Udpif(dpif, this.#xlate, clock);
    this.udpif.slowPath = {
      meterAdmits: (id, bytes) => dpif.meters.admits(id, bytes),
      random: () => Math.floor(Math.random() * 2 ** 32),
    };
    this.monitor = this.#makeMonitor();
    this.udpif.onProtocol = (packet, frame) => this.#receive(packet, frame);
    this.udpif.onSample = (upcall, data) => {
      for (const bridge of this.bridges.values()) {
        if (bridge.ofproto.serial === data.bridge) bridge.exporters.sample(upcall, data);
      }
    };
    this.udpif.onController = (upcall, data) => {
      const state = this.#xlate.recirc.get(data.recircId);
      if (state) this.bridges.get(state.bridge)?.packetIn(upcall, data, state);
    };
  }

  #makeMonitor(): PortMonitor {
    const home = (port: OfPort) => this.bridges.get(port.bundle.bridge);
    return new PortMonitor({
      clock: this.clock,
      send: (port, frame, isOam) => home(port)?.sendFrame(port, frame, isOam ? FLOW_TNL_F_OAM : 0),
      hwAddr: (port) => home(port)?.hwAddr(port) ?? port.hwAddr,
      rxPackets: (port) => home(port)?.portStats(port).rxPackets ?? 0,
      livenessChanged: (port) => {
        this.udpif.configChanged();
        home(port)?.connmgr.ports.changed(port);
        this.onLiveness(port);
      },
      statusChanged: (port) => this.onPortStatus(port),
      found: (key) => (this.dpif.adopted ? this.carryOver?.found(key) : undefined),
      awayMs: () => this.carryOver?.awayMs ?? Infinity,
      keep: (key, value) => this.carryOver?.put(key, value),
    });
  }

  #nativeTunnels(below: Below): NativeTunnels {
    return new NativeTunnels({
      ...below,
      localPorts: () =>
        [...this.bridges.keys()].flatMap((bridge) => bridge.ports.get(OFPP_LOCAL) ?? []),
      vports: () => this.dpif.ports(),
      solicit: (port, mac, source, target) => {
        // Not while what asked for it is being done.
        setImmediate(() => this.#sendFromLocal(port, solicitation(mac, source, target)));
      },
    });
  }

  /** As if the host had sent it by the bridge's own device. */
  #sendFromLocal(port: OfPort, data: Uint8Array): void {
    if (!this.bridges.has(port.bundle.bridge) || port.odpPort === undefined) return;
    const flow = extractFlow(data, { inPort: port.odpPort });
    this.udpif.execute(xlateActions(this.#xlate, flow), { flow, packet: { data } });
  }

  /** A packet for the switch itself. */
  #receive({ protocol, port }: ProtocolPacket, frame: Uint8Array): void {
    if (protocol === 'stp') port.bundle.bridge.tree?.receive(port, frame);
    else if (protocol === 'bfd') this.monitor.receiveBfd(port, frame);
    else if (protocol === 'cfm') this.monitor.receiveCfm(port, frame);
    else if (protocol === 'lldp') this.monitor.receiveLldp(port, frame);
    else port.bundle.lacp?.receive(port, slowPdu(frame), this.dpif.nowMs());
  }

  get xlateConfig(): XlateConfig {
    return this.#xlate;
  }

  /** How many VLAN tags are looked at; 0 in the database means as many as there can be. */
  set vlanLimit(limit: number) {
    this.#xlate.vlanLimit = limit === 0 ? 2 : Math.min(limit, 2);
  }

  /** A port of the datapath has another number than before. */
  renumbered(from: OdpPort, to: OdpPort): void {
    const own = this.ports.get(from);
    this.ports.delete(from);
    if (own) {
      own.odpPort = to;
      this.ports.set(to, own);
    }
    for (const port of this.vports.renumbered(from, to)) {
      port.odpPort = to;
      this.tunnels.add(port, to, port.tunnel!, () => {});
    }
    this.udpif.configChanged();
  }

  /** Whether any bridge has a port in it. */
  get inUse(): boolean {
    return this.ports.size > 0 || this.tunnels.size > 0;
  }
}
