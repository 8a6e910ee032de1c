/**
 * When a daemon whose clock stands still has done all that it will: its threads act after the
 * command's answer, each when the scheduler lets it.
 */
import { readdirSync, readFileSync } from 'node:fs';

const TIMEOUT_MS = 60_000;

/** Resolves once every thread of a process has slept at one and the same moment (proc(5)). */
export async function atRest(pid: number): Promise<void> {
  const end = Date.now() + TIMEOUT_MS;
  while (!wasAsleep(pid)) {
    if (Date.now() > end) throw new Error(`process ${pid} does not come to rest`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
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
    let status: string;
    try {
      status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'latin1');
    } catch {
      return undefined;
    }
    if (!/^State:\tS/m.test(status)) return undefined;
    threads.push(`${tid} ${status.slice(status.indexOf('voluntary_ctxt_switches'))}`);
  }
  return threads.join();
}
