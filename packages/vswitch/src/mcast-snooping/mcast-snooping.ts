/** Where groups are listened to, and where routers are. `P` is what ports are known by. */
import type { McastMessage, Membership } from './membership.ts';

export const MCAST_DEFAULT_MAX = 2048;
export const MCAST_DEFAULT_IDLE_MS = 300_000;
/** RFC 4541, 2.1.1: routers that query no more are none. */
const ROUTER_IDLE_MS = 180_000;
/** Clocks have fractions: a whole second may be a little less. */
const CLOCK_GRAIN_MS = 0.01;

export interface McastGroup<P> {
  readonly vlan: number;
  readonly group: string;
  /** When each port was last heard of; the least recent first. */
  readonly ports: Map<P, number>;
}

export interface McastRouter<P> {
  readonly vlan: number;
  readonly port: P;
  lastMs: number;
}

export interface McastSnoopingSettings {
  readonly max: number;
  readonly idleMs: number;
  /** What nobody has asked for goes to every port. */
  readonly floodsUnregistered: boolean;
}

export interface McastSnoopingEnv<P> {
  nowMs(): number;
  /** Packets go elsewhere now. */
  changed(): void;
  /** Whether a port gets what is for any group. */
  isFlooded(port: P): boolean;
}

export class McastSnooping<P> {
  settings: McastSnoopingSettings;
  readonly #nowMs: () => number;
  readonly #changed: () => void;
  readonly #isFlooded: (port: P) => boolean;
  /** By VLAN and address; what was heard of least recently comes first. */
  readonly #groups = new Map<string, McastGroup<P>>();
  #routers: McastRouter<P>[] = [];

  constructor(settings: McastSnoopingSettings, env: McastSnoopingEnv<P>) {
    this.settings = settings;
    this.#nowMs = env.nowMs;
    this.#changed = env.changed;
    this.#isFlooded = env.isFlooded;
  }

  configure(settings: McastSnoopingSettings): void {
    const before = this.settings;
    this.settings = settings;
    while (this.#groups.size > settings.max) this.#evict();
    if (before.floodsUnregistered !== settings.floodsUnregistered) this.#changed();
  }

  groups(): Iterable<McastGroup<P>> {
    return this.#groups.values();
  }

  routers(): readonly McastRouter<P>[] {
    return this.#routers;
  }

  lookup(vlan: number, group: string): McastGroup<P> | undefined {
    return this.#groups.get(key(vlan, group));
  }

  isRouter(vlan: number, port: P): boolean {
    return this.#routers.some((r) => r.vlan === vlan && r.port === port);
  }

  /** Whether a message tells of a router, of groups (how many) or members left that are news. */
  news(vlan: number, port: P, message: McastMessage): number {
    if (message.kind === 'query') return message.isRouter && !this.#getsAll(vlan, port) ? 1 : 0;
    if (message.kind !== 'report') return 0;
    const getsAll = this.#getsAll(vlan, port);
    /** Groups as the message's earlier records have left them. */
    const after = new Map<string, ReadonlySet<P>>();
    let news = 0;
    for (const { group, leaves } of message.groups) {
      const before = after.get(group) ?? new Set(this.lookup(vlan, group)?.ports.keys());
      if (leaves ? !before.has(port) : getsAll) continue;
      if (leaves || before.size === 0) news++;
      const members = new Set(before);
      if (leaves) members.delete(port);
      else members.add(port);
      after.set(group, members);
    }
    return news;
  }

  /** Whether it gets every group anyway: once is enough. */
  #getsAll(vlan: number, port: P): boolean {
    return this.#isFlooded(port) || this.isRouter(vlan, port);
  }

  /** Takes in what a port has said. */
  hear(vlan: number, port: P, message: McastMessage): void {
    let changed = false;
    if (message.kind === 'query' && message.isRouter) changed = this.#hearRouter(vlan, port);
    else if (message.kind === 'report') {
      for (const membership of message.groups) {
        changed = this.#hearMember(vlan, port, membership) || changed;
      }
    }
    if (changed) this.#changed();
  }

  #hearMember(vlan: number, port: P, { group, leaves }: Membership): boolean {
    const at = key(vlan, group);
    const known = this.#groups.get(at);
    if (leaves) {
      if (!known?.ports.delete(port)) return false;
      if (known.ports.size === 0) this.#groups.delete(at);
      return true;
    }
    if (this.#getsAll(vlan, port)) return false;
    const entry = known ?? { vlan, group, ports: new Map<P, number>() };
    const isNew = !entry.ports.delete(port);
    entry.ports.set(port, this.#nowMs());
    this.#groups.delete(at);
    if (!known && this.#groups.size >= this.settings.max) this.#evict();
    this.#groups.set(at, entry);
    return isNew;
  }

  #hearRouter(vlan: number, port: P): boolean {
    if (this.#isFlooded(port)) return false;
    const known = this.#routers.find((r) => r.vlan === vlan && r.port === port);
    const router = known ?? { vlan, port, lastMs: 0 };
    router.lastMs = this.#nowMs();
    this.#routers = [...this.#routers.filter((r) => r !== router), router];
    return !known;
  }

  expire(): void {
    const now = this.#nowMs() + CLOCK_GRAIN_MS;
    const idle = now - this.settings.idleMs;
    this.#keep(
      (lastMs) => lastMs > idle,
      ({ lastMs }) => lastMs > now - ROUTER_IDLE_MS,
    );
  }

  /** Forgets a port, or everything. */
  flush(port?: P): void {
    this.#keep(
      (_, p) => port !== undefined && p !== port,
      (router) => port !== undefined && router.port !== port,
    );
  }

  #keep(
    member: (lastMs: number, port: P) => boolean,
    router: (r: McastRouter<P>) => boolean,
  ): void {
    let changed = false;
    for (const [at, { ports }] of this.#groups) {
      for (const [port, lastMs] of ports) {
        if (member(lastMs, port)) continue;
        ports.delete(port);
        changed = true;
      }
      if (ports.size === 0) this.#groups.delete(at);
    }
    const routers = this.#routers.filter(router);
    changed ||= routers.length < this.#routers.length;
    this.#routers = routers;
    if (changed) this.#changed();
  }

  #evict(): void {
    for (const oldest of this.#groups.keys()) {
      this.#groups.delete(oldest);
      this.#changed();
      return;
    }
  }

  ageSeconds(lastMs: number): number {
    return Math.floor((this.#nowMs() - lastMs + CLOCK_GRAIN_MS) / 1000);
  }
}

function key(vlan: number, group: string): string {
  return `${vlan}/${group}`;
}
