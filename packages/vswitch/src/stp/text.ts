/** What `stp/show` says (ovs-vswitchd(8)). */
import { formatMac } from '@heddle/packet';
import { addressOf, priorityOf } from '../spanning-tree/tree.ts';
import type { Stp } from './stp.ts';

export function showStp<P extends { readonly name: string }>(stp: Stp<P>): string {
  const { settings, times, rootPort } = stp;
  const seconds = (ms: number) => `${Math.floor(ms / 1000)}s`;
  const lines = [
    `---- ${stp.name} ----`,
    'Root ID:',
    `  stp-priority  ${priorityOf(stp.designatedRoot)}`,
    `  stp-system-id   ${formatMac(addressOf(stp.designatedRoot))}`,
    `  stp-hello-time  ${seconds(settings.helloTimeMs)}`,
    `  stp-max-age     ${seconds(settings.maxAgeMs)}`,
    `  stp-fwd-delay   ${seconds(settings.forwardDelayMs)}`,
  ];
  if (rootPort) {
    lines.push(`  root-port       ${rootPort.key.name}`, `  root-path-cost  ${stp.rootPathCost}`);
  } else lines.push('  This bridge is the root');
  lines.push(
    '',
    'Bridge ID:',
    `  stp-priority  ${priorityOf(settings.bridgeId)}`,
    `  stp-system-id   ${formatMac(addressOf(settings.bridgeId))}`,
    `  stp-hello-time  ${seconds(times.helloTimeMs)}`,
    `  stp-max-age     ${seconds(times.maxAgeMs)}`,
    `  stp-fwd-delay   ${seconds(times.forwardDelayMs)}`,
    '',
    '  Interface  Role       State      Cost  Pri.Nbr ',
    '  ---------- ---------- ---------- ----- -------',
  );
  for (const port of stp.ports.values()) {
    if (port.state === 'disabled') continue;
    const { pathCost, priority, number } = port.settings;
    const cells = [
      port.key.name.padEnd(10),
      stp.roleOf(port).padEnd(10),
      port.state.padEnd(10),
      `${String(pathCost).padEnd(6)}${priority}.${number}`,
    ];
    lines.push(`  ${cells.join(' ')}`);
  }
  return `${lines.join('\n')}\n\n`;
}
