/** The kernel datapath behind `Dpif`. */
import { closeSync } from 'node:fs';
import { progTestRun, type TestRun } from '@heddle/linux/bpf/index';
import {
  type Flow,
  Flow as FlowKey,
  flowAnd,
  flowMatches,
  isSubset,
  isTunnelled,
} from '@heddle/packet';
import { coverage, SystemError, vlog } from '@heddle/runtime';
import type {
  DpExecute,
  DpFlow,
  Dpif,
  DpPort,
  DpRehearsal,
  DpStats,
  FlowPutMode,
  FlowStats,
  InstalledFlow,
  OdpPort,
  PortStats,
  TunnelVportOptions,
  Upcall,
  VportType,
} from '../dpif.ts';
import type { Policing } from '../meter.ts';
import type { OdpAction } from '../odp-actions.ts';
import { flowUfid, type Ufid } from '../odp-ufid.ts';
import { isTunnelVport, TUNNEL_VPORT_TYPES } from '../tunnel-vport.ts';
import { CtTable } from './ct-table.ts';
import { type Engine, nowMs } from './engine.ts';
import { type Entry, keyOf } from './flow-table.ts';
import { Fragments, isTrackedFragment } from './fragments.ts';
import { Helpers } from './helpers.ts';
import type { Injector } from './injector.ts';
import { COUNTERS, DROP_REASONS, KEY_BYTES, MAX_MASKS, PORT_STAT } from './layout.ts';
import type { MaskSlot } from './mask-table.ts';
import type { MeterTable } from './meter-table.ts';
import { type PortTable, sumCpus } from './port-table.ts';
import { type Ring, UpcallReader } from './upcalls.ts';

const log = vlog.module('dpif');
const conntrackFull = coverage.counter('conntrack_full');
const conntrackEvicted = coverage.counter('conntrack_evicted');
const SORT_INTERVAL_MS = 5000;
const SWEEP_INTERVAL_MS = 100;

export interface KernelDpifParts {
  readonly engine: Engine;
  readonly ports: PortTable;
  readonly injector: Injector;
  readonly ring: Ring;
  readonly meters: MeterTable;
  readonly adopted: boolean;
  /** Removes from the kernel what outlives the daemon. */
  readonly remove: () => void;
  /** Lets go of what is not the engine's. */
  readonly close: () => void;
  readonly rehearsal: () => DpRehearsal;
}

export class KernelDpif implements Dpif {
  readonly type = 'system';
  readonly engine = 'kernel';
  readonly portTypes: readonly VportType[] = ['system', 'internal', 'tap', ...TUNNEL_VPORT_TYPES];
  readonly actions: ReadonlySet<OdpAction['type']> = new Set([
    'output',
    'push_vlan',
    'pop_vlan',
    'set',
    'set_tunnel',
    'userspace',
    'sample',
    'recirc',
    'trunc',
    'drop',
    'ct',
    'ct_clear',
    'set_priority',
    'meter',
    'clone',
    'check_pkt_len',
  ]);
  readonly name = 'ovs-system';
  readonly ct: CtTable;
  readonly meters: MeterTable;
  readonly adopted: boolean;
  readonly #engine: Engine;
  readonly #ports: PortTable;
  readonly #injector: Injector;
  readonly #upcalls: UpcallReader;
  readonly #fragments: Fragments;
  readonly #helpers: Helpers;
  readonly #parts: Pick<KernelDpifParts, 'remove' | 'close' | 'rehearsal'>;
  readonly #sorter: NodeJS.Timeout;
  readonly #sweeper: NodeJS.Timeout;
  /** Connections that are in the coverage counters. */
  #refused: number;
  #evicted: number;
  /** Packets being handled: what a flow put now is derived from. */
  #current: readonly Upcall[] = [];
  #batchMs: number | undefined;

  constructor(parts: KernelDpifParts) {
    this.#engine = parts.engine;
    this.#ports = parts.ports;
    this.#injector = parts.injector;
    this.meters = parts.meters;
    this.#parts = parts;
    this.adopted = parts.adopted;
    const { maps } = parts.engine.programs;
    this.#fragments = new Fragments(nowMs, (batch) => this.#inject(batch));
    this.ct = new CtTable(maps, this.#fragments.ipf);
    this.#helpers = new Helpers(maps, parts.injector);
    this.#refused = this.ct.refused;
    this.#evicted = this.ct.evicted;
    this.#upcalls = new UpcallReader(
      parts.ring,
      maps['quotas']!,
      (id) => parts.engine.names.userdata(id),
      (batch) => this.execute(batch),
      (mark, packet) => this.#helpers.handle(mark, packet),
    );
    if (this.adopted) this.#upcalls.resetQuotas();
    this.#sorter = setInterval(() => this.#sortMasks(), SORT_INTERVAL_MS).unref();
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS).unref();
  }

  /** While upcalls are handled, when their batch came. */
  nowMs(): number {
    return this.#batchMs ?? nowMs();
  }

  async portAdd(
    name: string,
    type: VportType,
    requested?: OdpPort,
    tunnel?: TunnelVportOptions,
  ): Promise<OdpPort> {
    if (!isTunnelVport(type)) return this.#ports.add(name, type, requested);
    return this.#ports.addTunnel(name, type, tunnel?.dstPort ?? 0, requested);
  }

  async portDel(port: OdpPort): Promise<void> {
    this.#ports.remove(port);
  }

  deviceSet(port: OdpPort): void {
    this.#ports.deviceSet(port);
  }

  ports(): Iterable<DpPort> {
    return this.#ports.ports();
  }

  port(port: OdpPort): DpPort | undefined {
    return this.#ports.get(port);
  }

  portStats(port: OdpPort): PortStats {
    return this.#ports.stats(port);
  }

  setPolicing(port: OdpPort, policing: Policing): void {
    this.#ports.setPolicing(port, policing);
  }

  onPortChange(listener: (port: OdpPort) => void): void {
    this.#ports.onChange(listener);
  }

  flowPut(flow: DpFlow, mode: FlowPutMode = 'put'): FlowStats | undefined {
    const { flows } = this.#engine;
    const ufid = flow.ufid ?? flowUfid(flow.key, flow.mask);
    const known = flows.get(ufid);
    if (known !== undefined) {
      if (mode === 'create') throw new SystemError('EEXIST', 'flow');
      const stats = flows.statsOf(known);
      flows.modify(known, flow.actions, flow.key);
      return stats;
    }
    if (mode === 'modify') throw new SystemError('ENOENT', 'flow');
    const slot = this.#engine.masks.add(flow.mask, MAX_MASKS - 1);
    if (slot === undefined) this.#putNarrow(flow);
    else this.#add(ufid, flow.key, slot, flow);
    return undefined;
  }

  #add(ufid: Ufid, key: Flow, slot: MaskSlot, flow: DpFlow): void {
    try {
      this.#engine.flows.add(ufid, key, slot, flow.actions);
    } finally {
      if (slot.flows === 0) this.#engine.masks.discard(slot);
    }
  }

  /**
   * Out of masks: the flow is installed for the packet at hand only, under the exact mask. That is
   * a narrower flow than asked for, with a ufid of its own; `flows` lists it as it is.
   */
  #putNarrow(flow: DpFlow): void {
    const masked = flowAnd(flow.key, flow.mask);
    const packet = this.#current.find((u) => flowMatches(u.flow, masked, flow.mask));
    if (packet === undefined) throw new SystemError('ENOSPC', 'masks');
    const exact = exactMask();
    // What there is no room for tells packets apart that come by tunnels or have been tracked.
    const isPlain = packet.flow.recircId === 0 && !isTunnelled(packet.flow);
    if (!isPlain && !isSubset(flow.mask, exact)) throw new SystemError('ENOSPC', 'masks');
    const slot = this.#engine.masks.add(exact, MAX_MASKS);
    if (slot === undefined) throw new SystemError('ENOSPC', 'masks');
    const ufid = flowUfid(packet.flow, slot.mask);
    const known = this.#engine.flows.get(ufid);
    if (known !== undefined) this.#engine.flows.modify(known, flow.actions, packet.flow);
    else this.#add(ufid, packet.flow, slot, flow);
  }

  flowDel(ufid: Ufid): FlowStats | undefined {
    const entry = this.#engine.flows.get(ufid);
    return entry === undefined ? undefined : this.#engine.flows.remove(entry);
  }

  flowGet(ufid: Ufid): InstalledFlow | undefined {
    const entry = this.#engine.flows.get(ufid);
    return entry === undefined ? undefined : this.#installed(entry);
  }

  flowKey(ufid: Ufid, into: Flow): Flow | undefined {
    const entry = this.#engine.flows.get(ufid);
    return entry && keyOf(entry, into);
  }

  *flows(): Generator<InstalledFlow> {
    for (const entry of this.#engine.flows.entries()) yield this.#installed(entry);
  }

  eachStats(visit: (ufid: Ufid, stats: Readonly<FlowStats>) => void): void {
    this.#engine.flows.eachStats(visit);
  }

  #installed(e: Entry): InstalledFlow {
    return new Installed(e, this.#engine.flows.statsOf(e));
  }

  flowFlush(): void {
    for (const e of [...this.#engine.flows.entries()]) this.#engine.flows.remove(e);
  }

  /** Flows come first: an answer to a packet sent now finds them. */
  execute(batch: readonly DpExecute[]): void {
    if (!batch.some(isTrackedFragment)) this.#inject(batch);
    else for (const e of batch) this.#fragments.execute(e);
  }

  #inject(batch: readonly DpExecute[]): void {
    this.#engine.flows.flush();
    this.#injector.execute(batch);
  }

  setUpcallHandler(handler: ((batch: readonly Upcall[]) => void) | undefined): void {
    if (handler === undefined) {
      this.#upcalls.setHandler(undefined);
      return;
    }
    this.#upcalls.setHandler((all) => {
      const batch = all.filter((upcall) => !this.#fragments.handle(upcall));
      if (batch.length === 0) return;
      this.#current = batch;
      this.#batchMs = nowMs();
      this.#engine.flows.hold();
      try {
        handler(batch);
      } finally {
        this.#current = [];
        this.#batchMs = undefined;
        this.#releaseFlows();
      }
    });
  }

  /** Flows that turn out not to fit are gone again: their packets will ask anew. */
  #releaseFlows(): void {
    try {
      this.#engine.flows.release();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      log.rl.warn(`failed to put flows: ${error.message}`);
    }
  }

  /** Takes what waits in the ring, as is done by itself when the ring says that there is something. */
  serveUpcalls(): void {
    this.#upcalls.drain();
  }

  rehearsal(): DpRehearsal {
    return this.#parts.rehearsal();
  }

  /** Whether packets wait in the ring. */
  upcallsPending(): boolean {
    return this.#upcalls.pending();
  }

  dropLeftovers(): void {
    this.meters.dropOthers();
  }

  stats(): DpStats {
    const { maps } = this.#engine.programs;
    const element = maps['scratch']!.lookup(0)!;
    const stride = (maps['scratch']!.info.valueSize + 7) & ~7;
    const n = sumCpus(element, COUNTERS.drops + DROP_REASONS, COUNTERS.at, stride);
    const drops = new Map<string, number>();
    for (let i = 0; i < DROP_REASONS; i++) {
      const count = n[COUNTERS.drops + i]!;
      if (count > 0) drops.set(this.#engine.names.dropReason(i), count);
    }
    if (this.#injector.lost > 0) drops.set('not sent', this.#injector.lost);
    const lostByPort = new Map<OdpPort, number>();
    for (const p of this.#ports.ports()) {
      const lost = this.#ports.counts(p.slot)[PORT_STAT.lost]!;
      if (lost > 0) lostByPort.set(p.portNo, lost);
    }
    return {
      hit: n[COUNTERS.hit]!,
      missed: n[COUNTERS.missed]!,
      lost: n[COUNTERS.lost]!,
      flows: this.#engine.flows.size,
      masks: this.#engine.masks.size,
      maskHit: n[COUNTERS.maskHit]!,
      cacheHit: n[COUNTERS.cacheHit]!,
      lostByPort,
      drops,
    };
  }

  /** For benchmarks: a program's verdict and mean time on a frame that enters at `ifindex`. */
  testRun(
    program: 'port_in' | 'underlay_in' | 'test_extract',
    frame: Uint8Array,
    options: { repeat?: number; mark?: number } = {},
  ): TestRun {
    const ctx = Buffer.alloc(192);
    ctx.writeUInt32LE(options.mark ?? 0, 8);
    const fd = this.#engine.programs.programs[program]!;
    return progTestRun(fd, frame, { ctx, repeat: options.repeat ?? 1 });
  }

  /** The key that the programs extract from a frame, here from the loopback device. */
  testExtract(frame: Uint8Array, mark: number): Flow {
    this.testRun('test_extract', frame, { mark });
    const map = this.#engine.programs.maps['scratch']!;
    const element = map.lookup(0)!;
    const stride = (map.info.valueSize + 7) & ~7;
    for (let at = 0; at < element.length; at += stride) {
      const key = new FlowKey();
      key.u8.set(element.subarray(at, at + KEY_BYTES));
      if (key.pktMark === mark) return key;
    }
    throw new SystemError('ENOENT', 'the extracted key');
  }

  async destroy(): Promise<void> {
    for (const p of [...this.#ports.ports()]) this.#ports.remove(p.portNo);
    this.#parts.remove();
    this[Symbol.dispose]();
  }

  /** Lets go of everything; what is in the kernel stays and works on. */
  [Symbol.dispose](): void {
    clearInterval(this.#sorter);
    clearInterval(this.#sweeper);
    this.#helpers.close();
    this.#upcalls.close();
    this.#parts.close();
    const { maps, programs } = this.#engine.programs;
    for (const map of Object.values(maps)) map[Symbol.dispose]();
    for (const fd of Object.values(programs)) closeSync(fd);
  }

  #sweep(): void {
    this.ct.sweep();
    this.#helpers.sweep();
    conntrackFull.add(this.ct.refused - this.#refused);
    conntrackEvicted.add(this.ct.evicted - this.#evicted);
    this.#refused = this.ct.refused;
    this.#evicted = this.ct.evicted;
  }

  #sortMasks(): void {
    if (this.#engine.masks.size < 2) return;
    const hits = new Map<MaskSlot, number>();
    for (const e of this.#engine.flows.entries())
      hits.set(e.slot, (hits.get(e.slot) ?? 0) + this.#engine.flows.statsOf(e).packets);
    this.#engine.masks.sortBy((slot) => hits.get(slot) ?? 0);
  }
}

/** Who goes through many flows asks for the keys of few. */
class Installed implements InstalledFlow {
  readonly #entry: Entry;
  readonly stats: FlowStats;

  constructor(entry: Entry, stats: FlowStats) {
    this.#entry = entry;
    this.stats = stats;
  }

  get ufid(): Ufid {
    return this.#entry.ufid;
  }

  get key(): Flow {
    return keyOf(this.#entry);
  }

  get mask(): Flow {
    return this.#entry.slot.mask;
  }

  get actions(): readonly OdpAction[] {
    return this.#entry.actions;
  }
}

/** All that the programs extract of a packet; words that they leave zero would only cost. */
const EXTRACTED_WORDS = [0, 1, 8, 9, 10, 11, 12, 13, 14, 15, 19, 20, 21, 22];

function exactMask(): Flow {
  const mask = new FlowKey();
  for (const w of EXTRACTED_WORDS) mask.u32.fill(0xffffffff, 2 * w, 2 * w + 2);
  return mask;
}
