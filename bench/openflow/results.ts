/** What a run has found, and processes' CPU time and memory. */
import { readFileSync } from 'node:fs';
import type { Instance } from '@heddle/testing';
import { median, table } from '../datapath/statistics.ts';

export type Who = 'ours' | 'theirs';

const found = new Map<string, Map<Who, number[]>>();
/** Where more is better. */
const rates = new Set<string>();

/** `rate`: more is better. */
export function note(what: string, who: Who, value: number, kind: 'cost' | 'rate' = 'cost'): void {
  const line = found.get(what) ?? new Map<Who, number[]>();
  found.set(what, line);
  line.set(who, [...(line.get(who) ?? []), value]);
  if (kind === 'rate') rates.add(what);
  process.stderr.write(`  ... ${who}: ${what}: ${format(value)}\n`);
}

export function results(title: string): string {
  const rows = [...found].map(([what, by]) => {
    const [ours, theirs] = [median(by.get('ours') ?? []), median(by.get('theirs') ?? [])];
    const ratio = rates.has(what) ? ours / theirs : theirs / ours;
    return [what, format(ours), format(theirs), `${ratio.toFixed(2)} times better`];
  });
  return table([[title, 'Heddle', 'Open vSwitch', ''], ...rows]);
}

function format(value: number): string {
  return Math.abs(value) < 10 ? value.toFixed(2) : value.toFixed(0);
}

export function residentBytes(instance: Instance): number {
  const status = readFileSync(`/proc/${instance.pid('ovs-vswitchd')}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
}

/** User and system time of a process's threads (field 13), or of its children that have ended (15). */
export function cpuMs(pid: number | 'self', field: 13 | 15): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // The first of these fields is the third of proc_pid_stat(5), and a tick is 10 ms.
  return 10 * (Number(fields[field - 2]) + Number(fields[field - 1]));
}

export function switchCpuMs(instance: Instance): number {
  return cpuMs(instance.pid('ovs-vswitchd')!, 13);
}
