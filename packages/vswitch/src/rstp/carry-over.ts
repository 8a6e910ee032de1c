/** A bridge's part in the tree, for the next daemon. */
import { bigOf, flagsOf, type Json, numbersOf, objectOf } from '../kept.ts';
import type { InfoIs, PortRole, RstpPort, States } from './port.ts';
import type { PriorityVector, Times } from './priority.ts';
import type { Rstp } from './rstp.ts';

/** A neighbour forgets what it has heard after three hellos (17.21.23). */
const LIFE_HELLOS = 3;
const ROLES: readonly PortRole[] = ['Root', 'Designated', 'Alternate', 'Backup'];
const INFOS: readonly InfoIs[] = ['Received', 'Mine'];
const FLAGS = ['forwarding', 'agree', 'agreed', 'synced', 'operEdge', 'sendRSTP'] as const;
const TIMES: readonly (keyof Times)[] = ['messageAge', 'maxAge', 'helloTime', 'forwardDelay'];

interface KeptPort extends Record<(typeof FLAGS)[number], boolean> {
  readonly portId: number;
  readonly role: PortRole;
  readonly infoIs: InfoIs;
  readonly priority: PriorityVector;
  readonly times: Times;
}

export function rstpToKeep<P>(rstp: Rstp<P>, nameOf: (key: P) => string): unknown {
  const ports = [...rstp.ports.values()].map((port) => {
    const { portId, role, infoIs, portPriority: priority, portTimes: times } = port;
    const flags = Object.fromEntries(FLAGS.map((flag) => [flag, port[flag]]));
    const ids = { rootId: String(priority.rootId), bridgeId: String(priority.bridgeId) };
    return [
      nameOf(port.key),
      { portId, role, infoIs, ...flags, priority: { ...priority, ...ids }, times },
    ];
  });
  return {
    bridgeId: String(rstp.settings.bridgeId),
    isRstp: rstp.isRstp,
    ports: Object.fromEntries(ports),
  };
}

/** A bridge that was away for so long that its neighbours have given it up begins anew. */
export function restoreRstp<P>(
  rstp: Rstp<P>,
  nameOf: (key: P) => string,
  value: unknown,
  awayMs: number,
): void {
  const kept = objectOf(value);
  if (!kept || bigOf(kept['bridgeId']) !== rstp.settings.bridgeId) return;
  const { helloTime } = rstp.settings.times;
  if (kept['isRstp'] !== rstp.isRstp || awayMs >= (LIFE_HELLOS - 1) * helloTime * 1000) return;
  for (const port of rstp.ports.values()) {
    const was = portOf(objectOf(objectOf(kept['ports'])?.[nameOf(port.key)]));
    if (was && port.enabled && was.portId === port.portId) {
      resume(port, was, Math.floor(awayMs / 1000));
    }
  }
  rstp.resume();
}

function portOf(kept: Json | undefined): KeptPort | undefined {
  const role = ROLES.find((known) => known === kept?.['role']);
  const infoIs = INFOS.find((known) => known === kept?.['infoIs']);
  const flags = flagsOf(kept, FLAGS);
  const number = numbersOf(kept, ['portId']);
  const times = numbersOf(kept?.['times'], TIMES);
  const priority = priorityOf(objectOf(kept?.['priority']));
  if (!role || !infoIs || !flags || !number || !times || !priority) return undefined;
  return { ...number, ...flags, role, infoIs, times, priority };
}

function priorityOf(kept: Json | undefined): PriorityVector | undefined {
  const numbers = numbersOf(kept, ['rootPathCost', 'portId']);
  const [rootId, bridgeId] = [bigOf(kept?.['rootId']), bigOf(kept?.['bridgeId'])];
  if (!numbers || rootId === undefined || bridgeId === undefined) return undefined;
  return { ...numbers, rootId, bridgeId };
}

const ROLE_MACHINES: Readonly<Record<PortRole, string>> = {
  Root: 'ROOT_PORT',
  Designated: 'DESIGNATED_PORT',
  Alternate: 'ALTERNATE_PORT',
  Backup: 'ALTERNATE_PORT',
  Disabled: 'DISABLED_PORT',
};

/** Every machine is where it would have been, but for a port that was about to forward. */
function resume<P>(port: RstpPort<P>, was: KeptPort, awaySeconds: number): void {
  const { forwarding, role } = was;
  const isEdgeOrActive = forwarding && (role === 'Root' || role === 'Designated');
  Object.assign(port, {
    ...{ role, selectedRole: role, infoIs: was.infoIs },
    ...{ learn: forwarding, learning: forwarding, forward: forwarding, forwarding },
    ...{ agree: was.agree, agreed: was.agreed, synced: was.synced },
    ...{ operEdge: was.operEdge, sendRSTP: was.sendRSTP },
    ...{ portPriority: was.priority, portTimes: was.times },
    ...{ proposing: false, proposed: false, disputed: false, updtInfo: false },
    ...{ sync: false, reRoot: false, newInfo: true },
  });
  Object.assign(port.states, {
    receive: 'DISCARD',
    migration: 'SENSING',
    detection: was.operEdge ? 'EDGE' : 'NOT_EDGE',
    transmit: 'IDLE',
    information: 'CURRENT',
    role: ROLE_MACHINES[role],
    state: forwarding ? 'FORWARDING' : 'DISCARDING',
    topologyChange: isEdgeOrActive ? (was.operEdge ? 'LEARNING' : 'ACTIVE') : 'INACTIVE',
  } satisfies States);
  const { timers } = port;
  timers.fdWhile = forwarding ? 0 : was.times.forwardDelay;
  timers.rrWhile = role === 'Root' ? was.times.forwardDelay : 0;
  timers.mdelayWhile = 0;
  const life = LIFE_HELLOS * was.times.helloTime - awaySeconds;
  timers.rcvdInfoWhile = was.infoIs === 'Received' ? Math.max(life, 1) : 0;
}
