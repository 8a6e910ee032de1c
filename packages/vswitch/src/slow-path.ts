/**
 * Actions that the engines do not know, done here packet by packet: a list with branches and
 * meters comes down to plain lists for one packet.
 */
import type { OdpAction } from '@heddle/datapath';

export type ActionTypes = ReadonlySet<OdpAction['type']>;

export interface SlowPathEnv {
  /** What the engine does by itself. */
  readonly native: ActionTypes;
  /** Whether a meter lets a packet of so many bytes pass. */
  meterAdmits(id: number, bytes: number): boolean;
  /** 0 to 2^32 - 1. */
  random(): number;
}

/** Without a tracker and without queues there is nothing that these could do. */
const WITHOUT_EFFECT: ActionTypes = new Set(['set_priority', 'ct_clear', 'hash']);

/** Takes out what has no effect; undefined when an engine cannot do the rest. */
export function plainActions(
  actions: readonly OdpAction[],
  native: ActionTypes,
): readonly OdpAction[] | undefined {
  let isAll = true;
  for (const action of actions) {
    if (native.has(action.type) && isPlain(action)) {
      if (!nestedLists(action).every((list) => plainActions(list, native) === list)) {
        return undefined;
      }
    } else if (!WITHOUT_EFFECT.has(action.type)) return undefined;
    else isAll = false;
  }
  return isAll ? actions : actions.filter((a) => native.has(a.type));
}

/** Engines hand samples to the daemon; nothing else is done by chance. */
function isPlain(action: OdpAction): boolean {
  if (action.type !== 'sample') return true;
  return action.actions.length === 1 && action.actions[0]!.type === 'userspace';
}

function nestedLists(action: OdpAction): readonly (readonly OdpAction[])[] {
  switch (action.type) {
    case 'clone':
    case 'sample':
      return [action.actions];
    case 'check_pkt_len':
      return [action.greater, action.lessEqual];
    default:
      return [];
  }
}

/** Lists to execute one after the other, each on the packet as it came. */
export function flatten(
  actions: readonly OdpAction[],
  bytes: number,
  env: SlowPathEnv,
): { readonly lists: OdpAction[][]; readonly unsupported: string | undefined } {
  const lists: OdpAction[][] = [];
  const main: OdpAction[] = [];
  let unsupported: string | undefined;
  const run = (list: readonly OdpAction[], out: OdpAction[]): boolean => {
    for (const action of list) {
      switch (action.type) {
        case 'meter':
          if (!env.meterAdmits(action.id, bytes)) return false;
          break;
        case 'check_pkt_len':
          if (!run(bytes > action.size ? action.greater : action.lessEqual, out)) return false;
          break;
        case 'sample':
          if (env.random() < action.probability) fork(action.actions, out);
          break;
        case 'clone':
          fork(action.actions, out);
          break;
        default:
          if (env.native.has(action.type)) out.push(action);
          else if (!WITHOUT_EFFECT.has(action.type)) {
            unsupported = action.type;
            return false;
          }
      }
    }
    return true;
  };
  /** A copy has the headers that the packet has by now, and goes only where the copy is sent. */
  const fork = (list: readonly OdpAction[], out: readonly OdpAction[]): void => {
    const copy = out.filter((a) => CHANGES.has(a.type));
    run(list, copy);
    lists.push(copy);
  };
  run(actions, main);
  lists.push(main);
  return { lists: lists.filter((l) => l.some((a) => !CHANGES.has(a.type))), unsupported };
}

const CHANGES: ReadonlySet<OdpAction['type']> = new Set([
  'push_vlan',
  'pop_vlan',
  'set',
  'set_tunnel',
]);
