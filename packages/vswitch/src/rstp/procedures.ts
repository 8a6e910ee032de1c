/** Conditions and procedures that machines share (IEEE 802.1D-2004, 17.20 and 17.21), by their names. */
import { BpduFlag, BpduRole, type ConfigBpdu } from '../spanning-tree/bpdu.ts';
import type { Port, RcvdInfo } from './port.ts';
import { comparePriority, isSuperior, sameTimes } from './priority.ts';

/** What qualifies most transitions of Port Role Transitions and Port Transmit. */
export const isSettled = (port: Port) => port.selected && !port.updtInfo;

/** 17.20.3 */
export function allSynced(self: Port): boolean {
  for (const port of self.bridge.ports.values()) {
    if (!port.selected || port.role !== port.selectedRole || port.updtInfo) return false;
    if (port !== self && port.role !== 'Root' && !port.synced) return false;
  }
  return true;
}

/** 17.20.10 */
export function reRooted(self: Port): boolean {
  for (const port of self.bridge.ports.values()) {
    if (port !== self && port.timers.rrWhile !== 0) return false;
  }
  return true;
}

/** 17.21.1; what is compared is the port's own vector with the one that is to take its place. */
export function betterorsameinfo(port: Port, newInfoIs: 'Received' | 'Mine'): boolean {
  if (port.infoIs !== newInfoIs) return false;
  const news = newInfoIs === 'Received' ? port.msgPriority : port.designatedPriority;
  return comparePriority(news, port.portPriority) <= 0;
}

/** 17.21.7 */
export function newTcWhile(port: Port): void {
  if (port.timers.tcWhile !== 0) return;
  const { maxAge, forwardDelay } = port.bridge.rootTimes;
  port.timers.tcWhile = port.sendRSTP ? port.helloTime + 1 : maxAge + forwardDelay;
  if (port.sendRSTP) port.newInfo = true;
}

/** 17.21.8 */
export function rcvInfo(port: Port): RcvdInfo {
  const { message } = port;
  if (!message) return 'OtherInfo';
  if (message.type === 'tcn') {
    port.rcvdTcn = true;
    return 'OtherInfo';
  }
  port.msgPriority = message;
  port.msgTimes = {
    messageAge: message.messageAgeMs / 1000,
    maxAge: message.maxAgeMs / 1000,
    helloTime: message.helloTimeMs / 1000,
    forwardDelay: message.forwardDelayMs / 1000,
  };
  const order = comparePriority(port.msgPriority, port.portPriority);
  switch (message.role) {
    // 9.3.3: of no known role as if it were a Configuration BPDU.
    case BpduRole.unknown:
    case BpduRole.designated:
      if (order === 0) {
        if (!sameTimes(port.msgTimes, port.portTimes)) return 'SuperiorDesignatedInfo';
        return port.infoIs === 'Received' ? 'RepeatedDesignatedInfo' : 'OtherInfo';
      }
      return isSuperior(port.msgPriority, port.portPriority)
        ? 'SuperiorDesignatedInfo'
        : 'InferiorDesignatedInfo';
    case BpduRole.root:
    case BpduRole.alternateOrBackup:
      return order >= 0 ? 'InferiorRootAlternateInfo' : 'OtherInfo';
    default:
      return 'OtherInfo';
  }
}

/** The message, where it is one that Port Information looks into. */
function config({ message }: Port): ConfigBpdu | undefined {
  return message?.type === 'tcn' ? undefined : message;
}

const hasFlag = (port: Port, flag: number) => ((config(port)?.flags ?? 0) & flag) !== 0;

/** 17.21.9 */
export function recordAgreement(port: Port): void {
  const { bridge, settings } = port;
  port.agreed = bridge.isRstp && settings.pointToPoint && hasFlag(port, BpduFlag.agreement);
  if (port.agreed) port.proposing = false;
}

/** 17.21.10 */
export function recordDispute(port: Port): void {
  if (port.message?.type !== 'rst' || !hasFlag(port, BpduFlag.learning)) return;
  port.disputed = true;
  port.agreed = false;
}

/** 17.21.11 */
export function recordProposal(port: Port): void {
  if (hasFlag(port, BpduFlag.proposal)) port.proposed = true;
}

/** 17.21.14 */
export function setReRootTree(self: Port): void {
  for (const port of self.bridge.ports.values()) port.reRoot = true;
}

/** 17.21.16 */
export function setSyncTree(self: Port): void {
  for (const port of self.bridge.ports.values()) port.sync = true;
}

/** 17.21.17 */
export function setTcFlags(port: Port): void {
  if (hasFlag(port, BpduFlag.topologyChange)) port.rcvdTc = true;
  if (hasFlag(port, BpduFlag.topologyChangeAck)) port.rcvdTcAck = true;
}

/** 17.21.18 */
export function setTcPropTree(self: Port): void {
  for (const port of self.bridge.ports.values()) if (port !== self) port.tcProp = true;
}

/** 17.21.23: a message is good for three hello times unless it is too old. */
export function updtRcvdInfoWhile(port: Port): void {
  const { messageAge, maxAge, helloTime } = port.portTimes;
  port.timers.rcvdInfoWhile = messageAge + 1 <= maxAge ? 3 * helloTime : 0;
}
