/** States of rules, of which many are alike: those are one object. */
import type { OfpAct } from '@heddle/openflow';
import type { RuleState } from './rule.ts';

const MOST = 1024;
/** The last state made with these actions, which the codec shares where their bytes are the same. */
const recent = new Map<readonly OfpAct[], RuleState>();

/** A state with these contents, which may be one that other rules have. */
export function sharedState({
  cookie,
  actions,
  idleTimeout,
  hardTimeout,
  importance,
  flags,
}: RuleState): RuleState {
  const known = recent.get(actions);
  if (
    known !== undefined &&
    known.cookie === cookie &&
    known.idleTimeout === idleTimeout &&
    known.hardTimeout === hardTimeout &&
    known.importance === importance &&
    known.flags === flags
  ) {
    return known;
  }
  const state = { cookie, actions, idleTimeout, hardTimeout, importance, flags };
  if (recent.size >= MOST) recent.clear();
  recent.set(actions, state);
  return state;
}
