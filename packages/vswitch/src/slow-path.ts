/**
 * Actions that an engine does not know, done here packet by packet: as soon as the engine knows
 * all that is left of a list, it gets the packet as it is by then.
 */
import {
  changePacket,
  type DpExecute,
  meteredUpcall,
  type OdpAction,
  Packet,
  segments,
} from '@heddle/datapath';
import { ETH_HEADER_LEN, type Flow } from '@heddle/packet';
import { vlog } from '@heddle/runtime';

const log = vlog.module('ofproto_dpif_upcall');
/** Of one packet that the engine cannot look up. */
const MAX_LOOKUPS = 16;

export type ActionTypes = ReadonlySet<OdpAction['type']>;

export interface SlowPathEnv {
  /** What the engine does by itself. */
  readonly native: ActionTypes;
  /** Whether a meter lets a packet of so many bytes pass. */
  meterAdmits(id: number, bytes: number): boolean;
  /** 0 to 2^32 - 1. */
  random(): number;
}

/** Without hash fields in the key and without a tracker there is nothing that these could do. */
const WITHOUT_EFFECT: ActionTypes = new Set(['set_priority', 'ct_clear', 'hash']);

/** Takes out what has no effect; undefined when an engine cannot do the rest. */
export function plainActions(
  actions: readonly OdpAction[],
  native: ActionTypes,
): readonly OdpAction[] | undefined {
  let isAll = true;
  for (const action of actions) {
    const isNative = native.has(action.type) && isPlain(action);
    if (isNative || (native.has('meter') && meteredUpcall(action))) {
      const lists = nestedLists(action);
      for (let i = 0; i < lists.length; i++) {
        if (plainActions(lists[i]!, native) !== lists[i]) return undefined;
      }
    } else if (!WITHOUT_EFFECT.has(action.type)) return undefined;
    else isAll = false;
  }
  return isAll ? actions : actions.filter((a) => !WITHOUT_EFFECT.has(a.type) || native.has(a.type));
}

/** Engines hand samples to the daemon; nothing else is done by chance. */
function isPlain(action: OdpAction): boolean {
  if (action.type !== 'sample') return true;
  return action.actions.length === 1 && action.actions[0]!.type === 'userspace';
}

const NO_LISTS: readonly (readonly OdpAction[])[] = [];

/** The lists of actions within an action. */
export function nestedLists(action: OdpAction): readonly (readonly OdpAction[])[] {
  switch (action.type) {
    case 'clone':
    case 'sample':
      return [action.actions];
    case 'check_pkt_len':
      return [action.greater, action.lessEqual];
    default:
      return NO_LISTS;
  }
}

/** What is left to do for one packet. */
export interface SlowWork {
  /** For the engine. */
  readonly executes: readonly DpExecute[];
  /** Packets to be looked up again that the engine cannot take: they have no Ethernet header. */
  readonly again: readonly Packet[];
  readonly unsupported: string | undefined;
}

/** Does what the engine cannot do; `what.actions` is the whole list. */
export function workSlowly(what: DpExecute, env: SlowPathEnv): SlowWork {
  const worker = new Worker(what, env);
  const { packet, flow, actions } = what;
  const isReshaped = packet.vnet !== undefined && reshapes(actions, env.native);
  // Offloads do not reach behind headers that the engine does not know.
  const pieces = isReshaped ? segments(packet).map((data) => ({ data })) : [packet];
  for (const { data, vnet } of pieces as DpExecute['packet'][]) {
    const copy = new Packet(data, flow, vnet && { ...vnet });
    copy.packetType = flow.packetType;
    worker.run(copy, actions, []);
  }
  return worker;
}

/** Bytes of what a receiver sees of a super-packet. */
function longestSegment({ bytes, vnet }: Packet): number {
  return vnet?.gsoSize ? segments({ data: bytes, vnet })[0]!.length : bytes.length;
}

/** Whether headers come or go that the engine does not know. */
function reshapes(actions: readonly OdpAction[], native: ActionTypes): boolean {
  return actions.some(
    (a) =>
      (RESHAPING.has(a.type) && !native.has(a.type)) ||
      nestedLists(a).some((list) => reshapes(list, native)),
  );
}

const RESHAPING: ActionTypes = new Set([
  'push_mpls',
  'add_mpls',
  'pop_mpls',
  'push_eth',
  'pop_eth',
  'push_nsh',
  'pop_nsh',
]);

/** What holds for outputs to come, and is said again with each; `trunc` for one alone. */
const CONTEXT: ActionTypes = new Set(['set_tunnel', 'set_priority', 'trunc']);

/** `trunc` takes as many bytes from a packet as from what it was before headers came or went. */
function recut(context: readonly OdpAction[], before: number, now: number): OdpAction[] {
  return context.flatMap((a): OdpAction[] => {
    if (a.type !== 'trunc') return [a];
    if (before <= a.maxLen) return [];
    return [{ ...a, maxLen: Math.max(a.maxLen + now - before, ETH_HEADER_LEN) }];
  });
}

/** What `executeSlowly` asks of its caller. */
export interface SlowLookups extends SlowPathEnv {
  /** Translates a packet anew; `use` gets what it comes to. */
  lookUp(flow: Flow, frame: Uint8Array, use: (actions: readonly OdpAction[]) => void): void;
}

/**
 * As `workSlowly`, and looks up again what the engine cannot look up, and so on. What the engine is to do
 * goes to the end of `executes`.
 */
export function executeSlowly(
  what: DpExecute,
  env: SlowLookups,
  executes: DpExecute[],
  depth = 0,
): void {
  const { flow, actions } = what;
  const whole = flow.packetType === 0 ? plainActions(actions, env.native) : undefined;
  if (whole) {
    if (whole.length > 0) executes.push({ ...what, actions: whole });
    return;
  }
  const work = workSlowly(what, env);
  if (work.unsupported !== undefined) log.rl.warn(`the datapath cannot do ${work.unsupported}`);
  executes.push(...work.executes);
  if (work.again.length > 0 && depth >= MAX_LOOKUPS) {
    log.rl.warn('a packet without Ethernet header is looked up too often');
    return;
  }
  for (const packet of work.again) {
    const { bytes } = packet;
    const next = packet.key().clone();
    env.lookUp(next, bytes, (found) =>
      executeSlowly(
        { flow: next, packet: { data: bytes }, actions: found },
        env,
        executes,
        depth + 1,
      ),
    );
  }
}

class Worker implements SlowWork {
  readonly executes: DpExecute[] = [];
  readonly again: Packet[] = [];
  unsupported: string | undefined;
  readonly #what: DpExecute;
  readonly #env: SlowPathEnv;

  constructor(what: DpExecute, env: SlowPathEnv) {
    this.#what = what;
    this.#env = env;
  }

  run(packet: Packet, actions: readonly OdpAction[], outer: readonly OdpAction[]): void {
    const { native } = this.#env;
    let context = [...outer];
    for (const [i, action] of actions.entries()) {
      const rest = actions.slice(i);
      const plain = packet.packetType === 0 ? plainActions(rest, native) : undefined;
      if (plain) {
        if (plain.length > 0) this.#handOver(packet, [...context, ...plain]);
        return;
      }
      const { length } = packet.bytes;
      if (CONTEXT.has(action.type) && native.has(action.type)) {
        context = [...context.filter((a) => a.type !== action.type), action];
      } else if (!this.#step(packet, action, context, rest.length > 1)) return;
      else if (action.type === 'output' || action.type === 'userspace') {
        context = context.filter((a) => a.type !== 'trunc');
      }
      if (packet.bytes.length !== length) context = recut(context, length, packet.bytes.length);
    }
  }

  /** One action; false: nothing more is done to the packet. */
  #step(
    packet: Packet,
    action: OdpAction,
    context: readonly OdpAction[],
    goesOn: boolean,
  ): boolean {
    const copy = (): Packet => (goesOn ? packet.clone() : packet);
    const { bytes } = packet;
    switch (action.type) {
      case 'meter':
        return this.#env.meterAdmits(action.id, bytes.length);
      case 'check_pkt_len': {
        const { size, greater, lessEqual } = action;
        this.run(copy(), longestSegment(packet) > size ? greater : lessEqual, context);
        return true;
      }
      case 'sample':
        if (this.#env.random() < action.probability) this.run(copy(), action.actions, context);
        return true;
      case 'clone':
        this.run(copy(), action.actions, context);
        return true;
      case 'drop':
        return false;
      case 'recirc':
        return this.#recirculate(packet, action, context);
    }
    if (changePacket(packet, action) || WITHOUT_EFFECT.has(action.type)) return true;
    if (packet.packetType !== 0 || !this.#env.native.has(action.type)) {
      this.unsupported = action.type;
      return false;
    }
    this.#handOver(packet, [...context, action]);
    return true;
  }

  #recirculate(
    packet: Packet,
    action: Extract<OdpAction, { type: 'recirc' }>,
    context: readonly OdpAction[],
  ): boolean {
    if (packet.packetType === 0) this.#handOver(packet, [...context, action]);
    else {
      const copy = packet.clone();
      copy.recirculate(action.id);
      this.again.push(copy);
    }
    return true;
  }

  /** The engine does the rest, on the packet as it is now. */
  #handOver(packet: Packet, actions: readonly OdpAction[]): void {
    const { flow } = this.#what;
    const { vnet, pktMark, dpHash } = packet;
    const isAsItCame = pktMark === flow.pktMark && dpHash === flow.dpHash;
    const context = isAsItCame ? flow : Object.assign(flow.clone(), { pktMark, dpHash });
    const { priority } = this.#what.packet;
    this.executes.push({
      flow: context,
      packet: {
        data: packet.bytes.slice(),
        ...(vnet && { vnet: { ...vnet } }),
        ...(priority !== undefined && { priority }),
      },
      actions,
    });
  }
}
