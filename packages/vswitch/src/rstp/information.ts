/** Port Receive and Port Information machines (IEEE 802.1D-2004, 17.23 and 17.27). */
import { BpduFlag, BpduRole, type ConfigBpdu } from '../spanning-tree/bpdu.ts';
import { comparePriority, isSuperior, sameTimes } from './priority.ts';
import { MIGRATE_TIME, type RstpPort } from './rstp-port.ts';

/** Whether anything happened. */
export function receiveMachine<P>(port: RstpPort<P>): boolean {
  const { machines, timers } = port;
  if (!port.enabled) {
    if (machines.receive === 'DISCARD' && !port.rcvdBpdu) return false;
    machines.receive = 'DISCARD';
    port.rcvdBpdu = undefined;
    port.rcvdRSTP = false;
    port.rcvdSTP = false;
    port.rcvdMsg = false;
    timers.edgeDelayWhile = MIGRATE_TIME;
    return true;
  }
  const bpdu = port.rcvdBpdu;
  if (!bpdu || port.rcvdMsg) return false;
  machines.receive = 'RECEIVE';
  if (bpdu.type === 'rst') port.rcvdRSTP = true;
  else port.rcvdSTP = true;
  port.operEdge = false;
  port.rcvdBpdu = undefined;
  port.message = bpdu;
  port.rcvdMsg = true;
  timers.edgeDelayWhile = MIGRATE_TIME;
  return true;
}

export function informationMachine<P>(port: RstpPort<P>): boolean {
  const { machines } = port;
  if (!port.enabled && port.infoIs !== 'Disabled') {
    machines.information = 'DISABLED';
    disable(port);
    return true;
  }
  switch (machines.information) {
    case 'DISABLED':
      if (port.enabled) {
        machines.information = 'AGED';
        age(port);
        return true;
      }
      if (!port.rcvdMsg) return false;
      disable(port);
      return true;
    case 'AGED':
      if (!port.selected || !port.updtInfo) return false;
      machines.information = 'CURRENT';
      update(port);
      return true;
    case 'CURRENT':
      return current(port);
  }
}

function current<P>(port: RstpPort<P>): boolean {
  if (port.selected && port.updtInfo) {
    update(port);
    return true;
  }
  if (port.updtInfo) return false;
  if (port.rcvdMsg) {
    receive(port);
    return true;
  }
  if (port.infoIs !== 'Received' || port.timers.rcvdInfoWhile > 0) return false;
  port.machines.information = 'AGED';
  age(port);
  return true;
}

function disable<P>(port: RstpPort<P>): void {
  port.rcvdMsg = false;
  port.proposing = false;
  port.proposed = false;
  port.agree = false;
  port.agreed = false;
  port.timers.rcvdInfoWhile = 0;
  port.infoIs = 'Disabled';
  port.reselect = true;
  port.selected = false;
}

function age<P>(port: RstpPort<P>): void {
  port.infoIs = 'Aged';
  port.reselect = true;
  port.selected = false;
}

function update<P>(port: RstpPort<P>): void {
  port.proposing = false;
  port.proposed = false;
  const isAsGood =
    port.infoIs === 'Mine' && comparePriority(port.designatedPriority, port.portPriority) <= 0;
  port.agreed = port.agreed && isAsGood;
  port.synced = port.synced && port.agreed;
  port.portPriority = port.designatedPriority;
  port.portTimes = port.designatedTimes;
  port.updtInfo = false;
  port.infoIs = 'Mine';
  port.newInfo = true;
}

/** rcvInfo() and what follows from it (17.21.8). */
function receive<P>(port: RstpPort<P>): void {
  const { message } = port;
  port.rcvdMsg = false;
  if (!message) return;
  if (message.type === 'tcn') {
    port.rcvdTcn = true;
    return;
  }
  port.msgPriority = message;
  port.msgTimes = {
    messageAge: message.messageAgeMs / 1000,
    maxAge: message.maxAgeMs / 1000,
    helloTime: message.helloTimeMs / 1000,
    forwardDelay: message.forwardDelayMs / 1000,
  };
  const order = comparePriority(port.msgPriority, port.portPriority);
  if (message.role === BpduRole.designated) {
    const isSame = order === 0;
    const isNews = isSame && !sameTimes(port.msgTimes, port.portTimes);
    if (isNews || (!isSame && isSuperior(port.msgPriority, port.portPriority))) {
      superiorDesignated(port, message);
    } else if (isSame && port.infoIs === 'Received') {
      recordProposal(port, message);
      setTcFlags(port, message);
      updtRcvdInfoWhile(port);
    } else if (!isSame) recordDispute(port, message);
    return;
  }
  if (message.role !== BpduRole.unknown && order >= 0) {
    recordAgreement(port, message);
    setTcFlags(port, message);
  }
}

function superiorDesignated<P>(port: RstpPort<P>, message: ConfigBpdu): void {
  port.agreed = false;
  port.proposing = false;
  recordProposal(port, message);
  setTcFlags(port, message);
  const isAsGood =
    port.infoIs === 'Received' && comparePriority(port.msgPriority, port.portPriority) <= 0;
  port.agree = port.agree && isAsGood;
  port.portPriority = port.msgPriority;
  port.portTimes = { ...port.msgTimes, helloTime: Math.max(port.msgTimes.helloTime, 1) };
  updtRcvdInfoWhile(port);
  port.infoIs = 'Received';
  port.reselect = true;
  port.selected = false;
}

/** 17.21.9 */
function recordAgreement<P>(port: RstpPort<P>, message: ConfigBpdu): void {
  const agrees = (message.flags & BpduFlag.agreement) !== 0;
  port.agreed = port.bridge.isRstp && port.settings.pointToPoint && agrees;
  if (port.agreed) port.proposing = false;
}

/** 17.21.10 */
function recordDispute<P>(port: RstpPort<P>, message: ConfigBpdu): void {
  if (message.type !== 'rst' || (message.flags & BpduFlag.learning) === 0) return;
  port.disputed = true;
  port.agreed = false;
}

function recordProposal<P>(port: RstpPort<P>, message: ConfigBpdu): void {
  if ((message.flags & BpduFlag.proposal) !== 0) port.proposed = true;
}

function setTcFlags<P>(port: RstpPort<P>, message: ConfigBpdu): void {
  if ((message.flags & BpduFlag.topologyChange) !== 0) port.rcvdTc = true;
  if ((message.flags & BpduFlag.topologyChangeAck) !== 0) port.rcvdTcAck = true;
}

/** 17.21.23: a message is good for three hello times unless it is too old. */
function updtRcvdInfoWhile<P>(port: RstpPort<P>): void {
  const { messageAge, maxAge, helloTime } = port.portTimes;
  port.timers.rcvdInfoWhile = messageAge + 1 <= maxAge ? 3 * helloTime : 0;
}
