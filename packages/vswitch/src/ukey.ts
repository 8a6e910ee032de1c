/** What the switch remembers of its megaflows, and how it finds them again. */
import { type Dpif, type FlowStats, type OdpAction, type Ufid, UfidTable } from '@heddle/datapath';
import { type Flow, flowEquals, flowHash } from '@heddle/packet';
import type { Ofproto } from './ofproto.ts';
import type { PacketsSeen } from './xlate/effects.ts';
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

/** What a megaflow has counted between two looks. */
export interface Growth {
  readonly packets: number;
  readonly bytes: number;
  readonly seen: PacketsSeen;
}

/** What has passed since the last look, which this one takes the place of; undefined: nothing. */
export function takeGrowth(
  ukey: Ukey,
  { packets, bytes, usedMs, tcpFlags }: Readonly<FlowStats>,
  clock: Pick<Dpif, 'nowMs'>,
): Growth | undefined {
  const { stats: before } = ukey;
  const isSame = packets === before.packets && bytes === before.bytes;
  if (isSame && usedMs === before.usedMs) return undefined;
  ukey.stats = { packets, bytes, usedMs };
  if (packets <= before.packets) return undefined;
  const seen = { tcpFlags, usedMs: usedMs ?? clock.nowMs() };
  return { packets: packets - before.packets, bytes: bytes - before.bytes, seen };
}

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
