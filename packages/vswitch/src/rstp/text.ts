/** What `rstp/show` says (ovs-vswitchd(8)). */
import { formatMac } from '@heddle/packet';
import { addressOf, priorityOf } from '../spanning-tree/tree.ts';
import type { RstpPort } from './port.ts';
import type { Rstp } from './rstp.ts';

export function stateText<P>(port: RstpPort<P>): string {
  if (port.forwarding) return 'Forwarding';
  return port.learning ? 'Learning' : 'Discarding';
}

export function showRstp<P extends { readonly name: string }>(rstp: Rstp<P>): string {
  const { settings, rootPort, rootPriority, rootTimes } = rstp;
  const { rootId, rootPathCost } = rootPriority;
  const lines = [
    `---- ${rstp.name} ----`,
    'Root ID:',
    `  stp-priority    ${priorityOf(rootId)}`,
    `  stp-system-id   ${formatMac(addressOf(rootId))}`,
    `  stp-hello-time  ${rootTimes.helloTime}s`,
    `  stp-max-age     ${rootTimes.maxAge}s`,
    `  stp-fwd-delay   ${rootTimes.forwardDelay}s`,
  ];
  if (rootPort) {
    lines.push(`  root-port       ${rootPort.key.name}`, `  root-path-cost  ${rootPathCost}`);
  } else lines.push('  This bridge is the root');
  const { times, bridgeId } = settings;
  lines.push(
    '',
    'Bridge ID:',
    `  stp-priority    ${priorityOf(bridgeId)}`,
    `  stp-system-id   ${formatMac(addressOf(bridgeId))}`,
    `  stp-hello-time  ${times.helloTime}s`,
    `  stp-max-age     ${times.maxAge}s`,
    `  stp-fwd-delay   ${times.forwardDelay}s`,
    '',
    '  Interface  Role       State      Cost     Pri.Nbr ',
    '  ---------- ---------- ---------- -------- -------',
  );
  for (const port of rstp.ports.values()) {
    const { pathCost, priority, number } = port.settings;
    const cells = [
      port.key.name.padEnd(10),
      port.role.padEnd(10),
      stateText(port).padEnd(10),
      `${String(pathCost).padEnd(9)}${priority}.${number}`,
    ];
    lines.push(`  ${cells.join(' ')}`);
  }
  return `${lines.join('\n')}\n\n`;
}
