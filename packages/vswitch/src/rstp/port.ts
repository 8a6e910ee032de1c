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
/** What a message is to what is known (17.21.8). */
export type RcvdInfo =
  | 'SuperiorDesignatedInfo'
  | 'RepeatedDesignatedInfo'
  | 'InferiorDesignatedInfo'
  | 'InferiorRootAlternateInfo'
  | 'OtherInfo';

/** A port as machines see it. */
export type Port = RstpPort<unknown>;

/** The state that each machine is in. */
export interface States {
  receive: string;
  migration: string;
  detection: string;
  transmit: string;
  information: string;
  role: string;
  state: string;
  topologyChange: string;
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
  rcvdInfo: RcvdInfo = 'OtherInfo';
  agree = false;
  agreed = false;
  disputed = false;
  forward = false;
  forwarding = false;
  learn = false;
  learning = false;
  mcheck = false;
  newInfo = false;
  operEdge = false;
  proposed = false;
  proposing = false;
  rcvdBpdu: Bpdu | undefined;
  rcvdMsg = false;
  rcvdRSTP = false;
  rcvdSTP = false;
  rcvdTc = false;
  rcvdTcAck = false;
  rcvdTcn = false;
  reRoot = false;
  reselect = false;
  selected = false;
  sendRSTP = false;
  sync = false;
  synced = false;
  tcAck = false;
  tcProp = false;
  txCount = 0;
  updtInfo = false;
  portPriority: PriorityVector = NO_PRIORITY;
  designatedPriority: PriorityVector = NO_PRIORITY;
  msgPriority: PriorityVector = NO_PRIORITY;
  portTimes: Times;
  designatedTimes: Times;
  msgTimes: Times;
  /** What arrived last: `rcvdBpdu` once Port Receive has taken it. */
  message: Bpdu | undefined;
  readonly timers: Timers = {
    edgeDelayWhile: 0,
    fdWhile: 0,
    helloWhen: 0,
    mdelayWhile: 0,
    rbWhile: 0,
    rcvdInfoWhile: 0,
    rrWhile: 0,
    tcWhile: 0,
  };
  readonly states: States = {
    receive: '',
    migration: '',
    detection: '',
    transmit: '',
    information: '',
    role: '',
    state: '',
    topologyChange: '',
  };

  constructor(key: P, bridge: Rstp<P>, settings: RstpPortSettings, nowMs: number) {
    this.key = key;
    this.bridge = bridge;
    this.settings = settings;
    this.sinceMs = nowMs;
    this.portId = portIdOf(settings);
    const { times } = bridge.settings;
    this.portTimes = times;
    this.designatedTimes = times;
    this.msgTimes = times;
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
