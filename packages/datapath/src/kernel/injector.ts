/**
 * Sends packets through explicit actions. A packet goes by AF_PACKET into one end of a veth, with
 * its offload state; `skb->mark` names a context that tells the program at the other end what to
 * do. So nothing that is sent can miss again and loop.
 */
import type { BpfMap } from '@heddle/linux/bpf/index';
import { SEND_HEADER_BYTES, sendBatch } from '@heddle/linux/native';
import { isTunnelled, KEY_SLOTS } from '@heddle/packet';
import { SystemError } from '@heddle/runtime';
import type { DpExecute, DpPacket } from '../dpif.ts';
import { type ActionNames, encodeActions } from './action-codec.ts';
import type { ChunkTable } from './chunks.ts';
import { putCtMetadata } from './ct-codec.ts';
import { ACT_BYTES, CTX, CTX_ACTS, CTX_SLOTS, TUN_IN } from './layout.ts';
import { programKey } from './tunnel-addresses.ts';

/** The programs have the others for themselves. */
const DAEMON_SLOTS = CTX_SLOTS / 2;
/** A context whose packet was lost on the way is free again after this. */
const LOST_AFTER_MS = 2000;
/** Where a key has the tunnel that the packet came by. */
const TUNNEL = KEY_SLOTS.get('tunId')!.offset;
const TUNNEL_MORE = KEY_SLOTS.get('tunGbpId')!.offset;
const MAX_BATCH = 256;
const FEW_BYTES = 128;
const INLINE_BYTES = CTX_ACTS * ACT_BYTES;
const BATCH_BYTES = 4 << 20;

interface Pending {
  readonly mark: number;
  readonly chunks: number;
  readonly since: number;
}

export class Injector {
  readonly #fd: number;
  readonly #ctxs: Buffer;
  /** The same memory. */
  readonly #words: Uint32Array;
  readonly #chunks: ChunkTable;
  readonly #names: ActionNames;
  readonly #now: () => number;
  readonly #pending: (Pending | undefined)[];
  readonly #slots: number;
  readonly #batch = Buffer.alloc(BATCH_BYTES);
  readonly #batchWords = new Uint32Array(this.#batch.buffer, this.#batch.byteOffset);
  readonly #result = new Int32Array(2);
  #next = 0;
  /** When the batch began to be sent. */
  #sentMs = 0;
  #sequence: number;
  /** Packets that could not be sent. */
  lost = 0;

  constructor(
    fd: number,
    ctxs: BpfMap,
    chunks: ChunkTable,
    names: ActionNames,
    now: () => number,
    slots = DAEMON_SLOTS,
  ) {
    this.#fd = fd;
    this.#slots = slots;
    this.#pending = new Array(slots).fill(undefined);
    this.#ctxs = Buffer.from(ctxs.memory());
    this.#words = new Uint32Array(ctxs.memory());
    this.#chunks = chunks;
    this.#names = names;
    this.#now = now;
    this.#sequence = Math.floor(Math.random() * 0x3ffff);
  }

  execute(batch: readonly DpExecute[]): void {
    let count = 0;
    let at = 0;
    this.#sentMs = this.#now();
    for (const e of batch) {
      const size = SEND_HEADER_BYTES + ((e.packet.data.length + 7) & ~7);
      if (count === MAX_BATCH || at + size > BATCH_BYTES) {
        this.#send(at, count);
        count = 0;
        at = 0;
      }
      const mark = size > BATCH_BYTES ? undefined : this.#tryPrepare(e);
      if (mark === undefined) {
        this.lost++;
        continue;
      }
      this.#encode(at, e.packet, mark);
      at += size;
      count++;
    }
    if (count > 0) this.#send(at, count);
  }

  #encode(at: number, { data, vnet }: DpPacket, mark: number): void {
    const b = this.#batch;
    const w = this.#batchWords;
    // Both the header and what lies before it are of whole words.
    const word = at >> 2;
    w[word] = data.length;
    w[word + 1] = mark;
    w[word + 2] = 0;
    w[word + 3] = 0;
    w[word + 4] = 0;
    if (vnet !== undefined) {
      b[at + 8] = vnet.flags;
      b[at + 9] = vnet.gsoType;
      b.writeUInt16LE(vnet.hdrLen, at + 10);
      b.writeUInt16LE(vnet.gsoSize, at + 12);
      b.writeUInt16LE(vnet.csumStart, at + 14);
      b.writeUInt16LE(vnet.csumOffset, at + 16);
    }
    const from = at + SEND_HEADER_BYTES;
    // A call takes longer than a few bytes do.
    if (data.length > FEW_BYTES) b.set(data, from);
    else for (let i = 0; i < data.length; i++) b[from + i] = data[i]!;
  }

  /** A context that the programs have made; undefined when it is no more. */
  contextOf(mark: number): Buffer | undefined {
    const at = (mark & (CTX_SLOTS - 1)) * CTX.bytes;
    return this.#ctxs.readUInt32LE(at + CTX.mark) === mark
      ? this.#ctxs.subarray(at, at + CTX.bytes)
      : undefined;
  }

  /** Sends a packet back to what is left of its list, in a context of the programs. */
  resume(mark: number, packet: DpPacket): void {
    const size = SEND_HEADER_BYTES + ((packet.data.length + 7) & ~7);
    this.#encode(0, packet, mark);
    this.#send(size, 1);
  }

  #send(bytes: number, count: number): void {
    sendBatch(this.#fd, this.#batch.subarray(0, bytes), count, this.#result);
    this.lost += count - this.#result[0]!;
  }

  /** Actions that cannot be carried out drop their packet, not the others of the batch. */
  #tryPrepare(e: DpExecute): number | undefined {
    try {
      return this.#prepare(e);
    } catch (error) {
      if (error instanceof SystemError) return undefined;
      throw error;
    }
  }

  /** Fills a context and returns its mark; undefined when none is free. */
  #prepare(e: DpExecute): number | undefined {
    const acts = encodeActions(e.actions, e.flow, this.#names);
    const slot = this.#takeSlot();
    if (slot === undefined) return undefined;
    const inline = Math.min(acts.length, INLINE_BYTES);
    const chunks = acts.length === inline ? 0 : this.#chunks.store(acts.subarray(inline));
    this.#sequence = (this.#sequence + 1) & 0x3ffff;
    const mark = (((this.#sequence || ++this.#sequence) << 13) | slot) >>> 0;
    const at = slot * CTX.bytes;
    const c = this.#ctxs;
    const w = this.#words;
    const word = at / 4;
    w[word + CTX.inPort / 4] = e.flow.inPort;
    w[word + CTX.recircId / 4] = e.flow.recircId;
    w[word + CTX.pktMark / 4] = e.flow.pktMark;
    const tunnelled = isTunnelled(e.flow);
    w[word + CTX.tunState / 4] = tunnelled ? TUN_IN : 0;
    if (tunnelled) {
      const { u8 } = programKey(e.flow);
      c.set(u8.subarray(TUNNEL, TUNNEL + 48), at + CTX.tin);
      c.set(u8.subarray(TUNNEL_MORE, TUNNEL_MORE + 16), at + CTX.tin + 48);
    }
    w[word + CTX.nact / 4] = inline / ACT_BYTES;
    w[word + CTX.next / 4] = chunks;
    w[word + CTX.ctOn / 4] = e.flow.ctState === 0 ? 0 : 1;
    w[word + CTX.priority / 4] = e.packet.priority ?? 0;
    if (e.flow.ctState !== 0) putCtMetadata(c, at + CTX.ct, e.flow);
    for (let i = 0; i < inline; i++) c[at + CTX.acts + i] = acts[i]!;
    w[word + CTX.mark / 4] = mark;
    this.#pending[slot] = { mark, chunks, since: this.#sentMs };
    return mark;
  }

  #takeSlot(): number | undefined {
    const slot = this.#next;
    const p = this.#pending[slot];
    if (p !== undefined) {
      const done = this.#words[(slot * CTX.bytes + CTX.done) / 4] === p.mark;
      if (!done && this.#sentMs - p.since < LOST_AFTER_MS) return undefined;
      if (p.chunks !== 0) this.#chunks.free(p.chunks);
    }
    this.#next = (slot + 1) % this.#slots;
    return slot;
  }
}
