/**
 * The flows of table 254: what happens to packets that no flow of a controller matches. Controllers can
 * look at them by that table's number, and not change them.
 */
import { Match, type OfpAct, setMatchField } from '@heddle/openflow';
import { OFPR_IMPLICIT_MISS } from '@heddle/openflow/msgs/packet-in-reason';
import { fieldByName } from '@heddle/packet';
import { type FlowTables, TBL_INTERNAL } from './flow-table.ts';
import { NO_FLAGS, Rule } from './rule.ts';

const TO_CONTROLLERS: OfpAct = {
  type: 'controller',
  maxLen: 0xffff,
  controllerId: 0,
  reason: OFPR_IMPLICIT_MISS,
};

export class InternalFlows {
  /** A miss that controllers hear of. */
  readonly toControllers: Rule;
  /** A miss that they do not. */
  readonly drop: Rule;
  /** Fragments, where they are dropped. */
  readonly fragments: Rule;

  /** Puts them into their table. */
  constructor(tables: FlowTables, nowMs: number) {
    const table = tables.at(TBL_INTERNAL);
    const add = (priority: number, name: string, value: bigint, actions: OfpAct[]): Rule => {
      const match = new Match();
      setMatchField(match, fieldByName(name)!, value);
      const state = { ...NO_STATE, actions };
      const rule = new Rule(table, priority, state, nowMs);
      table.insert(rule, match.key, match.mask);
      return rule;
    };
    add(2, 'recirc_id', 0n, []);
    this.toControllers = add(0, 'reg0', 1n, [TO_CONTROLLERS]);
    this.drop = add(0, 'reg0', 2n, []);
    this.fragments = add(0, 'reg0', 3n, []);
  }
}

const NO_STATE = { cookie: 0n, idleTimeout: 0, hardTimeout: 0, importance: 0, flags: NO_FLAGS };
