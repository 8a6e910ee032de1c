import { type FlowStats, type OdpAction, type Ufid, UfidTable } from '@heddle/datapath';
import { type Flow, flowEquals, flowHash } from '@heddle/packet';
import type { Ofproto } from './ofproto.ts';
import type { MacDependency, XlateEffects, XlateResult } from './xlate/xlate.ts';

/** What the switch knows of a megaflow that it has in the datapath, which knows its key. */
export interface Ukey {
  readonly ufid: Ufid;
  readonly mask: Flow;
  actions: readonly OdpAction[];
  readonly createdMs: number;
  /** The counters at the last look; what came since is to be credited. */
  stats: Readonly<Pick<FlowStats, 'packets' | 'bytes' | 'usedMs'>>;
  effects: XlateEffects;
  macs: readonly MacDependency[];
  isDirect: XlateResult['isDirect'];
  /** The last dump that it was in. */
  dump: number;
}

/** Of a megaflow that has counted nothing yet. */
export const NO_STATS: Ukey['stats'] = { packets: 0, bytes: 0, usedMs: undefined };

const MAX_KNOWN_MASKS = 4096;

/** One object for all equal masks: flows are many, masks are few. */
export class Masks {
  readonly #byHash = new Map<number, Flow>();
  #last: Flow | undefined;

  /** Keeps a copy of a mask that is new. */
  intern(mask: Flow): Flow {
    if (this.#last !== undefined && flowEquals(this.#last, mask)) return this.#last;
    this.#last = this.#find(mask);
    return this.#last;
  }

  #find(mask: Flow): Flow {
    const hash = flowHash(mask);
    const known = this.#byHash.get(hash);
    if (known !== undefined && flowEquals(known, mask)) return known;
    if (this.#byHash.size >= MAX_KNOWN_MASKS) this.#byHash.clear();
    const copy = mask.clone();
    this.#byHash.set(hash, copy);
    return copy;
  }
}

/** Megaflows by addresses of one VLAN; nearly always there is one. */
type ByMac = Map<number, Ukey | Set<Ukey>>;

/** Megaflows by id, and by the entries of MAC tables that they depend on. */
export class UkeyTable {
  readonly #byUfid = new UfidTable<Ukey>();
  readonly #byMac = new Map<Ofproto, Map<number, ByMac>>();

  get size(): number {
    return this.#byUfid.size;
  }

  get(ufid: Ufid): Ukey | undefined {
    return this.#byUfid.get(ufid);
  }

  values(): Generator<Ukey, undefined> {
    return this.#byUfid.values();
  }

  /** As `values`, several times faster. */
  each(visit: (ukey: Ukey) => void): void {
    this.#byUfid.each(visit);
  }

  /** In the place of the one of the same id, if there is one. */
  add(ukey: Ukey, old: Ukey | undefined): void {
    if (old) this.#unlink(old);
    this.#byUfid.set(ukey);
    this.#link(ukey);
  }

  delete(ukey: Ukey): void {
    this.#unlink(ukey);
    this.#byUfid.delete(ukey.ufid);
  }

  setMacs(ukey: Ukey, macs: readonly MacDependency[]): void {
    this.#unlink(ukey);
    ukey.macs = macs;
    this.#link(ukey);
  }

  /** The megaflows whose decision an entry of a MAC table had a part in. */
  dependingOn(bridge: Ofproto, vlan: number, mac: number): Iterable<Ukey> {
    const there = this.#byMac.get(bridge)?.get(vlan)?.get(mac);
    if (there === undefined) return [];
    return there instanceof Set ? there : [there];
  }

  #link(ukey: Ukey): void {
    for (let i = 0; i < ukey.macs.length; i++) {
      const { bridge, vlan, mac } = ukey.macs[i]!;
      const macs = this.#macsOf(bridge, vlan);
      const there = macs.get(mac);
      if (there === undefined) macs.set(mac, ukey);
      else if (there instanceof Set) there.add(ukey);
      else if (there !== ukey) macs.set(mac, new Set([there, ukey]));
    }
  }

  #unlink(ukey: Ukey): void {
    for (let i = 0; i < ukey.macs.length; i++) {
      const { bridge, vlan, mac } = ukey.macs[i]!;
      const macs = this.#byMac.get(bridge)?.get(vlan);
      const there = macs?.get(mac);
      if (there instanceof Set) there.delete(ukey);
      if (there === ukey || (there instanceof Set && there.size === 0)) macs!.delete(mac);
      if (macs?.size === 0) this.#drop(bridge, vlan);
    }
  }

  #macsOf(bridge: Ofproto, vlan: number): ByMac {
    let vlans = this.#byMac.get(bridge);
    if (vlans === undefined) {
      vlans = new Map();
      this.#byMac.set(bridge, vlans);
    }
    let macs = vlans.get(vlan);
    if (macs === undefined) {
      macs = new Map();
      vlans.set(vlan, macs);
    }
    return macs;
  }

  /** A bridge that is no more must not be held. */
  #drop(bridge: Ofproto, vlan: number): void {
    const vlans = this.#byMac.get(bridge);
    vlans?.delete(vlan);
    if (vlans?.size === 0) this.#byMac.delete(bridge);
  }
}

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
