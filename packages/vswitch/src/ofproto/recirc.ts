/**
 * Recirculation ids: each stands for a translation that was interrupted for the datapath to do
 * something (conntrack, hashing, popping MPLS) and goes on when the packet comes back with the id.
 * Equal states share an id, so that translating anew gives the same actions.
 */
import type { ContinuationFrame, OfpAct } from '@heddle/openflow';
import { Flow } from '@heddle/packet';
import type { Ofproto } from '../ofproto.ts';

export interface FrozenState {
  readonly bridge: Ofproto;
  /** OpenFlow port that the packet entered the bridge by. */
  readonly ofport: number;
  /** Table to go on in, undefined for `actions` alone. */
  readonly tableId: number | undefined;
  readonly cookie: bigint;
  /** Registers, metadata and tunnel of the pipeline. */
  readonly metadata: Flow;
  readonly stack: readonly bigint[];
  readonly actionSet: readonly OfpAct[];
  /** What is left of the interrupted lists, from the innermost out. */
  readonly rests: readonly ContinuationFrame[];
  readonly conntracked: boolean;
  readonly wasMpls: boolean;
  /**
   * The packet comes back with a hash, which tells groups that choose by it to go on. What goes on with
   * one has an id of its own: no mask could tell a hash from none by the bits that choose.
   */
  readonly isHashed: boolean;
  /** Bits of the mirrors that have their copy. */
  readonly mirrored: number;
  /** What interrupted it, for people. */
  readonly pauseReason: string;
  /** Zone of the `ct` that interrupted it: `ct_zone` afterwards. */
  readonly zone?: number;
  readonly controller?: ControllerAction;
}

/** What a `userspace` action of the datapath is to tell controllers. */
export interface ControllerAction {
  readonly reason: number;
  readonly maxLen: number;
  readonly controllerId: number;
  readonly userdata: Uint8Array | undefined;
  readonly pause: boolean;
  readonly meter: number | undefined;
}

interface Entry {
  readonly id: number;
  readonly key: string;
  readonly state: FrozenState;
  usedMs: number;
}

const KEEP_MS = 60_000;

export class RecircIds {
  readonly #byId = new Map<number, Entry>();
  readonly #byKey = new Map<string, Entry>();
  readonly #nowMs: () => number;
  #next = 1;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Ids up to this one have a meaning of their own: an earlier daemon's flows have them. */
  startAfter(id: number): void {
    this.#next = (Math.max(id, this.#next - 1) % 0xffff_ffff) + 1;
  }

  has(id: number): boolean {
    return this.#byId.has(id);
  }

  get size(): number {
    return this.#byId.size;
  }

  alloc(state: FrozenState): number {
    const key = stateKey(state);
    let entry = this.#byKey.get(key);
    if (!entry) {
      while (this.#byId.has(this.#next)) this.#next = (this.#next % 0xffff_ffff) + 1;
      entry = { id: this.#next, key, state, usedMs: 0 };
      this.#next = (this.#next % 0xffff_ffff) + 1;
      this.#byId.set(entry.id, entry);
      this.#byKey.set(key, entry);
    }
    entry.usedMs = this.#nowMs();
    return entry.id;
  }

  get(id: number): FrozenState | undefined {
    const entry = this.#byId.get(id);
    if (entry) entry.usedMs = this.#nowMs();
    return entry?.state;
  }

  /** Forgets what no megaflow refers to and nobody has used for a while. */
  sweep(inUse: ReadonlySet<number>): void {
    const now = this.#nowMs();
    for (const entry of this.#byId.values()) {
      if (inUse.has(entry.id) || now - entry.usedMs < KEEP_MS) continue;
      this.#byId.delete(entry.id);
      this.#byKey.delete(entry.key);
    }
  }

  /** Forgets what stands for a bridge that is gone. */
  dropBridge(bridge: Ofproto): void {
    for (const entry of this.#byId.values()) {
      if (entry.state.bridge !== bridge) continue;
      this.#byId.delete(entry.id);
      this.#byKey.delete(entry.key);
    }
  }
}

function stateKey(state: FrozenState): string {
  return JSON.stringify(state, (key, value: unknown) => {
    if (key === 'bridge') return (value as Ofproto).serial;
    if (key === 'field') return (value as { name: string }).name;
    if (value instanceof Flow) return Buffer.from(value.u8).toString('latin1');
    if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
    return typeof value === 'bigint' ? `${value}n` : value;
  });
}
