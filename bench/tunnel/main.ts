/**
 * TCP and ping between containers on two hosts, through our tunnels and through the kernel's VXLAN
 * device with a Linux bridge, in one run; with segmentation below (GSO) and with each packet on its
 * own. Ratios are what to look at.
 *   node bench/tunnel/main.ts [--rounds N] [--seconds N]
 */
import { parseArgs } from 'node:util';
import { Host, Instance, isolate, Scope } from '@heddle/testing';
import { median, table } from '../datapath/statistics.ts';

isolate();

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const CONTAINER_MTU = 1430;
const OFFLOADS = ['tso', 'gso', 'gro', 'tx-udp_tnl-segmentation', 'tx-gre-segmentation'];

interface Path {
  readonly name: string;
  readonly hosts: readonly [Host, Host];
  readonly containers: readonly [Host, Host];
}

/** Two hosts joined by a veth, a container at each; `bridge` does the rest. */
async function createPath(
  scope: Scope,
  name: string,
  bridge: (host: Host, n: number) => Promise<void>,
): Promise<Path> {
  const hosts = [await Host.create(scope), await Host.create(scope)] as const;
  await hosts[0].veth(scope, 'eth0', 'eth0', hosts[1]);
  const containers = [await Host.create(scope), await Host.create(scope)] as const;
  for (const [i, host] of hosts.entries()) {
    await host.address('eth0', `10.1.0.${i + 1}/24`);
    await containers[i]!.veth(scope, 'eth0', 'c', host);
    for (const [end, device] of [
      [host, 'c'],
      [containers[i]!, 'eth0'],
    ] as const) {
      await end.exec('ip', 'link', 'set', device, 'mtu', String(CONTAINER_MTU));
    }
    await containers[i]!.address('eth0', `10.2.0.${i + 1}/24`);
    await bridge(host, i + 1);
  }
  await containers[1].iperfServer(scope);
  const path = { name, hosts, containers };
  const { received, text } = await containers[0].ping('10.2.0.2', { count: 5, waitSeconds: 2 });
  if (received === 0) throw new Error(`${name}: ${text}`);
  return path;
}

function kernelPath(scope: Scope): Promise<Path> {
  return createPath(scope, 'kernel vxlan', async (host, n) => {
    const ends = ['local', `10.1.0.${n}`, 'remote', `10.1.0.${3 - n}`, 'dev', 'eth0'];
    await host.exec(
      'ip',
      'link',
      'add',
      'vx',
      'type',
      'vxlan',
      'id',
      '42',
      'dstport',
      '4789',
      ...ends,
    );
    await host.exec('ip', 'link', 'add', 'br0', 'type', 'bridge');
    for (const port of ['vx', 'c']) await host.exec('ip', 'link', 'set', port, 'master', 'br0');
    for (const device of ['vx', 'br0']) await host.exec('ip', 'link', 'set', device, 'up');
  });
}

function heddlePath(scope: Scope, type: string): Promise<Path> {
  return createPath(scope, `heddle ${type}`, async (host, n) => {
    const instance = await Instance.ours(scope, { host });
    const tunnel = ['set', 'interface', 't', `type=${type}`, 'options:key=42'];
    await instance.vsctl('add-br', 'br0', '--', 'add-port', 'br0', 'c');
    await instance.vsctl(
      ...['add-port', 'br0', 't', '--', ...tunnel, `options:remote_ip=10.1.0.${3 - n}`],
    );
  });
}

async function stopOffloads(paths: readonly Path[]): Promise<void> {
  for (const { hosts } of paths) {
    for (const host of hosts) {
      for (const feature of OFFLOADS) {
        await host.run(['ethtool', '-K', 'eth0', feature, 'off']);
      }
    }
  }
}

async function flood({ containers }: Path): Promise<number> {
  const result = await containers[0].ping('10.2.0.2', { count: 5000, flood: true });
  return Number(/ipg\/ewma ([\d.]+)\//.exec(result.text)?.[1] ?? Number.NaN) * 1000;
}

async function compare(
  title: string,
  paths: readonly Path[],
  measure: (path: Path) => Promise<number>,
): Promise<void> {
  const results = new Map(paths.map((path) => [path, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const [path, numbers] of results) numbers.push(await measure(path));
  }
  const kernel = results.get(paths[0]!)!;
  const rows = [...results].map(([{ name }, numbers]) => {
    const ratio = median(numbers.map((v, i) => v / kernel[i]!));
    const range = `${Math.min(...numbers).toFixed(2)} to ${Math.max(...numbers).toFixed(2)}`;
    return [name, median(numbers).toFixed(2), range, ratio.toFixed(2)];
  });
  process.stdout.write(`\n${title} (median of ${rounds} rounds)\n`);
  process.stdout.write(`${table([['path', 'median', 'range', 'path / kernel'], ...rows])}\n`);
}

await using scope = new Scope();
const paths = [await kernelPath(scope)];
for (const type of ['vxlan', 'geneve', 'gre']) paths.push(await heddlePath(scope, type));
const tcp = ({ containers }: Path) => containers[0].iperf('10.2.0.2', seconds);
await compare('TCP with GSO, Gbit/s', paths, tcp);
await compare('ping -f interval, µs', paths, flood);
await stopOffloads(paths);
await compare('TCP without GSO, Gbit/s', paths, tcp);
