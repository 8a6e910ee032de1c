import { UnixctlError, type UnixctlServer } from '@heddle/runtime';
import { showCfm } from '../cfm/text.ts';
import type { Switch } from '../switch.ts';
import { parseVerdict, portsWith } from './watches.ts';

/** cfm/*: continuity checks of interfaces (ovs-vswitchd(8), "CFM COMMANDS"). */
export function registerCfm(server: UnixctlServer, sw: Switch): void {
  const all = () => portsWith(sw, (port) => port.cfm);
  server.register('cfm/show', '[interface]', 0, 1, ([name]) => {
    const found = all().filter(([port]) => name === undefined || port.name === name);
    if (name !== undefined && found.length === 0) throw new UnixctlError('no such CFM object');
    return found.map(([port, cfm]) => showCfm(cfm, sw.monitorOf(port).nowMs)).join('');
  });
  server.register('cfm/set-fault', '[interface] normal|false|true', 1, 2, (args) => {
    const name = args.length > 1 ? args[0] : undefined;
    const verdict = parseVerdict(args.at(-1)!);
    if (verdict === undefined) throw new UnixctlError('unknown fault string');
    const found = all().filter(([port]) => name === undefined || port.name === name);
    if (name !== undefined && found.length === 0) throw new UnixctlError('no such CFM object');
    for (const [port, cfm] of found) {
      cfm.override = verdict === 'normal' ? undefined : verdict;
      sw.monitorOf(port).changed(port);
    }
    return 'OK\n';
  });
}
