/** What LACP says of itself (ovs-vswitchd(8), "LACP COMMANDS"). */
import { formatMac } from '@heddle/packet';
import type { Lacp, LacpMember } from './lacp.ts';
import { type LacpInfo, LacpState } from './pdu.ts';

export function showLacp(lacp: Lacp): string {
  const { settings, isNegotiated } = lacp;
  const members = byName(lacp);
  const lines = [
    `---- ${lacp.name} ----`,
    `  status: ${settings.active ? 'active' : 'passive'}${isNegotiated ? ' negotiated' : ''}`,
    `  sys_id: ${formatMac(settings.sysId)}`,
    `  sys_priority: ${settings.sysPriority}`,
    `  aggregation key: ${members[0]?.settings.key ?? 0}`,
    `  lacp_time: ${settings.fast ? 'fast' : 'slow'}`,
  ];
  for (const member of members) {
    lines.push(
      '',
      `member: ${member.port.name}: ${member.status} ${member.attached ? 'attached' : 'detached'}`,
      `  port_id: ${member.settings.portId}`,
      `  port_priority: ${member.settings.portPriority}`,
      `  may_enable: ${member.mayEnable}`,
      '',
      ...showInfo('actor', lacp.actorOf(member)),
      '',
      ...showInfo('partner', member.partner),
    );
  }
  return `${lines.join('\n')}\n`;
}

function showInfo(side: string, info: LacpInfo): string[] {
  const state = Object.entries(LacpState).flatMap(([name, bit]) => (info.state & bit ? name : []));
  return [
    `  ${side} sys_id: ${formatMac(info.sysId)}`,
    `  ${side} sys_priority: ${info.sysPriority}`,
    `  ${side} port_id: ${info.portId}`,
    `  ${side} port_priority: ${info.portPriority}`,
    `  ${side} key: ${info.key}`,
    `  ${side} state:${state.map((name) => ` ${name}`).join('')}`,
  ];
}

export function showLacpStats(lacp: Lacp): string {
  const lines = [`---- ${lacp.name} statistics ----`];
  for (const { port, stats } of byName(lacp)) {
    lines.push(
      '',
      `member: ${port.name}:`,
      `  TX PDUs: ${stats.tx}`,
      `  RX PDUs: ${stats.rx}`,
      `  RX Bad PDUs: ${stats.bad}`,
      `  RX Marker Request PDUs: ${stats.marker}`,
      `  Link Expired: ${stats.expired}`,
      `  Link Defaulted: ${stats.defaulted}`,
      `  Carrier Status Changed: ${stats.carrier}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function byName(lacp: Lacp): LacpMember[] {
  return [...lacp.members.values()].sort((a, b) => (a.port.name < b.port.name ? -1 : 1));
}
