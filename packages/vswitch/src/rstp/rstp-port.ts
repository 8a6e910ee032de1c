/** The state of one port: the variables of IEEE 802.1D-2004, 17.19, by their names. */
import type { Bpdu } from '../spanning-tree/bpdu.ts';
import { NO_PRIORITY, type PriorityVector, type Times } from './priority.ts';
import type { Rstp } from './rstp.ts';

export interface RstpPortSettings {
  /** 1 to 4095. */
  readonly number: number;
  /** 0 to 240, in steps of 16. */
  readonly priority: number;
  readonly pathCost: number;
  readonly adminEdge: boolean;
  readonly autoEdge: boolean;
  /** Going from false to true has the port try RSTP once more. */
  readonly mcheck: boolean;
  readonly pointToPoint: boolean;
  readonly isUp: boolean;
}

export type PortRole = 'Root' | 'Designated' | 'Alternate' | 'Backup' | 'Disabled';
export type InfoIs = 'Received' | 'Mine' | 'Aged' | 'Disabled';

export interface Machines {
  receive: 'DISCARD' | 'RECEIVE';
  migration: 'CHECKING_RSTP' | 'SELECTING_STP' | 'SENSING';
  information: 'DISABLED' | 'AGED' | 'CURRENT';
  role:
    | 'DISABLE_PORT'
    | 'DISABLED_PORT'
    | 'ROOT_PORT'
    | 'DESIGNATED_PORT'
    | 'BLOCK_PORT'
    | 'ALTERNATE_PORT';
  state: 'DISCARDING' | 'LEARNING' | 'FORWARDING';
  topologyChange: 'INACTIVE' | 'LEARNING' | 'ACTIVE';
}

/** Timers count whole seconds down to 0 (17.17). */
export interface Timers {
  edgeDelayWhile: number;
  fdWhile: number;
  helloWhen: number;
  mdelayWhile: number;
  rbWhile: number;
  rcvdInfoWhile: number;
  rrWhile: number;
  tcWhile: number;
}

const NO_TIMES: Times = { messageAge: 0, maxAge: 20, helloTime: 2, forwardDelay: 15 };
/** Seconds (17.13.9). */
export const MIGRATE_TIME = 3;

export class RstpPort<P> {
  readonly key: P;
  readonly bridge: Rstp<P>;
  settings: RstpPortSettings;
  portId: number;
  readonly stats = { tx: 0, rx: 0, error: 0 };
  sinceMs: number;

  role: PortRole = 'Disabled';
  selectedRole: PortRole = 'Disabled';
  infoIs: InfoIs = 'Disabled';
  agree = false;
  agreed = false;
  disputed = false;
  forward = false;
  forwarding = false;
  learn = false;
  learning = false;
  mcheck = false;
  newInfo = true;
  operEdge: boolean;
  proposed = false;
  proposing = false;
  rcvdBpdu: Bpdu | undefined;
  rcvdMsg = false;
  rcvdRSTP = false;
  rcvdSTP = false;
  rcvdTc = false;
  rcvdTcAck = false;
  rcvdTcn = false;
  reRoot = true;
  reselect = true;
  selected = false;
  sendRSTP: boolean;
  sync = true;
  synced = false;
  tcAck = false;
  tcProp = false;
  txCount = 0;
  updtInfo = false;
  portPriority: PriorityVector = NO_PRIORITY;
  designatedPriority: PriorityVector = NO_PRIORITY;
  msgPriority: PriorityVector = NO_PRIORITY;
  portTimes: Times = NO_TIMES;
  designatedTimes: Times = NO_TIMES;
  msgTimes: Times = NO_TIMES;
  /** What arrived last and is not dealt with yet. */
  message: Bpdu | undefined;
  readonly timers: Timers;
  readonly machines: Machines = {
    receive: 'DISCARD',
    migration: 'CHECKING_RSTP',
    information: 'DISABLED',
    role: 'DISABLE_PORT',
    state: 'DISCARDING',
    topologyChange: 'INACTIVE',
  };

  constructor(key: P, bridge: Rstp<P>, settings: RstpPortSettings, nowMs: number) {
    this.key = key;
    this.bridge = bridge;
    this.settings = settings;
    this.sinceMs = nowMs;
    this.portId = portIdOf(settings);
    this.operEdge = settings.adminEdge;
    this.sendRSTP = bridge.isRstp;
    const { maxAge, forwardDelay } = bridge.settings.times;
    this.timers = {
      edgeDelayWhile: MIGRATE_TIME,
      fdWhile: maxAge,
      helloWhen: bridge.settings.times.helloTime,
      mdelayWhile: MIGRATE_TIME,
      rbWhile: 0,
      rcvdInfoWhile: 0,
      rrWhile: forwardDelay,
      tcWhile: 0,
    };
  }

  get enabled(): boolean {
    return this.settings.isUp;
  }

  get helloTime(): number {
    return this.designatedTimes.helloTime;
  }

  get maxAge(): number {
    return this.designatedTimes.maxAge;
  }

  get fwdDelay(): number {
    return this.designatedTimes.forwardDelay;
  }

  /** 17.20.5 */
  get forwardDelay(): number {
    return this.sendRSTP ? this.helloTime : this.fwdDelay;
  }

  /** 17.20.4 */
  get edgeDelay(): number {
    return this.settings.pointToPoint ? MIGRATE_TIME : this.maxAge;
  }
}

export function portIdOf({ number, priority }: RstpPortSettings): number {
  return ((priority & 0xf0) << 8) | number;
}
