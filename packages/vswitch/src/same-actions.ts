/** Which actions of a datapath do the same; those that are not compared in full are taken to differ. */
import type { OdpAction } from '@heddle/datapath';
import { flowEquals } from '@heddle/packet';

/** Whether two lists of actions do the same. */
export function sameActions(a: readonly OdpAction[], b: readonly OdpAction[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!sameAction(a[i]!, b[i]!)) return false;
  return true;
}

function sameAction(a: OdpAction, b: OdpAction): boolean {
  if (a.type !== b.type) return false;
  switch (a.type) {
    case 'output':
      return a.port === (b as typeof a).port;
    case 'push_vlan':
      return a.tpid === (b as typeof a).tpid && a.tci === (b as typeof a).tci;
    case 'set_priority':
      return a.priority === (b as typeof a).priority;
    case 'drop':
      return a.reason === (b as typeof a).reason;
    case 'recirc':
      return a.id === (b as typeof a).id;
    case 'trunc':
      return a.maxLen === (b as typeof a).maxLen;
    case 'pop_vlan':
      return true;
    case 'set':
      return flowEquals(a.key, (b as typeof a).key) && flowEquals(a.mask, (b as typeof a).mask);
    case 'userspace':
      return Buffer.compare(a.userdata, (b as typeof a).userdata) === 0;
    case 'clone':
      return sameActions(a.actions, (b as typeof a).actions);
    case 'sample': {
      const other = b as typeof a;
      return a.probability === other.probability && sameActions(a.actions, other.actions);
    }
    case 'check_pkt_len': {
      const { size, greater, lessEqual } = b as typeof a;
      return (
        a.size === size && sameActions(a.greater, greater) && sameActions(a.lessEqual, lessEqual)
      );
    }
    case 'meter':
      return a.id === (b as typeof a).id;
    case 'hash':
      return a.algorithm === (b as typeof a).algorithm && a.basis === (b as typeof a).basis;
    case 'push_mpls': {
      const { lse, ethertype, tags } = b as typeof a;
      return a.lse === lse && a.ethertype === ethertype && a.tags === tags;
    }
    case 'pop_mpls':
      return a.ethertype === (b as typeof a).ethertype;
    case 'set_mpls':
      return a.lse === (b as typeof a).lse && a.mask === (b as typeof a).mask;
    default:
      return false;
  }
}
