/**
 * Sends packets through explicit actions. A packet goes by AF_PACKET into one end of a veth, with
 * its offload state; `skb->mark` names a context that tells the program at the other end what to
 * do. So nothing that is sent can miss again and loop.
 */
import type { BpfMap } from '@heddle/linux/bpf/index';
import { SEND_HEADER_BYTES, sendBatch } from '@heddle/linux/native';
import { isTunnelled, KEY_SLOTS } from '@heddle/packet';
import { SystemError } from '@heddle/runtime';
import type { DpExecute } from '../dpif.ts';
import { type ActionNames, encodeActions } from './action-codec.ts';
import type { ChunkTable } from './chunks.ts';
import { putCtMetadata } from './ct-codec.ts';
import { ACT_BYTES, CTX, CTX_ACTS, CTX_SLOTS, TUN_IN } from './layout.ts';

const DAEMON_SLOTS = CTX_SLOTS / 2;
/** A context whose packet was lost on the way is free again after this. */
const LOST_AFTER_MS = 2000;
/** Where a key has the tunnel that the packet came by. */
const TUNNEL = KEY_SLOTS.get('tunId')!.offset;
const TUNNEL_MORE = KEY_SLOTS.get('tunGbpId')!.offset;
const MAX_BATCH = 256;
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
  readonly #chunks: ChunkTable;
  readonly #names: ActionNames;
  readonly #now: () => number;
  readonly #pending: (Pending | undefined)[] = new Array(DAEMON_SLOTS);
  readonly #batch = Buffer.alloc(BATCH_BYTES);
  readonly #result = new Int32Array(2);
  #next = 0;
  #sequence: number;
  /** Packets that could not be sent. */
  lost = 0;

  constructor(fd: number, ctxs: BpfMap, chunks: ChunkTable, names: ActionNames, now: () => number) {
    this.#fd = fd;
    this.#ctxs = Buffer.from(ctxs.memory());
    this.#chunks = chunks;
    this.#names = names;
    this.#now = now;
    this.#sequence = Math.floor(Math.random() * 0x3ffff);
  }

  execute(batch: readonly DpExecute[]): void {
    let count = 0;
    let at = 0;
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
      this.#encode(at, e, mark);
      at += size;
      count++;
    }
    if (count > 0) this.#send(at, count);
  }

  #encode(at: number, e: DpExecute, mark: number): void {
    const b = this.#batch;
    const { data, vnet } = e.packet;
    b.writeUInt32LE(data.length, at);
    b.writeUInt32LE(mark, at + 4);
    b[at + 8] = vnet?.flags ?? 0;
    b[at + 9] = vnet?.gsoType ?? 0;
    b.writeUInt16LE(vnet?.hdrLen ?? 0, at + 10);
    b.writeUInt16LE(vnet?.gsoSize ?? 0, at + 12);
    b.writeUInt16LE(vnet?.csumStart ?? 0, at + 14);
    b.writeUInt16LE(vnet?.csumOffset ?? 0, at + 16);
    b.set(data, at + SEND_HEADER_BYTES);
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
    const chunks = this.#chunks.store(acts.subarray(INLINE_BYTES));
    this.#sequence = (this.#sequence + 1) & 0x3ffff;
    const mark = (((this.#sequence || ++this.#sequence) << 13) | slot) >>> 0;
    const at = slot * CTX.bytes;
    const c = this.#ctxs;
    c.writeUInt32LE(e.flow.inPort, at + CTX.inPort);
    c.writeUInt32LE(e.flow.recircId, at + CTX.recircId);
    c.writeUInt32LE(e.flow.pktMark, at + CTX.pktMark);
    const tunnelled = isTunnelled(e.flow);
    c.writeUInt32LE(tunnelled ? TUN_IN : 0, at + CTX.tunState);
    if (tunnelled) {
      c.set(e.flow.u8.subarray(TUNNEL, TUNNEL + 48), at + CTX.tin);
      c.set(e.flow.u8.subarray(TUNNEL_MORE, TUNNEL_MORE + 16), at + CTX.tin + 48);
    }
    c.writeUInt32LE(inline / ACT_BYTES, at + CTX.nact);
    c.writeUInt32LE(chunks, at + CTX.next);
    c.writeUInt32LE(e.flow.ctState === 0 ? 0 : 1, at + CTX.ctOn);
    c.writeUInt32LE(e.packet.priority ?? 0, at + CTX.priority);
    if (e.flow.ctState !== 0) putCtMetadata(c, at + CTX.ct, e.flow);
    acts.copy(c, at + CTX.acts, 0, inline);
    c.writeUInt32LE(mark, at + CTX.mark);
    this.#pending[slot] = { mark, chunks, since: this.#now() };
    return mark;
  }

  #takeSlot(): number | undefined {
    const slot = this.#next;
    const p = this.#pending[slot];
    if (p !== undefined) {
      const done = this.#ctxs.readUInt32LE(slot * CTX.bytes + CTX.done) === p.mark;
      if (!done && this.#now() - p.since < LOST_AFTER_MS) return undefined;
      this.#chunks.free(p.chunks);
    }
    this.#next = (slot + 1) % DAEMON_SLOTS;
    return slot;
  }
}
