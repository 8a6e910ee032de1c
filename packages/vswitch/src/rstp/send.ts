/** What a port says (IEEE 802.1D-2004, 17.21.19 to 17.21.21). */
import { BpduFlag, BpduRole, type ConfigBpdu } from '../spanning-tree/bpdu.ts';
import type { Port, PortRole } from './port.ts';

const ROLES: Readonly<Record<PortRole, number>> = {
  Disabled: BpduRole.unknown,
  Alternate: BpduRole.alternateOrBackup,
  Backup: BpduRole.alternateOrBackup,
  Root: BpduRole.root,
  Designated: BpduRole.designated,
};

export function txConfig(port: Port): void {
  const flags = changeFlag(port) | (port.tcAck ? BpduFlag.topologyChangeAck : 0);
  port.bridge.send(port, { type: 'config', role: BpduRole.designated, flags, ...content(port) });
}

export function txRstp(port: Port): void {
  let flags = changeFlag(port);
  if (port.proposing) flags |= BpduFlag.proposal;
  if (port.learning) flags |= BpduFlag.learning;
  if (port.forwarding) flags |= BpduFlag.forwarding;
  if (port.agree) flags |= BpduFlag.agreement;
  port.bridge.send(port, { type: 'rst', role: ROLES[port.role], flags, ...content(port) });
}

export function txTcn(port: Port): void {
  port.bridge.send(port, { type: 'tcn' });
}

function changeFlag(port: Port): number {
  return port.timers.tcWhile === 0 ? 0 : BpduFlag.topologyChange;
}

function content(port: Port): Omit<ConfigBpdu, 'type' | 'flags' | 'role'> {
  const { designatedTimes: times } = port;
  return {
    ...port.designatedPriority,
    messageAgeMs: times.messageAge * 1000,
    maxAgeMs: times.maxAge * 1000,
    helloTimeMs: times.helloTime * 1000,
    forwardDelayMs: times.forwardDelay * 1000,
  };
}
