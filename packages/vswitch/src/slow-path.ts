/**
 * Actions that the engines do not know, done here packet by packet: a list with branches and
 * meters comes down to plain lists for one packet.
 */
import type { OdpAction } from '@heddle/datapath';

export interface SlowPathEnv {
  /** Whether the engine has a connection tracker. */
  readonly tracks: boolean;
  /** Whether a meter lets a packet of so many bytes pass. */
  meterAdmits(id: number, bytes: number): boolean;
  /** 0 to 2^32 - 1. */
  random(): number;
}

/** What both engines do by themselves. */
const PLAIN: ReadonlySet<OdpAction['type']> = new Set([
  'output',
  'push_vlan',
  'pop_vlan',
  'set',
  'set_tunnel',
  'userspace',
  'recirc',
  'trunc',
  'drop',
]);
/** What engines with a tracker do. */
const TRACKING: ReadonlySet<OdpAction['type']> = new Set(['ct', 'ct_clear']);
/** Without queues there is nothing that these could do. */
const WITHOUT_EFFECT: ReadonlySet<OdpAction['type']> = new Set(['set_priority', 'hash']);

/** Takes out what has no effect; undefined when an engine cannot do the rest. */
export function plainActions(
  actions: readonly OdpAction[],
  tracks = true,
): readonly OdpAction[] | undefined {
  let isAll = true;
  for (const { type } of actions) {
    if (PLAIN.has(type) || (tracks && TRACKING.has(type))) continue;
    if (!WITHOUT_EFFECT.has(type)) return undefined;
    isAll = false;
  }
  return isAll ? actions : actions.filter((a) => !WITHOUT_EFFECT.has(a.type));
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
          if (PLAIN.has(action.type) || (env.tracks && TRACKING.has(action.type))) out.push(action);
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
