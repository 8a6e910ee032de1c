/** Short bursts of traffic over a path, and what they cost the kernel. */
import { readFileSync } from 'node:fs';
import { smallPackets } from '../datapath/end-to-end.ts';
import type { Path } from './paths.ts';

export interface Burst {
  /** In the unit of the measure. */
  readonly value: number;
  /** Processor time in the kernel, of the whole machine; seconds for each gigabyte or million packets. */
  readonly cost: number;
}

const USER_HZ = 100;

/** Seconds in the kernel, on behalf of whomever: user time is others', or little. proc_stat(5). */
function kernelSeconds(): number {
  const fields = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!.split(/ +/).map(Number);
  const [system, irq, softirq] = [fields[3]!, fields[6]!, fields[7]!];
  return (system + irq + softirq) / USER_HZ;
}

/**
 * Gbit/s of TCP, in one stream of so many bytes; `cores`: of sender and receiver, as `0,1`. By Reno, which
 * every kernel has: what BBR sends at once overflows queues between namespaces.
 */
export async function tcpBurst(path: Path, bytes: number, cores: string): Promise<Burst> {
  const before = kernelSeconds();
  const stream = ['-n', String(Math.round(bytes)), '-A', cores, '-C', 'reno'];
  const argv = ['iperf3', '-J', '-c', path.address, ...stream];
  const { stdout, stderr } = await path.a.run(argv, { timeoutMs: 60_000 });
  const seconds = kernelSeconds() - before;
  const report = JSON.parse(stdout || '{}');
  const bits = report.end?.sum_received?.bits_per_second;
  if (typeof bits !== 'number') throw new Error(`iperf3: ${report.error ?? stderr}`);
  return { value: bits / 1e9, cost: seconds / (bytes / 1e9) };
}

/** Microseconds from one packet of `ping -f` to the next, each sent when the last came back. */
export async function pingBurst(path: Path, count: number): Promise<Burst> {
  const before = kernelSeconds();
  const result = await path.a.ping(path.address, { count, flood: true });
  const seconds = kernelSeconds() - before;
  const interval = Number(/ipg\/ewma ([\d.]+)\//.exec(result.text)?.[1] ?? Number.NaN);
  return { value: interval * 1000, cost: seconds / (count / 1e6) };
}

/** Small UDP datagrams delivered per second, by raw sockets from one core. */
export async function smallBurst(path: Path, seconds: number): Promise<Burst> {
  const before = kernelSeconds();
  const rate = await smallPackets(path, seconds);
  return { value: rate, cost: (kernelSeconds() - before) / ((rate * seconds) / 1e6) };
}
