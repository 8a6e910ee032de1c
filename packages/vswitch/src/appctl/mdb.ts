import { UnixctlError, type UnixctlServer } from '@heddle/runtime';
import { showSnooping } from '../mcast-snooping/text.ts';
import type { Switch } from '../switch.ts';
import { bridgeOf } from './lookup.ts';

/** mdb/*: multicast snooping (ovs-vswitchd(8), "BRIDGE COMMANDS"). */
export function registerMdb(server: UnixctlServer, sw: Switch): void {
  const snoopingOf = (name: string) => {
    const { snooping } = bridgeOf(sw, name).ofproto;
    if (!snooping) throw new UnixctlError('multicast snooping is disabled');
    // What is too old but waits for the next look is not told of.
    snooping.expire();
    return snooping;
  };

  server.register('mdb/show', 'bridge', 1, 1, ([name]) => showSnooping(snoopingOf(name!)));

  server.register('mdb/flush', '[bridge]', 0, 1, ([name]) => {
    if (name !== undefined) snoopingOf(name).flush();
    else for (const { ofproto } of sw.bridges.values()) ofproto.snooping?.flush();
    return 'table successfully flushed\n';
  });
}
