/** What a daemon holds, by name: `memory/show` prints `handlers:1 ports:5 ...`. */
import type { UnixctlCommands } from './unixctl-command.ts';

export type MemoryReport = () => Readonly<Record<string, number>>;

/** The sums that a server's `memory/show` prints, which it has from the first one on. */
const reportsOf = new WeakMap<UnixctlCommands, MemoryReport[]>();

/** Adds to what `memory/show` of that server prints. */
export function registerMemory(server: UnixctlCommands, report: MemoryReport): void {
  const reports = reportsOf.get(server) ?? [];
  reports.push(report);
  reportsOf.set(server, reports);
  server.register('memory/show', '', 0, 0, () => memoryText(reports));
}

function memoryText(reports: readonly MemoryReport[]): string {
  const usage: Record<string, number> = Object.assign({}, ...reports.map((report) => report()));
  const words = Object.entries(usage)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, n]) => `${name}:${n}`);
  return words.length === 0 ? '' : `${words.join(' ')}\n`;
}
