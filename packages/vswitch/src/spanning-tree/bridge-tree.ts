/** The spanning tree of a bridge at work: BPDUs in and out, states into force, addresses forgotten. */
import { isDeepStrictEqual } from 'node:util';
import { type Clock, type Timer, vlog } from '@heddle/runtime';
import type { Bundle, OfPort, Ofproto } from '../ofproto.ts';
import { restoreRstp, rstpToKeep } from '../rstp/carry-over.ts';
import type { RstpConfig } from '../rstp/config.ts';
import { Rstp } from '../rstp/rstp.ts';
import { restoreStp, stpToKeep } from '../stp/carry-over.ts';
import type { StpConfig } from '../stp/config.ts';
import { Stp } from '../stp/stp.ts';
import { bpduFrame, bpduOf } from './bpdu.ts';
import { CLOCK_GRAIN_MS, type TreeState } from './tree.ts';

const log = vlog.module('spanning_tree');
const MAX_SLEEP_MS = 60_000;

const nameOf = (port: OfPort) => port.name;

export interface BridgeTreeEnv {
  readonly ofproto: Ofproto;
  readonly clock: Clock;
  nowMs(): number;
  hwAddr(port: OfPort): number;
  sendFrame(port: OfPort, frame: Uint8Array): void;
  /** Ports are in other states than before: megaflows and controllers hear of it. */
  statesChanged(ports: readonly OfPort[]): void;
  /** What the database says of it is no longer so. */
  statusChanged(): void;
  /** What the last daemon has left of it, and how long ago. */
  readonly found: { readonly kept: unknown; readonly awayMs: number };
  /** Keeps it for the next daemon; undefined: there is no tree. */
  keep(value: unknown): void;
}

export type TreeConfig =
  | ({ readonly kind: 'stp' } & StpConfig)
  | ({ readonly kind: 'rstp' } & RstpConfig);

type Protocol =
  | { readonly kind: 'stp'; readonly entity: Stp<OfPort> }
  | { readonly kind: 'rstp'; readonly entity: Rstp<OfPort> };

export class BridgeTree {
  readonly protocol: Protocol;
  readonly #env: BridgeTreeEnv;
  #timer: Timer | undefined;
  #kept: unknown;
  #isBusy = false;
  #isClosed = false;

  constructor(config: TreeConfig, env: BridgeTreeEnv) {
    this.#env = env;
    const { name } = env.ofproto;
    const now = env.nowMs();
    this.protocol =
      config.kind === 'stp'
        ? { kind: 'stp', entity: new Stp(name, config.settings, now) }
        : { kind: 'rstp', entity: new Rstp(name, config.settings, now) };
    this.#configure(config);
    const { kept, awayMs } = env.found;
    const { protocol } = this;
    if (protocol.kind === 'stp') restoreStp(protocol.entity, nameOf, kept, awayMs, now);
    else restoreRstp(protocol.entity, nameOf, kept, awayMs);
    this.#follow();
  }

  get kind(): TreeConfig['kind'] {
    return this.protocol.kind;
  }

  get ageingMs(): number | undefined {
    return this.protocol.entity.ageingMs;
  }

  configure(config: TreeConfig): void {
    this.#configure(config);
    this.#follow();
  }

  #configure(config: TreeConfig): void {
    const { protocol } = this;
    const now = this.#env.nowMs();
    if (protocol.kind === 'stp' && config.kind === 'stp') {
      protocol.entity.configure(config.settings, config.ports, now);
    } else if (protocol.kind === 'rstp' && config.kind === 'rstp') {
      protocol.entity.configure(config.settings, config.ports, now);
    }
  }

  receive(port: OfPort, frame: Uint8Array): void {
    this.protocol.entity.receive(port, bpduOf(frame), this.#env.nowMs());
    this.#follow();
  }

  changeTopology(): void {
    this.protocol.entity.changeTopology(this.#env.nowMs());
    this.#follow();
  }

  /** Every port is as without a tree again. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#env.keep(undefined);
    const ports = [...this.#env.ofproto.ports.values()].filter((p) => p.treeState !== undefined);
    for (const port of ports) port.treeState = undefined;
    if (ports.length > 0) this.#env.statesChanged(ports);
  }

  /** What came of the last event: states first, so that BPDUs tell nothing that is not so. */
  #follow(): void {
    // A BPDU that goes to another bridge of ours may come back at once.
    if (this.#isBusy || this.#isClosed) return;
    this.#isBusy = true;
    try {
      this.#applyStates();
      this.#flush();
      for (;;) {
        const bpdus = this.protocol.entity.takeBpdus();
        if (bpdus.length === 0) break;
        for (const { port, pdu } of bpdus) {
          this.#env.sendFrame(port, bpduFrame(this.#env.hwAddr(port), pdu));
        }
        this.#applyStates();
        this.#flush();
      }
    } finally {
      this.#isBusy = false;
    }
    this.#tell();
    this.#sleep();
  }

  /** Roles may change without states. */
  #tell(): void {
    const { protocol } = this;
    const kept =
      protocol.kind === 'stp'
        ? stpToKeep(protocol.entity, nameOf)
        : rstpToKeep(protocol.entity, nameOf);
    if (isDeepStrictEqual(kept, this.#kept)) return;
    this.#kept = kept;
    this.#env.keep(kept);
    this.#env.statusChanged();
  }

  #applyStates(): void {
    const { entity } = this.protocol;
    const changed: OfPort[] = [];
    const blocked = new Set<Bundle>();
    for (const port of this.#env.ofproto.ports.values()) {
      const state: TreeState | undefined = entity.stateOf(port);
      if (state === port.treeState) continue;
      const passed = port.treeState === 'forwarding' || port.treeState === 'learning';
      if (passed && (state === 'blocking' || state === 'disabled')) blocked.add(port.bundle);
      port.treeState = state;
      changed.push(port);
      log.dbg(`${this.#env.ofproto.name}: port ${port.name} is ${state}`);
    }
    if (changed.length === 0) return;
    this.#env.ofproto.macs.forget(blocked);
    this.#env.statesChanged(changed);
    this.#env.statusChanged();
  }

  #flush(): void {
    const ports = this.protocol.entity.takeFlushes();
    if (ports.size === 0) return;
    log.rl.info(`${this.#env.ofproto.name}: topology change`, this.#env.ofproto.name);
    this.#env.ofproto.macs.forget(new Set([...ports].map((p) => p.bundle)));
    this.#env.ofproto.snooping?.flush();
  }

  #sleep(): void {
    this.#timer?.cancel();
    const { nextMs } = this.protocol.entity;
    const waitMs = Math.min(Math.max(nextMs - this.#env.nowMs(), CLOCK_GRAIN_MS), MAX_SLEEP_MS);
    this.#timer = this.#env.clock.after(waitMs, () => {
      this.protocol.entity.run(this.#env.nowMs());
      this.#follow();
    });
  }
}
