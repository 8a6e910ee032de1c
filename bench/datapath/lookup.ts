/**
 * Nanoseconds per packet in the kernel (BPF_PROG_TEST_RUN), for masks × flows. `warm` repeats one
 * packet; `cold` takes a packet of another flow each time, so that every cache misses at its worst.
 * Every packet runs through extraction, lookup and the counters of its flow, and is dropped then.
 */
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { openKernelDpif, PIN_ROOT } from '@heddle/datapath/kernel/index';
import { Rtnl } from '@heddle/linux';
import { getPinned, progTestRun } from '@heddle/linux/bpf/index';
import { Flow } from '@heddle/packet';
import { ethernet, ipv4, udp } from '@heddle/packet/build';
import { median, table } from './statistics.ts';

export const MASKS = [1, 2, 4, 8, 16, 32, 64] as const;
export const FLOWS = [1, 1000, 10_000, 100_000] as const;

const WARM_REPEAT = 20_000;
const COLD_PACKETS = 1500;
const ROUNDS = 5;
const SRC = '198.51.100.7';

export interface Cell {
  masks: number;
  flows: number;
  warmNs: number;
  coldNs: number;
}

/** In a network namespace of the caller's own. */
export async function lookupCosts(progress: (done: string) => void): Promise<Cell[]> {
  const instance = `bench${process.pid}`;
  const dpif = await openKernelDpif({ instance, sizes: { flows: 131_072 } });
  const program = getPinned(join(PIN_ROOT, instance, 'prog_port_in'));
  try {
    using rtnl = new Rtnl();
    rtnl.createVeth({ name: 'bench0', up: true }, { name: 'bench1', up: true });
    const port = await dpif.portAdd('bench0', 'system');
    const context = skbContext(rtnl.link('bench0')!.index);
    const cells: Cell[] = [];
    for (const flows of FLOWS) {
      for (const masks of MASKS.filter((count) => count <= flows)) {
        dpif.flowFlush();
        for (let n = 0; n < flows; n++) dpif.flowPut(flowOf(n, masks, port), 'create');
        cells.push({ masks, flows, ...measure(program, context, flows) });
        progress(`${flows} flows, ${masks} masks`);
      }
    }
    return cells;
  } finally {
    closeSync(program);
    await dpif.destroy();
  }
}

function measure(program: number, ctx: Uint8Array, flows: number) {
  const warm: number[] = [];
  const cold: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const one = packetOf((round * 7919) % flows);
    warm.push(progTestRun(program, one, { repeat: WARM_REPEAT, ctx }).nanoseconds);
    let sum = 0;
    for (let n = 0; n < COLD_PACKETS; n++) {
      const packet = packetOf((n * 104_729 + round) % flows);
      sum += progTestRun(program, packet, { ctx }).nanoseconds;
    }
    cold.push(sum / COLD_PACKETS);
  }
  return { warmNs: median(warm), coldNs: median(cold) };
}

/** Flow `n` matches one destination address; its mask also covers some bits of the source. */
function flowOf(n: number, masks: number, port: number) {
  const key = new Flow();
  const mask = new Flow();
  const variant = n % masks;
  mask.inPort = 0xffff_ffff;
  mask.dlType = 0xffff;
  mask.nwDst = 0xffff_ffff;
  mask.nwSrc = variant % 32 === 0 ? 0 : (0xffff_ffff << (32 - (variant % 32))) >>> 0;
  mask.tpDst = variant >= 32 ? 0xffff : 0;
  key.inPort = port;
  key.dlType = 0x0800;
  key.nwDst = 0x0a00_0000 + n;
  key.nwSrc = (0xc633_6407 & mask.nwSrc) >>> 0;
  key.tpDst = variant >= 32 ? 53 : 0;
  return { key, mask, actions: [] };
}

const packets = new Map<number, Uint8Array>();

function packetOf(n: number): Uint8Array {
  const known = packets.get(n);
  if (known !== undefined) return known;
  const dst = 0x0a00_0000 + n;
  const datagram = udp({ src: 1024 + (n % 60_000), dst: 53 }, new Uint8Array(18));
  const macs = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };
  const packet = ethernet(macs, ipv4({ src: SRC, dst }, datagram));
  packets.set(n, packet);
  return packet;
}

/** struct __sk_buff with nothing set but the device that the packet came in by. */
function skbContext(ifindex: number): Buffer {
  const context = Buffer.alloc(192);
  context.writeUInt32LE(ifindex, 40);
  return context;
}

export function showLookup(cells: readonly Cell[]): string {
  const base = cells.find(({ masks, flows }) => masks === 1 && flows === 1)!;
  const rows = cells.map(({ masks, flows, warmNs, coldNs }) => [
    String(flows),
    String(masks),
    warmNs.toFixed(0),
    (warmNs / base.warmNs).toFixed(2),
    coldNs.toFixed(0),
    (coldNs / base.coldNs).toFixed(2),
  ]);
  const header = ['flows', 'masks', 'warm ns', 'ratio', 'cold ns', 'ratio'];
  const worst = Math.max(...cells.map(({ warmNs }) => warmNs));
  const worstCold = Math.max(...cells.map(({ coldNs }) => coldNs));
  const ratio = (worst / base.warmNs).toFixed(2);
  const ratioCold = (worstCold / base.coldNs).toFixed(2);
  return `${table([header, ...rows])}\nworst case: warm ${ratio}, cold ${ratioCold} of one flow's cost`;
}
