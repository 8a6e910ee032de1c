/** A packet's whole way through the bridges, step by step. */
import type { Flow } from '@heddle/packet';
import type { Rule } from '../ofproto/rule.ts';
import type { OfPort, Ofproto, XlateConfig } from '../ofproto.ts';
import { resumed } from '../trace/trace.ts';
import type { DropReason, XlateEvent } from '../xlate/observe.ts';
import { type XlateResult, xlateActions } from '../xlate/xlate.ts';

export interface Packet {
  readonly bridge: Ofproto;
  /** As the datapath has it, `inPort` included. */
  readonly flow: Flow;
  readonly ofport: number;
  /** Bytes of the frame, where one is at hand. */
  readonly length: number | undefined;
}

/** Steps that are kept: `flow` is a copy. */
export type WalkEvent = XlateEvent;

export interface Pass {
  /** 0 for the packet as it came. */
  readonly recircId: number;
  /** What connection tracking is taken to say. */
  readonly ctState: number | undefined;
  readonly events: readonly WalkEvent[];
  readonly result: XlateResult;
}

export interface Walk {
  readonly passes: readonly Pass[];
}

export interface Drop {
  readonly reason: DropReason;
  readonly bridge: Ofproto | undefined;
  readonly tableId: number;
  readonly rule: Rule | undefined;
  readonly flow: Flow;
  readonly port: OfPort | undefined;
  readonly group?: number;
}

const MAX_PASSES = 64;

/** `ctNext`: states that tracking gives, one after the other; `trk|new` when they run out. */
export function walk(config: XlateConfig, packet: Packet, ctNext: readonly number[] = []): Walk {
  const { bridge, ofport, flow, length } = packet;
  const states = [...ctNext];
  const passes: Pass[] = [];
  const waiting: { flow: Flow; recircId: number; ctState: number | undefined }[] = [
    { flow, recircId: 0, ctState: undefined },
  ];
  while (waiting.length > 0 && passes.length < MAX_PASSES) {
    const { flow: key, recircId, ctState } = waiting.shift()!;
    const events: WalkEvent[] = [];
    const result = xlateActions(config, key, {
      withPacket: false,
      ...(recircId === 0 && { entry: { bridge, ofport } }),
      ...(length !== undefined && { packetLength: length }),
      observe: (event) => events.push(kept(event)),
    });
    passes.push({ recircId, ctState, events, result });
    for (const fork of result.forks) {
      const state = fork.zone === undefined ? undefined : states.shift();
      const next = resumed(fork, flow.inPort, state);
      waiting.push({
        flow: next,
        recircId: fork.id,
        ctState: fork.zone === undefined ? undefined : next.ctState,
      });
    }
  }
  return { passes };
}

function kept(event: XlateEvent): WalkEvent {
  return event.type === 'lookup' || event.type === 'output'
    ? { ...event, flow: event.flow.clone() }
    : event;
}

export function eventsOf<T extends WalkEvent['type']>(
  { passes }: Walk,
  type: T,
): Extract<WalkEvent, { type: T }>[] {
  return passes.flatMap(({ events }) =>
    events.filter((e): e is Extract<WalkEvent, { type: T }> => e.type === type),
  );
}

/** Copies of mirrors are none. */
function isDelivery(event: WalkEvent): boolean {
  return event.type === 'controller' || (event.type === 'output' && event.mirror === undefined);
}

/** Why nothing of it was sent: of the last pass that sent nothing. */
export function mainDrop({ passes }: Walk): Drop | undefined {
  for (const { events, result } of [...passes].reverse()) {
    const drops = events.filter((e) => e.type === 'drop');
    if (result.dropReason === undefined) {
      if (result.forks.length > 0 || events.some(isDelivery)) continue;
      // It goes to devices that will not send it, or into mirrors alone.
      const down = drops.find((e) => e.reason === 'the port is down');
      if (down) return down;
      const isCopied = events.some((e) => e.type === 'output');
      if (isCopied && drops[0]) return drops[0];
      continue;
    }
    const main = drops.find((e) => e.reason === result.dropReason);
    if (main) return main;
    const { drop } = result.effects;
    const { flow } = result.seen;
    return {
      reason: result.dropReason,
      bridge: drop?.bridge,
      tableId: drop?.tableId ?? 0,
      rule: drop?.rule,
      flow,
      port: undefined,
    };
  }
  return undefined;
}
