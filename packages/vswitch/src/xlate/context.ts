import type { OdpAction } from '@heddle/datapath';
import {
  type ContinuationFrame,
  type HashFields,
  OFPM13_SLOWPATH,
  OFPP_UNSET,
  type OfpAct,
} from '@heddle/openflow';
import {
  clearTunnel,
  clearTunnelFields,
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_NSH,
  ETH_P_RARP,
  Flow,
  flowEquals,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  isMpls,
  isTunnelled,
  KEY_SLOTS,
  readErspan,
  tunnelOptions,
  VLAN_CFI,
  zeroWords,
} from '@heddle/packet';
import type { ControllerAction } from '../ofproto/recirc.ts';
import type { Rule } from '../ofproto/rule.ts';
import type { Bundle, OfPort, Ofproto, XlateConfig } from '../ofproto.ts';
import { isAsItCame } from '../table-changes.ts';
import type { VlanTag } from '../vlan.ts';
import { commitActions } from './commit.ts';
import { EffectsDraft, emptied, listOf, NOTHING, some } from './effects-draft.ts';
import { type ExportState, finishExport, isSample } from './export.ts';
import { looksAtNsh } from './nsh.ts';
import type { DropEffect, DropReason } from './observe.ts';
import type { ProtocolPacket } from './protocols.ts';
import type { TableEntry } from './table.ts';
import { keyMask, limitTags, setTags, tagsOf } from './tags.ts';
import type { MacDependency, TraceNode, XlateFork, XlateOptions, XlateResult } from './xlate.ts';

/** Why a translation came to nothing; the text of ofproto/trace. */
export class XlateError extends Error {
  /** A bucket or another bridge that it happens in comes to nothing alone. */
  readonly isContained: boolean;

  constructor(failure: string, isContained: boolean) {
    super(failure);
    this.isContained = isContained;
  }
}

/** The parts of the interpreter that call each other, whatever file they are in. */
export interface XlateEngine {
  runBridge(ctx: XlateContext, byPatch: boolean): void;
  runTable(ctx: XlateContext, entry: TableEntry): void;
  runActions(ctx: XlateContext, actions: readonly OfpAct[], isLast: boolean): unknown;
  runFrames(ctx: XlateContext, frames: readonly ContinuationFrame[]): void;
  sendOut(ctx: XlateContext, port: OfPort): void;
  hashFlow(ctx: XlateContext, fields: HashFields, basis: number): number;
  finish(ctx: XlateContext): void;
}

export interface PendingHeader {
  readonly type: 'encap' | 'decap';
  readonly nshMetadata?: Uint8Array;
}

/** What a translation writes to. Who translates much may give it to the next one, when done. */
export class XlateMemory {
  readonly flow = new Flow();
  readonly base = new Flow();
  readonly initial = new Flow();
  readonly wildcards = new Flow();
  readonly written = new Flow();
  readonly mask = new Flow();
  readonly effects = new EffectsDraft();
  readonly actions: OdpAction[] = listOf();
}

/** The state of one translation. */
export class XlateContext {
  readonly config: XlateConfig;
  readonly engine: XlateEngine;
  readonly options: XlateOptions;
  /** The packet as it is now; `inPort` is an OpenFlow port of `bridge`. */
  flow: Flow;
  /** The packet as the datapath's actions so far have made it. */
  base: Flow;
  /** The bits of the packet as it came that were looked at. */
  readonly wildcards: Flow;
  /** Bits of `flow` that actions have written, so far as they belong to headers. */
  readonly written: Flow;
  readonly effects: EffectsDraft;
  /** Whether there is a packet to learn from. */
  withPacket: boolean;

  bridge!: Ofproto;
  /** Where it entered the bridge; undefined for a port that the bridge does not know. */
  inPort: OfPort | undefined;
  /** Where it entered the first bridge. */
  entry: Bundle | undefined;
  tableId = 0;
  cookie = 0n;
  /** Nested bridges and tables. */
  depth = 0;
  /** Tables that have led to this one. */
  nesting = 0;
  resubmits = 0;
  /** How often the translation has split by the length of the packet. */
  branches = 0;
  stack: bigint[] = [];
  actionSet: OfpAct[] = [];
  /** `exit` has been met. */
  isExiting = false;
  /** A TTL ran out, which ends the list of actions that is being run. */
  hasTtlExpired = false;
  conntracked = false;
  wasMpls = false;
  /** A header that `encap` has added or `decap` taken away since the last commit. */
  pending: PendingHeader | undefined;
  #slow: Set<string> | undefined;
  /** What is left of the lists, from the innermost out, when one of them was interrupted. */
  frozen: ContinuationFrame[] | undefined;
  /** The action that was being done is to be done again after the recirculation. */
  redo = false;
  /** The packet is hashed before it recirculates. */
  hashes = false;
  /** A `controller(pause)` was met: the rest waits for the controller. */
  paused: ControllerAction | undefined;
  /** The list that is being run is a bucket's own, not that of a flow which it resubmits to. */
  isInBucket = false;
  isInActionSet = false;
  /** Bits of the bridge's mirrors that have their copy. */
  mirrored = 0;
  /** Bytes of what is sent at most, 0 for all: of copies for a mirror. */
  snaplen = 0;
  /** The mirror that copies are made for. */
  mirror: string | undefined;
  /** The flow that the actions are of, for `fin_timeout`. */
  currentRule: Rule | undefined;
  odpActions: OdpAction[];
  /** Set when the bridge that it entered samples or counts for collectors. */
  exports: ExportState | undefined;
  /** Where the packet's tunnel ended: here. Zero when it came by none. */
  tunnelDst: Uint8Array = NO_ADDRESS;
  readonly #memory: XlateMemory;
  readonly #key: Flow;
  readonly #initial: Flow;
  #macs: MacDependency[] | undefined;
  #isDirect = true;
  #protocols: ProtocolPacket[] | undefined;
  #forks: XlateFork[] | undefined;
  readonly #roots: TraceNode[];
  #nodes: TraceNode[];
  #dropReason: DropReason | undefined;
  #dropped: DropEffect | undefined;

  constructor(engine: XlateEngine, config: XlateConfig, key: Flow, options: XlateOptions) {
    this.engine = engine;
    this.config = config;
    this.options = options;
    this.#key = key;
    this.#roots = options.trace ? [] : NOTHING;
    this.#nodes = this.#roots;
    const { memory = new XlateMemory() } = options;
    const limited = limitTags(key, config.vlanLimit);
    this.#memory = memory;
    this.flow = memory.flow;
    this.base = memory.base;
    this.#initial = memory.initial;
    this.flow.copyFrom(limited);
    this.flow.actsetOutput = OFPP_UNSET;
    this.base.copyFrom(this.flow);
    this.#initial.copyFrom(this.flow);
    this.wildcards = memory.wildcards;
    this.written = memory.written;
    this.wildcards.clear();
    this.wildcards.tlv = undefined;
    this.written.clear();
    this.written.tlv = undefined;
    this.effects = memory.effects.begin();
    this.odpActions = emptied(memory.actions);
    this.withPacket = options.withPacket ?? true;
    // The actions of a packet-out are no flow's.
    if (options.actions) this.cookie = NO_COOKIE;
  }

  get isTracing(): boolean {
    return this.options.trace === true;
  }

  /** The packet as it came, with the port that it entered by; for people. */
  get initial(): Flow {
    return this.#initial;
  }

  /** Where it enters: before anything is done. */
  enter(bridge: Ofproto, ofport: number): void {
    this.bridge = bridge;
    this.inPort = bridge.ports.get(ofport);
    this.entry = this.inPort?.bundle;
    const { flow, base, wildcards, written } = this;
    const initial = this.#initial;
    const { tlv } = bridge;
    flow.tlv = tlv;
    base.tlv = tlv;
    initial.tlv = tlv;
    wildcards.tlv = tlv;
    written.tlv = tlv;
    clearTunnel(base);
    readErspan(flow);
    readErspan(initial);
    readOptions(flow);
    readOptions(initial);
    flow.inPort = ofport;
    base.inPort = ofport;
    initial.inPort = ofport;
  }

  /** Entries of MAC tables that the translation depends on. */
  get macs(): MacDependency[] {
    this.#macs ??= [];
    return this.#macs;
  }

  /** What the datapath cannot do by itself, so that each packet must be seen. */
  get slow(): Set<string> {
    this.#slow ??= new Set();
    return this.#slow;
  }

  /** It is for the switch itself, as what these ports take. */
  get protocols(): ProtocolPacket[] {
    this.#protocols ??= [];
    return this.#protocols;
  }

  /** Where tracked copies go on, for people. */
  get forks(): XlateFork[] {
    this.#forks ??= [];
    return this.#forks;
  }

  get tags(): readonly VlanTag[] {
    return tagsOf(this.flow);
  }

  set tags(tags: readonly VlanTag[]) {
    setTags(this.flow, tags);
  }

  /** A choice that a hash would make, when somebody else makes it. */
  pick(): number | undefined {
    return this.options.pick?.();
  }

  /** The action set has changed: its output is a field of the packet, which a group hides. */
  noteActionSet(): void {
    let port = OFPP_UNSET;
    for (const act of this.actionSet) if (act.type === 'output') port = act.port;
    if (this.actionSet.some(({ type }) => type === 'group')) port = OFPP_UNSET;
    this.flow.actsetOutput = port;
  }

  trace(kind: TraceNode['kind'], text: string): void {
    if (this.isTracing) this.#nodes.push({ kind, text, children: [] });
  }

  /** Runs `body`, whose lines belong under a heading. */
  traceUnder(kind: TraceNode['kind'], text: string, body: () => void): void {
    if (!this.isTracing) {
      body();
      return;
    }
    const node: TraceNode = { kind, text, children: [] };
    this.#nodes.push(node);
    const outer = this.#nodes;
    this.#nodes = node.children;
    try {
      body();
    } finally {
      this.#nodes = outer;
    }
  }

  /** Gives up the translation as a whole. `failure` is one of upstream's few reasons. */
  fail(text: string, failure: string): never {
    this.trace('error', text);
    throw new XlateError(failure, false);
  }

  /** The packet is none that the actions can be done with; what has been sent until now is. */
  giveUp(failure: string): never {
    throw new XlateError(failure, true);
  }

  /** Runs `body`, a bucket's actions or another bridge's, whose `giveUp` ends nothing else. */
  contain(body: () => void): void {
    const { depth, nesting, tableId, cookie, currentRule, isInActionSet } = this;
    try {
      body();
    } catch (error) {
      if (!(error instanceof XlateError && error.isContained)) throw error;
      this.drop(error.message);
      Object.assign(this, { depth, nesting, tableId, cookie, currentRule, isInActionSet });
    }
  }

  /** Why the packet goes no further here; `port` or `group` is what is in the way. */
  drop(reason: DropReason, port?: OfPort, group?: number): void {
    if (this.#dropReason === undefined) {
      this.#dropReason = reason;
      this.#dropped = this.#dropEffect(reason);
    }
    this.pass(reason, port, group);
  }

  /** A way that it does not go, as others do not concern it. */
  pass(reason: DropReason, port?: OfPort, group?: number): void {
    if (!this.options.observe) return;
    const { bridge, tableId, currentRule: rule, flow } = this;
    const way = { bridge, tableId, rule, flow: flow.clone(), port };
    this.options.observe({ type: 'drop', reason, ...way, ...(group !== undefined && { group }) });
  }

  #dropEffect(reason: DropReason): DropEffect | undefined {
    const { bridge, tableId, currentRule: rule } = this;
    // Before it has entered a bridge there is nothing to count it at.
    return bridge && { bridge, reason, tableId, rule };
  }

  /** Before each lookup. */
  noteLookup(): void {
    if (this.#isDirect) this.#isDirect = isAsItCame(this.flow, this.#key);
  }

  /** Makes the datapath's packet what `flow` is by now. */
  commit(): void {
    commitActions(this);
  }

  /** Has the datapath hash the packet, and goes on with what is being done now when it has. */
  hashAndRecirculate(hash: Extract<OdpAction, { type: 'hash' }>): void {
    this.commit();
    this.odpActions.push(hash);
    this.hashes = true;
    this.recirculateFirst();
  }

  /** Does what is being done now when the packet has come back. */
  recirculateFirst(): void {
    this.redo = true;
    this.frozen = [];
  }

  /** Sends the packet as it is by now. */
  output(odpPort: number): void {
    this.commit();
    if (this.snaplen !== 0) this.odpActions.push({ type: 'trunc', maxLen: this.snaplen });
    this.odpActions.push({ type: 'output', port: odpPort });
  }

  /** What the datapath's key does not hold cannot be in a mask: every such packet comes up. */
  #looksBeyondKey(): boolean {
    const { mplsLse0, mplsLse1, mplsLse2, ndReserved, ndOptionsType } = this.wildcards;
    const { dlType, nwProto } = this.#initial;
    const looksAtMpls = isMpls(dlType) && (mplsLse0 | mplsLse1 | mplsLse2) !== 0;
    if (looksAtMpls) this.slow.add('mpls');
    const isNsh = dlType === ETH_P_NSH && looksAtNsh(this.wildcards);
    if (isNsh) this.slow.add('nsh');
    const isIcmp6 = dlType === ETH_P_IPV6 && nwProto === IPPROTO_ICMPV6;
    const looksAtNd = isIcmp6 && (ndReserved | ndOptionsType) !== 0;
    if (looksAtNd) this.slow.add('action');
    return looksAtMpls || isNsh || looksAtNd;
  }

  result(error?: XlateError): XlateResult {
    if (error) {
      this.odpActions = [];
      this.drop(error.message);
    } else finishExport(this);
    const { vlanLimit } = this.config;
    // A copy that is the last to be made is the packet itself.
    const last = this.odpActions.at(-1);
    if (last?.type === 'clone') this.odpActions.splice(-1, 1, ...last.actions);
    zeroUnmatchable(this.wildcards, this.#initial);
    const looksBeyondKey = this.#looksBeyondKey();
    if (!isTunnelled(this.#key)) clearTunnelFields(this.wildcards);
    const dropReason = this.odpActions.some(sends)
      ? undefined
      : (this.#dropReason ?? 'no port to send to');
    const isDropped = dropReason !== undefined && this.#protocols === undefined;
    if (isDropped) this.effects.drop = this.#dropped ?? this.#dropEffect(dropReason);
    return {
      actions: some(this.odpActions),
      wildcards: keyMask(this.#key, this.#initial, this.wildcards, vlanLimit, this.#memory.mask),
      seen: { flow: this.#initial, wildcards: this.wildcards },
      final: this.isTracing && !flowEquals(this.flow, this.#initial) ? this.flow : undefined,
      effects: this.effects.result(),
      macs: some(this.#macs),
      isDirect: this.#isDirect && this.#slow === undefined,
      forks: this.#forks ?? NOTHING,
      slow: this.#slow ? [...this.#slow] : NOTHING,
      looksBeyondKey,
      slowMeter: this.bridge?.meters.get(OFPM13_SLOWPATH)?.dpId,
      protocols: this.#protocols ?? NOTHING,
      dropReason,
      failure: error?.message,
      trace: this.#roots,
    };
  }
}

const NO_COOKIE = 0xffff_ffff_ffff_ffffn;

const DOES_SOMETHING: ReadonlySet<OdpAction['type']> = new Set([
  'output',
  'tnl_pop',
  'userspace',
  'recirc',
  'ct',
  'clone',
  'sample',
  'check_pkt_len',
]);

function sends(action: OdpAction): boolean {
  return DOES_SOMETHING.has(action.type) && !isSample(action);
}

const NO_ADDRESS = new Uint8Array(16);

function readOptions(flow: Flow): void {
  if (flow.tunOptsLen === 0) return;
  flow.tlv?.readOptions(tunnelOptions(flow), flow);
}

const SRC_WORD = KEY_SLOTS.get('ipv6Src')!.offset / 4;
const DST_WORD = KEY_SLOTS.get('ipv6Dst')!.offset / 4;
const ND_TARGET_WORD = KEY_SLOTS.get('ndTarget')!.offset / 4;
/** From the flags to the last context header: bytes of their own words. */
const NSH_WORD = KEY_SLOTS.get('nshFlags')!.offset / 4;
const NSH_END = KEY_SLOTS.get('nshC4')!.offset / 4 + 1;

function isIcmp(dlType: number, nwProto: number): boolean {
  if (dlType === ETH_P_IP) return nwProto === IPPROTO_ICMP;
  return dlType === ETH_P_IPV6 && nwProto === IPPROTO_ICMPV6;
}

/**
 * Forgets what was looked at but is zero in every packet of this type, which is looked at. Where
 * tags beyond the limit are taken for payload, headers behind them differ that nobody has seen.
 */
function zeroUnmatchable(wildcards: Flow, { dlType, nwProto }: Flow): void {
  // Lookups give it to a packet, which comes without.
  wildcards.conjId = 0;
  if (!isMpls(dlType)) {
    wildcards.mplsLse0 = 0;
    wildcards.mplsLse1 = 0;
    wildcards.mplsLse2 = 0;
  }
  if (wildcards.nwProto === 0xff && isIcmp(dlType, nwProto)) {
    // Type and code have a byte each.
    wildcards.tpSrc &= 0xff;
    wildcards.tpDst &= 0xff;
  }
  const { u32 } = wildcards;
  if (dlType !== ETH_P_NSH) zeroWords(u32, NSH_WORD, NSH_END);
  if (dlType === ETH_P_IPV6) return;
  wildcards.ipv6Label = 0;
  zeroWords(u32, ND_TARGET_WORD, ND_TARGET_WORD + 4);
  // IPv4 and ARP have the first word of each address.
  zeroWords(u32, SRC_WORD + 1, SRC_WORD + 4);
  zeroWords(u32, DST_WORD + 1, DST_WORD + 4);
  const isArp = dlType === ETH_P_ARP || dlType === ETH_P_RARP;
  if (!isArp) {
    wildcards.arpSha = 0;
    wildcards.arpTha = 0;
  }
  if (dlType === ETH_P_IP) return;
  wildcards.nwTos = 0;
  wildcards.nwTtl = 0;
  wildcards.nwFrag = 0;
  wildcards.tpSrc = 0;
  wildcards.tpDst = 0;
  wildcards.tcpFlags = 0;
  if (isArp) return;
  wildcards.nwSrc = 0;
  wildcards.nwDst = 0;
  wildcards.nwProto = 0;
}

export function isTagged(flow: Flow): boolean {
  return (flow.vlanTci0 & VLAN_CFI) !== 0;
}
