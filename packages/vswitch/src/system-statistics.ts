/** How the system is that the switch runs on (ovs-vswitchd.conf.db(5), `statistics` of Open_vSwitch). */
import { readdirSync, readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { basename, join } from 'node:path';
import { runningPid } from '@heddle/runtime';

/** USER_HZ, in which proc(5) tells times: 100 on all machines that we run on. */
const MS_PER_TICK = 10;
const KIB_PER_PAGE = 4;

export function systemStatistics(rundir: string): Map<string, string> {
  const statistics = new Map([
    ['cpu', String(availableParallelism())],
    [
      'load_average',
      loadavg()
        .map((n) => n.toFixed(2))
        .join(),
    ],
  ]);
  const put = (key: string, tell: () => string): void => {
    try {
      const value = tell();
      if (value !== '') statistics.set(key, value);
    } catch {
      // As the manual page has it: what cannot be determined is left out.
    }
  };
  put('memory', memory);
  put('file_systems', fileSystems);
  for (const file of pidfiles(rundir)) {
    put(`process_${basename(file, '.pid')}`, () => daemon(file));
  }
  return statistics;
}

/** In KiB: all memory, used, that could be given back at once; all swap, used. */
function memory(): string {
  const facts = new Map<string, number>();
  for (const [, key, n] of readFileSync('/proc/meminfo', 'utf8').matchAll(/^(\w+): +(\d+) kB$/gm)) {
    facts.set(key!, Number(n));
  }
  const of = (key: string): number => facts.get(key) ?? 0;
  return [
    of('MemTotal'),
    of('MemTotal') - of('MemFree'),
    of('Buffers') + of('Cached'),
    of('SwapTotal'),
    of('SwapTotal') - of('SwapFree'),
  ].join();
}

/** Mount point, size and use in KiB of what is writable and of this machine. */
function fileSystems(): string {
  const told: string[] = [];
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
    const [device = '', place = '', , options = ''] = line.split(' ');
    if (!device.startsWith('/') || !options.split(',').includes('rw')) continue;
    const path = place.replace(/\\([0-7]{3})/g, (_, code) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    );
    try {
      const { blocks, bfree, bsize } = statfsSync(path);
      const kib = (n: number) => Math.floor((n * bsize) / 1024);
      if (blocks > 0)
        told.push(`${path.replace(/[ ,]/g, '_')},${kib(blocks)},${kib(blocks - bfree)}`);
    } catch {
      // Unmounted meanwhile, or not for us to look at.
    }
  }
  return told.join(' ');
}

function pidfiles(rundir: string): string[] {
  try {
    const names = readdirSync(rundir).filter((name) => name.endsWith('.pid'));
    return names.map((name) => join(rundir, name));
  } catch {
    return [];
  }
}

/**
 * Memory and resident memory in KiB, processor time in ms, crashes, ms since it was first started
 * and since it was started last, and the processor that it ran on.
 */
function daemon(pidfile: string): string {
  const own = Number.parseInt(readFileSync(pidfile, 'latin1'), 10) === process.pid;
  const pid = own ? process.pid : runningPid(pidfile);
  if (pid === undefined) return '';
  const process_ = stat(pid);
  const monitor = monitorOf(process_.parent, pid);
  const uptime = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000;
  const since = (start: number) => Math.max(0, Math.round(uptime - start));
  return [
    Math.floor(process_.size / 1024),
    process_.pages * KIB_PER_PAGE,
    process_.ticks * MS_PER_TICK,
    monitor?.crashes ?? 0,
    since(monitor?.startMs ?? process_.startMs),
    since(process_.startMs),
    process_.processor,
  ].join();
}

/** Fields of proc_pid_stat(5), behind the name, which may have blanks and parentheses. */
function stat(pid: number) {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const at = (field: number): number => fields[field - 3] ?? 0;
  return {
    parent: at(4),
    ticks: at(14) + at(15),
    startMs: at(22) * MS_PER_TICK,
    size: at(23),
    pages: at(24),
    processor: at(39),
  };
}

/** The process of `--monitor` that watches a daemon tells of its crashes in its command line. */
function monitorOf(parent: number, pid: number): { crashes: number; startMs: number } | undefined {
  const title = readFileSync(`/proc/${parent}/cmdline`, 'latin1');
  const [, crashes] = /: monitoring pid \d+ \((?:healthy|(\d+) crashes: )/.exec(title) ?? [];
  if (!title.includes(`monitoring pid ${pid} `)) return undefined;
  return { crashes: Number(crashes ?? 0), startMs: stat(parent).startMs };
}
