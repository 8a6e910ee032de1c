/** From ring records to upcalls: whole frames with their tag inline, ports served in turn. */
import type { BpfMap } from '@heddle/linux/bpf/index';
import { FdWatcher, RingBuffer } from '@heddle/linux/native';
import { Flow } from '@heddle/packet';
import type { DpExecute, DpPacket, Upcall, VnetHdr } from '../dpif.ts';
import {
  UPCALL,
  UPCALL_ACTION,
  UPCALL_NO_CSUM_INFO,
  UPCALL_RESEND,
  UPCALL_VLAN,
} from './layout.ts';
import { guessOffload } from './offload.ts';

const BATCH_BYTES = 1 << 20;
const BATCH_RECORDS = 256;
const RING_HEADER = 8;
/** Rounds before the event loop gets its turn. */
const MAX_ROUNDS = 8;

interface Record {
  readonly slot: number;
  readonly size: number;
  /** To be sent to this port as it is: nobody need hear of it. */
  readonly resend: number | undefined;
  readonly upcall: Upcall;
}

export class UpcallReader {
  readonly #ring: RingBuffer;
  readonly #watcher: FdWatcher;
  readonly #batch = Buffer.alloc(BATCH_BYTES);
  readonly #quotas: Uint32Array;
  readonly #userdata: (id: number) => Uint8Array;
  readonly #execute: (batch: readonly DpExecute[]) => void;
  #handler: ((batch: readonly Upcall[]) => void) | undefined;

  constructor(
    ring: BpfMap,
    quotas: BpfMap,
    userdata: (id: number) => Uint8Array,
    execute: (batch: readonly DpExecute[]) => void,
  ) {
    this.#ring = new RingBuffer(ring.fd, ring.info.maxEntries);
    this.#quotas = new Uint32Array(quotas.memory());
    this.#userdata = userdata;
    this.#execute = execute;
    this.#watcher = new FdWatcher(ring.fd, () => this.#drain());
    this.#watcher.keepAlive(false);
  }

  setHandler(handler: ((batch: readonly Upcall[]) => void) | undefined): void {
    this.#handler = handler;
    this.#watcher.keepAlive(handler !== undefined);
  }

  /** Forgets what an earlier daemon read but did not acknowledge. */
  resetQuotas(): void {
    for (let i = 0; i < this.#quotas.length; i += 4) {
      this.#quotas[i + 2] = this.#quotas[i]!;
      this.#quotas[i + 3] = this.#quotas[i + 1]!;
    }
  }

  /** Whether records were sent that are not acknowledged. */
  pending(): boolean {
    const q = this.#quotas;
    for (let i = 0; i < q.length; i += 4) if (q[i] !== q[i + 2]) return true;
    return false;
  }

  close(): void {
    this.#watcher.close();
  }

  #drain(): void {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const bytes = this.#ring.read(this.#batch, BATCH_RECORDS);
      if (bytes === 0) return;
      const records = this.#decode(bytes);
      try {
        this.#resendAll(records);
        const upcalls = inTurn(records.filter((r) => r.resend === undefined));
        if (upcalls.length > 0) this.#handler?.(upcalls);
      } finally {
        for (const r of records) this.#acknowledge(r);
      }
    }
  }

  #decode(bytes: number): Record[] {
    const records: Record[] = [];
    for (let at = 0; at < bytes; ) {
      const length = this.#batch.readUInt32LE(at);
      records.push(this.#decodeOne(at + RING_HEADER));
      at += RING_HEADER + ((length + 7) & ~7);
    }
    return records;
  }

  #decodeOne(at: number): Record {
    const b = this.#batch;
    const flow = new Flow();
    flow.u8.set(b.subarray(at + UPCALL.key, at + UPCALL.key + UPCALL.keyBytes));
    const type = b.readUInt16LE(at + UPCALL.type);
    const id = b.readUInt32LE(at + UPCALL.userdata);
    const packet = decodePacket(b, at, flow);
    const upcall: Upcall =
      type === UPCALL_ACTION
        ? { type: 'action', flow, packet, userdata: this.#userdata(id) }
        : { type: 'miss', flow, packet };
    const slot = b.readUInt32LE(at + UPCALL.slot);
    const resend = type === UPCALL_RESEND ? id : undefined;
    return { slot, size: b.readUInt32LE(at + UPCALL.size), resend, upcall };
  }

  #resendAll(records: readonly Record[]): void {
    const batch = records.flatMap((r): DpExecute[] => {
      if (r.resend === undefined) return [];
      const { flow, packet } = r.upcall;
      const actions = [{ type: 'output' as const, port: r.resend }];
      return [{ flow, packet: { data: packet.data }, actions }];
    });
    if (batch.length > 0) this.#execute(batch);
  }

  #acknowledge(r: Record): void {
    const at = r.slot * 4 + 2;
    const low = this.#quotas[at]! + r.size;
    this.#quotas[at] = low >>> 0;
    if (low >= 2 ** 32) this.#quotas[at + 1]!++;
  }
}

/** One packet of each port, then the next of each; the order within a port stays. */
function inTurn(records: readonly Record[]): Upcall[] {
  const queues = new Map<number, Upcall[]>();
  for (const r of records) {
    const queue = queues.get(r.slot);
    if (queue === undefined) queues.set(r.slot, [r.upcall]);
    else queue.push(r.upcall);
  }
  if (queues.size === 1) return records.map((r) => r.upcall);
  const out: Upcall[] = [];
  for (let i = 0; out.length < records.length; i++)
    for (const queue of queues.values()) if (i < queue.length) out.push(queue[i]!);
  return out;
}

function decodePacket(b: Buffer, at: number, flow: Flow): DpPacket {
  const length = b.readUInt32LE(at + UPCALL.len);
  const flags = b.readUInt16LE(at + UPCALL.flags);
  const from = at + UPCALL.bytes;
  const tag = (flags & UPCALL_VLAN) !== 0 && length >= 12 ? 4 : 0;
  const data = new Uint8Array(length + tag);
  if (tag === 0) {
    data.set(b.subarray(from, from + length));
  } else {
    data.set(b.subarray(from, from + 12));
    const tci = b.readUInt16LE(at + UPCALL.vlanTci);
    data.set(b.subarray(at + UPCALL.vlanProto, at + UPCALL.vlanProto + 2), 12);
    data[14] = tci >>> 8;
    data[15] = tci & 0xff;
    data.set(b.subarray(from + 12, from + length), 16);
  }
  const vnet = decodeVnet(b, at, tag);
  if ((flags & UPCALL_NO_CSUM_INFO) !== 0) return guessOffload(data, flow, vnet);
  return vnet.flags === 0 && vnet.gsoType === 0 ? { data } : { data, vnet };
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
