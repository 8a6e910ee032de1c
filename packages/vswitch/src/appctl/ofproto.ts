import { formatMatch } from '@heddle/openflow';
import type { UnixctlServer } from '@heddle/runtime';
import type { Rule } from '../ofproto/rule.ts';
import type { Switch } from '../switch.ts';
import { actionsText } from '../xlate/text.ts';
import { bridgeOf } from './lookup.ts';

/** ovs-vswitchd(8), "bridge/dump-flows": every flow, hidden ones, too. */
function ruleLine(rule: Rule, nowMs: number, withOffload: boolean): string {
  const { packets, bytes, createdMs, priority, state, tableId } = rule;
  const table = tableId === 0 ? '' : `table_id=${tableId}, `;
  const seconds = Math.floor((nowMs - createdMs) / 1000);
  const match = formatMatch(rule.match, { priority });
  const counts = `duration=${seconds}s, n_packets=${packets}, n_bytes=${bytes}, `;
  // No device takes flows over.
  const offloaded = withOffload ? 'n_offload_packets=0, n_offload_bytes=0, ' : '';
  return `${table}${counts}${offloaded}${match},actions=${actionsText(state.actions)}`;
}

/** ofproto/list and bridge/*. */
export function registerOfproto(server: UnixctlServer, sw: Switch): void {
  server.register('ofproto/list', '', 0, 0, () =>
    [...sw.bridges.keys()].map((name) => `${name}\n`).join(''),
  );
  server.register('bridge/dump-flows', '[--offload-stats] bridge', 1, 2, (args) => {
    const { ofproto, ofprotoDpif } = bridgeOf(sw, args.at(-1)!, 'Unknown bridge');
    const withOffload = args.length > 1 && args[0] === '--offload-stats';
    const now = ofprotoDpif.nowMs();
    ofprotoDpif.syncStats();
    return [...ofproto.tables.rules()]
      .map((rule) => `${ruleLine(rule, now, withOffload)}\n`)
      .join('');
  });
  server.register('bridge/reconnect', '[bridge]', 0, 1, ([name]) => {
    const bridges =
      name === undefined ? sw.bridges.values() : [bridgeOf(sw, name, 'Unknown bridge')];
    for (const { connections } of bridges) connections.reconnect();
    return '';
  });
}
