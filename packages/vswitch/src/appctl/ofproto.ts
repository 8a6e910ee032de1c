import type { UnixctlServer } from '@heddle/runtime';
import type { Switch } from '../switch.ts';
import { bridgeOf } from './lookup.ts';

/** ofproto/list and bridge/*. */
export function registerOfproto(server: UnixctlServer, sw: Switch): void {
  server.register('ofproto/list', '', 0, 0, () =>
    [...sw.bridges.keys()].map((name) => `${name}\n`).join(''),
  );
  server.register('bridge/dump-flows', '[--offload-stats] bridge', 1, 2, (args) => {
    const { ofproto } = bridgeOf(sw, args.at(-1)!, 'Unknown bridge');
    if (!ofproto.hasNormalFlow) return '';
    const { packets, bytes, createdMs } = ofproto.tableStats;
    const seconds = Math.floor((performance.now() - createdMs) / 1000);
    return `duration=${seconds}s, n_packets=${packets}, n_bytes=${bytes}, priority=0,actions=NORMAL\n`;
  });
  server.register('bridge/reconnect', '[bridge]', 0, 1, ([name]) => {
    if (name !== undefined) bridgeOf(sw, name, 'Unknown bridge');
    return '';
  });
}
