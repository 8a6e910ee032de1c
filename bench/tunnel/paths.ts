/** The ways between containers on two hosts that are compared. */
import { join } from 'node:path';
import { Host, Instance, type Scope } from '@heddle/testing';

export interface Path {
  readonly name: string;
  readonly hosts: readonly [Host, Host];
  /** The ends: containers, or the hosts themselves. */
  readonly a: Host;
  readonly b: Host;
  /** Where b answers. */
  readonly address: string;
}

const CONTAINER_MTU = 1430;
const OFFLOADS = ['tso', 'gso', 'gro', 'tx-udp_tnl-segmentation', 'tx-gre-segmentation'];

/** Two hosts joined by a veth. */
async function createHosts(scope: Scope): Promise<[Host, Host]> {
  const hosts: [Host, Host] = [await Host.create(scope), await Host.create(scope)];
  await hosts[0].veth(scope, 'eth0', 'eth0', hosts[1]);
  for (const [i, host] of hosts.entries()) await host.address('eth0', `10.1.0.${i + 1}/24`);
  return hosts;
}

/** A container at each host; `bridge` does the rest. */
async function createPath(
  scope: Scope,
  name: string,
  bridge: (host: Host, n: number) => Promise<void>,
): Promise<Path> {
  const hosts = await createHosts(scope);
  const [a, b] = [await Host.create(scope), await Host.create(scope)];
  for (const [i, container] of [a, b].entries()) {
    const host = hosts[i]!;
    await container.veth(scope, 'eth0', 'c', host);
    await container.exec('ip', 'link', 'set', 'eth0', 'mtu', String(CONTAINER_MTU));
    await host.exec('ip', 'link', 'set', 'c', 'mtu', String(CONTAINER_MTU));
    await container.address('eth0', `10.2.0.${i + 1}/24`);
    await bridge(host, i + 1);
  }
  return { name, hosts, a, b, address: '10.2.0.2' };
}

/** The hosts' stacks and the veth between them: nothing can be faster. */
export async function vethPath(scope: Scope): Promise<Path> {
  const hosts = await createHosts(scope);
  for (const host of hosts) {
    await host.exec('ip', 'route', 'change', '10.1.0.0/24', 'dev', 'eth0', 'mtu', '1430');
  }
  return { name: 'bare veth', hosts, a: hosts[0], b: hosts[1], address: '10.1.0.2' };
}

export function kernelPath(scope: Scope): Promise<Path> {
  return createPath(scope, 'kernel vxlan', async (host, n) => {
    const ends = ['local', `10.1.0.${n}`, 'remote', `10.1.0.${3 - n}`, 'dev', 'eth0'];
    const vxlan = ['type', 'vxlan', 'id', '42', 'dstport', '4789', ...ends];
    await host.exec('ip', 'link', 'add', 'vx', ...vxlan);
    await host.exec('ip', 'link', 'add', 'br0', 'type', 'bridge');
    for (const port of ['vx', 'c']) await host.exec('ip', 'link', 'set', port, 'master', 'br0');
    for (const device of ['vx', 'br0']) await host.exec('ip', 'link', 'set', device, 'up');
  });
}

/** `tree`: the checkout whose programs run, if not this one. */
export function heddlePath(scope: Scope, type: string, tree?: string): Promise<Path> {
  const name = tree === undefined ? `heddle ${type}` : `${type} of ${tree}`;
  return createPath(scope, name, async (host, n) => {
    const instance = await Instance.ours(scope, { host, stopped: true });
    if (tree !== undefined) instance.env['PATH'] = `${join(tree, 'bin')}:${instance.env['PATH']}`;
    await instance.start();
    const tunnel = ['set', 'interface', 't', `type=${type}`, 'options:key=42'];
    await instance.vsctl('add-br', 'br0', '--', 'add-port', 'br0', 'c');
    await instance.vsctl(
      ...['add-port', 'br0', 't', '--', ...tunnel, `options:remote_ip=10.1.0.${3 - n}`],
    );
  });
}

/** From here on each packet crosses on its own. */
export async function stopOffloads(paths: readonly Path[]): Promise<void> {
  for (const { hosts } of paths) {
    for (const host of hosts) {
      for (const feature of OFFLOADS) {
        await host.run(['ethtool', '-K', 'eth0', feature, 'off']);
      }
    }
  }
}
