/**
 * Port Role Transitions (IEEE 802.1D-2004, 17.29): proposals, agreements, when a port learns and
 * forwards. Every condition but UCT holds only once roles are selected.
 */
import { type Condition, type Exit, type Machine, UCT } from '../machine.ts';
import type { Port, PortRole } from '../port.ts';
import { allSynced, isSettled, reRooted, setReRootTree, setSyncTree } from '../procedures.ts';

type Disabled = 'INIT_PORT' | 'DISABLE_PORT' | 'DISABLED_PORT';
type Root =
  | 'ROOT_PORT'
  | 'ROOT_PROPOSED'
  | 'ROOT_AGREED'
  | 'REROOT'
  | 'REROOTED'
  | 'ROOT_LEARN'
  | 'ROOT_FORWARD';
type Designated =
  | 'DESIGNATED_PORT'
  | 'DESIGNATED_PROPOSE'
  | 'DESIGNATED_SYNCED'
  | 'DESIGNATED_RETIRED'
  | 'DESIGNATED_DISCARD'
  | 'DESIGNATED_LEARN'
  | 'DESIGNATED_FORWARD';
type Alternate =
  | 'BLOCK_PORT'
  | 'ALTERNATE_PORT'
  | 'ALTERNATE_PROPOSED'
  | 'ALTERNATE_AGREED'
  | 'BACKUP_PORT';
type RoleState = Disabled | Root | Designated | Alternate;

/** 17.29: all transitions but UCT are qualified by `selected && !updtInfo`. */
function when(condition: Condition, to: RoleState): Exit<RoleState> {
  return [(port) => isSettled(port) && condition(port), to];
}

const becomes =
  (...roles: readonly PortRole[]): Condition =>
  ({ role, selectedRole }) =>
    role !== selectedRole && roles.includes(selectedRole);

const isProposed: Condition = (p) => p.proposed && !p.agree;
const isAgreed: Condition = (p) => (allSynced(p) && !p.agree) || (p.proposed && p.agree);
const isStill: Condition = (p) => !p.learning && !p.forwarding;

function block(port: Port): void {
  port.role = port.selectedRole;
  port.learn = false;
  port.forward = false;
}

function retire(port: Port): void {
  port.synced = true;
  port.timers.rrWhile = 0;
  port.sync = false;
  port.reRoot = false;
}

const DISABLED = {
  INIT_PORT: {
    enter: (port: Port) => {
      port.role = 'Disabled';
      port.learn = false;
      port.forward = false;
      port.synced = false;
      port.sync = true;
      port.reRoot = true;
      port.timers.rrWhile = port.fwdDelay;
      port.timers.fdWhile = port.maxAge;
      port.timers.rbWhile = 0;
    },
    exits: [[UCT, 'DISABLE_PORT'] as const],
  },
  DISABLE_PORT: { enter: block, exits: [when(isStill, 'DISABLED_PORT')] },
  DISABLED_PORT: {
    enter: (port: Port) => {
      port.timers.fdWhile = port.maxAge;
      retire(port);
    },
    exits: [
      when(
        (p) => p.timers.fdWhile !== p.maxAge || p.sync || p.reRoot || !p.synced,
        'DISABLED_PORT',
      ),
    ],
  },
};

const mayRootAdvance: Condition = (p) =>
  p.timers.fdWhile === 0 || (reRooted(p) && p.timers.rbWhile === 0 && p.bridge.isRstp);
const toRootPort = [[UCT, 'ROOT_PORT'] as const];

const ROOT = {
  ROOT_PORT: {
    enter: (port: Port) => {
      port.role = 'Root';
      port.timers.rrWhile = port.fwdDelay;
    },
    exits: [
      when(isProposed, 'ROOT_PROPOSED'),
      when(isAgreed, 'ROOT_AGREED'),
      when((p) => !p.forward && !p.reRoot, 'REROOT'),
      when((p) => mayRootAdvance(p) && !p.learn, 'ROOT_LEARN'),
      when((p) => mayRootAdvance(p) && p.learn && !p.forward, 'ROOT_FORWARD'),
      when((p) => p.reRoot && p.forward, 'REROOTED'),
      when((p) => p.timers.rrWhile !== p.fwdDelay, 'ROOT_PORT'),
    ],
  },
  ROOT_PROPOSED: {
    enter: (port: Port) => {
      setSyncTree(port);
      port.proposed = false;
    },
    exits: toRootPort,
  },
  ROOT_AGREED: {
    enter: (port: Port) => {
      port.proposed = false;
      port.sync = false;
      port.agree = true;
      port.newInfo = true;
    },
    exits: toRootPort,
  },
  REROOT: { enter: setReRootTree, exits: toRootPort },
  REROOTED: {
    enter: (port: Port) => {
      port.reRoot = false;
    },
    exits: toRootPort,
  },
  ROOT_LEARN: {
    enter: (port: Port) => {
      port.timers.fdWhile = port.forwardDelay;
      port.learn = true;
    },
    exits: toRootPort,
  },
  ROOT_FORWARD: {
    enter: (port: Port) => {
      port.timers.fdWhile = 0;
      port.forward = true;
    },
    exits: toRootPort,
  },
};

const mustDiscard: Condition = (p) =>
  (p.sync && !p.synced) || (p.reRoot && p.timers.rrWhile !== 0) || p.disputed;
const mayDesignatedAdvance: Condition = (p) =>
  (p.timers.fdWhile === 0 || p.agreed || p.operEdge) &&
  (p.timers.rrWhile === 0 || !p.reRoot) &&
  !p.sync;
const toDesignatedPort = [[UCT, 'DESIGNATED_PORT'] as const];

const DESIGNATED = {
  DESIGNATED_PORT: {
    enter: (port: Port) => {
      port.role = 'Designated';
    },
    exits: [
      when((p) => !p.forward && !p.agreed && !p.proposing && !p.operEdge, 'DESIGNATED_PROPOSE'),
      when((p) => (p.synced ? p.sync : isStill(p) || p.agreed || p.operEdge), 'DESIGNATED_SYNCED'),
      when((p) => p.timers.rrWhile === 0 && p.reRoot, 'DESIGNATED_RETIRED'),
      when((p) => mustDiscard(p) && !p.operEdge && (p.learn || p.forward), 'DESIGNATED_DISCARD'),
      when((p) => mayDesignatedAdvance(p) && !p.learn, 'DESIGNATED_LEARN'),
      when((p) => mayDesignatedAdvance(p) && p.learn && !p.forward, 'DESIGNATED_FORWARD'),
    ],
  },
  DESIGNATED_PROPOSE: {
    enter: (port: Port) => {
      port.proposing = true;
      port.timers.edgeDelayWhile = port.edgeDelay;
      port.newInfo = true;
    },
    exits: toDesignatedPort,
  },
  DESIGNATED_SYNCED: {
    enter: (port: Port) => {
      port.timers.rrWhile = 0;
      port.synced = true;
      port.sync = false;
    },
    exits: toDesignatedPort,
  },
  DESIGNATED_RETIRED: {
    enter: (port: Port) => {
      port.reRoot = false;
    },
    exits: toDesignatedPort,
  },
  DESIGNATED_DISCARD: {
    enter: (port: Port) => {
      port.learn = false;
      port.forward = false;
      port.disputed = false;
      port.timers.fdWhile = port.forwardDelay;
    },
    exits: toDesignatedPort,
  },
  DESIGNATED_LEARN: {
    enter: (port: Port) => {
      port.learn = true;
      port.timers.fdWhile = port.forwardDelay;
    },
    exits: toDesignatedPort,
  },
  DESIGNATED_FORWARD: {
    enter: (port: Port) => {
      port.forward = true;
      port.timers.fdWhile = 0;
      port.agreed = port.sendRSTP;
    },
    exits: toDesignatedPort,
  },
};

const toAlternatePort = [[UCT, 'ALTERNATE_PORT'] as const];

const ALTERNATE = {
  BLOCK_PORT: { enter: block, exits: [when(isStill, 'ALTERNATE_PORT')] },
  ALTERNATE_PORT: {
    enter: (port: Port) => {
      port.timers.fdWhile = port.forwardDelay;
      retire(port);
    },
    exits: [
      when(isProposed, 'ALTERNATE_PROPOSED'),
      when(isAgreed, 'ALTERNATE_AGREED'),
      when(
        (p) => p.timers.fdWhile !== p.forwardDelay || p.sync || p.reRoot || !p.synced,
        'ALTERNATE_PORT',
      ),
      when((p) => p.role === 'Backup' && p.timers.rbWhile !== 2 * p.helloTime, 'BACKUP_PORT'),
    ],
  },
  ALTERNATE_PROPOSED: {
    enter: (port: Port) => {
      setSyncTree(port);
      port.proposed = false;
    },
    exits: toAlternatePort,
  },
  ALTERNATE_AGREED: {
    enter: (port: Port) => {
      port.proposed = false;
      port.agree = true;
      port.newInfo = true;
    },
    exits: toAlternatePort,
  },
  BACKUP_PORT: {
    enter: (port: Port) => {
      port.timers.rbWhile = 2 * port.helloTime;
    },
    exits: toAlternatePort,
  },
};

export const roleTransitions: Machine<RoleState> = {
  name: 'role',
  begin: () => 'INIT_PORT',
  always: [
    when(becomes('Disabled'), 'DISABLE_PORT'),
    when(becomes('Root'), 'ROOT_PORT'),
    when(becomes('Designated'), 'DESIGNATED_PORT'),
    when(becomes('Alternate', 'Backup'), 'BLOCK_PORT'),
  ],
  states: { ...DISABLED, ...ROOT, ...DESIGNATED, ...ALTERNATE },
};
