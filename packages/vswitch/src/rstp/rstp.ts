/**
 * The Rapid Spanning Tree Protocol of one bridge (IEEE 802.1D-2004, clause 17). Machines run until
 * none of them has a transition to make; timers count once a second.
 */
import { type Bpdu, emitBpdu, parseBpdu } from '../spanning-tree/bpdu.ts';
import {
  type BpduToSend,
  CLOCK_GRAIN_MS,
  type SpanningTree,
  type TreeState,
} from '../spanning-tree/tree.ts';
import { type Runner, runner } from './machine.ts';
import { bridgeDetection } from './machines/detection.ts';
import { portInformation } from './machines/information.ts';
import { protocolMigration } from './machines/migration.ts';
import { portReceive } from './machines/receive.ts';
import { roleTransitions } from './machines/role-transitions.ts';
import { stateTransition } from './machines/state-transition.ts';
import { topologyChange } from './machines/topology-change.ts';
import { portTransmit } from './machines/transmit.ts';
import { portIdOf, RstpPort, type RstpPortSettings } from './port.ts';
import { type PriorityVector, sameTimes, type Times } from './priority.ts';
import { bridgePriority, type RootChoice, selectRoles } from './role-selection.ts';

const TICK_MS = 1000;
/** A long sleep ages everything; more than that it cannot do. */
const MAX_SLEEP_MS = 100_000;
/** Machines that do not settle are our fault: the bridge goes on with what it has. */
const MAX_ROUNDS = 10_000;

export interface RstpSettings {
  readonly bridgeId: bigint;
  /** 17.18.4, with a `messageAge` of 0. */
  readonly times: Times;
  /** 0: speaks STP; 2: RSTP (17.13.4). */
  readonly forceProtocolVersion: number;
  readonly transmitHoldCount: number;
}

/**
 * Those of each port, in the standard's order but for two: whether to speak STP is decided when a
 * message has had its effect, and what is sent tells of what has come of it all.
 */
const MACHINES = [
  portReceive,
  bridgeDetection,
  portInformation,
  roleTransitions,
  stateTransition,
  topologyChange,
  protocolMigration,
].map((machine) => runner<string>(machine));
const TRANSMIT = runner<string>(portTransmit);

export class Rstp<P> implements SpanningTree<P> {
  readonly name: string;
  settings: RstpSettings;
  /** In the order of their numbers. */
  readonly ports = new Map<P, RstpPort<P>>();
  root: RootChoice<P>;
  #lastTickMs: number;
  #out: BpduToSend<P>[] = [];
  #flushes = new Set<P>();

  constructor(name: string, settings: RstpSettings, nowMs: number) {
    this.name = name;
    this.settings = settings;
    this.root = this.#ownRoot();
    this.#lastTickMs = nowMs;
  }

  /** rstpVersion (17.20.11) */
  get isRstp(): boolean {
    return this.settings.forceProtocolVersion >= 2;
  }

  get rootPort(): RstpPort<P> | undefined {
    return this.root.rootPort;
  }

  get rootPriority(): PriorityVector {
    return this.root.rootPriority;
  }

  get rootTimes(): Times {
    return this.root.rootTimes;
  }

  get ageingMs(): number | undefined {
    if (this.isRstp) return undefined;
    const changes = [...this.ports.values()].some((p) => p.timers.tcWhile > 0);
    return changes ? this.rootTimes.forwardDelay * 1000 : undefined;
  }

  configure(settings: RstpSettings, wanted: ReadonlyMap<P, RstpPortSettings>, nowMs: number): void {
    const before = this.settings;
    this.settings = settings;
    const isOther =
      before.bridgeId !== settings.bridgeId ||
      before.forceProtocolVersion !== settings.forceProtocolVersion;
    if (isOther) this.root = this.#ownRoot();
    for (const key of this.ports.keys()) {
      if (wanted.has(key)) continue;
      this.ports.delete(key);
      this.#flushes.add(key);
      this.#reselectAll();
    }
    const begun: RstpPort<P>[] = [];
    for (const [key, own] of wanted) {
      const port = this.ports.get(key);
      // 17.13: these start the machines anew.
      if (!port || isOther || own.number !== port.settings.number) {
        const anew = new RstpPort(key, this, own, nowMs);
        this.ports.set(key, anew);
        begun.push(anew);
      } else this.#setPort(port, own);
    }
    if (!sameTimes(before.times, settings.times)) this.#reselectAll();
    this.#sortPorts();
    for (const port of begun) {
      for (const machine of [...MACHINES, TRANSMIT]) machine.begin(port);
    }
    this.#settle();
  }

  #setPort(port: RstpPort<P>, settings: RstpPortSettings): void {
    const before = port.settings;
    port.settings = settings;
    port.portId = portIdOf(settings);
    if (settings.mcheck && !before.mcheck && this.isRstp) port.mcheck = true;
    if (settings.adminEdge && !before.adminEdge) port.operEdge = true;
    if (settings.priority === before.priority && settings.pathCost === before.pathCost) return;
    this.#reselectAll();
  }

  #sortPorts(): void {
    const inOrder = [...this.ports.values()].sort((a, b) => a.settings.number - b.settings.number);
    this.ports.clear();
    for (const port of inOrder) this.ports.set(port.key, port);
  }

  #reselectAll(): void {
    for (const port of this.ports.values()) {
      port.reselect = true;
      port.selected = false;
    }
  }

  receive(key: P, bytes: Uint8Array, nowMs: number): void {
    const port = this.ports.get(key);
    if (!port) return;
    this.run(nowMs);
    const bpdu = parseBpdu(bytes);
    if (!bpdu || !isAcceptable(bpdu)) {
      port.stats.error++;
      return;
    }
    port.stats.rx++;
    port.rcvdBpdu = bpdu;
    this.#settle();
  }

  /** Ports are where another has left them: nothing that was before counts. */
  resume(): void {
    this.#out = [];
    this.#flushes.clear();
    for (const port of this.ports.values()) port.reselect = true;
    this.#settle();
  }

  get nextMs(): number {
    return this.#lastTickMs + TICK_MS;
  }

  run(nowMs: number): void {
    while (nowMs + CLOCK_GRAIN_MS >= this.nextMs) {
      this.#lastTickMs += TICK_MS;
      if (nowMs - this.#lastTickMs > MAX_SLEEP_MS) this.#lastTickMs = nowMs - MAX_SLEEP_MS;
      for (const port of this.ports.values()) tick(port);
      this.#settle();
    }
  }

  changeTopology(_nowMs: number): void {
    for (const port of this.ports.values()) port.tcProp = true;
    this.#settle();
  }

  stateOf(key: P): TreeState | undefined {
    const port = this.ports.get(key);
    if (!port) return undefined;
    if (port.forwarding) return 'forwarding';
    if (port.learning) return 'learning';
    if (port.role === 'Alternate' || port.role === 'Backup') return 'blocking';
    return 'listening';
  }

  takeBpdus(): readonly BpduToSend<P>[] {
    return this.#out.splice(0);
  }

  takeFlushes(): ReadonlySet<P> {
    const flushes = this.#flushes;
    this.#flushes = new Set();
    return flushes;
  }

  send(port: RstpPort<P>, bpdu: Bpdu): void {
    port.stats.tx++;
    this.#out.push({ port: port.key, pdu: emitBpdu(bpdu) });
  }

  flush(port: RstpPort<P>): void {
    this.#flushes.add(port.key);
  }

  #ownRoot(): RootChoice<P> {
    const { bridgeId, times } = this.settings;
    return { rootPort: undefined, rootPriority: bridgePriority(bridgeId), rootTimes: times };
  }

  #settle(): void {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const isSettled = !selectRoles(this) && !this.#step(MACHINES);
      if (isSettled && !this.#step([TRANSMIT])) return;
    }
  }

  /** Runs machines, port by port; whether any had something to do. */
  #step(machines: readonly Runner[]): boolean {
    let changed = false;
    for (const port of this.ports.values()) {
      for (const machine of machines) while (machine.step(port)) changed = true;
    }
    return changed;
  }
}

/** Port Timers machine (17.22). */
function tick<P>(port: RstpPort<P>): void {
  const { timers } = port;
  for (const name of Object.keys(timers) as (keyof typeof timers)[]) {
    timers[name] = Math.max(timers[name] - 1, 0);
  }
  if (port.txCount > 0) port.txCount--;
}

/** 9.3.4: what has outlived its maximum age is no BPDU any more. */
function isAcceptable(bpdu: Bpdu): boolean {
  return bpdu.type !== 'config' || bpdu.messageAgeMs < bpdu.maxAgeMs;
}
