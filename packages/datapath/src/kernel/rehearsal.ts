/**
 * The datapath's code over maps, a ring and a socket of its own, for a daemon to practise with: what
 * comes up has been made up, and what is sent goes nowhere. The rest of it is no imitation, so that
 * code that was compiled for it serves the datapath itself.
 */
import { createMap } from '@heddle/linux/bpf/index';
import { memoryFile, pageSize } from '@heddle/linux/memory-file';
import { mmap, munmap } from '@heddle/linux/native';
import type { Fd } from '@heddle/linux/socket';
import type { DpRehearsal, Upcall } from '../dpif.ts';
import { type Engine, nowMs } from './engine.ts';
import { Injector } from './injector.ts';
import { KernelDpif } from './kernel-dpif.ts';
import { CTX, UPCALL } from './layout.ts';
import type { MeterTable } from './meter-table.ts';
import { openInjectionSocket } from './packet-socket.ts';
import type { PortTable } from './port-table.ts';
import { programKey } from './tunnel-addresses.ts';

/** What the daemon's part of the datapath reads and writes. */
const MAPS = [
  'state',
  'masks',
  'mask_orders',
  'flows',
  'flow_stats',
  'chunks',
  'userdatas',
  'notes',
  'ctxs',
  'quotas',
  'cts',
  'ct_aliases',
  'ct_parents',
  'ct_gains',
  'ct_expects',
  'ct_zones',
  'ct_globals',
  'ct_policies',
] as const;
const MAX_ENTRIES = 4096;
/** Few, so that they are soon used again. */
const CONTEXTS = 128;
/** Words of counters, from one flow that packets come for to the next. */
const STATS_STEP = 8 * 7;
/** Packets that are sent before they count as arrived. */
const MAX_UNDER_WAY = 32;
const PAGE = pageSize();
const RING_BYTES = 1 << 18;
const RECORD_HEADER = 8;

export class KernelRehearsal implements DpRehearsal {
  readonly dpif: KernelDpif;
  readonly #ring: Fd = memoryFile('rehearsal', 2 * PAGE + 2 * RING_BYTES);
  readonly #socket: Fd = openInjectionSocket();
  readonly #pages: ArrayBuffer;
  readonly #bytes: Buffer;
  /** Where its reader is, and where the next record goes. */
  readonly #consumer: Uint32Array;
  readonly #producer: Uint32Array;
  readonly #quotas: BigUint64Array;
  readonly #contexts: Uint32Array;
  readonly #stats: Uint32Array;
  #underWay = 0;

  constructor(of: { engine: Engine; ports: PortTable; meters: MeterTable }) {
    const maps = Object.fromEntries(
      MAPS.map((name) => {
        const { info } = of.engine.programs.maps[name]!;
        const maxEntries = Math.min(info.maxEntries, name === 'ctxs' ? CONTEXTS : MAX_ENTRIES);
        return [name, createMap({ ...info, maxEntries })];
      }),
    );
    const engine = of.engine.twin({ maps, programs: {} });
    const { chunks, names } = engine;
    const injector = new Injector(
      this.#socket.number,
      maps['ctxs']!,
      chunks,
      names,
      nowMs,
      CONTEXTS,
    );
    this.dpif = new KernelDpif({
      ...of,
      engine,
      injector,
      ring: { fd: this.#ring.number, bytes: RING_BYTES, isPollable: false },
      adopted: false,
      remove: () => {},
      close: () => {
        this.#socket.close();
        this.#ring.close();
        munmap(this.#pages);
      },
      rehearsal: () => this,
    });
    this.#pages = mmap(this.#ring.number, 2 * PAGE + 2 * RING_BYTES, { write: true });
    this.#bytes = Buffer.from(this.#pages, 2 * PAGE);
    this.#consumer = new Uint32Array(this.#pages, 0, 2);
    this.#producer = new Uint32Array(this.#pages, PAGE, 2);
    this.#quotas = new BigUint64Array(maps['quotas']!.memory());
    this.#stats = new Uint32Array(maps['flow_stats']!.memory());
    this.#contexts = new Uint32Array(maps['ctxs']!.memory());
  }

  /** No more than the ring can hold. */
  arrive(packets: readonly Pick<Upcall, 'flow' | 'packet'>[]): void {
    let at = 0;
    for (const packet of packets) at = this.#put(at, packet);
    this.#consumer[0] = 0;
    this.#producer[0] = at;
    this.dpif.serveUpcalls();
    this.#underWay += packets.length;
    if (this.#underWay > MAX_UNDER_WAY) this.#arrived();
  }

  #put(at: number, { flow, packet }: Pick<Upcall, 'flow' | 'packet'>): number {
    const { data, vnet, priority = 0 } = packet;
    const b = this.#bytes;
    const length = UPCALL.bytes + data.length;
    const from = at + RECORD_HEADER;
    const slot = flow.inPort % MAX_ENTRIES;
    b.fill(0, at, from + UPCALL.bytes);
    b.writeUInt32LE(length, at);
    b.writeUInt32LE(length, from + UPCALL.size);
    b.writeUInt32LE(data.length, from + UPCALL.len);
    b.writeUInt32LE(slot, from + UPCALL.slot);
    b.writeUInt32LE(priority, from + UPCALL.priority);
    if (vnet !== undefined) {
      b[from + UPCALL.vhFlags] = vnet.flags;
      b[from + UPCALL.vhGsoType] = vnet.gsoType;
      b.writeUInt16LE(vnet.gsoSize, from + UPCALL.vhGsoSize);
      b.writeUInt16LE(vnet.csumStart, from + UPCALL.vhCsumStart);
      b.writeUInt16LE(vnet.csumOffset, from + UPCALL.vhCsumOffset);
    }
    b.set(programKey(flow).u8.subarray(0, UPCALL.keyBytes), from + UPCALL.key);
    b.set(data, from + UPCALL.bytes);
    this.#quotas[2 * slot]! += BigInt(length);
    return at + ((RECORD_HEADER + length + 7) & ~7);
  }

  /** What was sent has been through the programs, and packets have come that flows were for. */
  #arrived(): void {
    this.#underWay = 0;
    const usedNs = nowMs() * 1e6;
    const s = this.#stats;
    for (let at = 0; at < s.length; at += STATS_STEP) {
      s[at]!++;
      s[at + 2]! += 60;
      s[at + 4] = usedNs;
      s[at + 5] = usedNs / 2 ** 32;
    }
    const w = this.#contexts;
    for (let at = 0; at < w.length; at += CTX.bytes / 4)
      w[at + CTX.done / 4] = w[at + CTX.mark / 4]!;
  }

  [Symbol.dispose](): void {
    this.dpif[Symbol.dispose]();
  }
}
