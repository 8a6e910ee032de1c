/**
 * The datapath beside its peers, in one run: bare veth, Linux bridge, Open vSwitch's userspace
 * datapath. Numbers differ from machine to machine; the ratios are what to look at.
 *   node bench/datapath/main.ts [--rounds N] [lookup] [tcp] [ping] [small] [first] [new] [ports]
 */
import { parseArgs } from 'node:util';
import { isolate, Scope } from '@heddle/testing';
import { partsAsked } from '../parts.ts';
import { firstPacket, floodPing, newFlows, smallPackets, tcp } from './end-to-end.ts';
import { lookupCosts, showLookup } from './lookup.ts';
import { bridgePath, heddlePath, netdevPath, oraclePath, type Path, vethPath } from './paths.ts';
import { growingBridge, showPorts } from './ports.ts';
import { formatValue, median, table } from './statistics.ts';

isolate();

const PARTS = ['lookup', 'tcp', 'ping', 'small', 'first', 'new', 'ports'] as const;
const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '5' } },
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

/** Alternating rounds over all paths, then medians and their ratios to Heddle's. */
async function compare(
  title: string,
  unit: string,
  paths: readonly Path[],
  measure: (path: Path) => Promise<number>,
): Promise<void> {
  const results = new Map(paths.map((path) => [path, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const [path, numbers] of results) numbers.push(await measure(path));
    progress(`${title}, round ${round + 1} of ${rounds}`);
  }
  const ours = median(results.get(paths.find(({ name }) => name === 'heddle')!)!);
  const rows = [...results].map(([path, numbers]) => {
    const value = median(numbers);
    const span = `${formatValue(Math.min(...numbers))} to ${formatValue(Math.max(...numbers))}`;
    return [path.name, formatValue(value), span, (ours / value).toFixed(2)];
  });
  say(`\n${title} (${unit}, median of ${rounds} rounds)`);
  say(table([['path', 'median', 'range', 'heddle / path'], ...rows]));
}

async function endToEnd(scope: Scope): Promise<void> {
  const oracle = await oraclePath(scope);
  const heddle = await heddlePath(scope);
  const userspace = await netdevPath(scope);
  const paths = [await vethPath(scope), await bridgePath(scope), heddle, userspace];
  const all = oracle === undefined ? paths : [...paths, oracle];
  const switches = all.filter(({ forget }) => forget !== undefined);
  for (const path of all) {
    await path.b.iperfServer(scope);
    await path.a.ping(path.address, { count: 2 });
  }
  if (parts.has('tcp')) await compare('TCP', 'Gbit/s', all, (path) => tcp(path, 1));
  if (parts.has('ping')) {
    await compare('ping -f interval', 'µs', all, (path) => floodPing(path, 10_000));
  }
  if (parts.has('small')) {
    await compare('small packets delivered', 'per second', all, (path) => smallPackets(path, 1));
  }
  if (parts.has('first')) await firstPackets(switches);
  if (parts.has('new')) await newFlowRates(switches);
  if (parts.has('ports')) {
    say('\nports on one bridge');
    say(showPorts(await growingBridge(scope, heddle, progress)));
  }
}

async function firstPackets(switches: readonly Path[]): Promise<void> {
  const rows: string[][] = [['switch', 'median ms', 'worst ms']];
  for (const path of switches) {
    const { medianMs, worstMs } = await firstPacket(path, 20 * rounds);
    rows.push([path.name, medianMs.toFixed(3), worstMs.toFixed(3)]);
  }
  say('\nround trip of a first packet (both directions miss)');
  say(table(rows));
}

async function newFlowRates(switches: readonly Path[]): Promise<void> {
  const rows: string[][] = [['switch', 'flows', 'per second', 'first packets delivered']];
  for (const path of switches) {
    for (const count of [2000, 10_000]) {
      await path.forget?.();
      const { rate, delivered } = await newFlows(path, count);
      rows.push([path.name, String(count), rate.toFixed(0), `${(delivered * 100).toFixed(1)} %`]);
    }
  }
  say('\nnew flows');
  say(table(rows));
}

if (parts.has('lookup')) {
  say('\nnanoseconds per packet by masks and flows (BPF_PROG_TEST_RUN)');
  say(showLookup(await lookupCosts(progress)));
}
if (parts.size > (parts.has('lookup') ? 1 : 0)) {
  await using scope = new Scope();
  await endToEnd(scope);
}
