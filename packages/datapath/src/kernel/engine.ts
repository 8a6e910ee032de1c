/** Flows, masks, chunks and names over one generation of maps. */
import type { Flow } from '@heddle/packet';
import type { Ufid } from '../odp-ufid.ts';
import { ChunkTable } from './chunks.ts';
import { FlowTable, keyOf } from './flow-table.ts';
import { ABI_VERSION } from './layout.ts';
import { MaskTable } from './mask-table.ts';
import { Names } from './names.ts';
import { blobHash, type Programs, readNotes, writeNotes } from './programs.ts';
import { TunnelOptionsTable } from './tunnel-options.ts';

const { performance } = globalThis;

/** Of CLOCK_MONOTONIC, which the programs use, too. */
const startMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export function nowMs(): number {
  return Math.floor(startMs + performance.now());
}

export class Engine {
  readonly programs: Programs;
  readonly masks: MaskTable;
  readonly chunks: ChunkTable;
  readonly names: Names;
  readonly flows: FlowTable;
  readonly hashMask: readonly [hi: number, lo: number];
  readonly #ufidOf: (key: Flow, mask: Flow) => Ufid;
  readonly #tunnelOptions: TunnelOptionsTable;

  constructor(
    programs: Programs,
    hashMask: readonly [hi: number, lo: number],
    ufidOf: (key: Flow, mask: Flow) => Ufid,
    twin: { tunnelOptions?: TunnelOptionsTable; restMs?: number } = {},
  ) {
    const { maps } = programs;
    this.programs = programs;
    this.hashMask = hashMask;
    this.#ufidOf = ufidOf;
    this.#tunnelOptions = twin.tunnelOptions ?? new TunnelOptionsTable(maps);
    this.masks = new MaskTable(maps);
    this.chunks = new ChunkTable(maps['chunks']!, nowMs, twin.restMs);
    const reasons = readNotes(programs)?.dropReasons ?? [];
    this.names = new Names(
      maps['userdatas']!,
      reasons,
      (dropReasons) => this.#save(dropReasons),
      () => this.#lists(),
      this.#tunnelOptions,
    );
    const { masks, chunks, names } = this;
    const { restMs } = twin;
    this.flows = new FlowTable({
      maps,
      masks,
      chunks,
      names,
      now: nowMs,
      hashMask,
      ufidOf,
      restMs,
    });
    this.#save(reasons);
  }

  /**
   * Another one like it over other maps, which no program uses, so that places in them need no rest; what
   * all of a process share stays this one's.
   */
  twin(programs: Programs): Engine {
    const tunnelOptions = this.#tunnelOptions;
    return new Engine(programs, this.hashMask, this.#ufidOf, { tunnelOptions, restMs: 0 });
  }

  adopt(): void {
    this.masks.adopt();
    this.flows.adopt();
    this.masks.prune();
  }

  /**
   * Takes over the flows of an earlier generation. The function returned takes over their counts:
   * call it once nothing runs on the old maps any more.
   */
  copyFrom(old: Engine): () => void {
    const copies: (() => void)[] = [];
    for (const e of old.flows.entries()) {
      const slot = this.masks.add(e.slot.mask);
      if (slot === undefined) continue;
      const copy = this.flows.add(e.ufid, keyOf(e), slot, e.actions);
      copies.push(() => this.flows.addStats(copy, old.flows.rawStats(e)));
    }
    return () => {
      for (const c of copies) c();
    };
  }

  *#lists(): Generator<Buffer> {
    for (const e of this.flows.entries()) yield e.acts;
  }

  #save(dropReasons: readonly string[]): void {
    const { hashMask } = this;
    writeNotes(this.programs, { abi: ABI_VERSION, blob: blobHash(), hashMask, dropReasons });
  }
}
