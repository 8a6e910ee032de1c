/** What CFM says of itself (ovs-vswitchd(8), "CFM COMMANDS"). */
import { CFM_FAULTS, type Cfm } from './cfm.ts';

export function showCfm(cfm: Cfm, nowMs: number): string {
  const { settings, health } = cfm;
  const byHand = cfm.override === undefined ? '' : ' fault_override';
  const modes = `${settings.isExtended ? ' extended' : ''}${byHand}`;
  const updown = (up: boolean) => (up ? 'up' : 'down');
  const lines = [`---- ${cfm.name} ----`, `MPID ${settings.mpid}:${modes}`];
  const faults = cfmFaults(cfm);
  if (faults.length > 0) lines.push(`  fault: ${faults.join(' ')}`);
  lines.push(
    `  average health: ${health ?? 'undefined'}`,
    `  opstate: ${updown(settings.opup)}`,
    `  remote_opstate: ${updown(cfm.remoteOpup)}`,
    `  interval: ${settings.intervalMs}ms`,
    `  next CCM tx: ${cfm.nextTxMs - nowMs}ms`,
    `  next fault check: ${cfm.nextCheckMs - nowMs}ms`,
  );
  for (const { mpid, recv, opup } of cfm.remotes.values()) {
    lines.push(`Remote MPID ${mpid}`, `  recv since check: ${recv}`, `  opstate: ${updown(opup)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Why there is a fault. */
export function cfmFaults(cfm: Cfm): string[] {
  if (cfm.override !== undefined) return cfm.override ? ['override'] : [];
  return CFM_FAULTS.filter((fault) => cfm.faults.has(fault));
}
