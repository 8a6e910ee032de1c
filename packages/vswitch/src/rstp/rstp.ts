/**
 * The Rapid Spanning Tree Protocol of one bridge (IEEE 802.1D-2004, clause 17): role selection and
 * the conditions that ports' machines share. Machines run until none of them has anything to do.
 */
import { type Bpdu, emitBpdu, parseBpdu } from '../spanning-tree/bpdu.ts';
import {
  type BpduToSend,
  CLOCK_GRAIN_MS,
  type SpanningTree,
  type TreeState,
} from '../spanning-tree/tree.ts';
import { informationMachine, receiveMachine } from './information.ts';
import {
  edgeMachine,
  migrationMachine,
  newTcWhile,
  stateMachine,
  topologyChangeMachine,
} from './machines.ts';
import { comparePriority, type PriorityVector, sameTimes, type Times } from './priority.ts';
import { roleMachine } from './role-transitions.ts';
import { portIdOf, RstpPort, type RstpPortSettings } from './rstp-port.ts';
import { transmitMachine } from './transmit.ts';

const TICK_MS = 1000;
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

const MACHINES = [
  receiveMachine,
  migrationMachine,
  edgeMachine,
  informationMachine,
  roleMachine,
  stateMachine,
  topologyChangeMachine,
] as const;

export class Rstp<P> implements SpanningTree<P> {
  readonly name: string;
  settings: RstpSettings;
  readonly ports = new Map<P, RstpPort<P>>();
  rootPriority: PriorityVector;
  rootTimes: Times;
  rootPort: RstpPort<P> | undefined;
  #lastTickMs: number;
  #out: BpduToSend<P>[] = [];
  #flushes = new Set<P>();

  constructor(name: string, settings: RstpSettings, nowMs: number) {
    this.name = name;
    this.settings = settings;
    this.rootPriority = this.#bridgePriority();
    this.rootTimes = settings.times;
    this.#lastTickMs = nowMs;
  }

  /** rstpVersion (17.20.11) */
  get isRstp(): boolean {
    return this.settings.forceProtocolVersion >= 2;
  }

  get isRoot(): boolean {
    return this.rootPort === undefined;
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
    for (const key of this.ports.keys()) {
      if (wanted.has(key)) continue;
      this.ports.delete(key);
      this.#flushes.add(key);
      this.#reselectAll();
    }
    for (const [key, own] of wanted) {
      const port = this.ports.get(key);
      // 17.13: these start the machines anew.
      if (!port || isOther || own.number !== port.settings.number) {
        this.ports.set(key, new RstpPort(key, this, own, nowMs));
      } else this.#setPort(port, own);
    }
    const times = { ...before.times };
    if (!sameTimes(times, settings.times)) this.#reselectAll();
    this.#sortPorts();
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
      // A long sleep ages everything; more than that it cannot do.
      if (nowMs - this.#lastTickMs > MAX_SLEEP_MS) this.#lastTickMs = nowMs - MAX_SLEEP_MS;
      for (const port of this.ports.values()) tick(port);
      // Hellos that are due are of before.
      this.#transmit();
      this.#settle();
    }
  }

  changeTopology(_nowMs: number): void {
    for (const port of this.ports.values()) {
      newTcWhile(port);
      port.tcProp = true;
    }
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

  setSyncTree(): void {
    for (const port of this.ports.values()) port.sync = true;
  }

  setReRootTree(): void {
    for (const port of this.ports.values()) port.reRoot = true;
  }

  setTcPropTree(except: RstpPort<P>): void {
    for (const port of this.ports.values()) if (port !== except) port.tcProp = true;
  }

  /** 17.20.3 */
  allSynced(self: RstpPort<P>): boolean {
    for (const port of this.ports.values()) {
      if (!port.selected || port.role !== port.selectedRole || port.updtInfo) return false;
      if (port !== self && port.role !== 'Root' && !port.synced) return false;
    }
    return true;
  }

  /** 17.20.10 */
  reRooted(self: RstpPort<P>): boolean {
    for (const port of this.ports.values()) {
      if (port !== self && port.timers.rrWhile !== 0) return false;
    }
    return true;
  }

  #settle(): void {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      let changed = this.#selectRoles();
      for (const port of this.ports.values()) {
        for (const machine of MACHINES) changed = machine(port) || changed;
      }
      // What is sent tells of what has come of it all.
      if (!changed && !this.#transmit()) return;
    }
  }

  #transmit(): boolean {
    let changed = false;
    for (const port of this.ports.values()) {
      while (transmitMachine(port)) changed = true;
    }
    return changed;
  }

  #bridgePriority(): PriorityVector {
    const { bridgeId } = this.settings;
    return { rootId: bridgeId, rootPathCost: 0, bridgeId, portId: 0 };
  }

  /** Port Role Selection machine (17.28) with updtRolesTree() (17.21.25). */
  #selectRoles(): boolean {
    const ports = [...this.ports.values()];
    if (!ports.some((p) => p.reselect)) return false;
    for (const port of ports) port.reselect = false;
    this.#selectRoot(ports);
    for (const port of ports) this.#selectRole(port);
    for (const port of ports) port.selected = true;
    return true;
  }

  #selectRoot(ports: readonly RstpPort<P>[]): void {
    let best = this.#bridgePriority();
    let root: RstpPort<P> | undefined;
    for (const port of ports) {
      const { portPriority, settings } = port;
      const isOurs = (portPriority.bridgeId & ADDRESS) === (this.settings.bridgeId & ADDRESS);
      if (port.infoIs !== 'Received' || isOurs) continue;
      const rootPathCost = portPriority.rootPathCost + settings.pathCost;
      const path = { ...portPriority, rootPathCost };
      const order = comparePriority(path, best);
      if (order > 0 || (order === 0 && root && port.portId >= root.portId)) continue;
      best = path;
      root = port;
    }
    this.rootPort = root;
    this.rootPriority = best;
    const times = root?.portTimes;
    this.rootTimes = times
      ? { ...times, messageAge: Math.floor(times.messageAge + 1) }
      : this.settings.times;
  }

  #selectRole(port: RstpPort<P>): void {
    const { bridgeId, times } = this.settings;
    const { rootId, rootPathCost } = this.rootPriority;
    port.designatedPriority = { rootId, rootPathCost, bridgeId, portId: port.portId };
    port.designatedTimes = { ...this.rootTimes, helloTime: times.helloTime };
    switch (port.infoIs) {
      case 'Disabled':
        port.selectedRole = 'Disabled';
        return;
      case 'Aged':
        port.selectedRole = 'Designated';
        port.updtInfo = true;
        return;
      case 'Mine':
        port.selectedRole = 'Designated';
        if (
          comparePriority(port.portPriority, port.designatedPriority) !== 0 ||
          !sameTimes(port.portTimes, port.designatedTimes)
        ) {
          port.updtInfo = true;
        }
        return;
      case 'Received':
        this.#selectRoleOfInformed(port);
    }
  }

  #selectRoleOfInformed(port: RstpPort<P>): void {
    port.updtInfo = false;
    if (port === this.rootPort) port.selectedRole = 'Root';
    else if (comparePriority(port.designatedPriority, port.portPriority) < 0) {
      port.selectedRole = 'Designated';
      port.updtInfo = true;
    } else {
      const isOurs = (port.portPriority.bridgeId & ADDRESS) === (this.settings.bridgeId & ADDRESS);
      port.selectedRole = isOurs ? 'Backup' : 'Alternate';
    }
  }
}

const ADDRESS = 0xffff_ffff_ffffn;
const MAX_SLEEP_MS = 100_000;

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
