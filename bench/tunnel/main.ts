/**
 * TCP, ping and small packets between containers on two hosts, through our tunnels and through the
 * kernel's VXLAN device with a Linux bridge; with segmentation below (GSO) and with each packet on its
 * own. A round is one short burst over each path, in another order each time; ratios are of a round.
 *   node bench/tunnel/main.ts [--rounds N] [--types LIST] [--cores SENDER,RECEIVER] [--beside CHECKOUT]
 *     [tcp] [alone] [ping] [small]
 */
import { setPriority } from 'node:os';
import { parseArgs } from 'node:util';
import { isolate, Scope } from '@heddle/testing';
import { median, percentile, table } from '../datapath/statistics.ts';
import { type Burst, pingBurst, smallBurst, tcpBurst } from './bursts.ts';
import { heddlePath, kernelPath, type Path, stopOffloads, vethPath } from './paths.ts';

isolate();
// Less is in between then: all that is started inherits it.
setPriority(-20);

const { values, positionals } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    types: { type: 'string', default: 'vxlan,geneve,gre' },
    cores: { type: 'string', default: '0,1' },
    beside: { type: 'string' },
  },
  allowPositionals: true,
});
const rounds = Number(values.rounds);
const has = (part: string) => positionals.length === 0 || positionals.includes(part);
const BURST_SECONDS = 0.3;
const PINGS = 20_000;

function shuffled<T>(items: readonly T[]): T[] {
  const keyed = items.map((item) => ({ item, key: Math.random() }));
  return keyed.sort((x, y) => x.key - y.key).map(({ item }) => item);
}

async function compare(title: string, paths: readonly Path[], measure: Measure): Promise<void> {
  const bursts = new Map(paths.map((path) => [path, [] as Burst[]]));
  for (const path of paths) await measure(path);
  for (let round = 0; round < rounds; round++) {
    for (const path of shuffled(paths)) bursts.get(path)!.push(await measure(path));
  }
  const kernel = bursts.get(paths[0]!)!;
  const rows = [...bursts].map(([{ name }, list]) => {
    const ratios = list.map(({ value }, i) => value / kernel[i]!.value);
    const quarters = `${percentile(ratios, 0.25).toFixed(2)} to ${percentile(ratios, 0.75).toFixed(2)}`;
    const costs = list.map(({ cost }, i) => cost / kernel[i]!.cost);
    return [
      name,
      median(list.map(({ value }) => value)).toPrecision(3),
      median(ratios).toFixed(2),
      quarters,
      median(list.map(({ cost }) => cost)).toFixed(3),
      median(costs).toFixed(2),
    ];
  });
  const head = ['path', 'median', '/ kernel', 'half of them', 'CPU seconds', '/ kernel'];
  process.stdout.write(`\n${title} (${rounds} rounds)\n${table([head, ...rows])}\n`);
}

type Measure = (path: Path) => Promise<Burst>;

/** Bursts of TCP as long as the first path takes `BURST_SECONDS` for. */
async function compareTcp(title: string, paths: readonly Path[]): Promise<void> {
  const { value } = await tcpBurst(paths[0]!, 1e8, values.cores);
  const bytes = (value / 8) * 1e9 * BURST_SECONDS;
  await compare(`${title}, Gbit/s; CPU per gigabyte`, paths, (path) =>
    tcpBurst(path, bytes, values.cores),
  );
}

await using scope = new Scope();
const paths = [await kernelPath(scope), await vethPath(scope)];
for (const type of values.types.split(',')) {
  paths.push(await heddlePath(scope, type));
  if (values.beside !== undefined) paths.push(await heddlePath(scope, type, values.beside));
}
for (const { name, a, b, address } of paths) {
  const { received, text } = await a.ping(address, { count: 5, waitSeconds: 2 });
  if (received === 0) throw new Error(`${name}: ${text}`);
  await b.iperfServer(scope);
}
if (has('tcp')) await compareTcp('TCP with GSO', paths);
const perMillion = 'CPU per million';
if (has('ping'))
  await compare(`ping -f interval, µs; ${perMillion}`, paths, (p) => pingBurst(p, PINGS));
if (has('small')) {
  const small = (path: Path) => smallBurst(path, BURST_SECONDS);
  await compare(`small packets delivered per second; ${perMillion}`, paths, small);
}
if (has('alone')) {
  await stopOffloads(paths);
  await compareTcp('TCP, each packet on its own', paths);
}
