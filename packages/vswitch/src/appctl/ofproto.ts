import type { UnixctlServer } from '@heddle/runtime';
import type { Rule } from '../ofproto/rule.ts';
import type { Switch } from '../switch.ts';
import { actionText } from '../xlate-text.ts';
import { bridgeOf } from './lookup.ts';

function ruleLine({ packets, bytes, createdMs, priority, state }: Rule): string {
  const seconds = Math.floor((performance.now() - createdMs) / 1000);
  const actions = state.actions.map(actionText).join(',') || 'drop';
  return `duration=${seconds}s, n_packets=${packets}, n_bytes=${bytes}, priority=${priority},actions=${actions}`;
}

/** ofproto/list and bridge/*. */
export function registerOfproto(server: UnixctlServer, sw: Switch): void {
  server.register('ofproto/list', '', 0, 0, () =>
    [...sw.bridges.keys()].map((name) => `${name}\n`).join(''),
  );
  server.register('bridge/dump-flows', '[--offload-stats] bridge', 1, 2, (args) => {
    const { ofproto } = bridgeOf(sw, args.at(-1)!, 'Unknown bridge');
    return [...ofproto.tables.rules()].map((rule) => `${ruleLine(rule)}\n`).join('');
  });
  server.register('bridge/reconnect', '[bridge]', 0, 1, ([name]) => {
    if (name !== undefined) bridgeOf(sw, name, 'Unknown bridge');
    return '';
  });
}
