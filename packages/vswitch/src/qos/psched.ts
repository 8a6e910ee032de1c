/** The kernel's unit of time for packet schedulers (/proc/net/psched: struct psched_ratecfg's ticks). */
import { readFileSync } from 'node:fs';

const MICROSECONDS = 1e6;
let known: number | undefined;

/** 15.625 million on every kernel since 2.6.31. */
export function ticksPerSecond(): number {
  known ??= readTicks() ?? 15_625_000;
  return known;
}

function readTicks(): number | undefined {
  try {
    const [t2us, us2t, resolution] = readFileSync('/proc/net/psched', 'utf8')
      .trim()
      .split(/\s+/)
      .map((word) => Number.parseInt(word, 16));
    if (!t2us || !us2t || !resolution) return undefined;
    return (t2us / us2t) * resolution;
  } catch {
    return undefined;
  }
}

/** How long `bytes` take at a rate in bytes per second: at least a tick, and at most 32 bits. */
export function bytesToTicks(bytesPerSecond: number, bytes: number): number {
  if (bytesPerSecond <= 0) return 0;
  const ticks = Math.floor((ticksPerSecond() * bytes) / bytesPerSecond);
  return Math.min(Math.max(ticks, 1), 0xffff_ffff);
}

export function microsecondsToTicks(us: number): number {
  return Math.min(Math.floor((ticksPerSecond() / MICROSECONDS) * us), 0xffff_ffff);
}
