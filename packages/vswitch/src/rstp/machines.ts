/**
 * The smaller machines of a port: migration, edge detection, states and topology change
 * (IEEE 802.1D-2004, 17.24, 17.25, 17.30 and 17.31).
 */
import { MIGRATE_TIME, type RstpPort } from './rstp-port.ts';

export function migrationMachine<P>(port: RstpPort<P>): boolean {
  const { machines, timers, bridge } = port;
  const check = () => {
    machines.migration = 'CHECKING_RSTP';
    port.mcheck = false;
    port.sendRSTP = bridge.isRstp;
    timers.mdelayWhile = MIGRATE_TIME;
    return true;
  };
  const sense = () => {
    machines.migration = 'SENSING';
    port.rcvdRSTP = false;
    port.rcvdSTP = false;
    return true;
  };
  switch (machines.migration) {
    case 'CHECKING_RSTP':
      if (!port.enabled) return timers.mdelayWhile !== MIGRATE_TIME && check();
      return timers.mdelayWhile === 0 && sense();
    case 'SELECTING_STP':
      return (timers.mdelayWhile === 0 || !port.enabled || port.mcheck) && sense();
    case 'SENSING':
      if (!port.enabled || port.mcheck || (bridge.isRstp && !port.sendRSTP && port.rcvdRSTP)) {
        return check();
      }
      if (!port.sendRSTP || !port.rcvdSTP) return false;
      machines.migration = 'SELECTING_STP';
      port.sendRSTP = false;
      timers.mdelayWhile = MIGRATE_TIME;
      return true;
  }
}

/** Bridge Detection: whether there is but a host behind the port. */
export function edgeMachine<P>(port: RstpPort<P>): boolean {
  const { adminEdge, autoEdge } = port.settings;
  if (port.operEdge) {
    if (port.enabled || adminEdge) return false;
    port.operEdge = false;
    return true;
  }
  const isSilent = port.timers.edgeDelayWhile === 0 && autoEdge && port.sendRSTP && port.proposing;
  if (!isSilent && (port.enabled || !adminEdge)) return false;
  port.operEdge = true;
  return true;
}

export function stateMachine<P>(port: RstpPort<P>): boolean {
  const { machines } = port;
  const enter = (state: typeof machines.state) => {
    machines.state = state;
    port.learning = state !== 'DISCARDING';
    port.forwarding = state === 'FORWARDING';
    return true;
  };
  switch (machines.state) {
    case 'DISCARDING':
      return port.learn && enter('LEARNING');
    case 'LEARNING':
      if (!port.learn) return enter('DISCARDING');
      return port.forward && enter('FORWARDING');
    case 'FORWARDING':
      return !port.forward && enter('DISCARDING');
  }
}

export function topologyChangeMachine<P>(port: RstpPort<P>): boolean {
  const { machines, bridge } = port;
  const isActiveRole = port.role === 'Root' || port.role === 'Designated';
  const hasHeard = port.rcvdTc || port.rcvdTcn || port.rcvdTcAck || port.tcProp;
  switch (machines.topologyChange) {
    case 'INACTIVE':
      if (!port.learn) return false;
      enterLearning(port);
      return true;
    case 'LEARNING':
      if (isActiveRole && port.forward && !port.operEdge) {
        machines.topologyChange = 'ACTIVE';
        newTcWhile(port);
        bridge.setTcPropTree(port);
        port.newInfo = true;
        return true;
      }
      if (!isActiveRole && !port.learn && !port.learning && !hasHeard) {
        machines.topologyChange = 'INACTIVE';
        bridge.flush(port);
        port.timers.tcWhile = 0;
        port.tcAck = false;
        return true;
      }
      if (!hasHeard) return false;
      enterLearning(port);
      return true;
    case 'ACTIVE':
      return active(port, isActiveRole);
  }
}

function active<P>(port: RstpPort<P>, isActiveRole: boolean): boolean {
  const { bridge } = port;
  if (!isActiveRole || port.operEdge) {
    enterLearning(port);
    return true;
  }
  if (port.rcvdTcn || port.rcvdTc) {
    if (port.rcvdTcn) newTcWhile(port);
    port.rcvdTcn = false;
    port.rcvdTc = false;
    if (port.role === 'Designated') port.tcAck = true;
    bridge.setTcPropTree(port);
    return true;
  }
  if (port.tcProp) {
    newTcWhile(port);
    bridge.flush(port);
    port.tcProp = false;
    return true;
  }
  if (!port.rcvdTcAck) return false;
  port.timers.tcWhile = 0;
  port.rcvdTcAck = false;
  return true;
}

function enterLearning<P>(port: RstpPort<P>): void {
  port.machines.topologyChange = 'LEARNING';
  port.rcvdTc = false;
  port.rcvdTcn = false;
  port.rcvdTcAck = false;
  port.tcProp = false;
}

/** 17.21.7 */
export function newTcWhile<P>(port: RstpPort<P>): void {
  if (port.timers.tcWhile !== 0) return;
  const { maxAge, forwardDelay } = port.bridge.rootTimes;
  port.timers.tcWhile = port.sendRSTP ? port.helloTime + 1 : maxAge + forwardDelay;
  if (port.sendRSTP) port.newInfo = true;
}
