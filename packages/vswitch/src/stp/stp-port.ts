/** What STP knows of one port (IEEE 802.1D-1998, 8.5.5). Timers tell when they were started. */
import type { TreeState } from '../spanning-tree/tree.ts';

export interface StpPortSettings {
  /** 1 to 255. */
  readonly number: number;
  /** 0 to 255. */
  readonly priority: number;
  readonly pathCost: number;
  /** Its link is there. */
  readonly isUp: boolean;
}

/** What makes up a port's part in the tree, timers aside. */
export interface KeptStpPort {
  readonly state: TreeState;
  readonly portId: number;
  readonly designatedRoot: bigint;
  readonly designatedCost: number;
  readonly designatedBridge: bigint;
  readonly designatedPort: number;
}

export class StpPort<P> {
  readonly key: P;
  settings: StpPortSettings;
  state: TreeState = 'disabled';
  stateSinceMs = 0;
  portId: number;
  designatedRoot = 0n;
  designatedCost = 0;
  designatedBridge = 0n;
  designatedPort = 0;
  topologyChangeAck = false;
  configPending = false;
  messageAgeSince: number | undefined;
  forwardDelaySince: number | undefined;
  holdSince: number | undefined;
  readonly stats = { tx: 0, rx: 0, error: 0 };

  constructor(key: P, settings: StpPortSettings) {
    this.key = key;
    this.settings = settings;
    this.portId = portIdOf(settings);
  }

  resume(was: KeptStpPort, nowMs: number): void {
    this.designatedRoot = was.designatedRoot;
    this.designatedCost = was.designatedCost;
    this.designatedBridge = was.designatedBridge;
    this.designatedPort = was.designatedPort;
    this.enter(was.state, nowMs);
    const waits = was.state === 'listening' || was.state === 'learning';
    this.forwardDelaySince = waits ? nowMs : undefined;
  }

  enter(state: TreeState, nowMs: number): void {
    if (this.state === state) return;
    this.state = state;
    this.stateSinceMs = nowMs;
  }
}

export function portIdOf({ number, priority }: StpPortSettings): number {
  return (priority << 8) | number;
}
