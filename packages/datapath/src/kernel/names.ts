/** Userdata and drop reasons by number. Both are kept in maps, so that a next daemon knows them. */
import type { BpfMap } from '@heddle/linux/bpf/index';
import type { Flow } from '@heddle/packet';
import { SystemError } from '@heddle/runtime';
import { type ActionNames, splitActs } from './action-codec.ts';
import {
  A_USERSPACE,
  DROP_EXPLICIT,
  DROP_NAMES,
  DROP_REASONS,
  USERDATA_BYTES,
  USERDATA_MAX,
} from './layout.ts';
import type { TunnelOptionsTable } from './tunnel-options.ts';

export class Names implements ActionNames {
  readonly #map: BpfMap;
  readonly #ids = new Map<string, number>();
  readonly #bytes = new Map<number, Uint8Array>();
  readonly #save: (reasons: readonly string[]) => void;
  readonly #reasons: string[];
  readonly #inUse: () => Iterable<Buffer>;
  readonly #options: TunnelOptionsTable;
  #next = 1;

  /** `inUse` lists the action lists that are installed, for when numbers run out. */
  constructor(
    map: BpfMap,
    reasons: readonly string[],
    save: (reasons: readonly string[]) => void,
    inUse: () => Iterable<Buffer>,
    options: TunnelOptionsTable,
  ) {
    this.#options = options;
    this.#map = map;
    this.#reasons = [...reasons];
    this.#save = save;
    this.#inUse = inUse;
    for (const key of map.keys()) {
      const value = map.lookup(key);
      if (value === undefined) continue;
      const bytes = Uint8Array.from(value.subarray(4, 4 + value.readUInt32LE(0)));
      this.#enter(key.readUInt32LE(0), bytes);
    }
  }

  enterTunnelOptions(key: Flow): void {
    this.#options.enter(key);
  }

  userdataId(bytes: Uint8Array): number {
    const known = this.#ids.get(text(bytes));
    if (known !== undefined) return known;
    if (bytes.length > USERDATA_MAX) throw new SystemError('EINVAL', 'userdata over 252 bytes');
    if (this.#ids.size >= this.#map.info.maxEntries) this.#sweep();
    const value = Buffer.alloc(USERDATA_BYTES);
    value.writeUInt32LE(bytes.length, 0);
    value.set(bytes, 4);
    const id = this.#next;
    this.#map.update(id, value);
    this.#enter(id, Uint8Array.from(bytes));
    return id;
  }

  userdata(id: number): Uint8Array {
    return this.#bytes.get(id) ?? new Uint8Array(0);
  }

  /** The last number stands for all reasons that found no number of their own. */
  dropId(reason: string): number {
    const at = this.#reasons.indexOf(reason);
    if (at >= 0) return DROP_EXPLICIT + at;
    if (DROP_EXPLICIT + this.#reasons.length >= DROP_REASONS - 1) return DROP_REASONS - 1;
    this.#reasons.push(reason);
    this.#save(this.#reasons);
    return DROP_EXPLICIT + this.#reasons.length - 1;
  }

  dropReason(id: number): string {
    return DROP_NAMES[id] ?? this.#reasons[id - DROP_EXPLICIT] ?? 'other';
  }

  #enter(id: number, bytes: Uint8Array): void {
    this.#ids.set(text(bytes), id);
    this.#bytes.set(id, bytes);
    if (id >= this.#next) this.#next = id + 1;
  }

  #sweep(): void {
    const used = new Set<number>();
    for (const acts of this.#inUse())
      for (const a of splitActs(acts))
        if (a.readUInt16LE(0) === A_USERSPACE) used.add(a.readUInt32LE(4));
    for (const [key, id] of this.#ids) {
      if (used.has(id)) continue;
      this.#map.delete(id);
      this.#ids.delete(key);
      this.#bytes.delete(id);
    }
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
