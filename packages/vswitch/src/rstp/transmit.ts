/** Port Transmit machine (IEEE 802.1D-2004, 17.26). */
import { type Bpdu, BpduFlag, BpduRole } from '../spanning-tree/bpdu.ts';
import type { PortRole, RstpPort } from './rstp-port.ts';

const ROLES: Readonly<Record<PortRole, number>> = {
  Disabled: BpduRole.unknown,
  Alternate: BpduRole.alternateOrBackup,
  Backup: BpduRole.alternateOrBackup,
  Root: BpduRole.root,
  Designated: BpduRole.designated,
};

export function transmitMachine<P>(port: RstpPort<P>): boolean {
  if (!port.enabled || !port.selected || port.updtInfo) return false;
  const { timers } = port;
  if (timers.helloWhen === 0) {
    const speaks = port.role === 'Designated' || (port.role === 'Root' && timers.tcWhile !== 0);
    port.newInfo ||= speaks;
    timers.helloWhen = port.helloTime;
    return true;
  }
  if (!port.newInfo || port.txCount >= port.bridge.settings.transmitHoldCount) return false;
  const bpdu = message(port);
  if (!bpdu) return false;
  port.newInfo = false;
  port.bridge.send(port, bpdu);
  port.txCount++;
  if (bpdu.type !== 'tcn') port.tcAck = false;
  timers.helloWhen = port.helloTime;
  return true;
}

function message<P>(port: RstpPort<P>): Bpdu | undefined {
  if (!port.sendRSTP && port.role === 'Root') return { type: 'tcn' };
  if (!port.sendRSTP && port.role !== 'Designated') return undefined;
  const { designatedTimes: times } = port;
  return {
    type: port.sendRSTP ? 'rst' : 'config',
    flags: port.sendRSTP ? rstFlags(port) : configFlags(port),
    role: ROLES[port.role],
    ...port.designatedPriority,
    messageAgeMs: times.messageAge * 1000,
    maxAgeMs: times.maxAge * 1000,
    helloTimeMs: times.helloTime * 1000,
    forwardDelayMs: times.forwardDelay * 1000,
  };
}

function rstFlags<P>(port: RstpPort<P>): number {
  let flags = port.timers.tcWhile === 0 ? 0 : BpduFlag.topologyChange;
  if (port.proposing) flags |= BpduFlag.proposal;
  if (port.learning) flags |= BpduFlag.learning;
  if (port.forwarding) flags |= BpduFlag.forwarding;
  if (port.agree) flags |= BpduFlag.agreement;
  return flags;
}

function configFlags<P>(port: RstpPort<P>): number {
  const change = port.timers.tcWhile === 0 ? 0 : BpduFlag.topologyChange;
  return change | (port.tcAck ? BpduFlag.topologyChangeAck : 0);
}
