/** From ring records to upcalls: whole frames with their tag inline, ports served in turn. */
import type { BpfMap } from '@heddle/linux/bpf/index';
import { FdWatcher, RingBuffer } from '@heddle/linux/native';
import { Flow } from '@heddle/packet';
import type { DpExecute, DpPacket, Upcall, VnetHdr } from '../dpif.ts';
import {
  UPCALL,
  UPCALL_ACTION,
  UPCALL_HELPER,
  UPCALL_MISS,
  UPCALL_NO_CSUM_INFO,
  UPCALL_RESEND,
  UPCALL_TOO_BIG,
  UPCALL_VLAN,
} from './layout.ts';
import { guessOffload } from './offload.ts';
import { answerKey, packetTooBig } from './too-big.ts';
import { readProgramKey } from './tunnel-addresses.ts';

const BATCH_BYTES = 1 << 20;
const BATCH_RECORDS = 256;
const RING_HEADER = 8;
const FEW_BYTES = 128;
const MAX_ANSWERS = 200;
const ANSWERS_PER_MS = 1;
/** Rounds before the event loop gets its turn. */
const MAX_ROUNDS = 8;

/** A BPF ring buffer, or what looks like one to its reader. */
export interface Ring {
  readonly fd: number;
  readonly bytes: number;
  /** The descriptor can tell when there is something. */
  readonly isPollable: boolean;
}

export class UpcallReader {
  readonly #ring: RingBuffer;
  readonly #of: Ring;
  #watcher: FdWatcher | undefined;
  readonly #batch = Buffer.alloc(BATCH_BYTES);
  readonly #words = new Uint32Array(this.#batch.buffer, this.#batch.byteOffset, BATCH_BYTES / 4);
  /** Of the misses of a batch, used again for the next one. */
  readonly #flows: (Flow | undefined)[] = new Array(BATCH_RECORDS).fill(undefined);
  #answers = MAX_ANSWERS;
  #answersSince = performance.now();
  /** By slot: bytes of records sent, and acknowledged. */
  readonly #quotas: BigUint64Array;
  readonly #userdata: (id: number) => Uint8Array;
  readonly #execute: (batch: readonly DpExecute[]) => void;
  readonly #held: (mark: number, packet: DpPacket) => void;
  #handler: ((batch: readonly Upcall[]) => void) | undefined;

  constructor(
    ring: Ring,
    quotas: BpfMap,
    userdata: (id: number) => Uint8Array,
    execute: (batch: readonly DpExecute[]) => void,
    held: (mark: number, packet: DpPacket) => void,
  ) {
    this.#ring = new RingBuffer(ring.fd, ring.bytes);
    this.#quotas = new BigUint64Array(quotas.memory());
    this.#userdata = userdata;
    this.#execute = execute;
    this.#held = held;
    this.#of = ring;
  }

  /** Without a handler the ring keeps what comes. */
  setHandler(handler: ((batch: readonly Upcall[]) => void) | undefined): void {
    this.#handler = handler;
    if (handler === undefined) this.close();
    else if (this.#of.isPollable) this.#watcher ??= new FdWatcher(this.#of.fd, () => this.drain());
  }

  /** Forgets what an earlier daemon read but did not acknowledge. */
  resetQuotas(): void {
    const q = this.#quotas;
    for (let i = 0; i < q.length; i += 2) q[i + 1] = q[i]!;
  }

  /** Whether records were sent that are not acknowledged. */
  pending(): boolean {
    const q = this.#quotas;
    for (let i = 0; i < q.length; i += 2) if (q[i] !== q[i + 1]) return true;
    return false;
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Reads what is there. */
  drain(): void {
    for (let round = 0; round < MAX_ROUNDS && this.#handler !== undefined; round++) {
      const bytes = this.#ring.read(this.#batch, BATCH_RECORDS);
      if (bytes === 0) return;
      try {
        const { resends, upcalls, slots } = this.#decode(bytes);
        if (resends.length > 0) this.#execute(resends);
        if (upcalls.length > 0) this.#handler(inTurn(upcalls, slots));
      } finally {
        this.#acknowledge(bytes);
      }
    }
  }

  /** What goes to a port as it is, nobody need hear of; the rest, and the slots it came by. */
  #decode(bytes: number): { resends: DpExecute[]; upcalls: Upcall[]; slots: number[] } {
    const b = this.#batch;
    const resends: DpExecute[] = [];
    const upcalls: Upcall[] = [];
    const slots: number[] = [];
    let misses = 0;
    for (let at = RING_HEADER; at < bytes; at = this.#next(at)) {
      const type = b[at + UPCALL.type]! | (b[at + UPCALL.type + 1]! << 8);
      const flow = type === UPCALL_MISS ? this.#flowOf(misses++) : new Flow();
      this.#readKey(at, flow);
      const packet = decodePacket(b, at, flow);
      const id = this.#words[(at + UPCALL.userdata) >> 2]!;
      if (type === UPCALL_RESEND) {
        const actions = [{ type: 'output' as const, port: id }];
        resends.push({ flow, packet: { ...packet, vnet: undefined }, actions });
        continue;
      }
      if (type === UPCALL_HELPER) {
        this.#held(id, packet);
        continue;
      }
      if (type === UPCALL_TOO_BIG) {
        const answer = this.#mayAnswer() ? packetTooBig(packet.data, id) : undefined;
        if (answer)
          upcalls.push({ type: 'miss', flow: answerKey(flow, answer), packet: { data: answer } });
        if (answer) slots.push(this.#words[(at + UPCALL.slot) >> 2]!);
        continue;
      }
      upcalls.push(
        type === UPCALL_ACTION
          ? { type: 'action', flow, packet, userdata: this.#userdata(id) }
          : { type: 'miss', flow, packet },
      );
      slots.push(this.#words[(at + UPCALL.slot) >> 2]!);
    }
    return { resends, upcalls, slots };
  }

  /** What handlers keep of a miss they copy. */
  #flowOf(i: number): Flow {
    const flow = this.#flows[i] ?? new Flow();
    this.#flows[i] = flow;
    flow.clear();
    flow.tlv = undefined;
    return flow;
  }

  #readKey(at: number, flow: Flow): void {
    const { u32 } = flow;
    const words = this.#words;
    const from = (at + UPCALL.key) >> 2;
    for (let i = 0; i < UPCALL.keyBytes >> 2; i++) u32[i] = words[from + i]!;
    readProgramKey(flow);
  }

  /** Errors are sent at a limited rate (RFC 1812, 4.3.2.8; RFC 4443, 2.4 (f)). */
  #mayAnswer(): boolean {
    const now = performance.now();
    this.#answers = Math.min(
      MAX_ANSWERS,
      this.#answers + (now - this.#answersSince) * ANSWERS_PER_MS,
    );
    this.#answersSince = now;
    if (this.#answers < 1) return false;
    this.#answers--;
    return true;
  }

  #next(at: number): number {
    return at + RING_HEADER + ((this.#words[(at - RING_HEADER) >> 2]! + 7) & ~7);
  }

  #acknowledge(bytes: number): void {
    const w = this.#words;
    let slot = 0;
    let size = 0;
    for (let at = RING_HEADER; at < bytes; at = this.#next(at)) {
      const of = w[(at + UPCALL.slot) >> 2]!;
      if (of !== slot && size > 0) {
        this.#acknowledgeOf(slot, size);
        size = 0;
      }
      slot = of;
      size += w[(at + UPCALL.size) >> 2]!;
    }
    if (size > 0) this.#acknowledgeOf(slot, size);
  }

  #acknowledgeOf(slot: number, size: number): void {
    const q = this.#quotas;
    const sent = q[2 * slot]!;
    const acked = q[2 * slot + 1]! + BigInt(size);
    // What lay in the ring when an earlier daemon ended counts as acknowledged already.
    q[2 * slot + 1] = acked < sent ? acked : sent;
  }
}

/** One packet of each port, then the next of each; the order within a port stays. */
function inTurn(upcalls: readonly Upcall[], slots: readonly number[]): readonly Upcall[] {
  if (slots.every((slot) => slot === slots[0])) return upcalls;
  const queues = new Map<number, Upcall[]>();
  for (const [i, upcall] of upcalls.entries()) {
    const queue = queues.get(slots[i]!);
    if (queue === undefined) queues.set(slots[i]!, [upcall]);
    else queue.push(upcall);
  }
  const out: Upcall[] = [];
  for (let i = 0; out.length < upcalls.length; i++)
    for (const queue of queues.values()) if (i < queue.length) out.push(queue[i]!);
  return out;
}

function decodePacket(b: Buffer, at: number, flow: Flow): DpPacket {
  const length = b.readUInt32LE(at + UPCALL.len);
  const flags = b[at + UPCALL.flags]! | (b[at + UPCALL.flags + 1]! << 8);
  const from = at + UPCALL.bytes;
  const tag = (flags & UPCALL_VLAN) !== 0 && length >= 12 ? 4 : 0;
  const data = Buffer.allocUnsafe(length + tag);
  if (tag === 0 && length <= FEW_BYTES) {
    // A call takes longer than a few bytes do.
    for (let i = 0; i < length; i++) data[i] = b[from + i]!;
  } else if (tag === 0) {
    b.copy(data, 0, from, from + length);
  } else {
    data.set(b.subarray(from, from + 12));
    const tci = b.readUInt16LE(at + UPCALL.vlanTci);
    data.set(b.subarray(at + UPCALL.vlanProto, at + UPCALL.vlanProto + 2), 12);
    data[14] = tci >>> 8;
    data[15] = tci & 0xff;
    data.set(b.subarray(from + 12, from + length), 16);
  }
  const packet: DpPacket = { data };
  const priority = b.readUInt32LE(at + UPCALL.priority);
  if (priority !== 0) packet.priority = priority;
  if ((flags & UPCALL_NO_CSUM_INFO) !== 0)
    return { ...packet, ...guessOffload(data, flow, decodeVnet(b, at, tag)) };
  const plain = b[at + UPCALL.vhFlags] === 0 && b[at + UPCALL.vhGsoType] === 0;
  if (!plain) packet.vnet = decodeVnet(b, at, tag);
  return packet;
}

function decodeVnet(b: Buffer, at: number, tag: number): VnetHdr {
  const flags = b[at + UPCALL.vhFlags]!;
  const gsoType = b[at + UPCALL.vhGsoType]!;
  const csumStart = flags === 0 ? 0 : b.readUInt16LE(at + UPCALL.vhCsumStart) + tag;
  return {
    flags,
    gsoType,
    hdrLen: 0,
    gsoSize: b.readUInt16LE(at + UPCALL.vhGsoSize),
    csumStart,
    csumOffset: b.readUInt16LE(at + UPCALL.vhCsumOffset),
  };
}
