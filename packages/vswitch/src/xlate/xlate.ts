/**
 * Translation: what to do with a packet, as datapath actions, and which bits of its key the
 * decision looked at. Pure: it reads tables, changes none and sends nothing; what it would change
 * is in `effects`. (Recirculation ids are names for states, found or made; they are no change.)
 */
import type { OdpAction, OdpNat } from '@heddle/datapath';
import type { FlowMod, OfpAct } from '@heddle/openflow';
import { type Flow, isTunnelled } from '@heddle/packet';
import type { Bond } from '../bond/bond.ts';
import type { NetFlow } from '../export/netflow.ts';
import { deliverDhcp } from '../in-band/dhcp.ts';
import type { McastMessage } from '../mcast-snooping/membership.ts';
import type { Mirror } from '../mirror.ts';
import type { FlowTable } from '../ofproto/flow-table.ts';
import type { Group } from '../ofproto/group.ts';
import type { FrozenState } from '../ofproto/recirc.ts';
import type { Rule } from '../ofproto/rule.ts';
import type { Bundle, OfPort, Ofproto, XlateConfig } from '../ofproto.ts';
import { runActionSet, runActions, runFrames } from './actions.ts';
import { admits, mayReceive, outputsSoFar, takeBack } from './admission.ts';
import { XlateContext, type XlateEngine, XlateError, type XlateMemory } from './context.ts';
import { startExport } from './export.ts';
import { finishFreezing } from './finish.ts';
import { hashFlow } from './hash.ts';
import { mirrorArrival } from './mirror.ts';
import type { DropEffect, XlateEvent } from './observe.ts';
import { sendOut } from './output.ts';
import type { ProtocolPacket } from './protocols.ts';
import { xlateTable } from './table.ts';
import { thaw } from './thaw.ts';
import { lookAtTunnel, receiveTunnel } from './tunnel.ts';

/** What a port has said of multicast groups. */
export interface McastEffect {
  readonly bridge: Ofproto;
  readonly vlan: number;
  readonly bundle: Bundle;
  readonly message: McastMessage;
}

/** An address to learn or to keep young. */
export interface LearnEffect {
  readonly bridge: Ofproto;
  readonly vlan: number;
  readonly mac: number;
  readonly bundle: Bundle;
}

/** What each packet of a megaflow changes, besides where it goes. */
export interface XlateEffects {
  readonly learn: LearnEffect[];
  /** Of the packet itself, and no other that its megaflow matches. */
  readonly mcast: McastEffect[];
  /** Flows that matched; their counters grow. */
  readonly rules: Rule[];
  readonly tables: { readonly table: FlowTable; readonly matched: boolean }[];
  /** Ports without a device of their own that it left (tx) and entered (rx) by. */
  readonly patches: { readonly from: OfPort | undefined; readonly to: OfPort | undefined }[];
  /** `bucket`: the only one; undefined: all. */
  readonly groups: { readonly group: Group; readonly bucket: number | undefined }[];
  readonly mirrors: Mirror[];
  /** Buckets of balanced bonds that the packet left by. */
  readonly bonds: { readonly bond: Bond; readonly bucket: number }[];
  /** What `learn` actions add, change or delete. */
  readonly flows: LearnedFlow[];
  /** Seconds that `fin_timeout` leaves a flow. */
  readonly finTimeouts: { readonly rule: Rule; readonly idle: number; readonly hard: number }[];
  /** What NetFlow counts: the flow, and the interface that it leaves by. */
  netflow: { readonly netflow: NetFlow; readonly flow: Flow; readonly output: number } | undefined;
  /** What is heard of who has which address. */
  readonly neighbours: (() => void)[];
  /** Asks for who has an address. */
  readonly solicits: (() => void)[];
  /** Set when the packet goes nowhere. */
  drop: DropEffect | undefined;
}

export interface LearnedFlow {
  readonly bridge: Ofproto;
  readonly flowMod: FlowMod;
  /** Flows that `learn(limit=…)` allows with the same cookie in its table; 0: no limit. */
  readonly limit: number;
  /** Whether the limit allowed it when the packet was translated. */
  readonly isLearned: boolean;
  /** Of the flow that has learned it. */
  readonly table: number;
}

/** An entry of a MAC table that the decision depends on, also when it is not there. */
export interface MacDependency {
  readonly bridge: Ofproto;
  readonly vlan: number;
  readonly mac: number;
}

/** What a translation comes to. */
export interface XlateResult {
  readonly actions: readonly OdpAction[];
  /** Mask of the bits of the datapath's key that the decision looked at. */
  readonly wildcards: Flow;
  /** The same for people: the flow as it was taken and what was looked at of it. */
  readonly seen: { readonly flow: Flow; readonly wildcards: Flow };
  /** The flow as it was in the end, when that differs and what happens is recorded. */
  readonly final: Flow | undefined;
  readonly effects: XlateEffects;
  /** Lookups of addresses; the result holds until one of them comes out otherwise. */
  readonly macs: readonly MacDependency[];
  /**
   * Every lookup was of the packet as it came, whatever registers and ports were by then, and nothing that
   * flows look at brings every packet up.
   */
  readonly isDirect: boolean;
  /** Where copies of the packet go on after a recirculation. */
  readonly forks: readonly XlateFork[];
  /** Not empty: every packet must come up, for these reasons (`dpif/dump-flows`, "slow_path"). */
  readonly slow: readonly string[];
  /** What happens is each packet's own: it hangs on headers that the datapath's key does not hold. */
  readonly looksBeyondKey: boolean;
  /** What comes up for the daemon to treat goes through this meter of the datapath. */
  readonly slowMeter: number | undefined;
  /** It is for the switch itself, as what these ports take. */
  readonly protocols: readonly ProtocolPacket[];
  /** The translation was given up. */
  readonly failure: string | undefined;
  /** Why nothing is sent, when that is so. */
  readonly dropReason: string | undefined;
  /** What happened, when asked for. */
  readonly trace: readonly TraceNode[];
}

/** A recirculation: the packet as it will come back, and the zone when it is tracked. */
export interface XlateFork {
  readonly id: number;
  readonly flow: Flow;
  readonly zone?: number;
  /** What tracking is to do with its addresses. */
  readonly nat?: OdpNat;
}

export interface TraceNode {
  readonly kind:
    | 'bridge'
    | 'table'
    | 'bucket'
    | 'set'
    | 'thaw'
    | 'action'
    | 'detail'
    /** As `detail`, when the tables are through. */
    | 'closing'
    | 'note'
    | 'error'
    | 'warn';
  readonly text: string;
  readonly children: TraceNode[];
}

export interface XlateOptions {
  /** Record what happens, for people. */
  readonly trace?: boolean;
  /** Ports by their names in what is recorded. */
  readonly portNames?: boolean;
  /** Hears of each step. */
  readonly observe?: (event: XlateEvent) => void;
  /** There is a packet to learn from (the default); without, tables are taken as they are. */
  readonly withPacket?: boolean;
  /** The packet from its Ethernet header on, for what the key does not hold. */
  readonly frame?: Uint8Array | undefined;
  /** Where it enters, when that is not the port that `inPort` of the key tells. */
  readonly entry?: { readonly bridge: Ofproto; readonly ofport: number };
  /** TCP flags seen, for `fin_timeout`; the key's otherwise. */
  readonly tcpFlags?: number;
  /** Chooses a link, port or bucket where a hash of the packet would. */
  readonly pick?: () => number | undefined;
  /** Runs these instead of the flow tables (packet-out). */
  readonly actions?: readonly OfpAct[];
  /** A controller has sent it: what comes back to controllers says so. */
  readonly isPacketOut?: boolean;
  /** What the result's flows and masks lie in: good until the next translation in it. */
  readonly memory?: XlateMemory;
  /** Goes on from a pause (NXT_RESUME) or recirculation that no id stands for. */
  readonly frozen?: FrozenState;
}

/** When a pipeline is through: its action set, or going on after a recirculation. */
function finish(ctx: XlateContext): void {
  if (ctx.frozen) finishFreezing(ctx);
  else runActionSet(ctx);
}

const ENGINE: XlateEngine = {
  runBridge: (ctx, byPatch) => xlateBridge(ctx, byPatch),
  runTable: xlateTable,
  runActions,
  runFrames,
  sendOut,
  hashFlow,
  finish,
};

/** Translates a packet that entered the datapath by `flow.inPort`. */
export function xlateActions(
  config: XlateConfig,
  key: Flow,
  options: XlateOptions = {},
): XlateResult {
  const ctx = new XlateContext(ENGINE, config, key, options);
  const { wildcards } = ctx;
  wildcards.inPort = 0xffff_ffff;
  wildcards.recircId = 0xffff_ffff;
  // Whether there is a tag is part of what type the packet is of.
  wildcards.dlType = 0xffff;
  wildcards.vlanTci0 = 0x1000;
  const { dlType } = ctx.flow;
  if (dlType === 0x0800 || dlType === 0x86dd) wildcards.nwFrag = 0xff;
  try {
    start(ctx, key);
  } catch (error) {
    if (error instanceof XlateError) return ctx.result(error);
    throw error;
  }
  return ctx.result();
}

function start(ctx: XlateContext, key: Flow): void {
  const { config, options } = ctx;
  const frozen =
    options.frozen ?? (key.recircId === 0 ? undefined : config.recirc.get(key.recircId));
  if (frozen) {
    if (frozen.bridge.ports.get(frozen.ofport)?.tunnel) lookAtTunnel(ctx, key);
    ctx.enter(frozen.bridge, frozen.ofport);
    startExport(ctx, true);
    ctx.traceUnder('bridge', `bridge("${frozen.bridge.name}")`, () => thaw(ctx, frozen));
    return;
  }
  if (key.recircId !== 0) {
    ctx.drop('unknown recirculation');
    if (ctx.isTracing) traceUnknown(ctx, key);
    return;
  }
  const { entry } = options;
  const port = entry ? entry.bridge.ports.get(entry.ofport) : portOf(config, key);
  const bridge = entry?.bridge ?? port?.bundle.bridge;
  const byTunnel = port ? port.tunnel !== undefined : isTunnelled(key);
  if (byTunnel) lookAtTunnel(ctx, key);
  if (!bridge) {
    ctx.drop('no such port in any bridge');
    return;
  }
  ctx.enter(bridge, entry?.ofport ?? port!.ofport);
  startExport(ctx, false);
  if (byTunnel) {
    ctx.effects.patches.push({ from: undefined, to: port });
    if (!receiveTunnel(ctx)) return;
  }
  xlateBridge(ctx, false, options.actions);
}

/** The bridge is where the packet's port is. */
function traceUnknown(ctx: XlateContext, { inPort, recircId }: Flow): void {
  const { config, options } = ctx;
  const bridge = options.entry?.bridge ?? config.portOf(inPort)?.bundle.bridge;
  const fail = (): void =>
    ctx.fail(`Recirculation context not found for ID ${recircId.toString(16)}`, NO_RECIRCULATION);
  if (bridge) ctx.traceUnder('bridge', `bridge("${bridge.name}")`, fail);
}

const NO_RECIRCULATION = 'No recirculation context';

function portOf(config: XlateConfig, key: Flow): OfPort | undefined {
  return config.portOf(key.inPort) ?? config.tunnels?.receive(key);
}

/** The pipeline of the bridge that the packet has entered, from its first table on. */
function xlateBridge(ctx: XlateContext, byPatch: boolean, actions?: XlateOptions['actions']): void {
  if (ctx.isTracing) traceBridge(ctx, byPatch, actions);
  else runPipeline(ctx, byPatch, actions);
}

function traceBridge(ctx: XlateContext, byPatch: boolean, actions: XlateOptions['actions']): void {
  const text = `bridge("${ctx.bridge.name}")`;
  ctx.traceUnder('bridge', text, () => runPipeline(ctx, byPatch, actions));
}

function runPipeline(ctx: XlateContext, byPatch: boolean, actions: XlateOptions['actions']): void {
  if (actions) {
    if (!mayReceive(ctx) || !mirrorArrival(ctx)) return;
    runActions(ctx, actions, true);
    finish(ctx);
  } else if (!byPatch || admits(ctx, byPatch)) {
    const before = outputsSoFar(ctx);
    xlateTable(ctx, { tableId: 0, isLast: true, mayPacketIn: true, byPatch, isFirst: true });
    if (before) takeBack(ctx, before);
    else if (!byPatch) deliverDhcp(ctx);
  }
}
