/**
 * The connection table of the kernel engine by itself (BPF_PROG_TEST_RUN): what a packet costs that
 * is tracked, what a new connection costs, and what a table of many costs to keep, dump and sweep.
 */
import { closeSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OdpAction, OdpCtAction } from '@heddle/datapath';
import { openKernelDpif, PIN_ROOT } from '@heddle/datapath/kernel/index';
import { Rtnl } from '@heddle/linux';
import { BpfMap, getPinned, progTestRun } from '@heddle/linux/bpf/index';
import { Flow } from '@heddle/packet';
import { ethernet, ipv4, tcp } from '@heddle/packet/build';

const REPEAT = 50_000;
const ROUNDS = 25;
const SAMPLE = 2000;
const PLAIN: OdpCtAction = { type: 'ct', commit: false, force: false, zone: 0 };
const COMMIT: OdpCtAction = { ...PLAIN, commit: true };

export interface TableCosts {
  /** Nanoseconds per packet: a lookup and a drop, two lookups, and with tracking between them. */
  readonly statelessNs: number;
  readonly twiceNs: number;
  readonly establishedNs: number;
  /** Per connection that is entered, as the table grows. */
  readonly newNs: number;
  readonly entries: number;
  /** Kernel memory, by the maps' own account. */
  readonly bytesPerEntry: number;
  /** A packet of another connection each time, in the full table. */
  readonly coldNs: number;
  readonly dumpMs: number;
  readonly dumpStallMs: number;
  /** One pass over the full table, the longest uninterrupted part of it, and the expiry of all. */
  readonly sweepMs: number;
  readonly sweepStallMs: number;
  readonly expireMs: number;
}

/** In a network namespace of the caller's own. */
export async function tableCosts(
  entries: number,
  progress: (done: string) => void,
): Promise<TableCosts> {
  const instance = `bench${process.pid}`;
  const sizes = { connections: Math.ceil(entries * 1.05) };
  const dpif = await openKernelDpif({ instance, sizes });
  const program = getPinned(join(PIN_ROOT, instance, 'prog_port_in'));
  const cts = new BpfMap(getPinned(join(PIN_ROOT, instance, 'map_cts')));
  try {
    using rtnl = new Rtnl();
    rtnl.createVeth({ name: 'bench0', up: true }, { name: 'bench1', up: true });
    const port = await dpif.portAdd('bench0', 'system');
    const ctx = Buffer.alloc(192);
    ctx.writeUInt32LE(rtnl.link('bench0')!.index, 40);
    const run = (frame: Uint8Array, repeat = 1) =>
      progTestRun(program, frame, { ctx, repeat }).nanoseconds;
    const flow = (recirc: number, actions: readonly OdpAction[]) => {
      const [key, mask] = [new Flow(), new Flow()];
      key.inPort = port;
      key.recircId = recirc;
      key.dlType = 0x0800;
      mask.inPort = 0xffff_ffff;
      mask.recircId = 0xffff_ffff;
      mask.dlType = 0xffff;
      if (recirc !== 0) mask.ctState = key.ctState = 0x20;
      dpif.flowPut({ key, mask, actions });
    };
    const drop: OdpAction = { type: 'drop', reason: 'bench' };
    const then: OdpAction = { type: 'recirc', id: 1 };
    const repeated = (frame: Uint8Array) =>
      Math.min(...Array.from({ length: ROUNDS }, () => run(frame, REPEAT)));
    flow(1, [drop]);
    const handshake = (n: number) => {
      run(segment(n, false, 2));
      run(segment(n, true, 18));
      run(segment(n, false, 16));
    };
    flow(0, [drop]);
    const statelessNs = repeated(segment(1, false, 16));
    flow(0, [COMMIT, then]);
    handshake(1);
    const establishedNs = repeated(segment(1, false, 16));
    flow(0, [{ type: 'ct_clear' }, then]);
    const [key, mask] = [new Flow(), new Flow()];
    key.inPort = port;
    key.recircId = 1;
    mask.inPort = 0xffff_ffff;
    mask.recircId = 0xffff_ffff;
    dpif.flowPut({ key, mask, actions: [drop] });
    const twiceNs = repeated(segment(1, false, 16));
    progress('packets');
    flow(0, [COMMIT, then]);
    const before = memory(cts.fd);
    const had = dpif.ct.count;
    let ns = 0;
    for (let n = had; n < entries; n++) ns += run(segment(100 + n, false, 2));
    const newNs = ns / (entries - had);
    const bytesPerEntry = (memory(cts.fd) - before) / (entries - had);
    progress(`${dpif.ct.count} entries`);
    let cold = 0;
    for (let n = 0; n < SAMPLE; n++) {
      cold += run(segment(100 + had + ((n * 104_729) % (entries - had)), true, 18));
    }
    const coldNs = cold / SAMPLE;
    let start = performance.now();
    let stall = start;
    let dumpStallMs = 0;
    let seen = 0;
    for (const _ of dpif.ct.entries()) {
      if (++seen % 500 !== 0) continue;
      const now = performance.now();
      dumpStallMs = Math.max(dumpStallMs, now - stall);
      stall = now;
    }
    const dumpMs = performance.now() - start;
    progress(`dump of ${seen}`);
    const sweep = () => {
      let [total, longest] = [0, 0];
      for (let i = 0; i < 200; i++) {
        start = performance.now();
        dpif.ct.sweep();
        const took = performance.now() - start;
        total += took;
        longest = Math.max(longest, took);
      }
      return { total, longest };
    };
    const kept = sweep();
    progress('sweep');
    start = performance.now();
    for (const _ of dpif.ct.flushing({}));
    const expireMs = performance.now() - start;
    return {
      ...{ statelessNs, twiceNs, establishedNs, newNs, bytesPerEntry, coldNs },
      ...{
        entries,
        dumpMs,
        dumpStallMs,
        sweepMs: kept.total,
        sweepStallMs: kept.longest,
        expireMs,
      },
    };
  } finally {
    cts[Symbol.dispose]();
    closeSync(program);
    await dpif.destroy();
  }
}

/** Bytes that a map takes. */
function memory(fd: number): number {
  return Number(/memlock:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]);
}

/** A TCP segment of connection `n`: from the client, or the answer. */
function segment(n: number, isReply: boolean, flags: number): Uint8Array {
  const macs = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };
  const client = { address: 0x0a01_0000 + (n >>> 15), port: 1024 + (n & 0x7fff) };
  const server = { address: 0x0a00_0002, port: 80 };
  const [from, to] = isReply ? [server, client] : [client, server];
  const part = tcp({
    src: from.port,
    dst: to.port,
    flags,
    ...(isReply ? { ack: 1 } : { seq: flags & 2 ? 0 : 1, ack: flags & 16 ? 1 : 0 }),
  });
  return ethernet(macs, ipv4({ src: from.address, dst: to.address }, part));
}
