/** The same two hosts while the bridge grows: what more ports cost, and how long adding one takes. */
import { Host, type Scope } from '@heddle/testing';
import { floodPing, tcp } from './end-to-end.ts';
import type { Path } from './paths.ts';
import { table } from './statistics.ts';

export const PORT_COUNTS = [2, 10, 100, 1000] as const;

export interface PortsRow {
  ports: number;
  tcpGbps: number;
  pingMicroseconds: number;
  addPortMs: number;
  /** Share of the ports that a broadcast reaches. */
  flooded: number;
}

/** The path needs an iperf3 server at its far end. */
export async function growingBridge(
  scope: Scope,
  path: Path,
  progress: (what: string) => void,
): Promise<PortsRow[]> {
  const instance = path.instance!;
  const far = await Host.create(scope);
  const rows: PortsRow[] = [];
  let ports = 2;
  for (const wanted of PORT_COUNTS) {
    const commands: string[] = [];
    const links: string[] = [];
    for (; ports < wanted; ports++) {
      links.push(`link add x${ports} type veth peer name y${ports} netns ${far.name}`);
      links.push(`link set x${ports} up`);
      commands.push('--', 'add-port', 'br0', `x${ports}`);
    }
    await instance.host.run(['ip', '-batch', '-'], { input: links.join('\n'), timeoutMs: 120_000 });
    const up = `for d in /proc/sys/net/ipv6/conf/y*/disable_ipv6; do echo 1 > $d; done 2>/dev/null
      ip -o link | sed -n 's/^[0-9]*: \\(y[0-9]*\\)@.*/link set \\1 up/p' | ip -batch -`;
    await far.run(['sh', '-c', up], { timeoutMs: 120_000 });
    if (commands.length > 0) await instance.vsctl('--timeout=120', ...commands.slice(1));
    progress(`${wanted} ports`);
    rows.push({
      ports: wanted,
      addPortMs: await addPortTime(path, far),
      tcpGbps: await tcp(path, 1),
      pingMicroseconds: await floodPing(path, 2000),
      flooded: await broadcastReach(path, far, wanted - 2),
    });
  }
  return rows;
}

async function addPortTime({ instance }: Path, far: Host): Promise<number> {
  const argv = [
    'ip',
    'link',
    'add',
    'one',
    'type',
    'veth',
    'peer',
    'name',
    'eno',
    'netns',
    far.name,
  ];
  await instance!.host.exec(...argv);
  const start = performance.now();
  await instance!.vsctl('add-port', 'br0', 'one');
  const elapsed = performance.now() - start;
  await instance!.vsctl('del-port', 'br0', 'one');
  await instance!.host.exec('ip', 'link', 'del', 'one');
  return elapsed;
}

async function broadcastReach(path: Path, far: Host, others: number): Promise<number> {
  if (others === 0) return 1;
  const before = await received(far);
  await path.a.run(['arping', '-c', '1', '-w', '1', '-I', 'eth0', '10.0.0.99']);
  await path.a.run(['ping', '-c', '1', '-W', '1', '10.0.0.98']);
  const after = await received(far);
  const reached = [...after].filter(([name, count]) => count > (before.get(name) ?? 0)).length;
  return reached / others;
}

async function received(host: Host): Promise<Map<string, number>> {
  const links = JSON.parse(await host.exec('ip', '-j', '-s', 'link')) as {
    ifname: string;
    stats64: { rx: { packets: number } };
  }[];
  return new Map(links.map(({ ifname, stats64 }) => [ifname, stats64.rx.packets]));
}

export function showPorts(rows: readonly PortsRow[]): string {
  const base = rows[0]!;
  const cells = rows.map((row) => [
    String(row.ports),
    row.tcpGbps.toFixed(1),
    (row.tcpGbps / base.tcpGbps).toFixed(2),
    row.pingMicroseconds.toFixed(1),
    (row.pingMicroseconds / base.pingMicroseconds).toFixed(2),
    row.addPortMs.toFixed(0),
    `${(row.flooded * 100).toFixed(0)} %`,
  ]);
  const header = [
    'ports',
    'TCP Gbit/s',
    'ratio',
    'ping -f µs',
    'ratio',
    'add-port ms',
    'flood reaches',
  ];
  return table([header, ...cells]);
}
