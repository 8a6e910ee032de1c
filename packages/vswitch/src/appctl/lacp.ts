import { UnixctlError, type UnixctlServer } from '@heddle/runtime';
import type { Lacp } from '../lacp/lacp.ts';
import { showLacp, showLacpStats } from '../lacp/text.ts';
import type { Switch } from '../switch.ts';

/** lacp/*: link aggregation (ovs-vswitchd(8), "LACP COMMANDS"). */
export function registerLacp(server: UnixctlServer, sw: Switch): void {
  const all = (): Lacp[] =>
    [...sw.bridges.values()].flatMap((bridge) =>
      [...bridge.ofproto.bundles.values()].flatMap((bundle) => bundle.lacp ?? []),
    );
  const show =
    (format: (lacp: Lacp) => string) =>
    ([name]: readonly string[]) => {
      const found = all().filter((lacp) => name === undefined || lacp.name === name);
      if (name !== undefined && found.length === 0) throw new UnixctlError('no such lacp object');
      return found.map(format).join('');
    };
  server.register('lacp/show', '[port]', 0, 1, show(showLacp));
  server.register('lacp/show-stats', '[port]', 0, 1, show(showLacpStats));
}
