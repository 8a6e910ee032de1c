/** What BFD says of itself (ovs-vswitchd(8), "BFD COMMANDS"; ovs-vswitchd.conf.db(5), "BFD Status"). */
import type { Bfd } from './bfd.ts';
import { BfdFlag } from './packet.ts';

/** RFC 5880, 4.1. */
const DIAGNOSTICS = [
  'No Diagnostic',
  'Control Detection Time Expired',
  'Echo Function Failed',
  'Neighbor Signaled Session Down',
  'Forwarding Plane Reset',
  'Path Down',
  'Concatenated Path Down',
  'Administratively Down',
  'Reverse Concatenated Path Down',
];

function diagnostic(diag: number): string {
  return DIAGNOSTICS[diag] ?? 'Invalid Diagnostic';
}

/** The column `bfd_status`. */
export function bfdStatus(bfd: Bfd): Map<string, string> {
  return new Map([
    ['diagnostic', diagnostic(bfd.diag)],
    ['flap_count', String(bfd.flaps)],
    ['forwarding', String(bfd.isForwarding)],
    ['remote_diagnostic', diagnostic(bfd.remote.diag)],
    ['remote_state', bfd.remote.state],
    ['state', bfd.state],
  ]);
}

export function showBfd(bfd: Bfd, nowMs: number): string {
  const { remote, settings } = bfd;
  const at = (ms: number) => {
    const left = Math.trunc(ms - nowMs);
    return `now ${left < 0 ? '-' : '+'}${Math.abs(left)}ms`;
  };
  const lines = [
    `  Forwarding: ${bfd.isForwarding}`,
    `  Detect Multiplier: ${settings.mult}`,
    `  Concatenated Path Down: ${settings.cpathDown}`,
    `  TX Interval: Approx ${bfd.txIntervalMs}ms`,
    `  RX Interval: Approx ${bfd.rxIntervalMs}ms`,
    `  Detect Time: ${at(bfd.detectMs)}`,
    `  Next TX Time: ${at(bfd.nextTxMs)}`,
    `  Last TX Time: ${at(bfd.lastTxMs)}`,
    '',
    `  Local Flags: ${flagNames(bfd.flags)}`,
    `  Local Session State: ${bfd.state}`,
    `  Local Diagnostic: ${diagnostic(bfd.diag)}`,
    `  Local Discriminator: 0x${bfd.disc.toString(16)}`,
    `  Local Minimum TX Interval: ${bfd.minTxMs}ms`,
    `  Local Minimum RX Interval: ${bfd.minRxMs}ms`,
    '',
    `  Remote Flags: ${flagNames(remote.flags)}`,
    `  Remote Session State: ${remote.state}`,
    `  Remote Diagnostic: ${diagnostic(remote.diag)}`,
    `  Remote Discriminator: 0x${remote.disc.toString(16)}`,
    `  Remote Minimum TX Interval: ${remote.minTxMs}ms`,
    `  Remote Minimum RX Interval: ${remote.minRxMs}ms`,
    `  Remote Detect Multiplier: ${remote.mult}`,
  ];
  return `${lines.join('\n')}\n`;
}

function flagNames(flags: number): string {
  const names = Object.entries(BfdFlag).flatMap(([name, bit]) => (flags & bit ? name : []));
  return names.length === 0 ? 'none' : names.join(' ');
}
