/** Switches and a router between two hosts, each with and without tracking of connections. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Host, type Instance, type Scope } from '@heddle/testing';
import { heddlePath, oraclePath, type Path } from '../datapath/paths.ts';

export interface TrackedPath {
  readonly name: string;
  readonly path: Pick<Path, 'a' | 'b' | 'address'>;
  /** Packets to here reach `b`, which answers none. */
  readonly sink: string;
  /** Where frames of `a` go to. */
  nextHop(): Promise<string>;
  track(on: boolean): Promise<void>;
  /** Forgets all connections. */
  flush(): Promise<void>;
  count(): Promise<number>;
}

/** Of UDP that is not tracked either way. */
export const UNTRACKED_PORT = 9;

const STATELESS = ['actions=normal'];
const FIREWALL = [
  `priority=20,udp,tp_dst=${UNTRACKED_PORT} actions=normal`,
  'priority=10,arp actions=normal',
  'priority=5,ip actions=ct(table=1)',
  'table=1,priority=20,ct_state=+est+trk,ip actions=normal',
  'table=1,priority=10,ct_state=+new+trk,ip,in_port=1 actions=ct(commit),normal',
];

function switchPath(path: Path, instance: Instance): TrackedPath {
  return {
    name: path.name,
    path,
    sink: '10.0.0.99',
    nextHop: () => path.b.mac('eth0'),
    async track(on) {
      const file = join(instance.directory, 'flows');
      writeFileSync(file, `${(on ? FIREWALL : STATELESS).join('\n')}\n`);
      await instance.exec('ovs-ofctl', '--bundle', 'replace-flows', 'br0', file);
    },
    async flush() {
      await instance.exec('ovs-appctl', 'dpctl/flush-conntrack');
    },
    async count() {
      return Number(await instance.exec('ovs-appctl', 'dpctl/ct-get-nconns'));
    },
  };
}

const RULES = `table inet t {
  chain r {
    type filter hook prerouting priority raw;
    udp dport ${UNTRACKED_PORT} notrack
  }
  chain f {
    type filter hook forward priority 0; policy drop;
    udp dport ${UNTRACKED_PORT} accept
    ct state established,related accept
    ct state new iifname "p1" accept
  }
}`;

/** The kernel's own tracking: where it does not track on bridges a router has to do. */
async function routerPath(scope: Scope): Promise<TrackedPath> {
  const [a, b] = [await Host.create(scope), await Host.create(scope)];
  const router = await Host.create(scope);
  for (const [n, host] of [a, b].entries()) {
    await host.veth(scope, 'eth0', `p${n + 1}`, router);
    await host.address('eth0', `10.0.${n}.2/24`);
    await router.address(`p${n + 1}`, `10.0.${n}.1/24`);
    await host.exec('ip', 'route', 'add', 'default', 'via', `10.0.${n}.1`);
  }
  await router.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1');
  const sink = '10.0.1.99';
  const neighbour = ['lladdr', await b.mac('eth0'), 'dev', 'p2', 'nud', 'permanent'];
  await router.exec('ip', 'neigh', 'replace', sink, ...neighbour);
  return {
    name: 'linux router',
    path: { a, b, address: '10.0.1.2' },
    sink,
    nextHop: () => router.mac('p1'),
    async track(on) {
      await router.exec('nft', on ? RULES : 'flush ruleset');
      await router.run(['sysctl', '-qw', 'net.netfilter.nf_conntrack_max=1100000']);
    },
    async flush() {
      await router.exec('nft', 'flush ruleset');
      await router.exec('nft', RULES);
      // Without conntrack(8) a lower limit for a moment is of no use: times run out.
      await router.run(['sysctl', '-qw', 'net.netfilter.nf_conntrack_tcp_timeout_syn_sent=1']);
    },
    async count() {
      return Number(await router.exec('sysctl', '-n', 'net.netfilter.nf_conntrack_count'));
    },
  };
}

export async function openPaths(scope: Scope): Promise<TrackedPath[]> {
  const heddle = await heddlePath(scope);
  const oracle = await oraclePath(scope);
  const switches = [heddle, ...(oracle ? [oracle] : [])];
  return [...switches.map((p) => switchPath(p, p.instance!)), await routerPath(scope)];
}
