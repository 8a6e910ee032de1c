/** What a daemon holds, by name: `memory/show` prints `handlers:1 ports:5 ...`. */
export type MemoryReport = () => Readonly<Record<string, number>>;

/** Adds to what `memory/show` of that server prints. */
export function registerMemory(
  server: { memoryReports: MemoryReport[] },
  report: MemoryReport,
): void {
  server.memoryReports.push(report);
}

export function memoryText(reports: readonly MemoryReport[]): string {
  const usage: Record<string, number> = Object.assign({}, ...reports.map((report) => report()));
  const words = Object.entries(usage)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, n]) => `${name}:${n}`);
  return words.length === 0 ? '' : `${words.join(' ')}\n`;
}
