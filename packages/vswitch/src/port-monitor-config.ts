/** Interface rows as settings of the protocols that watch over ports. */
import { bfdSettings, newBfd } from './bfd/config.ts';
import { Cfm } from './cfm/cfm.ts';
import { cfmSettings } from './cfm/config.ts';
import { type AutoAttachRow, lldpSettings } from './lldp/config.ts';
import { Lldp } from './lldp/lldp.ts';
import type { OfPort } from './ofproto.ts';
import type { InterfaceRow } from './port-config.ts';
import type { PortMonitor } from './port-monitor.ts';

export function configureWatches(
  port: OfPort,
  row: InterfaceRow,
  autoAttach: AutoAttachRow | undefined,
  monitor: PortMonitor,
): void {
  const { nowMs } = monitor;
  const bfd = bfdSettings(row.bfd);
  if (!bfd) port.bfd = undefined;
  else if (port.bfd) port.bfd.configure(bfd);
  else port.bfd = newBfd(port.name, bfd, monitor.keptBfd(port), nowMs);
  const cfm = cfmSettings(row, port.tunnel);
  if (!cfm) port.cfm = undefined;
  else if (port.cfm) port.cfm.configure(cfm, nowMs);
  else {
    port.cfm = new Cfm(port.name, cfm, nowMs);
    monitor.restoreCfm(port, port.cfm);
  }
  const lldp = lldpSettings(row.lldp, autoAttach);
  if (!lldp) port.lldp = undefined;
  else if (port.lldp) port.lldp.configure(lldp);
  else port.lldp = new Lldp(port.name, lldp, nowMs);
  monitor.configured(port);
}
