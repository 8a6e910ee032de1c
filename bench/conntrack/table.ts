/**
 * The connection table of the kernel engine by itself (BPF_PROG_TEST_RUN): what a packet costs that
 * is tracked, what a new connection costs, and what a table of many costs to keep, dump and sweep.
 */
import { closeSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatCtEntry, type OdpAction, type OdpCtAction } from '@heddle/datapath';
import { openKernelDpif, PIN_ROOT } from '@heddle/datapath/kernel/index';
import { Rtnl } from '@heddle/linux';
import { BpfMap, getPinned, progTestRun } from '@heddle/linux/bpf/index';
import { Flow } from '@heddle/packet';
import { ethernet, ipv4, tcp } from '@heddle/packet/build';

const REPEAT = 50_000;
const ROUNDS = 25;
const SAMPLE = 2000;
const PLAIN: OdpCtAction = { type: 'ct', commit: false, force: false, zone: 0 };
/** Connections stay until all are there. */
const POLICY = 1;
const COMMIT: OdpCtAction = { ...PLAIN, commit: true, timeout: POLICY };

/** Nanoseconds are wall-clock time in the kernel, milliseconds processor time of the daemon's side. */
export interface TableCosts {
  /** Per packet: a lookup and a drop, two lookups, and with tracking between them. */
  readonly statelessNs: number;
  readonly twiceNs: number;
  readonly establishedNs: number;
  readonly entries: number;
  /** Per connection that is entered, as the table grows; a single run costs more than a repeated one. */
  readonly newNs: number;
  readonly singleNs: number;
  /** A packet of another connection each time, in the full table. */
  readonly coldNs: number;
  /** Kernel memory, by the maps' own account. */
  readonly bytesPerEntry: number;
  readonly dumpMs: number;
  /** One pass over the full table; one over connections of which each is over. */
  readonly sweepMs: number;
  readonly sweepStallMs: number;
  readonly expireMs: number;
  readonly expireStallMs: number;
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
    dpif.ct.setTimeoutPolicy(POLICY, { tcp_syn_sent: 86_400, tcp_syn_recv: 86_400 });
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
    let single = 0;
    for (let n = 0; n < SAMPLE; n++) single += run(segment(1, false, 16));
    const singleNs = single / SAMPLE;
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
    let seen = 0;
    const dumpMs = cpuMs(() => {
      for (const entry of dpif.ct.entries()) seen += formatCtEntry(entry).length > 0 ? 1 : 0;
    });
    progress(`dump of ${seen}`);
    const kept = sweepAll(dpif.ct);
    progress('sweep');
    dpif.ct.setTimeoutPolicy(POLICY, { tcp_syn_recv: 0, tcp_syn_sent: 0 });
    for (let n = had; n < entries; n++) run(segment(100 + n, false, 2));
    const expired = sweepAll(dpif.ct);
    progress(`${dpif.ct.count} left`);
    return {
      ...{ statelessNs, twiceNs, establishedNs, entries, newNs, singleNs, coldNs, bytesPerEntry },
      ...{ dumpMs, sweepMs: kept.total, sweepStallMs: kept.longest },
      ...{ expireMs: expired.total, expireStallMs: expired.longest },
    };
  } finally {
    cts[Symbol.dispose]();
    closeSync(program);
    await dpif.destroy();
  }
}

function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** As many slices as one pass takes. */
function sweepAll(ct: { readonly count: number; sweep(): void }) {
  let [total, longest] = [0, 0];
  const slices = Math.ceil(ct.count / Math.max(4096, ct.count / 200)) + 1;
  for (let i = 0; i < slices; i++) {
    const took = cpuMs(() => ct.sweep());
    total += took;
    longest = Math.max(longest, took);
  }
  return { total, longest };
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
