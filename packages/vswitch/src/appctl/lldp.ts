import type { UnixctlServer } from '@heddle/runtime';
import type { Lldp } from '../lldp/lldp.ts';
import { showIsids, showLldp, showLldpStats } from '../lldp/text.ts';
import type { Switch } from '../switch.ts';
import { portsWith } from './watches.ts';

/** autoattach/*: neighbours and services by LLDP. As Open vSwitch, all of them whatever the bridge. */
export function registerLldp(server: UnixctlServer, sw: Switch): void {
  const all = (format: (lldp: Lldp) => string) => () =>
    portsWith(sw, (port) => port.lldp)
      .map(([, lldp]) => format(lldp))
      .join('');
  server.register('autoattach/status', '[bridge]', 0, 1, all(showLldp));
  server.register('autoattach/show-isid', '[bridge]', 0, 1, all(showIsids));
  server.register('autoattach/statistics', '[bridge]', 0, 1, all(showLldpStats));
}
