/** Processes' time and memory. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Instance } from '@heddle/testing';

export interface Cost {
  readonly wallMs: number;
  /** Of all threads of the switch. */
  readonly switchMs: number;
  /** Of the commands that ended meanwhile. */
  readonly clientMs: number;
}

export const NOTHING: Cost = { wallMs: 0, switchMs: 0, clientMs: 0 };

export async function costOf(instance: Instance, work: () => Promise<unknown>): Promise<Cost> {
  const pid = instance.pid('ovs-vswitchd')!;
  const cpu = [threadsMs(pid), childrenMs()] as const;
  const start = performance.now();
  await work();
  const wallMs = performance.now() - start;
  return { wallMs, switchMs: threadsMs(pid) - cpu[0], clientMs: childrenMs() - cpu[1] };
}

export function sumOf(a: Cost, b: Cost): Cost {
  return {
    wallMs: a.wallMs + b.wallMs,
    switchMs: a.switchMs + b.switchMs,
    clientMs: a.clientMs + b.clientMs,
  };
}

/** Time on a processor of a process's threads (Documentation/scheduler/sched-stats.rst). */
function threadsMs(pid: number): number {
  let ns = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  }
  return ns / 1e6;
}

/** User and system time of our children that have ended, proc_pid_stat(5): a tick is 10 ms. */
function childrenMs(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return 10 * (Number(fields[13]) + Number(fields[14]));
}

export function residentBytes(instance: Instance): number {
  const status = readFileSync(`/proc/${instance.pid('ovs-vswitchd')}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
}
