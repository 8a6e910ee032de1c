import type { UnixctlServer } from './unixctl-server.ts';

/** What a daemon holds, by name: `memory/show` prints `handlers:1 ports:5 ...`. */
export type MemoryReport = () => Readonly<Record<string, number>>;

export function registerMemory(server: UnixctlServer, report: MemoryReport): void {
  server.register('memory/show', '', 0, 0, () => {
    const words = Object.entries(report())
      .filter(([, n]) => n > 0)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, n]) => `${name}:${n}`);
    return `${words.join(' ')}\n`;
  });
}
