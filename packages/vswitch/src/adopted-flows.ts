/**
 * Megaflows that an earlier daemon left in the datapath, or that somebody else put there. They forward on
 * as they are until the configuration is complete, and are then revalidated as any other.
 */
import type { InstalledFlow } from '@heddle/datapath';
import type { Flow } from '@heddle/packet';
import type { RecircIds } from './ofproto/recirc.ts';
import { recircIdsOf } from './recirc-use.ts';
import type { Ukey } from './ukey.ts';
import { NO_EFFECTS } from './xlate/effects.ts';
import type { XlateEffects } from './xlate/xlate.ts';

export class AdoptedFlows {
  readonly #recirc: RecircIds;
  /** Recirculation ids up to this one may be an earlier daemon's. */
  #lastRecirc = 0;

  constructor(recirc: RecircIds) {
    this.#recirc = recirc;
  }

  /** What is remembered of such a flow: its counters so far are nobody's here, nor what it brings about. */
  ukeyOf(flow: InstalledFlow, mask: Flow, createdMs: number, dump: number): Ukey {
    this.#lastRecirc = Math.max(this.#lastRecirc, ...recircIdsOf(flow));
    const { ufid, actions, stats } = flow;
    return {
      ufid,
      mask,
      actions,
      createdMs,
      stats: { packets: stats.packets, bytes: stats.bytes, usedMs: stats.usedMs },
      effects: NO_EFFECTS,
      macs: [],
      isDirect: false,
      dump,
    };
  }

  /** Recirculations of this daemon get ids behind those of the flows so far. */
  reserveRecirc(): void {
    this.#recirc.startAfter(this.#lastRecirc);
  }

  /** Whether an id is of a recirculation that this daemon knows nothing of. */
  hasRecirc(id: number): boolean {
    return id !== 0 && id <= this.#lastRecirc && !this.#recirc.has(id);
  }
}

/** Those first that were used longest ago: of what they teach, the newest is to hold. */
export function byLastUse(ukeys: Iterable<Ukey>): Ukey[] {
  return [...ukeys].sort((a, b) => (a.stats.usedMs ?? 0) - (b.stats.usedMs ?? 0));
}

/** Where addresses are, as the packets of a flow have told. */
export function learnAddresses({ learn }: XlateEffects): void {
  for (const { bridge, vlan, mac, bundle } of learn) bridge.macs.learn(vlan, mac, bundle);
}
