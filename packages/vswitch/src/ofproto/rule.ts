/** A flow of an OpenFlow table. */
import type { FlowModFlags, OfpAct } from '@heddle/openflow';
import { Match } from '@heddle/openflow';
import { type Flow, flowIsZero } from '@heddle/packet';
import { ClsRule, type ConjunctiveClause } from '../classifier/cls-rule.ts';
import { ORIGIN_SWITCH } from './origins.ts';

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

/** The table that a rule is made for. */
export interface RuleTable {
  readonly id: number;
  /** Hears of a rule that ends sooner than it did. */
  hasten(rule: Rule): void;
}

/** Times are kept as small numbers since the first of them: V8 boxes large ones. */
let epochMs: number | undefined;

function sinceEpoch(nowMs: number): number {
  epochMs ??= Math.floor(nowMs);
  return Math.floor(nowMs) - epochMs;
}

export class Rule extends ClsRule {
  readonly table: RuleTable;
  state: RuleState;
  readonly tunMetadata: Match['tunMetadata'];
  packets = 0;
  bytes = 0;
  /** The rule in its place, which counts what is still to be counted for this one. */
  #heir: Rule | undefined;
  /** Who has set it up, or changed it last (`originOf`). */
  origin = ORIGIN_SWITCH;
  readonly #created: number;
  #modified: number;
  #used: number;

  constructor(
    table: RuleTable,
    priority: number,
    state: RuleState,
    nowMs: number,
    tunMetadata: Match['tunMetadata'] = NO_TUN_METADATA,
  ) {
    super(priority, conjunctionsOf(state.actions));
    this.table = table;
    this.state = state;
    this.tunMetadata = tunMetadata.length === 0 ? NO_TUN_METADATA : tunMetadata;
    const now = sinceEpoch(nowMs);
    this.#created = now;
    this.#modified = now;
    this.#used = now;
  }

  get tableId(): number {
    return this.table.id;
  }

  get createdMs(): number {
    return this.#created + epochMs!;
  }

  get modifiedMs(): number {
    return this.#modified + epochMs!;
  }

  set modifiedMs(ms: number) {
    this.#modified = sinceEpoch(ms);
  }

  get usedMs(): number {
    return this.#used + epochMs!;
  }

  set usedMs(ms: number) {
    this.#used = sinceEpoch(ms);
  }

  /** Goes on counting for a rule whose place it takes. */
  countOn(replaced: Rule): void {
    this.packets = replaced.packets;
    this.bytes = replaced.bytes;
    replaced.#heir = this;
  }

  /** It stands again: nobody has taken its place. */
  putBack(): void {
    this.#heir = undefined;
  }

  count(packets: number, bytes: number): void {
    let rule: Rule = this;
    while (rule.#heir) rule = rule.#heir;
    rule.packets += packets;
    rule.bytes += bytes;
  }

  /** The flow of a table for what no other one matches (OpenFlow 1.3.5, section 5.4). */
  get isTableMiss(): boolean {
    return this.priority === 0 && this.subtable !== undefined && flowIsZero(this.subtable.mask);
  }

  /** What it matches. The mask is that of all rules of its shape: not to be written to. */
  get match(): Match {
    return this.matchInto(undefined);
  }

  /** As `match`, with the key in `key`, whatever it held. */
  matchInto(key: Flow | undefined): Match {
    const { subtable } = this;
    if (!subtable) throw new Error('the rule is in no table');
    key?.clear();
    return new Match(subtable.keyOf(this, key), subtable.mask, this.tunMetadata, true);
  }

  /** A connection's end: timeouts become what `fin_timeout` says where they were longer or none. */
  shorten(idle: number, hard: number): void {
    const less = (now: number, limit: number) =>
      limit !== 0 && (now === 0 || limit < now) ? limit : now;
    const { state } = this;
    const idleTimeout = less(state.idleTimeout, idle);
    const hardTimeout = less(state.hardTimeout, hard);
    if (idleTimeout === state.idleTimeout && hardTimeout === state.hardTimeout) return;
    this.state = { ...state, idleTimeout, hardTimeout };
    this.table.hasten(this);
  }

  /** When it goes if no packet comes; Infinity: never. */
  get expiryMs(): number {
    const { idleTimeout, hardTimeout } = this.state;
    const idle = idleTimeout === 0 ? Infinity : this.usedMs + idleTimeout * 1000;
    const hard = hardTimeout === 0 ? Infinity : this.modifiedMs + hardTimeout * 1000;
    return Math.min(idle, hard);
  }

  /** Neither listed nor changed by OpenFlow: priorities above 65535. */
  get isHidden(): boolean {
    return this.priority > 0xffff;
  }
}

const NO_TUN_METADATA: Match['tunMetadata'] = [];
const NO_CONJUNCTIONS: readonly ConjunctiveClause[] = [];

function conjunctionsOf(actions: readonly OfpAct[]): readonly ConjunctiveClause[] {
  let clauses: ConjunctiveClause[] | undefined;
  for (const act of actions) {
    if (act.type !== 'conjunction') continue;
    clauses ??= [];
    clauses.push({ id: act.id, clause: act.clause, nClauses: act.nClauses });
  }
  return clauses ?? NO_CONJUNCTIONS;
}
