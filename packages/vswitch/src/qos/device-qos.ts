/** The qdisc and classes of one device, brought in line with what the database asks for. */
import type { Qdisc, Rtnl, TcStats } from '@heddle/linux';
import { messageOf, SystemError, strerror, vlog } from '@heddle/runtime';
import { CLASSLESS } from './linux-classless.ts';
import { LINUX_HFSC } from './linux-hfsc.ts';
import { LINUX_HTB } from './linux-htb.ts';
import type { QosConfig, Settings } from './qos-config.ts';
import {
  classOfQueue,
  type DeviceFacts,
  INNER_CLASS,
  MAX_QUEUES,
  queueOfClass,
  ROOT_HANDLE,
  type TcKind,
} from './tc-kind.ts';

const log = vlog.module('netdev_linux');
const KINDS = new Map([LINUX_HTB, LINUX_HFSC, ...CLASSLESS].map((k) => [k.type, k]));
const NOOP = 'linux-noop';
/** A qdisc that could not be made, or that is somebody else's. */
const OTHER = 'linux-other';
const TC_H_ROOT = 0xffff_ffff;

/** What `qos/show-types` lists for every device of Linux. */
export const LINUX_QOS_TYPES = [
  'linux-netem',
  'linux-fq_codel',
  'linux-codel',
  'linux-hfsc',
  NOOP,
  'linux-sfq',
  'linux-htb',
] as const;

export interface QueueCounters {
  readonly queue: number;
  readonly stats: TcStats;
  /** When the queue was made, as far as this daemon knows. */
  readonly createdMs: number | undefined;
}

/** What is in force. */
interface Applied {
  readonly type: string;
  readonly kind: TcKind | undefined;
  readonly settings: Settings;
  readonly details: Settings;
  readonly queues: ReadonlyMap<number, Settings>;
  /** What it was made from; '' when it could not be made. */
  readonly from: string;
}

export class DeviceQos {
  readonly ifindex: number;
  readonly #name: string;
  readonly #rtnl: Rtnl;
  readonly #nowMs: () => number;
  readonly #createdMs = new Map<number, number>();
  #applied: Applied | undefined;
  /** Whether what is at the root is the switch's doing, or nobody's. */
  #isKnown = false;

  constructor(name: string, ifindex: number, rtnl: Rtnl, nowMs: () => number) {
    this.#name = name;
    this.ifindex = ifindex;
    this.#rtnl = rtnl;
    this.#nowMs = nowMs;
  }

  get type(): string | undefined {
    return this.#applied?.type;
  }

  /** The port has no QoS, and no qdisc either that would have to go. */
  get isClear(): boolean {
    return this.#isKnown && !this.#applied;
  }

  get details(): Settings {
    return this.#applied?.details ?? new Map();
  }

  /** Those that the database has and their settings as they are in force. */
  get queues(): ReadonlyMap<number, Settings> {
    return this.#applied?.queues ?? new Map();
  }

  /** Counters of every queue in the kernel, in its order. */
  queueStats(): QueueCounters[] {
    if (!this.#applied?.kind?.classes) return [];
    return this.#rtnl.classes(this.ifindex).flatMap(({ handle, stats }) => {
      const queue = queueOfClass(handle);
      return queue === undefined ? [] : [{ queue, stats, createdMs: this.#createdMs.get(queue) }];
    });
  }

  /** Undefined: none. The first time whatever is at the root without being asked for goes. */
  configure(config: QosConfig | undefined, facts: DeviceFacts): void {
    if (!config) this.#clear();
    else if (config.type === NOOP) this.#applied = undefined;
    else this.#apply(config, facts);
    this.#isKnown = config?.type !== NOOP;
  }

  /** The port leaves the switch: what the switch has made goes. */
  remove(): void {
    if (!this.#applied?.kind) return;
    this.#applied = undefined;
    this.#tryDelete();
  }

  /** Removes what an earlier daemon has made of a device that is in the switch no more. */
  static removeLeftover(rtnl: Rtnl, ifindex: number): void {
    const root = rtnl.rootQdisc(ifindex);
    if (root?.handle !== ROOT_HANDLE) return;
    if (rtnl.classes(ifindex).some((c) => c.handle === INNER_CLASS)) rtnl.deleteRootQdisc(ifindex);
  }

  #clear(): void {
    if (this.#applied || !this.#isKnown) this.#tryDelete();
    this.#applied = undefined;
    this.#createdMs.clear();
  }

  #apply(config: QosConfig, facts: DeviceFacts): void {
    const kind = KINDS.get(config.type);
    if (!kind) {
      log.rl.warn(`${this.#name}: QoS type "${config.type}" is not supported`, this.#name);
      // What is in force stays; as upstream's, with the queues of the row.
      const { kind: present, settings = new Map() } = this.#applied ?? {};
      if (present) this.#tryInstall(present, { ...config, settings }, facts);
    } else this.#tryInstall(kind, config, facts);
  }

  #tryInstall(kind: TcKind, config: QosConfig, facts: DeviceFacts): void {
    const from = JSON.stringify([kind.type, ...config.settings, facts, ...entries(config)]);
    try {
      this.#install(kind, config, facts, from);
    } catch (error) {
      const text = error instanceof SystemError ? strerror(error.code) : messageOf(error);
      log.rl.warn(`${this.#name}: Failed to install new qdisc: ${text}`, this.#name);
      this.#applied = { ...NOTHING, type: OTHER };
    }
  }

  #install(kind: TcKind, config: QosConfig, facts: DeviceFacts, from: string): void {
    const { details, options } = kind.options(config.settings, facts);
    const isSame = this.#applied?.from === from;
    const root = this.#rtnl.rootQdisc(this.ifindex);
    const isThere = root?.kind === kind.kind && root.handle === ROOT_HANDLE;
    if (!isThere || (!kind.classes && !isSame)) this.#setRoot(kind, options, root, isThere);
    const queues = kind.classes
      ? this.#setQueues({ ...kind.classes, kind: kind.kind }, config, facts, isSame && isThere)
      : new Map();
    this.#applied = { type: kind.type, kind, settings: config.settings, details, queues, from };
  }

  #setRoot(
    { kind }: TcKind,
    options: Uint8Array | undefined,
    old: Qdisc | undefined,
    isThere: boolean,
  ): void {
    const { ifindex } = this;
    if (old && !isThere) this.#rtnl.deleteRootQdisc(ifindex);
    if (!isThere) this.#createdMs.clear();
    const request = { ifindex, kind, handle: ROOT_HANDLE };
    this.#rtnl.setRootQdisc(options ? { ...request, options } : request);
  }

  #setQueues(
    classes: NonNullable<TcKind['classes']> & { readonly kind: string },
    config: QosConfig,
    facts: DeviceFacts,
    isSame: boolean,
  ): Map<number, Settings> {
    const { settings } = config;
    const there = new Set(this.#rtnl.classes(this.ifindex).map((c) => c.handle));
    const kept = new Set([INNER_CLASS]);
    const { ifindex } = this;
    const set = (handle: number, parent: number, options: Uint8Array | undefined): void => {
      if (isSame && there.has(handle)) return;
      const request = { ifindex, kind: classes.kind, handle, parent };
      this.#rtnl.setClass(options ? { ...request, options } : request);
    };
    set(INNER_CLASS, TC_H_ROOT, classes.inner(settings, facts));
    const queues = new Map<number, Settings>();
    const ids = [...config.queues.keys()].filter((id) => id < MAX_QUEUES).sort((a, b) => a - b);
    for (const id of ids) kept.add(classOfQueue(id));
    // First what goes: its share may be needed.
    for (const handle of there) if (!kept.has(handle)) this.#deleteClass(handle);
    for (const id of ids) {
      const handle = classOfQueue(id);
      const { details, options } = classes.queue(config.queues.get(id)!, settings, facts);
      set(handle, INNER_CLASS, options);
      if (!this.#createdMs.has(id)) this.#createdMs.set(id, this.#nowMs());
      queues.set(id, details);
    }
    for (const id of [...this.#createdMs.keys()]) if (!queues.has(id)) this.#createdMs.delete(id);
    return queues;
  }

  #deleteClass(handle: number): void {
    try {
      this.#rtnl.deleteClass(this.ifindex, handle);
    } catch (error) {
      log.rl.warn(`${this.#name}: ${messageOf(error)}`, this.#name);
    }
  }

  #tryDelete(): void {
    try {
      this.#rtnl.deleteRootQdisc(this.ifindex);
    } catch (error) {
      if (error instanceof SystemError && error.code === 'ENODEV') return;
      log.rl.warn(`${this.#name}: ${messageOf(error)}`, this.#name);
    }
  }
}

const NOTHING: Applied = {
  type: '',
  kind: undefined,
  settings: new Map(),
  details: new Map(),
  queues: new Map(),
  from: '',
};

function entries({ queues }: QosConfig): unknown[] {
  return [...queues].map(([id, settings]) => [id, ...settings]);
}
