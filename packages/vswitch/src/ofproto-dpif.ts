/** A bridge as its controllers have it in hand: flow tables on top of a datapath. */
import type { DpMeters, PortStats, Upcall } from '@heddle/datapath';
import {
  type Continuation,
  type FlowMod,
  OFP_NO_BUFFER,
  OFPP_NONE,
  type OfpAct,
  OfpError,
  type PhyPort,
} from '@heddle/openflow';
import { extractFlow, type Flow, parseMac } from '@heddle/packet';
import { type Clock, OVS_VERSION, vlog } from '@heddle/runtime';
import type { Backer } from './backer.ts';
import { Connmgr } from './connmgr/connmgr.ts';
import type { OfprotoEnv, SwitchDescription } from './connmgr/env.ts';
import { applyOwnFlowMod } from './connmgr/handle-flows.ts';
import { type CtChoice, ctFilter } from './ct-match.ts';
import type { Device } from './devices/devices.ts';
import { DUMMY_KIND } from './devices/dummy-devices.ts';
import { NO_FEATURES } from './devices/port-features.ts';
import { Exporters } from './export/exporters.ts';
import { deviceFeatures } from './iface-status.ts';
import {
  FlowChanges,
  OFPRR_DELETE,
  OFPRR_EVICTION,
  OFPRR_HARD_TIMEOUT,
  OFPRR_IDLE_TIMEOUT,
} from './ofproto/flow-changes.ts';
import { InternalFlows } from './ofproto/internal-flows.ts';
import { originNumber } from './ofproto/origins.ts';
import { metadataOf } from './ofproto/packet-metadata.ts';
import type { FrozenState } from './ofproto/recirc.ts';
import type { Rule } from './ofproto/rule.ts';
import { isSameFlow } from './ofproto/same-flow.ts';
import type { ControllerUserdata } from './ofproto/userdata.ts';
import type { OfPort, Ofproto } from './ofproto.ts';
import type { DeviceQos, QueueCounters } from './qos/device-qos.ts';
import type { TreeState } from './spanning-tree/tree.ts';
import { type XlateResult, xlateActions } from './xlate/xlate.ts';

const log = vlog.module('ofproto_dpif');

const OFPPC_PORT_DOWN = 1 << 0;
const OFPPS_LINK_DOWN = 1 << 0;
const OFPPS_LIVE = 1 << 2;
/** As continuations say it. */
const ODPP_NONE = 0xffff_ffff;
const NO_ODP_PORT = 0xffff;

/** OFPPS_STP_* of OpenFlow 1.0; 0 is `listening`, too. */
const STP_STATES: Readonly<Record<TreeState, number>> = {
  disabled: 0,
  listening: 0,
  learning: 1 << 8,
  forwarding: 2 << 8,
  blocking: 3 << 8,
};

export interface OfprotoDpifOptions {
  readonly backer: Backer;
  /** The device of a port, where there is one. */
  readonly device: (name: string) => Device | undefined;
  /** Undefined: a port that has no queues. */
  readonly qos: (port: OfPort) => DeviceQos | undefined;
  readonly description: () => Partial<SwitchDescription>;
  /** The host's own address towards another. */
  readonly sourceTowards: (address: string) => string | undefined;
  /** A controller has changed what a port does. */
  readonly portConfigChanged: () => void;
  /** Sets a port's device up or down. */
  readonly setUp: (port: OfPort, isUp: boolean) => void;
}

/** A packet's key in the datapath, and what is to be done with it. */
interface Translated {
  readonly key: Flow;
  readonly result: XlateResult;
}

export class OfprotoDpif implements OfprotoEnv {
  /** Asked to be up, whose device is not yet. */
  #rising: OfPort | undefined;
  readonly ofproto: Ofproto;
  readonly connmgr: Connmgr;
  readonly exporters: Exporters;
  datapathId = 0n;
  readonly #options: OfprotoDpifOptions;
  /** When each port was first asked about. */
  readonly #sinceMs = new WeakMap<OfPort, number>();

  constructor(ofproto: Ofproto, options: OfprotoDpifOptions) {
    this.ofproto = ofproto;
    this.#options = options;
    this.connmgr = new Connmgr(this);
    ofproto.internal = new InternalFlows(ofproto.tables, this.nowMs());
    const { backer, device, sourceTowards } = options;
    this.exporters = new Exporters({
      ofproto,
      clock: backer.clock,
      dpif: backer.dpif,
      portOf: (odpPort) => backer.ports.get(odpPort),
      device,
      datapathId: () => this.datapathId,
      portStats: (port) => this.portStats(port),
      sourceTowards,
    });
    ofproto.learnFlow = (flowMod, limit, table) => this.#learn(flowMod, limit, table);
  }

  get description(): SwitchDescription {
    return {
      mfr: 'Nicira, Inc.',
      hw: 'Open vSwitch',
      sw: OVS_VERSION,
      serial: 'None',
      dp: 'None',
      ...this.#options.description(),
    };
  }

  get clock(): Clock {
    return this.#options.backer.clock;
  }

  /** On the clock of the datapath, which says when packets passed. */
  nowMs(): number {
    return this.#options.backer.dpif.nowMs();
  }

  phyPort(port: OfPort): PhyPort {
    const link = this.#options.device(port.name);
    const isUp = port.peer !== undefined || link === undefined || link.carrier;
    const carrier = isUp ? 0 : OFPPS_LINK_DOWN;
    const state =
      carrier |
      (isUp && !port.isFaulty && (port.config & OFPPC_PORT_DOWN) === 0 ? OFPPS_LIVE : 0) |
      STP_STATES[port.treeState ?? 'disabled'];
    return {
      portNo: port.ofport,
      hwAddr: link ? (parseMac(link.mac) ?? 0) : port.hwAddr,
      name: port.name,
      config: port.config | (link && !link.up && port !== this.#rising ? 1 : 0),
      state,
      ...(link ? deviceFeatures(link) : NO_FEATURES),
    };
  }

  portStats(port: OfPort): PortStats {
    if (port.odpPort !== undefined && !port.tunnel)
      return this.#options.backer.dpif.portStats(port.odpPort);
    return { ...UNKNOWN_STATS, ...port.stats };
  }

  get meters(): DpMeters {
    return this.#options.backer.dpif.meters;
  }

  queues(port: OfPort): number[] {
    if (this.#options.device(port.name)?.kind === DUMMY_KIND) return [0];
    return [...(this.#options.qos(port)?.queues.keys() ?? [])];
  }

  queueStats(port: OfPort): QueueCounters[] | undefined {
    if (this.#options.device(port.name)?.kind === DUMMY_KIND) return undefined;
    return this.#options.qos(port)?.queueStats() ?? [];
  }

  portSinceMs(port: OfPort): number {
    let since = this.#sinceMs.get(port);
    if (since === undefined) {
      since = this.nowMs();
      this.#sinceMs.set(port, since);
    }
    return since;
  }

  syncStats(): void {
    this.#options.backer.udpif.pollSoon();
  }

  flowsChanged(changes: FlowChanges): void {
    this.#options.backer.udpif.flowsChanged(changes);
  }

  tablesChanged(): void {
    this.#options.backer.udpif.configChanged();
  }

  portConfigChanged(): void {
    this.tablesChanged();
    this.#options.portConfigChanged();
  }

  hasDevice(port: OfPort): boolean {
    return port.peer === undefined && this.#options.device(port.name) !== undefined;
  }

  setAdminState(port: OfPort, isUp: boolean, tell: () => void): void {
    // Its device follows: until then the link is as it was.
    this.#rising = isUp ? port : undefined;
    tell();
    this.#rising = undefined;
    this.#options.setUp(port, isUp);
  }

  /** Ports are in other states of the spanning tree. */
  portStatesChanged(ports: readonly OfPort[]): void {
    this.tablesChanged();
    for (const port of ports) this.connmgr.ports.changed(port);
  }

  /** The Ethernet address of a port. */
  hwAddr(port: OfPort): number {
    return parseMac(this.#options.device(port.name)?.mac ?? '') || port.hwAddr;
  }

  /** Sends a frame of the switch's own out of a port. */
  sendFrame(port: OfPort, frame: Uint8Array, tunFlags = 0): void {
    const flow = extractFlow(frame, { inPort: OFPP_NONE });
    flow.tunFlags |= tunFlags;
    const actions = [{ type: 'output', port: port.ofport, maxLen: 0 }] as const;
    this.#execute(this.#xlatePacketOut(flow, frame, actions), frame);
  }

  get vlanLimit(): number {
    return this.#options.backer.xlateConfig.vlanLimit;
  }

  /** Throws `OfpError` when the packet cannot be translated to its end. */
  packetOut(flow: Flow, packet: Uint8Array, actions: readonly OfpAct[]): void {
    this.#execute(this.checkPacketOut(flow, packet, actions), packet);
  }

  /** As `packetOut`, without sending it. */
  checkPacketOut(flow: Flow, packet: Uint8Array, actions: readonly OfpAct[]): Translated {
    const translated = this.#xlatePacketOut(flow, packet, actions);
    if (translated.result.failure !== undefined) throw new OfpError('OFPFMFC_UNKNOWN');
    return translated;
  }

  #xlatePacketOut(flow: Flow, packet: Uint8Array, actions: readonly OfpAct[]): Translated {
    const ofport = flow.inPort;
    const key = this.#datapathKey(flow, ofport);
    const result = xlateActions(this.#options.backer.xlateConfig, key, {
      entry: { bridge: this.ofproto, ofport },
      actions,
      isPacketOut: true,
      frame: packet,
    });
    return { key, result };
  }

  #execute({ key, result }: Translated, packet: Uint8Array): void {
    this.#options.backer.udpif.execute(result, { flow: key, packet: { data: packet } });
  }

  resume(state: FrozenState, flow: Flow, packet: Uint8Array): void {
    const { backer } = this.#options;
    const key = this.#datapathKey(flow, state.ofport);
    const result = xlateActions(backer.xlateConfig, key, {
      frozen: state,
      frame: packet,
    });
    backer.udpif.execute(result, { flow: key, packet: { data: packet } });
  }

  #datapathKey(flow: Flow, ofport: number): Flow {
    const key = flow.clone();
    key.inPort = this.ofproto.ports.get(ofport)?.odpPort ?? NO_ODP_PORT;
    return key;
  }

  get ipfixBridge(): readonly bigint[] | undefined {
    return this.exporters.ipfixBridge;
  }

  get ipfixFlow(): Exporters['ipfixFlow'] {
    return this.exporters.ipfixFlow;
  }

  flushConntrackZone(zone: number): void {
    this.flushConntrack({ zone, original: {}, reply: {} });
  }

  flushConntrack(which: CtChoice): void {
    const steps = this.#options.backer.dpif.ct?.flushing(ctFilter(which));
    while (steps?.next().done === false);
  }

  /** A packet that a flow sends to controllers. */
  packetIn({ flow, packet }: Upcall, data: ControllerUserdata, state: FrozenState): void {
    const { controller } = state;
    if (!controller) return;
    this.connmgr.sendPacketIn(data.controllerId, {
      packet: packet.data,
      totalLen: packet.data.length,
      bufferId: OFP_NO_BUFFER,
      reason: data.reason,
      tableId: data.tableId,
      cookie: data.cookie,
      metadata: metadataOf(flow, state),
      ...(controller.userdata && { userdata: controller.userdata }),
      ...(controller.pause && { continuation: continuationOf(this.ofproto, state, data) }),
    });
  }

  #learn(flowMod: FlowMod, limit: number, table: number): void {
    const { classifier } = this.ofproto.tables.at(flowMod.tableId);
    const known = classifier.find(flowMod.match.key, flowMod.match.mask, flowMod.priority);
    if (known && isSameFlow(known.state, flowMod)) {
      // Its hard timeout begins again; how long it has been idle its own packets tell.
      known.modifiedMs = this.nowMs();
      return;
    }
    // As upstream has it, the limit holds for changes of what has been learned, too.
    if (limit !== 0) {
      let n = 0;
      for (const rule of classifier.rules()) if (rule.state.cookie === flowMod.newCookie) n++;
      if (n >= limit) return;
    }
    try {
      applyOwnFlowMod(this.connmgr, flowMod, originNumber({ kind: 'learn', table }));
    } catch (error) {
      if (!(error instanceof OfpError)) throw error;
      log.rl.warn(`${this.ofproto.name}: learn action failed: ${error.message}`);
    }
  }

  /** Takes out what has timed out. */
  expire(): void {
    const now = this.nowMs();
    const { tables } = this.ofproto;
    const due: Rule[] = [];
    for (const { expiry } of tables.used()) for (const rule of expiry.takeDue(now)) due.push(rule);
    if (due.length === 0) return;
    // What the datapath has counted since may have kept a flow alive.
    this.syncStats();
    const changes = new FlowChanges(this.ofproto);
    for (const rule of due) {
      const { hardTimeout } = rule.state;
      const isHard = hardTimeout !== 0 && rule.modifiedMs + hardTimeout * 1000 <= now;
      if (isHard) changes.delete(rule, OFPRR_HARD_TIMEOUT);
      else if (rule.expiryMs <= now) changes.delete(rule, OFPRR_IDLE_TIMEOUT);
      else rule.table.hasten(rule);
    }
    this.connmgr.commit(changes, undefined, 0);
  }

  /** Takes out what tables that evict have beyond their limits, which may have been lowered. */
  enforceLimits(): void {
    const changes = new FlowChanges(this.ofproto);
    for (const table of this.ofproto.tables.used()) {
      const excess = table.classifier.size - (table.maxFlows ?? Infinity);
      if (!table.evicts || excess <= 0) continue;
      for (let n = 0; n < excess; n++) {
        const { victim } = table;
        if (!victim) break;
        changes.delete(victim, OFPRR_EVICTION);
      }
    }
    this.connmgr.commit(changes, undefined, 0);
  }

  /** Every flow and group goes; without controllers a standalone bridge forwards as a switch does. */
  flush(withDefaultFlow: boolean): void {
    const changes = new FlowChanges(this.ofproto);
    for (const table of this.ofproto.tables.used()) {
      if (!table.isReadOnly) changes.clear(table, OFPRR_DELETE);
    }
    for (const id of [...this.ofproto.groups.keys()]) changes.setGroup(id, undefined);
    this.ofproto.setDefaultFlow(withDefaultFlow, this.nowMs());
    this.connmgr.commit(changes, undefined, 0);
    this.tablesChanged();
  }
}

const UNKNOWN_STATS: PortStats = {
  rxPackets: 0,
  rxBytes: 0,
  rxErrors: -1,
  rxDropped: -1,
  rxOverErrors: -1,
  rxFrameErrors: -1,
  rxCrcErrors: -1,
  txPackets: 0,
  txBytes: 0,
  txErrors: -1,
  txDropped: -1,
  collisions: -1,
};

function continuationOf(
  ofproto: Ofproto,
  state: FrozenState,
  data: ControllerUserdata,
): Continuation {
  const bridge = Buffer.alloc(16);
  bridge.writeUInt32BE(ofproto.serial, 12);
  const { tableId, cookie } = data;
  const [first = { tableId, cookie, actions: [] }, ...outer] = state.rests;
  return {
    ...first,
    ...(outer.length > 0 && { outer }),
    bridge,
    stack: state.stack,
    mirrors: state.mirrored,
    conntracked: state.conntracked,
    actionSet: state.actionSet,
    odpPort: ofproto.ports.get(state.ofport)?.odpPort ?? ODPP_NONE,
  };
}
