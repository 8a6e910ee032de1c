/**
 * The Spanning Tree Algorithm and Protocol of one bridge. Procedures have the names of
 * IEEE 802.1D-1998, 8.6 to 8.8, where what each does is told.
 */
import {
  type Bpdu,
  BpduFlag,
  BpduRole,
  type ConfigBpdu,
  emitBpdu,
  parseBpdu,
} from '../spanning-tree/bpdu.ts';
import {
  type BpduToSend,
  CLOCK_GRAIN_MS,
  type SpanningTree,
  type TreeState,
} from '../spanning-tree/tree.ts';
import {
  deservesDesignation,
  isDesignated,
  selectRootPort,
  supersedesPortInfo,
} from './priority.ts';
import { type KeptStpPort, portIdOf, StpPort, type StpPortSettings } from './stp-port.ts';

const HOLD_TIME_MS = 1000;
/** A bridge speaks as soon as its ports are there. */
const FIRST_HELLO_MS = 100;
/** What is added to the age of what is passed on: the least that can be said (802.1D-1998, 8.10.2). */
const MESSAGE_AGE_INCREMENT_MS = 1000 / 256;

export interface StpSettings {
  readonly bridgeId: bigint;
  readonly helloTimeMs: number;
  readonly maxAgeMs: number;
  readonly forwardDelayMs: number;
}

/** What the root says that timers are. */
export interface Times {
  helloTimeMs: number;
  maxAgeMs: number;
  forwardDelayMs: number;
}

export class Stp<P> implements SpanningTree<P> {
  readonly name: string;
  settings: StpSettings;
  readonly ports = new Map<P, StpPort<P>>();
  designatedRoot: bigint;
  rootPathCost = 0;
  rootPort: StpPort<P> | undefined;
  /** In force: the root's. */
  times: Times;
  topologyChange = false;
  #topologyChangeDetected = false;
  #helloSince: number | undefined;
  #tcnSince: number | undefined;
  #topologyChangeSince: number | undefined;
  #nowMs: number;
  #out: BpduToSend<P>[] = [];
  #flushAll = false;

  constructor(name: string, settings: StpSettings, nowMs: number) {
    this.name = name;
    this.settings = settings;
    this.#nowMs = nowMs;
    this.designatedRoot = settings.bridgeId;
    this.times = { ...settings };
    this.#helloSince = nowMs + FIRST_HELLO_MS - settings.helloTimeMs;
  }

  get isRoot(): boolean {
    return this.designatedRoot === this.settings.bridgeId;
  }

  get ageingMs(): number | undefined {
    return this.topologyChange ? this.times.forwardDelayMs : undefined;
  }

  stateOf(port: P): TreeState | undefined {
    return this.ports.get(port)?.state;
  }

  takeBpdus(): readonly BpduToSend<P>[] {
    return this.#out.splice(0);
  }

  takeFlushes(): ReadonlySet<P> {
    const flushes = new Set(this.#flushAll ? this.ports.keys() : []);
    this.#flushAll = false;
    return flushes;
  }

  isDesignated(port: StpPort<P>): boolean {
    return isDesignated(port, this.settings.bridgeId);
  }

  roleOf(port: StpPort<P>): 'root' | 'designated' | 'alternate' | 'disabled' {
    if (port === this.rootPort) return 'root';
    if (this.isDesignated(port)) return 'designated';
    return port.state === 'disabled' ? 'disabled' : 'alternate';
  }

  configure(settings: StpSettings, wanted: ReadonlyMap<P, StpPortSettings>, nowMs: number): void {
    this.#nowMs = nowMs;
    this.#setBridge(settings);
    for (const [key, port] of this.ports) {
      if (wanted.has(key)) continue;
      this.#disablePort(port);
      this.ports.delete(key);
    }
    for (const [key, own] of [...wanted].sort((a, b) => a[1].number - b[1].number)) {
      const known = this.ports.get(key);
      const port = known ?? new StpPort(key, own);
      if (!known) {
        this.ports.set(key, port);
        this.#becomeDesignatedPort(port);
      }
      this.#setPort(port, own);
    }
    const inOrder = [...this.ports.values()].sort((a, b) => a.settings.number - b.settings.number);
    this.ports.clear();
    for (const port of inOrder) this.ports.set(port.key, port);
  }

  /** Goes on where another has left off, who last heard something at `heardMs`. */
  restore(kept: ReadonlyMap<P, KeptStpPort>, times: Times, heardMs: number, nowMs: number): void {
    this.#nowMs = nowMs;
    for (const [key, was] of kept) {
      const port = this.ports.get(key);
      if (!port || port.state === 'disabled' || was.portId !== port.portId) continue;
      port.resume(was, nowMs);
      port.messageAgeSince = this.isDesignated(port) ? undefined : heardMs;
    }
    this.#configurationUpdate();
    this.#portStateSelection();
    if (this.rootPort) {
      this.times = times;
      this.#helloSince = undefined;
    }
    this.#configBpduGeneration();
  }

  /** 8.8.4, and timers: those in force follow when this bridge is the root. */
  #setBridge(settings: StpSettings): void {
    const wasRoot = this.isRoot;
    const { bridgeId } = settings;
    const before = this.settings.bridgeId;
    for (const port of this.ports.values()) {
      if (this.isDesignated(port)) port.designatedBridge = bridgeId;
    }
    this.settings = settings;
    if (wasRoot) {
      this.designatedRoot = bridgeId;
      this.times = { ...settings };
    }
    if (bridgeId === before) return;
    this.#configurationUpdate();
    this.#portStateSelection();
    if (this.isRoot && !wasRoot) this.#becomeRoot();
    else if (!this.isRoot && wasRoot) this.#stopBeingRoot();
  }

  #setPort(port: StpPort<P>, settings: StpPortSettings): void {
    const before = port.settings;
    port.settings = settings;
    const portId = portIdOf(settings);
    if (portId !== port.portId) {
      if (this.isDesignated(port)) port.designatedPort = portId;
      port.portId = portId;
      const isOurs = port.designatedBridge === this.settings.bridgeId;
      if (isOurs && portId < port.designatedPort) {
        this.#becomeDesignatedPort(port);
        this.#portStateSelection();
      }
    }
    if (settings.pathCost !== before.pathCost) {
      this.#configurationUpdate();
      this.#portStateSelection();
    }
    if (settings.isUp === (port.state !== 'disabled')) return;
    if (settings.isUp) this.#enablePort(port);
    else this.#disablePort(port);
  }

  /** 8.8.2 */
  #enablePort(port: StpPort<P>): void {
    this.#becomeDesignatedPort(port);
    port.enter('blocking', this.#nowMs);
    Object.assign(port.stats, { tx: 0, rx: 0, error: 0 });
    port.topologyChangeAck = false;
    port.configPending = false;
    port.messageAgeSince = undefined;
    port.forwardDelaySince = undefined;
    port.holdSince = undefined;
    this.#portStateSelection();
  }

  /** 8.8.3 */
  #disablePort(port: StpPort<P>): void {
    const wasRoot = this.isRoot;
    this.#becomeDesignatedPort(port);
    port.enter('disabled', this.#nowMs);
    port.topologyChangeAck = false;
    port.configPending = false;
    port.messageAgeSince = undefined;
    port.forwardDelaySince = undefined;
    this.#configurationUpdate();
    this.#portStateSelection();
    if (this.isRoot && !wasRoot) this.#becomeRoot();
    // Those who were reached through it are to be found elsewhere.
    this.#flushAll = true;
  }

  receive(key: P, bytes: Uint8Array, nowMs: number): void {
    const port = this.ports.get(key);
    if (!port) return;
    const bpdu = parseBpdu(bytes);
    if (!bpdu) {
      port.stats.error++;
      return;
    }
    this.run(nowMs);
    port.stats.rx++;
    if (port.state === 'disabled') return;
    if (bpdu.type === 'tcn') this.#receivedTcn(port);
    // 9.3.4: what has outlived its maximum age is no BPDU any more.
    else if (bpdu.messageAgeMs < bpdu.maxAgeMs) this.#receivedConfig(port, bpdu);
  }

  /** 8.7.1 */
  #receivedConfig(port: StpPort<P>, config: ConfigBpdu): void {
    const wasRoot = this.isRoot;
    if (!supersedesPortInfo(config, port, this.settings.bridgeId)) {
      if (this.isDesignated(port)) this.#transmitConfig(port);
      return;
    }
    port.designatedRoot = config.rootId;
    port.designatedCost = config.rootPathCost;
    port.designatedBridge = config.bridgeId;
    port.designatedPort = config.portId;
    port.messageAgeSince = this.#nowMs - config.messageAgeMs;
    this.#configurationUpdate();
    this.#portStateSelection();
    if (!this.isRoot && wasRoot) this.#stopBeingRoot();
    if (port !== this.rootPort) return;
    const { maxAgeMs, helloTimeMs, forwardDelayMs } = config;
    this.times = { maxAgeMs, helloTimeMs, forwardDelayMs };
    this.#setTopologyChange((config.flags & BpduFlag.topologyChange) !== 0);
    this.#configBpduGeneration();
    if ((config.flags & BpduFlag.topologyChangeAck) !== 0) {
      this.#topologyChangeDetected = false;
      this.#tcnSince = undefined;
    }
  }

  /** 8.7.2 */
  #receivedTcn(port: StpPort<P>): void {
    if (!this.isDesignated(port)) return;
    this.#topologyChangeDetection();
    port.topologyChangeAck = true;
    this.#transmitConfig(port);
  }

  get nextMs(): number {
    let next = Infinity;
    const until = (since: number | undefined, limit: number) => {
      if (since !== undefined) next = Math.min(next, since + limit);
    };
    until(this.#helloSince, this.times.helloTimeMs);
    until(this.#tcnSince, this.settings.helloTimeMs);
    until(this.#topologyChangeSince, this.#topologyChangeTimeMs);
    for (const port of this.ports.values()) {
      until(port.messageAgeSince, this.times.maxAgeMs);
      until(port.forwardDelaySince, this.times.forwardDelayMs);
      until(port.holdSince, HOLD_TIME_MS);
    }
    return next;
  }

  get #topologyChangeTimeMs(): number {
    return this.settings.maxAgeMs + this.settings.forwardDelayMs;
  }

  run(nowMs: number): void {
    this.#nowMs = nowMs;
    const isOver = (since: number | undefined, limit: number) =>
      since !== undefined && since + limit <= nowMs + CLOCK_GRAIN_MS;
    if (isOver(this.#helloSince, this.times.helloTimeMs)) {
      this.#configBpduGeneration();
      this.#helloSince = nowMs;
    }
    if (isOver(this.#tcnSince, this.settings.helloTimeMs)) this.#transmitTcn();
    if (isOver(this.#topologyChangeSince, this.#topologyChangeTimeMs)) {
      this.#topologyChangeDetected = false;
      this.#setTopologyChange(false);
      this.#topologyChangeSince = undefined;
    }
    const ports = [...this.ports.values()];
    for (const port of ports) {
      if (isOver(port.messageAgeSince, this.times.maxAgeMs)) this.#messageAgeExpiry(port);
    }
    for (const port of ports) {
      if (isOver(port.forwardDelaySince, this.times.forwardDelayMs)) this.#forwardDelayExpiry(port);
    }
    for (const port of ports) {
      if (!isOver(port.holdSince, HOLD_TIME_MS)) continue;
      port.holdSince = undefined;
      if (port.configPending) this.#transmitConfig(port);
    }
  }

  changeTopology(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#topologyChangeDetection();
  }

  /** 8.7.4 */
  #messageAgeExpiry(port: StpPort<P>): void {
    const wasRoot = this.isRoot;
    this.#becomeDesignatedPort(port);
    this.#configurationUpdate();
    this.#portStateSelection();
    if (this.isRoot && !wasRoot) this.#becomeRoot();
  }

  /** 8.7.5 */
  #forwardDelayExpiry(port: StpPort<P>): void {
    port.forwardDelaySince = undefined;
    if (port.state === 'listening') {
      port.enter('learning', this.#nowMs);
      port.forwardDelaySince = this.#nowMs;
    } else if (port.state === 'learning') {
      port.enter('forwarding', this.#nowMs);
      const isDesignatedSomewhere = [...this.ports.values()].some((p) => this.isDesignated(p));
      if (isDesignatedSomewhere) this.#topologyChangeDetection();
    }
  }

  #becomeRoot(): void {
    this.times = { ...this.settings };
    this.#topologyChangeDetection();
    this.#tcnSince = undefined;
    this.#configBpduGeneration();
    this.#helloSince = this.#nowMs;
  }

  #stopBeingRoot(): void {
    this.#helloSince = undefined;
    if (!this.#topologyChangeDetected) return;
    this.#topologyChangeSince = undefined;
    this.#transmitTcn();
  }

  /** 8.6.1 */
  #transmitConfig(port: StpPort<P>): void {
    if (port.holdSince !== undefined) {
      port.configPending = true;
      return;
    }
    const since = this.isRoot ? undefined : this.rootPort?.messageAgeSince;
    const messageAgeMs = since === undefined ? 0 : this.#nowMs - since + MESSAGE_AGE_INCREMENT_MS;
    if (messageAgeMs >= this.times.maxAgeMs) return;
    const flags =
      (port.topologyChangeAck ? BpduFlag.topologyChangeAck : 0) |
      (this.topologyChange ? BpduFlag.topologyChange : 0);
    port.topologyChangeAck = false;
    port.configPending = false;
    port.holdSince = this.#nowMs;
    this.#send(port, {
      type: 'config',
      role: BpduRole.designated,
      flags,
      rootId: this.designatedRoot,
      rootPathCost: this.rootPathCost,
      bridgeId: this.settings.bridgeId,
      portId: port.portId,
      messageAgeMs,
      ...this.times,
    });
  }

  /** 8.6.6 */
  #transmitTcn(): void {
    if (this.rootPort) this.#send(this.rootPort, { type: 'tcn' });
    this.#tcnSince = this.#nowMs;
  }

  #send(port: StpPort<P>, bpdu: Bpdu): void {
    port.stats.tx++;
    this.#out.push({ port: port.key, pdu: emitBpdu(bpdu) });
  }

  /** 8.6.4 */
  #configBpduGeneration(): void {
    for (const port of this.ports.values()) {
      if (port.state !== 'disabled' && this.isDesignated(port)) this.#transmitConfig(port);
    }
  }

  /** 8.6.7 */
  #configurationUpdate(): void {
    const { bridgeId } = this.settings;
    const root = selectRootPort(this.ports.values(), bridgeId);
    this.rootPort = root;
    this.designatedRoot = root ? root.designatedRoot : bridgeId;
    this.rootPathCost = root ? root.designatedCost + root.settings.pathCost : 0;
    const { designatedRoot, rootPathCost } = this;
    const own = { bridgeId, designatedRoot, rootPathCost };
    for (const port of this.ports.values()) {
      if (deservesDesignation(port, own)) this.#becomeDesignatedPort(port);
    }
  }

  /** 8.6.10 */
  #becomeDesignatedPort(port: StpPort<P>): void {
    port.designatedRoot = this.designatedRoot;
    port.designatedCost = this.rootPathCost;
    port.designatedBridge = this.settings.bridgeId;
    port.designatedPort = port.portId;
  }

  /** 8.6.11 */
  #portStateSelection(): void {
    for (const port of this.ports.values()) {
      if (port === this.rootPort) {
        port.configPending = false;
        port.topologyChangeAck = false;
        this.#makeForwarding(port);
      } else if (this.isDesignated(port)) {
        port.messageAgeSince = undefined;
        this.#makeForwarding(port);
      } else {
        port.configPending = false;
        port.topologyChangeAck = false;
        this.#makeBlocking(port);
      }
    }
  }

  #makeForwarding(port: StpPort<P>): void {
    if (port.state !== 'blocking') return;
    port.enter('listening', this.#nowMs);
    port.forwardDelaySince = this.#nowMs;
  }

  #makeBlocking(port: StpPort<P>): void {
    if (port.state === 'disabled' || port.state === 'blocking') return;
    if (port.state !== 'listening') this.#topologyChangeDetection();
    port.enter('blocking', this.#nowMs);
    port.forwardDelaySince = undefined;
  }

  /** 8.6.14 */
  #topologyChangeDetection(): void {
    this.#flushAll = true;
    if (this.isRoot) {
      this.topologyChange = true;
      this.#topologyChangeSince = this.#nowMs;
    } else if (!this.#topologyChangeDetected) this.#transmitTcn();
    this.#topologyChangeDetected = true;
  }

  #setTopologyChange(changes: boolean): void {
    if (changes && !this.topologyChange) this.#flushAll = true;
    this.topologyChange = changes;
  }
}
