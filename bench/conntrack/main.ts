/**
 * Connection tracking: what it costs beside the same switch without it, new connections, and a table
 * of a million; beside Open vSwitch's userspace tracker and the kernel's (nftables, on a router).
 *   node bench/conntrack/main.ts [--rounds N] [--entries N] [--connections N] [table] [tcp] [ping] [small] [new]
 */
import { setPriority } from 'node:os';
import { parseArgs } from 'node:util';
import { isolate, Scope } from '@heddle/testing';
import { floodPing } from '../datapath/end-to-end.ts';
import { formatValue, median, percentile, table } from '../datapath/statistics.ts';
import { partsAsked } from '../parts.ts';
import { newConnections, smallPackets } from './connections.ts';
import { openPaths, type TrackedPath } from './paths.ts';
import { tableCosts } from './table.ts';

isolate();
// Less is in between then: all that is started inherits it.
setPriority(-20);

const PARTS = ['table', 'tcp', 'ping', 'small', 'new'] as const;
const { values, positionals } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    entries: { type: 'string', default: '1000000' },
    connections: { type: 'string', default: '100000' },
  },
  allowPositionals: true,
});
const rounds = Number(values.rounds);
const parts = partsAsked(positionals, PARTS);

function progress(what: string): void {
  process.stderr.write(`  ... ${what}\n`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Rounds that alternate between tracked and not; the ratio is of each round's pair. */
async function compare(
  title: string,
  unit: string,
  paths: readonly TrackedPath[],
  measure: (path: TrackedPath, tracked: boolean) => Promise<number>,
  count = rounds,
): Promise<void> {
  const rows: string[][] = [
    ['path', 'stateless', 'tracked', 'tracked / stateless', 'half of them'],
  ];
  const results = new Map(paths.map((path) => [path, [] as [number, number][]]));
  for (let round = 0; round < count; round++) {
    for (const [path, pairs] of results) {
      const stateless = await measure(path, false);
      pairs.push([stateless, await measure(path, true)]);
    }
    progress(`${title}, round ${round + 1} of ${count}`);
  }
  for (const [{ name }, pairs] of results) {
    const ratios = pairs.map(([a, b]) => b / a);
    const [low, high] = [percentile(ratios, 0.25), percentile(ratios, 0.75)];
    rows.push([
      name,
      formatValue(median(pairs.map(([a]) => a))),
      formatValue(median(pairs.map(([, b]) => b))),
      median(ratios).toFixed(2),
      `${low.toFixed(2)} to ${high.toFixed(2)}`,
    ]);
  }
  say(`\n${title} (${unit}, median of ${count} rounds)`);
  say(table(rows));
}

async function endToEnd(scope: Scope): Promise<void> {
  const paths = await openPaths(scope);
  for (const { path, track } of paths) {
    await track(true);
    await path.b.iperfServer(scope);
    await path.a.ping(path.address, { count: 2 });
  }
  const tcp = async ({ path, track }: TrackedPath, tracked: boolean) => {
    await track(tracked);
    return path.a.iperf(path.address, 1);
  };
  if (parts.has('tcp')) await compare('TCP', 'Gbit/s', paths, tcp);
  if (parts.has('ping')) {
    const ping = async ({ path, track }: TrackedPath, tracked: boolean) => {
      await track(tracked);
      return floodPing({ name: 'heddle', ...path }, 10_000);
    };
    await compare('ping -f interval', 'µs', paths, ping);
  }
  if (parts.has('small')) {
    // Both kinds are there at once: bursts may be short.
    for (const { track } of paths) await track(true);
    const small = (path: TrackedPath, tracked: boolean) => smallPackets(path, 0.1, tracked);
    await compare('small packets delivered', 'per second', paths, small, rounds * 6);
  }
  if (!parts.has('new')) return;
  const count = Number(values.connections);
  const rows = [['path', 'per second', 'range', 'entered']];
  const rates = new Map(paths.map((path) => [path, [] as { rate: number; entered: number }[]]));
  for (let round = 0; round < rounds; round++) {
    for (const [path, list] of rates) {
      await path.track(true);
      list.push(await newConnections(path, count));
    }
    progress(`new connections, round ${round + 1} of ${rounds}`);
  }
  for (const [{ name }, list] of rates) {
    const each = list.map(({ rate }) => rate);
    const entered = median(list.map((r) => r.entered / count));
    rows.push([
      name,
      formatValue(median(each)),
      `${formatValue(Math.min(...each))} to ${formatValue(Math.max(...each))}`,
      `${(100 * entered).toFixed(1)} %`,
    ]);
  }
  say(`\nnew connections (SYNs of ${count}, each of another connection)`);
  say(table(rows));
}

if (parts.has('table')) {
  const costs = await tableCosts(Number(values.entries), progress);
  say(`\nthe table of the kernel engine, ${costs.entries} entries`);
  const names = Object.entries(costs).filter(([name]) => name !== 'entries');
  say(table([['what', 'value'], ...names.map(([name, value]) => [name, formatValue(value)])]));
}
if (parts.size > (parts.has('table') ? 1 : 0)) {
  await using scope = new Scope();
  await endToEnd(scope);
}
