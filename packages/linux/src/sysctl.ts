/** Per-namespace settings and tables under /proc of the calling thread's network namespace. */
import { readFileSync, writeFileSync } from 'node:fs';

/** `net/ipv4/ip_forward`; undefined when the kernel has no such setting. */
export function getSysctl(path: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${path}`, 'utf8').trimEnd();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export function setSysctl(path: string, value: string | number): void {
  writeFileSync(`/proc/sys/${path}`, `${value}\n`);
}

/** Counters of /proc/net/snmp or netstat: `readProtocolCounters('snmp').get('TcpInCsumErrors')`. */
export function readProtocolCounters(table: 'snmp' | 'netstat'): Map<string, number> {
  const counters = new Map<string, number>();
  const lines = readFileSync(`/proc/thread-self/net/${table}`, 'utf8').trim().split('\n');
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [prefix = '', ...names] = lines[i]!.split(' ');
    const values = lines[i + 1]!.split(' ').slice(1);
    names.forEach((name, n) => {
      counters.set(prefix.slice(0, -1) + name, Number(values[n]));
    });
  }
  return counters;
}
