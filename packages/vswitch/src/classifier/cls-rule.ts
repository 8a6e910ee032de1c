import type { Subtable } from './subtable.ts';

/** One dimension of a conjunctive match (ovs-actions(7), "conjunction"). */
export interface ConjunctiveClause {
  readonly id: number;
  readonly clause: number;
  readonly nClauses: number;
}

/** What the classifier keeps in a rule: where its key is. */
export class ClsRule {
  readonly priority: number;
  /** Set by the classifier. */
  slot = -1;
  subtable: Subtable<ClsRule> | undefined;
  /** Not empty: the rule is a part of conjunctive matches and nothing by itself. */
  readonly conjunctions: readonly ConjunctiveClause[];

  constructor(priority: number, conjunctions: readonly ConjunctiveClause[] = NONE) {
    this.priority = priority;
    this.conjunctions = conjunctions;
  }
}

const NONE: readonly ConjunctiveClause[] = [];
