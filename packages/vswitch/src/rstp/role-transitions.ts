/** Port Role Transitions machine (IEEE 802.1D-2004, 17.29). */
import type { RstpPort } from './rstp-port.ts';

export function roleMachine<P>(port: RstpPort<P>): boolean {
  const { machines } = port;
  const isSettled = port.selected && !port.updtInfo;
  if (isSettled && port.role !== port.selectedRole) {
    change(port);
    return true;
  }
  switch (machines.role) {
    case 'DISABLE_PORT':
      if (!isSettled || port.learning || port.forwarding) return false;
      machines.role = 'DISABLED_PORT';
      disabledPort(port);
      return true;
    case 'DISABLED_PORT': {
      const isThere =
        port.timers.fdWhile === port.maxAge && !port.sync && !port.reRoot && port.synced;
      if (!isSettled || isThere) return false;
      disabledPort(port);
      return true;
    }
    case 'BLOCK_PORT':
      if (!isSettled || port.learning || port.forwarding) return false;
      machines.role = 'ALTERNATE_PORT';
      alternatePort(port);
      return true;
    case 'ALTERNATE_PORT':
      return isSettled && alternate(port);
    case 'ROOT_PORT':
      return isSettled && root(port);
    case 'DESIGNATED_PORT':
      return isSettled && designated(port);
  }
}

function change<P>(port: RstpPort<P>): void {
  port.role = port.selectedRole;
  const { machines } = port;
  switch (port.role) {
    case 'Root':
      machines.role = 'ROOT_PORT';
      port.timers.rrWhile = port.fwdDelay;
      return;
    case 'Designated':
      machines.role = 'DESIGNATED_PORT';
      return;
    case 'Disabled':
      machines.role = 'DISABLE_PORT';
      break;
    default:
      machines.role = 'BLOCK_PORT';
  }
  port.learn = false;
  port.forward = false;
}

function disabledPort<P>(port: RstpPort<P>): void {
  port.timers.fdWhile = port.maxAge;
  port.timers.rrWhile = 0;
  port.synced = true;
  port.sync = false;
  port.reRoot = false;
}

function alternatePort<P>(port: RstpPort<P>): void {
  port.timers.fdWhile = port.forwardDelay;
  port.timers.rrWhile = 0;
  port.synced = true;
  port.sync = false;
  port.reRoot = false;
}

function root<P>(port: RstpPort<P>): boolean {
  const { timers, bridge } = port;
  if (port.proposed && !port.agree) {
    bridge.setSyncTree();
    port.proposed = false;
    return true;
  }
  if ((bridge.allSynced(port) && !port.agree) || (port.proposed && port.agree)) {
    port.proposed = false;
    port.sync = false;
    port.agree = true;
    port.newInfo = true;
    return true;
  }
  if (!port.forward && !port.reRoot) {
    bridge.setReRootTree();
    return true;
  }
  const mayAdvance =
    timers.fdWhile === 0 || (bridge.reRooted(port) && timers.rbWhile === 0 && bridge.isRstp);
  if (mayAdvance && !port.learn) {
    timers.fdWhile = port.forwardDelay;
    port.learn = true;
    return true;
  }
  if (mayAdvance && !port.forward) {
    timers.fdWhile = 0;
    port.forward = true;
    return true;
  }
  if (port.reRoot && port.forward) {
    port.reRoot = false;
    return true;
  }
  if (timers.rrWhile === port.fwdDelay) return false;
  timers.rrWhile = port.fwdDelay;
  return true;
}

function designated<P>(port: RstpPort<P>): boolean {
  const { timers } = port;
  if (!port.forward && !port.agreed && !port.proposing && !port.operEdge) {
    port.proposing = true;
    timers.edgeDelayWhile = port.edgeDelay;
    port.newInfo = true;
    return true;
  }
  const isQuiet = !port.learning && !port.forwarding;
  if (port.synced ? port.sync : isQuiet || port.agreed || port.operEdge) {
    timers.rrWhile = 0;
    port.synced = true;
    port.sync = false;
    return true;
  }
  if (timers.rrWhile === 0 && port.reRoot) {
    port.reRoot = false;
    return true;
  }
  const mustDiscard =
    (port.sync && !port.synced) || (port.reRoot && timers.rrWhile !== 0) || port.disputed;
  if (mustDiscard && !port.operEdge && (port.learn || port.forward)) {
    port.learn = false;
    port.forward = false;
    port.disputed = false;
    timers.fdWhile = port.forwardDelay;
    return true;
  }
  const mayAdvance =
    (timers.fdWhile === 0 || port.agreed || port.operEdge) &&
    (timers.rrWhile === 0 || !port.reRoot) &&
    !port.sync;
  if (mayAdvance && !port.learn) {
    port.learn = true;
    timers.fdWhile = port.forwardDelay;
    return true;
  }
  if (mayAdvance && !port.forward) {
    port.forward = true;
    timers.fdWhile = 0;
    port.agreed = port.sendRSTP;
    return true;
  }
  return false;
}

function alternate<P>(port: RstpPort<P>): boolean {
  const { timers, bridge } = port;
  if (port.proposed && !port.agree) {
    bridge.setSyncTree();
    port.proposed = false;
    return true;
  }
  if ((bridge.allSynced(port) && !port.agree) || (port.proposed && port.agree)) {
    port.proposed = false;
    port.agree = true;
    port.newInfo = true;
    return true;
  }
  if (timers.fdWhile !== port.forwardDelay || port.sync || port.reRoot || !port.synced) {
    alternatePort(port);
    return true;
  }
  const rbWhile = 2 * port.helloTime;
  if (port.role !== 'Backup' || timers.rbWhile === rbWhile) return false;
  timers.rbWhile = rbWhile;
  return true;
}
