import type { DpFlow, FlowStats, OdpAction } from '@heddle/datapath';
import type { Flow } from '@heddle/packet';
import type { Ofproto } from './ofproto.ts';
import type { MacDependency, XlateEffects } from './xlate.ts';

/** What the switch knows of a megaflow that it has in the datapath. */
export interface Ukey {
  readonly ufid: string;
  readonly key: Flow;
  readonly mask: Flow;
  actions: readonly OdpAction[];
  readonly createdMs: number;
  /** The counters at the last look; what came since is to be credited. */
  stats: Pick<FlowStats, 'packets' | 'bytes' | 'usedMs'>;
  effects: XlateEffects;
  macs: readonly MacDependency[];
}

/** Megaflows by id, and by the entries of MAC tables that they depend on. */
export class UkeyTable {
  readonly #byUfid = new Map<string, Ukey>();
  readonly #byMac = new Map<string, Set<Ukey>>();

  get size(): number {
    return this.#byUfid.size;
  }

  get(ufid: string): Ukey | undefined {
    return this.#byUfid.get(ufid);
  }

  values(): IterableIterator<Ukey> {
    return this.#byUfid.values();
  }

  add(ukey: Ukey): void {
    const old = this.#byUfid.get(ukey.ufid);
    if (old) this.#unlink(old);
    this.#byUfid.set(ukey.ufid, ukey);
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
    return this.#byMac.get(macKey({ bridge, vlan, mac })) ?? [];
  }

  #link(ukey: Ukey): void {
    for (const dependency of ukey.macs) {
      const key = macKey(dependency);
      let set = this.#byMac.get(key);
      if (!set) {
        set = new Set();
        this.#byMac.set(key, set);
      }
      set.add(ukey);
    }
  }

  #unlink(ukey: Ukey): void {
    for (const dependency of ukey.macs) {
      const key = macKey(dependency);
      const set = this.#byMac.get(key);
      set?.delete(ukey);
      if (set?.size === 0) this.#byMac.delete(key);
    }
  }
}

function macKey({ bridge, vlan, mac }: MacDependency): string {
  return `${bridge.name}/${vlan}/${mac}`;
}

/** Whether two lists of actions do the same. */
export function sameActions(a: readonly OdpAction[], b: readonly OdpAction[]): boolean {
  return a.length === b.length && a.every((x, i) => sameAction(x, b[i]!));
}

function sameAction(a: OdpAction, b: OdpAction): boolean {
  if (a.type !== b.type) return false;
  switch (a.type) {
    case 'output':
      return a.port === (b as typeof a).port;
    case 'push_vlan':
      return a.tpid === (b as typeof a).tpid && a.tci === (b as typeof a).tci;
    case 'drop':
      return a.reason === (b as typeof a).reason;
    case 'pop_vlan':
      return true;
    default:
      return false;
  }
}

export function toDpFlow(ukey: Ukey): DpFlow {
  return { key: ukey.key, mask: ukey.mask, actions: ukey.actions };
}
