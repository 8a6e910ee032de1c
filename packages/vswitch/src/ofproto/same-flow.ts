/** Flows that `learn` actions would have as they are already. */
import type { FlowMod } from '@heddle/openflow';
import type { RuleState } from './rule.ts';

type Learned = Pick<RuleState, 'cookie' | 'actions' | 'idleTimeout' | 'hardTimeout' | 'flags'>;

/** What a flow mod makes of a rule. */
export function stateOf(mod: FlowMod): Learned {
  const { newCookie: cookie = 0n, actions, idleTimeout, hardTimeout, flags } = mod;
  return { cookie, actions, idleTimeout, hardTimeout, flags };
}

/** Whether a flow mod of a rule's match and priority leaves it as it is. */
export function isSameFlow(state: Learned, mod: FlowMod): boolean {
  const { cookie, idleTimeout, hardTimeout, flags } = stateOf(mod);
  return (
    state.cookie === cookie &&
    state.idleTimeout === idleTimeout &&
    state.hardTimeout === hardTimeout &&
    state.flags.sendFlowRem === flags.sendFlowRem &&
    JSON.stringify(state.actions, plain) === JSON.stringify(mod.actions, plain)
  );
}

function plain(key: string, value: unknown): unknown {
  if (key === 'field') return (value as { name: string }).name;
  return typeof value === 'bigint' ? `${value}n` : value;
}
