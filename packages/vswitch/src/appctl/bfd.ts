import { UnixctlError, type UnixctlServer } from '@heddle/runtime';
import type { Bfd } from '../bfd/bfd.ts';
import { showBfd } from '../bfd/text.ts';
import type { OfPort } from '../ofproto.ts';
import type { Switch } from '../switch.ts';
import { parseVerdict, portsWith } from './watches.ts';

/** bfd/*: liveness of interfaces (ovs-vswitchd(8), "BFD COMMANDS"). */
export function registerBfd(server: UnixctlServer, sw: Switch): void {
  const all = () => portsWith(sw, (port: OfPort) => port.bfd);
  server.register('bfd/show', '[interface]', 0, 1, ([name]) => {
    const text = ([port, bfd]: readonly [OfPort, Bfd]) => showBfd(bfd, sw.monitorOf(port).nowMs);
    if (name === undefined) {
      return all()
        .map((found) => `---- ${found[0].name} ----\n${text(found)}`)
        .join('');
    }
    const found = all().find(([port]) => port.name === name);
    if (!found) throw new UnixctlError('no such bfd object');
    return text(found);
  });
  server.register('bfd/set-forwarding', '[interface] normal|false|true', 1, 2, (args) => {
    const name = args.length > 1 ? args[0] : undefined;
    const verdict = parseVerdict(args.at(-1)!);
    if (verdict === undefined) throw new UnixctlError('unknown fault string');
    const found = all().filter(([port]) => name === undefined || port.name === name);
    if (name !== undefined && found.length === 0) throw new UnixctlError('no such BFD object');
    for (const [port, bfd] of found) {
      const monitor = sw.monitorOf(port);
      bfd.setForwarding(verdict === 'normal' ? undefined : verdict, monitor.nowMs);
      monitor.changed(port);
    }
    return 'OK\n';
  });
}
