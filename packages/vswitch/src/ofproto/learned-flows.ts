/**
 * Flows that go with those that have learned them: when a bridge's last `learn` with `delete_learned`
 * of a table and cookie is gone, so are the table's flows of that cookie (ovs-actions(7), "learn").
 */
import type { OfpAct } from '@heddle/openflow';
import { type FlowChange, type FlowChanges, OFPRR_DELETE } from './flow-changes.ts';
import { TBL_INTERNAL } from './flow-table.ts';
import type { Rule, RuleState } from './rule.ts';

type LearnAct = Extract<OfpAct, { type: 'learn' }>;

export class LearnedFlows {
  /** How many `learn` actions there are, by what they learn. */
  readonly #uses = new Map<string, { readonly act: LearnAct; count: number }>();

  /** Of changes that stand: deletes what has nobody left who learned it, and so on. */
  follow(changes: FlowChanges): void {
    const { list } = changes;
    const current = new Set<Rule>();
    for (let done = 0; done < list.length; ) {
      const orphaned = new Map<string, LearnAct>();
      for (; done < list.length; done++) this.#take(list[done]!, current, orphaned);
      for (const [key, act] of orphaned) {
        if (this.#uses.has(key)) continue;
        deleteLearned(changes, act);
      }
    }
  }

  /** `current`: rules whose present state has been counted already. */
  #take(change: FlowChange, current: Set<Rule>, orphaned: Map<string, LearnAct>): void {
    switch (change.type) {
      case 'add':
        if (this.#add(change.rule.state)) current.add(change.rule);
        if (change.replaced) this.#remove(change.replaced.state, orphaned);
        return;
      case 'modify':
        if (current.has(change.rule)) return;
        if (this.#add(change.rule.state) || change.before.actions.some(deletesLearned)) {
          current.add(change.rule);
        }
        this.#remove(change.before, orphaned);
        return;
      case 'delete':
        this.#remove(change.rule.state, orphaned);
        return;
      case 'clear':
        if (this.#uses.size === 0) return;
        for (const { state } of change.rules.rules()) this.#remove(state, orphaned);
    }
  }

  #add({ actions }: RuleState): boolean {
    let any = false;
    for (const act of actions) {
      if (!deletesLearned(act)) continue;
      any = true;
      const key = keyOf(act);
      const use = this.#uses.get(key);
      if (use) use.count++;
      else this.#uses.set(key, { act, count: 1 });
    }
    return any;
  }

  #remove({ actions }: RuleState, orphaned: Map<string, LearnAct>): void {
    if (this.#uses.size === 0) return;
    for (const act of actions) {
      if (!deletesLearned(act)) continue;
      const key = keyOf(act);
      const use = this.#uses.get(key);
      if (!use || --use.count > 0) continue;
      this.#uses.delete(key);
      orphaned.set(key, act);
    }
  }
}

/** As upstream has it, those of a flow itself: not those within its `clone` actions. */
function deletesLearned(act: OfpAct): act is LearnAct {
  return act.type === 'learn' && act.flags.deleteLearned;
}

function keyOf({ table, cookie }: LearnAct): string {
  return `${table} ${cookie}`;
}

function deleteLearned(changes: FlowChanges, { table, cookie }: LearnAct): void {
  if (table >= TBL_INTERNAL) return;
  const { classifier } = changes.ofproto.tables.at(table);
  const learned = [...classifier.rules()].filter(
    (rule) => !rule.isHidden && rule.state.cookie === cookie,
  );
  for (const rule of learned) changes.delete(rule, OFPRR_DELETE);
}
