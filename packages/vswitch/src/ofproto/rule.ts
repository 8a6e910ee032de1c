/** A flow of an OpenFlow table. */
import type { FlowModFlags, OfpAct } from '@heddle/openflow';
import { Match } from '@heddle/openflow';
import { ClsRule, type ConjunctiveClause } from '../classifier/cls-rule.ts';

/** What a flow mod may change of a rule that is there. */
export interface RuleState {
  readonly cookie: bigint;
  readonly actions: readonly OfpAct[];
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly importance: number;
  readonly flags: FlowModFlags;
}

export const NO_FLAGS: FlowModFlags = {
  sendFlowRem: false,
  checkOverlap: false,
  resetCounts: false,
  noPktCounts: false,
  noByteCounts: false,
  emerg: false,
};

export class Rule extends ClsRule {
  readonly tableId: number;
  state: RuleState;
  readonly tunMetadata: Match['tunMetadata'];
  readonly createdMs: number;
  modifiedMs: number;
  usedMs: number;
  packets = 0;
  bytes = 0;
  /** Not in its table any more. */
  isRemoved = false;
  /** The few words of its key, to make the match of when it is asked for. */
  #kept: { readonly match: () => Match } | undefined;

  constructor(tableId: number, priority: number, state: RuleState, nowMs: number, match?: Match) {
    super(priority, conjunctionsOf(state.actions));
    this.tableId = tableId;
    this.state = state;
    this.tunMetadata = match?.tunMetadata ?? [];
    this.createdMs = nowMs;
    this.modifiedMs = nowMs;
    this.usedMs = nowMs;
  }

  /** What it matches, put together from its table of the classifier. */
  get match(): Match {
    if (this.#kept) return this.#kept.match();
    const { subtable } = this;
    if (!subtable) throw new Error('the rule is in no table');
    return new Match(subtable.keyOf(this), subtable.mask.clone(), this.tunMetadata);
  }

  /** A connection's end: timeouts become what `fin_timeout` says where they were longer or none. */
  shorten(idle: number, hard: number): void {
    const less = (now: number, limit: number) =>
      limit !== 0 && (now === 0 || limit < now) ? limit : now;
    const { state } = this;
    this.state = {
      ...state,
      idleTimeout: less(state.idleTimeout, idle),
      hardTimeout: less(state.hardTimeout, hard),
    };
  }

  /** Keeps its match while it is in no table. */
  remember(): void {
    const { subtable } = this;
    if (!subtable) throw new Error('the rule is in no table');
    const words = subtable.wordsOf(this);
    this.#kept = {
      match: () => new Match(subtable.keyOfWords(words), subtable.mask.clone(), this.tunMetadata),
    };
  }

  forget(): void {
    this.#kept = undefined;
  }

  /** Neither listed nor changed by OpenFlow: priorities above 65535. */
  get isHidden(): boolean {
    return this.priority > 0xffff;
  }
}

function conjunctionsOf(actions: readonly OfpAct[]): readonly ConjunctiveClause[] {
  const clauses = actions.filter((a) => a.type === 'conjunction');
  return clauses.map(({ id, clause, nClauses }) => ({ id, clause, nClauses }));
}
