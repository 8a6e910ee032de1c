/**
 * One object for equal outcomes of translations: megaflows are many, and most of those that come one
 * after another do the same. What is not kept costs no more than its making, which is little beside
 * what the collection of long-lived memory takes.
 */
import type { OdpAction } from '@heddle/datapath';
import { sameActions } from './same-actions.ts';
import { sameItems } from './xlate/effects-draft.ts';
import type { XlateEffects } from './xlate/xlate.ts';

const RECENT = 4;

export class KnownOutcomes {
  readonly #actions: (readonly OdpAction[] | undefined)[] = new Array(RECENT).fill(undefined);
  readonly #effects: (XlateEffects | undefined)[] = new Array(RECENT).fill(undefined);
  #nextActions = 0;
  #nextEffects = 0;

  /** A list that does the same, perhaps one of before. */
  actions(list: readonly OdpAction[]): readonly OdpAction[] {
    // What a packet carries along is its own.
    for (let i = 0; i < list.length; i++) if (!isPlain(list[i]!)) return list;
    for (const known of this.#actions) if (known && sameActions(known, list)) return known;
    this.#actions[this.#nextActions] = list;
    this.#nextActions = (this.#nextActions + 1) % RECENT;
    return list;
  }

  /** Rules and bridges that are no more must not be held. */
  clear(): void {
    this.#actions.fill(undefined);
    this.#effects.fill(undefined);
    this.#nextActions = 0;
    this.#nextEffects = 0;
  }

  effects(effects: XlateEffects): XlateEffects {
    for (const known of this.#effects) if (known === effects) return known;
    for (const known of this.#effects) if (known && sameEffects(known, effects)) return known;
    this.#effects[this.#nextEffects] = effects;
    this.#nextEffects = (this.#nextEffects + 1) % RECENT;
    return effects;
  }
}

function isPlain({ type }: OdpAction): boolean {
  return type === 'output' || type === 'drop' || type === 'push_vlan' || type === 'pop_vlan';
}

/** Whether effects are the same for sure: lists of what is rare are, when both are empty. */
function sameEffects(a: XlateEffects, b: XlateEffects): boolean {
  return (
    a.drop?.rule === b.drop?.rule &&
    a.drop?.reason === b.drop?.reason &&
    a.drop?.tableId === b.drop?.tableId &&
    a.drop?.bridge === b.drop?.bridge &&
    sameItems(a.rules, b.rules) &&
    sameItems(a.tables, b.tables) &&
    a.netflow === b.netflow &&
    // Empty ones are one object.
    a.learn === b.learn &&
    a.mcast === b.mcast &&
    a.patches === b.patches &&
    a.groups === b.groups &&
    a.mirrors === b.mirrors &&
    a.bonds === b.bonds &&
    a.flows === b.flows &&
    a.finTimeouts === b.finTimeouts &&
    a.neighbours === b.neighbours &&
    a.solicits === b.solicits
  );
}
