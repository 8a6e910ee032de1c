/** Port Role Selection of a bridge (IEEE 802.1D-2004, 17.28). */
import type { RstpPort } from './port.ts';
import { comparePriority, type PriorityVector, sameTimes, type Times } from './priority.ts';
import type { Rstp } from './rstp.ts';

export interface RootChoice<P> {
  /** undefined: the bridge itself is the root. */
  readonly rootPort: RstpPort<P> | undefined;
  readonly rootPriority: PriorityVector;
  readonly rootTimes: Times;
}

/** 17.18.3 */
export function bridgePriority(bridgeId: bigint): PriorityVector {
  return { rootId: bridgeId, rootPathCost: 0, bridgeId, portId: 0 };
}

/** ROLE_SELECTION, whenever a port has `reselect`; whether there was one. */
export function selectRoles<P>(bridge: Rstp<P>): boolean {
  const ports = [...bridge.ports.values()];
  if (!ports.some((p) => p.reselect)) return false;
  for (const port of ports) port.reselect = false;
  updtRolesTree(bridge, ports);
  for (const port of ports) port.selected = true;
  return true;
}

/** 17.21.25 */
function updtRolesTree<P>(bridge: Rstp<P>, ports: readonly RstpPort<P>[]): void {
  const choice = chooseRoot(bridge, ports);
  bridge.root = choice;
  const { rootId, rootPathCost } = choice.rootPriority;
  const { bridgeId, times } = bridge.settings;
  for (const port of ports) {
    port.designatedPriority = { rootId, rootPathCost, bridgeId, portId: port.portId };
    port.designatedTimes = { ...choice.rootTimes, helloTime: times.helloTime };
    selectRole(port, choice);
  }
}

/** Steps a) to d): of equals the one that came by the port of the lower identifier. */
function chooseRoot<P>(bridge: Rstp<P>, ports: readonly RstpPort<P>[]): RootChoice<P> {
  const { bridgeId, times } = bridge.settings;
  let best = bridgePriority(bridgeId);
  let root: RstpPort<P> | undefined;
  for (const port of ports) {
    const { portPriority, settings } = port;
    if (port.infoIs !== 'Received' || isOurs(port)) continue;
    const rootPathCost = portPriority.rootPathCost + settings.pathCost;
    const path = { ...portPriority, rootPathCost };
    const order = comparePriority(path, best);
    if (order > 0 || (order === 0 && (!root || port.portId >= root.portId))) continue;
    best = path;
    root = port;
  }
  const rootTimes = root
    ? {
        ...root.portTimes,
        messageAge: Math.floor(root.portTimes.messageAge + 1),
        helloTime: times.helloTime,
      }
    : times;
  return { rootPort: root, rootPriority: best, rootTimes };
}

/** Steps f) to l). */
function selectRole<P>(port: RstpPort<P>, { rootPort }: RootChoice<P>): void {
  const { portPriority, designatedPriority } = port;
  switch (port.infoIs) {
    case 'Disabled':
      port.selectedRole = 'Disabled';
      return;
    case 'Aged':
      port.selectedRole = 'Designated';
      port.updtInfo = true;
      return;
    case 'Mine':
      port.selectedRole = 'Designated';
      if (
        comparePriority(portPriority, designatedPriority) !== 0 ||
        !sameTimes(port.portTimes, port.designatedTimes)
      ) {
        port.updtInfo = true;
      }
      return;
    case 'Received':
      port.updtInfo = port !== rootPort && comparePriority(designatedPriority, portPriority) < 0;
      if (port === rootPort) port.selectedRole = 'Root';
      else if (port.updtInfo) port.selectedRole = 'Designated';
      else port.selectedRole = isOurs(port) ? 'Backup' : 'Alternate';
  }
}

/** Whether a port of the same bridge told what this one knows. */
function isOurs<P>({ portPriority, bridge }: RstpPort<P>): boolean {
  return (portPriority.bridgeId & ADDRESS) === (bridge.settings.bridgeId & ADDRESS);
}

const ADDRESS = 0xffff_ffff_ffffn;
