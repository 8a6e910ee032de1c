/**
 * Between translation and a datapath: misses become megaflows, megaflows are kept true when what
 * they were derived from changes, and go when nobody uses them.
 */

import {
  type DpExecute,
  type Dpif,
  type DpPacket,
  type FlowStats,
  flowUfid,
  type InstalledFlow,
  type OdpAction,
  type Upcall,
} from '@heddle/datapath';
import { extractBeyondKey, Flow, flowAnd, hasBeyondKey, isSubset } from '@heddle/packet';
import { type Clock, coverage, every, messageOf, type Timer, vlog } from '@heddle/runtime';
import { AdoptedFlows, byLastUse, learnAddresses } from './adopted-flows.ts';
import { exactMask } from './exact-mask.ts';
import { KnownOutcomes } from './known-outcomes.ts';
import { actionsOf, isSlow } from './odp-actions-of.ts';
import type { FlowChanges } from './ofproto/flow-changes.ts';
import {
  type ControllerUserdata,
  decodeUserdata,
  type SampleUserdata,
} from './ofproto/userdata.ts';
import type { Ofproto, XlateConfig } from './ofproto.ts';
import { recircIdsOf } from './recirc-use.ts';
import { RevalidationQueue } from './revalidation-queue.ts';
import { sameActions } from './same-actions.ts';
import {
  type ActionTypes,
  executeSlowly,
  type SlowLookups,
  type SlowPathEnv,
} from './slow-path.ts';
import { type Growth, Masks, NO_STATS, takeGrowth, type Ukey, UkeyTable } from './ukey.ts';
import { XlateMemory } from './xlate/context.ts';
import {
  applyEffects,
  countPackets,
  learnFrom,
  NO_EFFECTS,
  type PacketsSeen,
} from './xlate/effects.ts';
import type { ProtocolPacket } from './xlate/protocols.ts';
import { type XlateEffects, type XlateResult, xlateActions } from './xlate/xlate.ts';

const log = vlog.module('ofproto_dpif_upcall');
const STATS_INTERVAL_MS = 1000;
/** What asks for fresh counters more often gets those of the last look. */
const MIN_POLL_MS = 50;
const SWEEP_INTERVAL_MS = 30_000;

const counters = {
  xlate: coverage.counter('xlate_actions'),
  put: coverage.counter('dpif_flow_put'),
  del: coverage.counter('dpif_flow_del'),
  execute: coverage.counter('dpif_execute'),
  revalidate: coverage.counter('rev_flow_table'),
  dumped: coverage.counter('dumped_flow'),
};

/** `max-idle` and `flow-limit` of Open_vSwitch's `other_config`. */
export interface UdpifOptions {
  /** A megaflow that no packet has used for longer goes. */
  maxIdleMs: number;
  /** Megaflows; beyond them each packet comes up. */
  flowLimit: number;
}

/** The megaflows of one datapath, and all that comes up from it. */
export class Udpif {
  readonly dpif: Dpif;
  readonly ukeys = new UkeyTable();
  readonly options: UdpifOptions = { maxIdleMs: 10_000, flowLimit: 200_000 };
  /** The most that there have been, when counters were read. */
  maxFlows = 0;
  #polledMs = 0;
  /** How long the last look at counters took. */
  dumpDurationMs = 0;
  /** What the datapath is asked to do by itself. */
  native: ActionTypes;
  readonly #config: XlateConfig;
  readonly #queue: RevalidationQueue;
  readonly #masks = new Masks();
  readonly #known = new KnownOutcomes();
  readonly #memories = [new XlateMemory()];
  /** Of the flow that is being installed. */
  readonly #key = new Flow();
  #dump = 0;
  #scheduled = false;
  #paused = false;
  #megaflows = true;
  readonly #adopted: AdoptedFlows;
  #sweptMs = 0;
  /** Gets what is for the switch itself, with its Ethernet header. */
  onProtocol: ((packet: ProtocolPacket, frame: Uint8Array) => void) | undefined;
  /** A packet for collectors. */
  onSample: ((upcall: Upcall, data: SampleUserdata) => void) | undefined;
  onController: ((upcall: Upcall, data: ControllerUserdata) => void) | undefined;
  slowPath: Omit<SlowPathEnv, 'native'> = {
    meterAdmits: () => true,
    random: () => Math.floor(Math.random() * 2 ** 32),
  };
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #waiters: (() => void)[] = [];

  constructor(dpif: Dpif, config: XlateConfig, clock: Clock) {
    this.#clock = clock;
    this.dpif = dpif;
    this.native = dpif.actions;
    this.#config = config;
    this.#adopted = new AdoptedFlows(config.recirc);
    this.#queue = new RevalidationQueue(this.ukeys, dpif);
    if (dpif.adopted) this.#adopt();
  }

  /** Takes misses from now on: the configuration must be complete. */
  start(): void {
    if (this.#timer) return;
    this.#relearn();
    this.dpif.setUpcallHandler((batch) => this.handle(batch));
    this.#timer = every(this.#clock, STATS_INTERVAL_MS, () => this.poll());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.dpif.setUpcallHandler(undefined);
  }

  /** Everything may differ: configuration has changed. */
  configChanged(): void {
    this.#forget();
    this.#queue.addAll();
    this.#schedule();
  }

  /** As `configChanged`, where it is known what is different. */
  flowsChanged(changes: FlowChanges): void {
    this.#forget();
    this.#queue.addConcerned(changes);
    this.#schedule();
  }

  /** Rules and bridges that are no more must not be held. */
  #forget(): void {
    this.#known.clear();
    for (const memory of this.#memories) memory.effects.forget();
  }

  /** An address of a bridge is somewhere else now. */
  macChanged(bridge: Ofproto, vlan: number, mac: number): void {
    for (const ukey of this.ukeys.dependingOn(bridge, vlan, mac)) this.#queue.add(ukey);
    this.#schedule();
  }

  /** What is to be revalidated is, at once. */
  revalidate(): void {
    while (!this.#queue.isEmpty) this.#revalidateSlice();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  /** Resolves when all that is to be revalidated now has been, if anything is: before `start` nothing is. */
  wait(): Promise<void> {
    if (this.#queue.isEmpty || this.#paused || !this.#timer) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Deletes every megaflow. */
  purge(): void {
    for (const ukey of [...this.ukeys.values()]) this.#delete(ukey);
    this.dpif.flowFlush();
  }

  /** Without megaflows each flow is for the packets of one key. */
  useMegaflows(enabled: boolean): void {
    this.#megaflows = enabled;
    this.purge();
  }

  handle(batch: readonly Upcall[]): void {
    const executes: DpExecute[] = [];
    for (const upcall of batch) {
      if (upcall.type === 'action') this.#handleAction(upcall, executes);
      else this.#handleMiss(upcall, executes);
    }
    if (executes.length > 0) {
      counters.execute.add(executes.length);
      this.dpif.execute(executes);
    }
  }

  /** With its own `#withXlate`: a closure for each miss costs. */
  #handleMiss({ flow, packet }: Upcall, executes: DpExecute[]): void {
    const key = beyondKey(flow, packet.data);
    // What is done with one packet may lead to the next: each has memory of its own.
    const memory = this.#memories.pop() ?? new XlateMemory();
    try {
      this.#handleResult(this.#xlate(key, memory, packet.data), flow, packet, executes);
    } finally {
      this.#memories.push(memory);
    }
  }

  #handleResult(result: XlateResult, flow: Flow, packet: DpPacket, executes: DpExecute[]): void {
    const { effects } = result;
    const nowMs = this.dpif.nowMs();
    const seen = effects.netflow && { tcpFlags: flow.tcpFlags, usedMs: nowMs };
    applyEffects(effects, 1, packet.data.length, nowMs, seen);
    const { drop } = effects;
    if (drop) drop.bridge.drops.sample(drop.reason, flow, packet.data, nowMs);
    if (result.protocols.length > 0) this.#receive(result, packet.data);
    const actions = this.#known.actions(actionsOf(result, this.native));
    this.#install(flow, result, actions, nowMs);
    this.#send(result, actions, flow, packet, executes);
  }

  /** A packet that a megaflow sent up: for controllers, or to be treated here. */
  #handleAction(upcall: Upcall, executes: DpExecute[]): void {
    const data = upcall.userdata && decodeUserdata(upcall.userdata);
    if (data?.kind === 'controller') this.onController?.(upcall, data);
    else if (data && data.kind !== 'slow_path') this.onSample?.(upcall, data);
    else if (data) {
      const { flow, packet } = upcall;
      const use = (result: XlateResult) => {
        this.#receive(result, packet.data);
        // Its megaflow has counted it, where that tells what for; what it teaches is learned now.
        const counted = result.looksBeyondKey ? {} : COUNTED;
        const bytes = result.looksBeyondKey ? packet.data.length : 0;
        this.#apply({ ...result.effects, ...counted }, 1, bytes);
        this.#send(result, actionsOf(result, this.native), flow, packet, executes);
      };
      this.#withXlate(beyondKey(flow, packet.data), use, packet.data);
    }
  }

  /** Hands a packet to the protocols that it is for. */
  #receive({ protocols }: XlateResult, frame: Uint8Array): void {
    for (const packet of protocols) this.onProtocol?.(packet, frame);
  }

  /** Does what a translation says to one packet. */
  #send(
    result: XlateResult,
    actions: readonly OdpAction[],
    flow: Flow,
    packet: DpPacket,
    executes: DpExecute[],
  ): void {
    if (actions[0]?.type === 'drop') return;
    if (isSlow(result, actions)) this.#work(result, { flow, packet }, executes);
    else executes.push({ flow, packet, actions });
  }

  /** What the engine cannot do is done here. */
  #work({ actions }: XlateResult, what: PacketOfFlow, executes: DpExecute[]): void {
    const { native } = this;
    const lookUp: SlowLookups['lookUp'] = (flow, frame, use) =>
      this.#withXlate(beyondKey(flow, frame), (result) => {
        this.#apply(result.effects, 1, frame.length);
        use(result.actions);
      });
    executeSlowly({ ...what, actions }, { ...this.slowPath, native, lookUp }, executes);
  }

  /** Runs a packet through a translation that is nobody's megaflow. */
  execute(result: XlateResult, what: PacketOfFlow): void {
    // While flows are being restored nothing is sent.
    if (!this.#timer) return;
    this.#apply(result.effects, 1, what.packet.data.length);
    this.#receive(result, what.packet.data);
    const executes: DpExecute[] = [];
    this.#work(result, what, executes);
    if (executes.length > 0) this.dpif.execute(executes);
  }

  /** `poll`, unless that was a moment ago. */
  pollSoon(): void {
    if (performance.now() - this.#polledMs > MIN_POLL_MS) this.poll();
  }

  /** Reads counters, credits what they grew by, and drops what is idle. */
  poll(): void {
    if (this.#paused) return;
    const start = performance.now();
    this.#polledMs = start;
    const now = this.dpif.nowMs();
    this.#dump++;
    const recircIds = now - this.#sweptMs >= SWEEP_INTERVAL_MS ? new Set<number>() : undefined;
    this.dpif.eachStats((ufid, stats) => {
      counters.dumped.add();
      if (recircIds) for (const id of recircIdsOf(this.dpif.flowGet(ufid)!)) recircIds.add(id);
      const ukey = this.ukeys.get(ufid) ?? this.#adoptFlow(this.dpif.flowGet(ufid)!);
      ukey.dump = this.#dump;
      this.#credit(ukey, stats);
      if (now - (stats.usedMs ?? ukey.createdMs) > this.options.maxIdleMs && this.#timer) {
        this.#delete(ukey);
      }
    });
    this.ukeys.each((ukey) => {
      if (ukey.dump !== this.#dump) this.ukeys.delete(ukey);
    });
    if (recircIds) {
      this.#config.recirc.sweep(recircIds);
      this.#sweptMs = now;
    }
    this.maxFlows = Math.max(this.maxFlows, this.ukeys.size);
    this.dumpDurationMs = performance.now() - start;
  }

  /** The result is good until `use` returns. `frame` is the packet, when there is one. */
  #withXlate<T>(key: Flow, use: (result: XlateResult) => T, frame?: Uint8Array): T {
    const memory = this.#memories.pop() ?? new XlateMemory();
    try {
      return use(this.#xlate(key, memory, frame));
    } finally {
      this.#memories.push(memory);
    }
  }

  #xlate(key: Flow, memory: XlateMemory, frame: Uint8Array | undefined): XlateResult {
    counters.xlate.add();
    return xlateActions(this.#config, key, { memory, frame });
  }

  #install(
    flow: Flow,
    result: XlateResult,
    actions: readonly OdpAction[],
    createdMs: number,
  ): void {
    if (this.ukeys.size >= this.options.flowLimit) return;
    const mask = this.#masks.intern(
      this.#megaflows ? result.wildcards : exactMask(flow, result.wildcards),
    );
    const key = flowAnd(flow, mask, this.#key);
    const ufid = flowUfid(key, mask);
    const known = this.ukeys.get(ufid);
    if (known && sameActions(known.actions, actions)) return;
    const ukey: Ukey = {
      ufid,
      mask,
      actions,
      createdMs,
      stats: known?.stats ?? NO_STATS,
      effects: this.#effectsOf(result),
      macs: result.macs,
      isDirect: result.isDirect,
      dump: this.#dump,
    };
    try {
      this.dpif.flowPut({ ufid, key, mask, actions });
      counters.put.add();
      this.ukeys.add(ukey, known);
    } catch (error) {
      log.rl.warn(`failed to put flow: ${messageOf(error)}`);
    }
  }

  /** What packets of a megaflow bring about; what one itself has said is no other's. */
  #effectsOf({ effects, looksBeyondKey }: XlateResult): XlateEffects {
    if (looksBeyondKey) return NO_EFFECTS;
    return effects.mcast.length === 0 ? this.#known.effects(effects) : { ...effects, mcast: [] };
  }

  #apply(effects: XlateEffects, packets: number, bytes: number, seen?: PacketsSeen): void {
    applyEffects(effects, packets, bytes, this.dpif.nowMs(), seen);
  }

  /** What a megaflow's packets since the last look bring about. */
  #credit(ukey: Ukey, stats: Readonly<FlowStats>): void {
    const growth = takeGrowth(ukey, stats, this.dpif);
    if (!growth) return;
    this.#count(ukey.effects, growth);
    learnFrom(ukey.effects, this.#agoMs(growth));
  }

  #count(effects: XlateEffects, { packets, bytes, seen }: Growth): void {
    countPackets(effects, packets, bytes, this.dpif.nowMs(), seen);
  }

  #agoMs({ seen }: Growth): number {
    return Math.max(this.dpif.nowMs() - seen.usedMs, 0);
  }

  #delete(ukey: Ukey): void {
    const last = this.dpif.flowDel(ukey.ufid);
    counters.del.add();
    if (last && last.packets > ukey.stats.packets) {
      const { packets, bytes } = ukey.stats;
      this.#apply(ukey.effects, last.packets - packets, last.bytes - bytes);
    }
    this.ukeys.delete(ukey);
    this.#queue.delete(ukey);
  }

  #schedule(): void {
    if (this.#scheduled || this.#paused || this.#queue.isEmpty || !this.#timer) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#revalidateSlice();
    });
  }

  /** A slice at a time, so that upcalls are served in between. */
  #revalidateSlice(): void {
    this.#queue.runSlice((ukey) => this.#revalidate(ukey));
    if (!this.#queue.isEmpty) this.#schedule();
    else for (const done of this.#waiters.splice(0)) done();
  }

  /** Translates a megaflow anew: it stays, does something else, or (too wide now) goes. */
  #revalidate(ukey: Ukey): void {
    counters.revalidate.add();
    if (this.ukeys.get(ukey.ufid) !== ukey) return;
    const flow = this.dpif.flowGet(ukey.ufid);
    // What is no longer there goes with the next look at the counters. Packets on their way to a flow
    // of an earlier daemon's recirculation have their due: new ones get new ids, and it idles out.
    if (flow && !this.#adopted.hasRecirc(flow.key.recircId))
      this.#withXlate(flow.key, (result) => this.#bringInLine(ukey, flow, result));
  }

  #bringInLine(ukey: Ukey, { key, stats }: InstalledFlow, result: XlateResult): void {
    // Packets so far are those of the decision so far.
    const growth = takeGrowth(ukey, stats, this.dpif);
    if (growth) this.#count(ukey.effects, growth);
    if (!isSubset(result.wildcards, ukey.mask)) {
      this.#delete(ukey);
      return;
    }
    const actions = actionsOf(result, this.native);
    ukey.effects = this.#effectsOf(result);
    if (growth) learnFrom(ukey.effects, this.#agoMs(growth));
    this.ukeys.setMacs(ukey, result.macs);
    ukey.isDirect = result.isDirect;
    if (sameActions(actions, ukey.actions)) return;
    ukey.actions = actions;
    try {
      this.dpif.flowPut({ ufid: ukey.ufid, key, mask: ukey.mask, actions }, 'modify');
      counters.put.add();
    } catch (error) {
      log.rl.warn(`failed to modify flow: ${messageOf(error)}`);
      this.#delete(ukey);
    }
  }

  /** Flows that an earlier daemon left go on as they are until the configuration is there. */
  #adopt(): void {
    let n = 0;
    for (const flow of this.dpif.flows()) {
      this.#adoptFlow(flow);
      n++;
    }
    this.#adopted.reserveRecirc();
    log.info(`${this.dpif.name}: adopted ${n} flows`);
  }

  #adoptFlow(flow: InstalledFlow): Ukey {
    const mask = this.#masks.intern(flow.mask);
    const ukey = this.#adopted.ukeyOf(flow, mask, this.dpif.nowMs(), this.#dump);
    this.ukeys.add(ukey, undefined);
    this.#queue.add(ukey);
    this.#schedule();
    return ukey;
  }

  /** What the adopted flows tell of where addresses are, before any of them is judged. */
  #relearn(): void {
    for (const ukey of byLastUse(this.ukeys.values())) {
      const key = this.dpif.flowGet(ukey.ufid)?.key;
      if (key) this.#withXlate(key, ({ effects }) => learnAddresses(effects));
    }
    setImmediate(() => this.configChanged());
  }
}

/** What a packet that comes up is not counted for again. */
const COUNTED = {
  rules: [],
  tables: [],
  groups: [],
  patches: [],
  netflow: undefined,
  drop: undefined,
};

type PacketOfFlow = Pick<DpExecute, 'flow' | 'packet'>;

/** The flow with the headers that only OpenFlow knows of, read from the packet itself. */
function beyondKey(flow: Flow, frame: Uint8Array): Flow {
  if (!hasBeyondKey(flow)) return flow;
  const key = flow.clone();
  extractBeyondKey(frame, key);
  return key;
}
