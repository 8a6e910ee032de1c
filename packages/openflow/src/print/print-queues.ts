/** Queues: counters and rates. */
import type { QueueConfig, QueueStats } from '../messages.ts';
import { counter, duration, type PrintNames, port, queue } from './print-names.ts';

export function printQueueStats(
  queues: readonly QueueStats[],
  verbosity: number,
  names: PrintNames,
): string {
  let out = ` ${queues.length} queues\n`;
  if (verbosity < 1) return out;
  for (const q of queues) {
    const time = q.durationSec === undefined ? '?' : duration(q.durationSec, q.durationNsec ?? 0);
    out += `  port ${port(q.portNo, names)} queue ${queue(q.queueId)}: `;
    out += `bytes=${counter(q.txBytes)}, pkts=${counter(q.txPackets)}, `;
    out += `errors=${counter(q.txErrors)}, duration=${time}\n`;
  }
  return out;
}

/** By port and number. */
export function printQueueConfigs(queues: readonly QueueConfig[], names: PrintNames): string {
  const sorted = queues.toSorted((a, b) => a.portNo - b.portNo || a.queueId - b.queueId);
  let out = sorted.length === 0 ? '' : ' ';
  // Upstream starts from port 0, too, and so never tells of it.
  let last = 0;
  for (const q of sorted) {
    if (q.portNo !== last) out += `port=${port(q.portNo, names)}\n`;
    last = q.portNo;
    out += `queue ${q.queueId}:${rate('min_rate', q.minRate)}${rate('max_rate', q.maxRate)}\n`;
  }
  return out;
}

/** Tenths of a percent; more than all is none. */
function rate(name: string, value: number | undefined): string {
  if (value === undefined) return '';
  if (value > 1000) return ` ${name}:(disabled)`;
  return ` ${name}:${Math.floor(value / 10)}.${value % 10}%`;
}
