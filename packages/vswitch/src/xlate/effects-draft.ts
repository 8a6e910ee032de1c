/** The effects of a translation that is under way: most of the lists stay empty. */
import type { Mirror } from '../mirror.ts';
import type { Rule } from '../ofproto/rule.ts';
import type { XlateEffects } from './xlate.ts';

type Lists = Omit<XlateEffects, 'netflow' | 'drop'>;

/** The empty list of all that have none. */
export const NOTHING: never[] = [];
Object.freeze(NOTHING);

/** Without the room that a list is given to grow. */
export function some<T>(list: T[] | undefined): T[] {
  return list === undefined || list.length === 0 ? NOTHING : list.slice();
}

export function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** What is in a list goes; the room that it has grown to stays. */
export function emptied<T>(list: T[]): T[] {
  while (list.length > 0) list.pop();
  return list;
}

/**
 * An empty list for objects. V8 takes one that is written as such for a list of small integers until
 * something is put into it, and code that was made for lists of objects is thrown away when one comes.
 */
export function listOf<T>(): T[] {
  return emptied([NOTHING as T]);
}

const RECENT = 4;

/** Lists are made when they are asked for: making all of them takes as long as the rest. */
export class EffectsDraft implements XlateEffects {
  /** What nearly all have grows in the same lists again. */
  readonly rules: Rule[] = listOf();
  readonly tables: Lists['tables'] = listOf();
  /** Results that had nothing else. */
  readonly #plain: XlateEffects[] = listOf();
  #nextPlain = 0;
  netflow: XlateEffects['netflow'];
  drop: XlateEffects['drop'];
  #learn: Lists['learn'] | undefined;
  #mcast: Lists['mcast'] | undefined;
  #patches: Lists['patches'] | undefined;
  #groups: Lists['groups'] | undefined;
  #mirrors: Mirror[] | undefined;
  #bonds: Lists['bonds'] | undefined;
  #flows: Lists['flows'] | undefined;
  #finTimeouts: Lists['finTimeouts'] | undefined;
  #neighbours: Lists['neighbours'] | undefined;
  #solicits: Lists['solicits'] | undefined;

  /** For another translation. */
  begin(): this {
    emptied(this.rules);
    emptied(this.tables);
    this.#learn = undefined;
    this.#mcast = undefined;
    this.#patches = undefined;
    this.#groups = undefined;
    this.#mirrors = undefined;
    this.#bonds = undefined;
    this.#flows = undefined;
    this.#finTimeouts = undefined;
    this.#neighbours = undefined;
    this.#solicits = undefined;
    this.netflow = undefined;
    this.drop = undefined;
    return this;
  }

  get learn(): Lists['learn'] {
    this.#learn ??= [];
    return this.#learn;
  }

  /** What there is by now, to read. */
  get learned(): Readonly<Lists['learn']> {
    return this.#learn ?? NOTHING;
  }

  get mcast(): Lists['mcast'] {
    this.#mcast ??= [];
    return this.#mcast;
  }

  get patches(): Lists['patches'] {
    this.#patches ??= [];
    return this.#patches;
  }

  get groups(): Lists['groups'] {
    this.#groups ??= [];
    return this.#groups;
  }

  get mirrors(): Mirror[] {
    this.#mirrors ??= [];
    return this.#mirrors;
  }

  get bonds(): Lists['bonds'] {
    this.#bonds ??= [];
    return this.#bonds;
  }

  get flows(): Lists['flows'] {
    this.#flows ??= [];
    return this.#flows;
  }

  get finTimeouts(): Lists['finTimeouts'] {
    this.#finTimeouts ??= [];
    return this.#finTimeouts;
  }

  get neighbours(): Lists['neighbours'] {
    this.#neighbours ??= [];
    return this.#neighbours;
  }

  get solicits(): Lists['solicits'] {
    this.#solicits ??= [];
    return this.#solicits;
  }

  /** To be kept: megaflows are many. Perhaps one of before that is the same. */
  result(): XlateEffects {
    const isPlain = this.#isPlain;
    if (isPlain) for (const last of this.#plain) if (this.#hasTraceOf(last)) return last;
    const made = this.#make();
    if (isPlain) {
      this.#plain[this.#nextPlain] = made;
      this.#nextPlain = (this.#nextPlain + 1) % RECENT;
    }
    return made;
  }

  /** Results of before may hold what is no more. */
  forget(): void {
    emptied(this.#plain);
    this.#nextPlain = 0;
  }

  /** Whether there is nothing but rules and tables. */
  get #isPlain(): boolean {
    return (
      this.#learn === undefined &&
      this.#mcast === undefined &&
      this.#patches === undefined &&
      this.#groups === undefined &&
      this.#mirrors === undefined &&
      this.#bonds === undefined &&
      this.#flows === undefined &&
      this.#finTimeouts === undefined &&
      this.#neighbours === undefined &&
      this.#solicits === undefined &&
      this.netflow === undefined &&
      this.drop === undefined
    );
  }

  #hasTraceOf({ rules, tables }: XlateEffects): boolean {
    return sameItems(rules, this.rules) && sameItems(tables, this.tables);
  }

  #make(): XlateEffects {
    return {
      learn: some(this.#learn),
      mcast: some(this.#mcast),
      rules: some(this.rules),
      tables: some(this.tables),
      patches: some(this.#patches),
      groups: some(this.#groups),
      mirrors: some(this.#mirrors),
      bonds: some(this.#bonds),
      flows: some(this.#flows),
      finTimeouts: some(this.#finTimeouts),
      neighbours: some(this.#neighbours),
      solicits: some(this.#solicits),
      netflow: this.netflow,
      drop: this.drop,
    };
  }
}
