/**
 * When a daemon whose clock stands still has done all that it will: its threads act after the
 * command's answer, each when the scheduler lets it.
 */
import { readdirSync, readFileSync } from 'node:fs';

const TIMEOUT_MS = 60_000;

/** Resolves once every thread of a process has slept at one and the same moment (proc(5)). */
export function atRest(pid: number): Promise<void> {
  return until(pid, () => wasAsleep(pid));
}

/** As `atRest`, and every thread of that name, which wakes by itself, has been at work meanwhile. */
export async function workedThrough(pid: number, name: string): Promise<void> {
  await atRest(pid);
  const before = threadsOf(pid, name);
  if (before.size === 0) return;
  await until(pid, () => {
    const now = threadsOf(pid, name);
    return [...before].every(([tid, switches]) => now.get(tid) !== switches);
  });
  await atRest(pid);
}

async function until(pid: number, isSo: () => boolean): Promise<void> {
  const end = Date.now() + TIMEOUT_MS;
  while (!isSo()) {
    if (Date.now() > end) throw new Error(`process ${pid} does not come to rest`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Threads of a name, by id, with how often each has gone to sleep. */
function threadsOf(pid: number, name: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const status = statusOf(pid, tid);
    if (status?.startsWith(`Name:\t${name}`)) found.set(tid, switchesOf(status));
  }
  return found;
}

/**
 * A thread that slept at both looks without having switched in between slept all the time, and
 * the first look at the last thread comes before the second look at the first.
 */
function wasAsleep(pid: number): boolean {
  const first = sleepers(pid);
  return first !== undefined && first === sleepers(pid);
}

/** Threads and how often each has gone to sleep; undefined when one is awake. */
function sleepers(pid: number): string | undefined {
  const threads: string[] = [];
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const status = statusOf(pid, tid);
    if (!status || !/^State:\tS/m.test(status)) return undefined;
    threads.push(`${tid} ${switchesOf(status)}`);
  }
  return threads.join();
}

/** undefined: the thread has ended. */
function statusOf(pid: number, tid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/task/${tid}/status`, 'latin1');
  } catch {
    return undefined;
  }
}

const switchesOf = (status: string) => status.slice(status.indexOf('voluntary_ctxt_switches'));
