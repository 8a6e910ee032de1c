/** A datapath that keeps nothing and sends nothing. */
import type {
  DpConntrack,
  Dpif,
  DpMeters,
  DpPort,
  DpStats,
  FlowStats,
  InstalledFlow,
  PortStats,
} from '@heddle/datapath';
import { emptyPortStats } from '@heddle/datapath/port-stats';
import type { Flow } from '@heddle/packet';

const NONE: readonly never[] = [];
const NO_PORT: PortStats = emptyPortStats();

export class NullDpif implements Dpif {
  readonly type = 'system';
  readonly name = 'null';
  readonly engine = 'kernel';
  readonly portTypes = NONE;
  readonly adopted = false;
  readonly ct: DpConntrack | undefined = undefined;
  readonly actions: Dpif['actions'];
  readonly meters: DpMeters;
  readonly #of: Pick<Dpif, 'nowMs'>;

  /** Can do what `of` can, by its clock. */
  constructor(of: Pick<Dpif, 'actions' | 'meters' | 'nowMs'>) {
    this.#of = of;
    this.actions = of.actions;
    this.meters = of.meters;
  }

  nowMs(): number {
    return this.#of.nowMs();
  }

  async portAdd(): Promise<number> {
    return 0;
  }

  async portDel(): Promise<void> {}

  ports(): Iterable<DpPort> {
    return NONE;
  }

  port(): undefined {}

  portStats(): PortStats {
    return NO_PORT;
  }

  setPolicing(): void {}

  onPortChange(): void {}

  flowPut(): FlowStats | undefined {
    return undefined;
  }

  flowDel(): FlowStats | undefined {
    return undefined;
  }

  flowGet(): InstalledFlow | undefined {
    return undefined;
  }

  flowKey(): Flow | undefined {
    return undefined;
  }

  flows(): Iterable<InstalledFlow> {
    return NONE;
  }

  flowFlush(): void {}

  execute(): void {}

  setUpcallHandler(): void {}

  stats(): DpStats {
    const none = { hit: 0, missed: 0, lost: 0, flows: 0, masks: 0, maskHit: 0, cacheHit: 0 };
    return { ...none, lostByPort: new Map(), drops: new Map() };
  }

  async destroy(): Promise<void> {}

  [Symbol.dispose](): void {}
}
