/**
 * The datapath in TypeScript: the reference that the eBPF programs must equal, the dummy datapath
 * of tests, and the way to forward where BPF is not allowed.
 */
import type { Flow } from '@heddle/packet';
import { type Clock, realClock } from '@heddle/runtime/clock';
import { SystemError } from '@heddle/runtime/errors';
import { Conntrack } from '../conntrack/conntrack.ts';
import type {
  DpExecute,
  DpFlow,
  Dpif,
  DpPacket,
  DpPerf,
  DpPort,
  DpStats,
  DpType,
  FlowPutMode,
  FlowStats,
  InstalledFlow,
  OdpPort,
  PortStats,
  TunnelVportOptions,
  TunnelVportType,
  Upcall,
  VnetHdr,
  VportType,
} from '../dpif.ts';
import { type Policing, policingBuckets } from '../meter.ts';
import type { OdpCtAction } from '../odp-actions.ts';
import { flowUfid, type Ufid, UfidTable } from '../odp-ufid.ts';
import { isTunnelVport, TUNNEL_VPORT_TYPES } from '../tunnel-vport.ts';
import { USERSPACE_ACTIONS } from './actions.ts';
import { Classifier } from './classifier.ts';
import {
  type ActionSink,
  DROP_MALFORMED,
  DROP_NO_PORT,
  DROP_POLICED,
  DROP_RECIRC,
  DROP_UPCALL,
  executeActions,
} from './execute.ts';
import { FlowEntry, snapshot } from './flow-entry.ts';
import { Meters, TokenBuckets } from './meters.ts';
import type { Netdev } from './netdev.ts';
import { Packet } from './packet.ts';
import { noNetdev, Port } from './port.ts';
import { popHeader } from './tunnel.ts';
import { UpcallQueue } from './upcall-queue.ts';

const DEVICE_TYPES: readonly VportType[] = ['system', 'internal', 'tap'];
const MAX_PORTS = 65536;
const MAX_RECIRC = 6;

export interface UserspaceDpifOptions {
  /** Opens a device; throws ENODEV when there is none of that name. */
  readonly openNetdev: (name: string, type: VportType) => Netdev;
  readonly type?: DpType;
  readonly name?: string;
  readonly clock?: Clock;
  /** Runs the delivery of upcalls, now or later; setImmediate by default. */
  readonly defer?: (task: () => void) => void;
  readonly portTypes?: readonly VportType[];
  /** As what a port of a type is listed; the type itself by default. */
  readonly portType?: (type: VportType) => VportType;
  /** The number that a device would best have, if that is free. */
  readonly choosePort?: (name: string) => OdpPort | undefined;
  /** Opens a device of the datapath's name as port 0. */
  readonly localPort?: VportType;
  readonly dropLeftovers?: () => void;
}

export class UserspaceDpif implements Dpif {
  readonly type: DpType;
  readonly engine = 'userspace';
  readonly portTypes: readonly VportType[];
  readonly name: string;
  readonly adopted = false;
  readonly ct: Conntrack;
  readonly actions = USERSPACE_ACTIONS;
  readonly meters = new Meters(() => this.#clock.nowMs());
  readonly #clock: Clock;
  readonly #defer: (task: () => void) => void;
  readonly #options: UserspaceDpifOptions;
  readonly #ports = new Map<OdpPort, Port>();
  #flows = new UfidTable<FlowEntry>();
  readonly #classifier = new Classifier<FlowEntry>();
  readonly #upcalls = new UpcallQueue();
  readonly #drops = new Map<string, number>();
  readonly #portListeners: ((port: OdpPort) => void)[] = [];
  #handler: ((batch: readonly Upcall[]) => void) | undefined;
  #deferred = false;
  #hit = 0;
  #missed = 0;
  #received = 0;
  #recirculated = 0;
  #sent = 0;
  #lostMisses = 0;
  /** Recirculations that are under way within each other. */
  #depth = 0;

  constructor(options: UserspaceDpifOptions) {
    this.type = options.type ?? 'netdev';
    this.name = options.name ?? 'ovs-netdev';
    this.portTypes = [...(options.portTypes ?? DEVICE_TYPES), ...TUNNEL_VPORT_TYPES];
    this.#options = options;
    this.#clock = options.clock ?? realClock;
    this.ct = new Conntrack({ nowMs: () => this.#clock.nowMs() });
    this.#defer = options.defer ?? ((task) => void setImmediate(task));
    if (options.localPort !== undefined) this.#addPort(this.name, options.localPort, 0);
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  async portAdd(
    name: string,
    type: VportType,
    requested?: OdpPort,
    tunnel?: TunnelVportOptions,
  ): Promise<OdpPort> {
    for (const port of this.#ports.values()) {
      if (port.name === name) throw new SystemError('EBUSY', name);
    }
    if (requested !== undefined && this.#ports.has(requested)) {
      throw new SystemError('EEXIST', `port ${requested}`);
    }
    const portNo = requested ?? this.#freePort(name);
    if (isTunnelVport(type)) {
      this.#ports.set(portNo, new Port(portNo, type, noNetdev(name), tunnel?.dstPort ?? 0));
    } else this.#addPort(name, this.#options.portType?.(type) ?? type, portNo);
    return portNo;
  }

  #addPort(name: string, type: VportType, portNo: OdpPort): void {
    const port = new Port(portNo, type, this.#options.openNetdev(name, type));
    this.#ports.set(portNo, port);
    port.netdev.setReceiver((frame, vnet) => this.#receive(port, frame, vnet));
    port.netdev.onGone = () => this.portChanged(port.portNo);
  }

  /** Port 0 is `OVSP_LOCAL` and given on request only. */
  #freePort(name: string): OdpPort {
    const best = this.#options.choosePort?.(name);
    if (best !== undefined && !this.#ports.has(best)) return best;
    for (let n = 1; n < MAX_PORTS; n++) if (!this.#ports.has(n)) return n;
    throw new SystemError('EFBIG', 'no free port number');
  }

  async portDel(portNo: OdpPort): Promise<void> {
    const port = this.#ports.get(portNo);
    if (port === undefined) throw new SystemError('ENODEV', `port ${portNo}`);
    this.#ports.delete(portNo);
    this.#upcalls.forgetPort(portNo);
    port.netdev.setReceiver(undefined);
    port.netdev.remove?.();
    port.netdev.close();
  }

  portRenumber(portNo: OdpPort, number: OdpPort): void {
    const port = this.#ports.get(portNo);
    if (port === undefined) throw new SystemError('ENODEV', `port ${portNo}`);
    if (this.#ports.has(number)) throw new SystemError('EEXIST', `port ${number}`);
    this.#ports.delete(portNo);
    this.#upcalls.forgetPort(portNo);
    port.portNo = number;
    this.#ports.set(number, port);
  }

  ports(): Iterable<DpPort> {
    return this.#ports.values();
  }

  port(portNo: OdpPort): DpPort | undefined {
    return this.#ports.get(portNo);
  }

  portStats(portNo: OdpPort): PortStats {
    const port = this.#ports.get(portNo);
    if (port === undefined) throw new SystemError('ENODEV', `port ${portNo}`);
    return port.netdev.stats?.() ?? { ...port.stats };
  }

  setPolicing(portNo: OdpPort, policing: Policing): void {
    const port = this.#ports.get(portNo);
    if (port === undefined) throw new SystemError('ENODEV', `port ${portNo}`);
    const buckets = policingBuckets(policing);
    port.policer = buckets && new TokenBuckets(buckets, this.#clock.nowMs());
  }

  onPortChange(listener: (port: OdpPort) => void): void {
    this.#portListeners.push(listener);
  }

  /** For a device that watches itself: tells the listeners that the port's state changed. */
  portChanged(port: OdpPort): void {
    for (const listener of this.#portListeners) listener(port);
  }

  flowPut(flow: DpFlow, mode: FlowPutMode = 'put'): FlowStats | undefined {
    const ufid = flowUfid(flow.key, flow.mask);
    const existing = this.#flows.get(ufid);
    if (existing === undefined) {
      if (mode === 'modify') throw new SystemError('ENOENT', 'flow');
      const entry = new FlowEntry(flow, ufid);
      this.#flows.set(entry);
      this.#classifier.insert(entry);
      return undefined;
    }
    if (mode === 'create') throw new SystemError('EEXIST', 'flow');
    existing.actions = flow.actions;
    return { ...existing.stats };
  }

  flowDel(ufid: Ufid): FlowStats | undefined {
    const entry = this.#flows.get(ufid);
    if (entry === undefined) return undefined;
    this.#flows.delete(ufid);
    this.#classifier.remove(entry);
    return { ...entry.stats };
  }

  flowGet(ufid: Ufid): InstalledFlow | undefined {
    const entry = this.#flows.get(ufid);
    return entry && snapshot(entry);
  }

  flowKey(ufid: Ufid, into: Flow): Flow | undefined {
    const entry = this.#flows.get(ufid);
    if (entry) into.copyFrom(entry.key);
    return entry && into;
  }

  *flows(): Iterable<InstalledFlow> {
    for (const entry of [...this.#flows.values()]) yield snapshot(entry);
  }

  eachStats(visit: (ufid: Ufid, stats: Readonly<FlowStats>) => void): void {
    this.#flows.each(({ ufid, stats }) => visit(ufid, stats));
  }

  flowFlush(): void {
    this.#flows = new UfidTable();
    this.#classifier.clear();
  }

  execute(batch: readonly DpExecute[]): void {
    for (const { flow, packet, actions } of batch) {
      const vnet = packet.vnet && { ...packet.vnet };
      executeActions(new Packet(packet.data, flow, vnet), actions, this.#sink);
    }
  }

  setUpcallHandler(handler: ((batch: readonly Upcall[]) => void) | undefined): void {
    this.#handler = handler;
    if (handler !== undefined && !this.#upcalls.empty) this.#deferUpcalls();
  }

  dropLeftovers(): void {
    this.#options.dropLeftovers?.();
  }

  stats(): DpStats {
    return {
      hit: this.#hit,
      missed: this.#missed,
      lost: this.#upcalls.lost,
      flows: this.#flows.size,
      masks: this.#classifier.masks,
      maskHit: this.#classifier.maskHits,
      cacheHit: 0,
      lostByPort: new Map(this.#upcalls.lostByPort),
      drops: new Map(this.#drops),
    };
  }

  perf(): DpPerf {
    return {
      received: this.#received,
      recirculated: this.#recirculated,
      hits: this.#hit,
      masksOfHits: this.#classifier.masksOfHits,
      missed: this.#missed,
      lost: this.#lostMisses,
      sent: this.#sent,
    };
  }

  async destroy(): Promise<void> {
    for (const port of this.#ports.values()) port.netdev.remove?.();
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#handler = undefined;
    this.#upcalls.clear();
    this.flowFlush();
    for (const port of this.#ports.values()) {
      port.netdev.setReceiver(undefined);
      port.netdev.close();
    }
    this.#ports.clear();
  }

  #receive(port: Port, frame: Uint8Array, vnet: VnetHdr | undefined): void {
    if (frame.length < 14) {
      port.stats.rxErrors++;
      this.#drop(DROP_MALFORMED);
      return;
    }
    this.#received++;
    port.stats.rxPackets++;
    port.stats.rxBytes += frame.length;
    const isSuperPacket = vnet !== undefined && vnet.gsoSize > 0;
    if (port.policer?.admits(frame.length, this.#clock.nowMs(), isSuperPacket) === false) {
      port.stats.rxDropped++;
      this.#drop(DROP_POLICED);
      return;
    }
    this.#process(new Packet(frame, { inPort: port.portNo, recircId: 0, pktMark: 0 }, vnet));
  }

  #process(packet: Packet): void {
    const key = packet.key();
    const entry = this.#classifier.lookup(key);
    if (entry === undefined) {
      this.#missed++;
      this.#upcall('miss', packet, packet.bytes, undefined);
      return;
    }
    this.#hit++;
    entry.stats.packets++;
    entry.stats.bytes += packet.bytes.length;
    entry.stats.usedMs = this.#clock.nowMs();
    entry.stats.tcpFlags |= key.tcpFlags;
    executeActions(packet, entry.actions, this.#sink);
  }

  readonly #sink: ActionSink = {
    output: (portNo, frame, vnet) => {
      const port = this.#ports.get(portNo);
      if (port === undefined) this.#drop(DROP_NO_PORT);
      else if (port.netdev.transmit(frame, vnet)) {
        this.#sent++;
        port.stats.txPackets++;
        port.stats.txBytes += frame.length;
      } else port.stats.txDropped++;
    },
    userspace: (packet, frame, userdata) => this.#upcall('action', packet, frame, userdata),
    recirculate: (packet) => {
      if (packet.depth > MAX_RECIRC || this.#depth >= MAX_RECIRC) {
        this.#drop(DROP_RECIRC);
        return;
      }
      this.#depth++;
      this.#recirculated++;
      try {
        this.#process(packet);
      } finally {
        this.#depth--;
      }
    },
    track: (packet, action, resume) => this.#track(packet, action, resume),
    meter: (id, bytes) => this.meters.admits(id, bytes),
    random: () => Math.floor(Math.random() * 2 ** 32),
    sequence: (tnlPort) => {
      const port = this.#ports.get(tnlPort);
      return port === undefined ? 0 : port.sequence++;
    },
    pushed: (packet, tnlPort) => {
      const stats = this.#ports.get(tnlPort)?.stats;
      if (stats === undefined) return;
      stats.txPackets++;
      stats.txBytes += packet.bytes.length;
    },
    pop: (packet, portNo) => this.#pop(packet, portNo),
    drop: (reason) => this.#drop(reason),
  };

  #track(packet: Packet, action: OdpCtAction, resume: () => void): boolean {
    if (packet.key().nwFrag === 0) {
      this.ct.execute(packet, action);
      return true;
    }
    const { inPort, recircId, pktMark } = packet;
    const packetOf = (bytes: Uint8Array) => new Packet(bytes, { inPort, recircId, pktMark });
    return !this.ct.executeFragment({ packet, resume }, packet, action, packetOf);
  }

  #pop(packet: Packet, portNo: OdpPort): void {
    const asked = this.#ports.get(portNo);
    if (asked === undefined || !isTunnelVport(asked.type)) {
      this.#drop(DROP_NO_PORT);
      return;
    }
    let port = asked;
    let popped = popHeader(packet.bytes, asked.type, packet.vnet);
    const other = popped === undefined ? this.#sibling(asked.type) : undefined;
    if (other !== undefined) {
      port = other;
      popped = popHeader(packet.bytes, other.type as TunnelVportType, packet.vnet);
    }
    if (popped === undefined) {
      asked.stats.rxErrors++;
      this.#drop(DROP_MALFORMED);
      return;
    }
    const { frame, tunnel, vnet } = popped;
    port.stats.rxPackets++;
    port.stats.rxBytes += frame.length;
    const md = { inPort: port.portNo, recircId: 0, pktMark: packet.pktMark };
    const inner = new Packet(frame, md, vnet);
    inner.tunnel = tunnel;
    inner.depth = packet.depth + 1;
    this.#sink.recirculate(inner);
  }

  /** GRE has a port for frames and one for what has no Ethernet header: its packets are all one's. */
  #sibling(type: VportType): Port | undefined {
    const other = type === 'gre' ? 'gre-l3' : type === 'gre-l3' ? 'gre' : undefined;
    if (other === undefined) return undefined;
    for (const port of this.#ports.values()) if (port.type === other) return port;
    return undefined;
  }

  #drop(reason: string): void {
    this.#drops.set(reason, (this.#drops.get(reason) ?? 0) + 1);
  }

  #upcall(
    type: Upcall['type'],
    packet: Packet,
    frame: Uint8Array,
    userdata: Uint8Array | undefined,
  ): void {
    const flow = packet.key().clone();
    const upcall: Upcall = { type, flow, packet: dpPacket(packet, frame), userdata };
    if (!this.#upcalls.push(upcall)) {
      if (type === 'miss') this.#lostMisses++;
      this.#drop(DROP_UPCALL);
    } else if (this.#handler !== undefined) this.#deferUpcalls();
  }

  #deferUpcalls(): void {
    if (this.#deferred) return;
    this.#deferred = true;
    this.#defer(() => {
      this.#deferred = false;
      const batch = this.#handler === undefined ? [] : this.#upcalls.takeBatch();
      if (batch.length > 0) this.#handler?.(batch);
      if (this.#handler !== undefined && !this.#upcalls.empty) this.#deferUpcalls();
    });
  }
}

/** A copy; a frame that was cut short is what it is. */
function dpPacket({ bytes, vnet }: Packet, frame: Uint8Array): DpPacket {
  const data = frame.slice();
  return vnet !== undefined && frame.length === bytes.length
    ? { data, vnet: { ...vnet } }
    : { data };
}
