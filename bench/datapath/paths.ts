/** The ways between two hosts that are compared: each has the same two ends. */
import { existsSync } from 'node:fs';
import { Host, Instance, run, type Scope } from '@heddle/testing';

/** The same client for every switch: what it leaves in the caches is not the switch's doing. */
const APPCTL = '/usr/bin/ovs-appctl';

export interface Path {
  readonly name:
    | 'veth'
    | 'linux bridge'
    | 'heddle'
    | 'heddle (userspace)'
    | 'open vswitch (userspace)';
  readonly a: Host;
  readonly b: Host;
  /** Where b answers. */
  readonly address: string;
  /** Forgets every flow that the switch derived, where there is a switch. */
  readonly forget?: () => Promise<void>;
  readonly instance?: Instance;
}

export async function vethPath(scope: Scope): Promise<Path> {
  const [a, b] = [await Host.create(scope), await Host.create(scope)];
  await a.veth(scope, 'eth0', 'eth0', b);
  return ends('veth', a, b);
}

export async function bridgePath(scope: Scope): Promise<Path> {
  const middle = await Host.create(scope);
  await middle.exec('ip', 'link', 'add', 'br0', 'type', 'bridge');
  await middle.exec('ip', 'link', 'set', 'br0', 'up');
  const [a, b] = await twoPorts(scope, middle, async (port) => {
    await middle.exec('ip', 'link', 'set', port, 'master', 'br0');
  });
  return ends('linux bridge', a, b);
}

export async function heddlePath(scope: Scope): Promise<Path> {
  return switchPath(scope, 'heddle', await Instance.ours(scope), []);
}

export async function netdevPath(scope: Scope): Promise<Path> {
  return switchPath(scope, 'heddle (userspace)', await Instance.ours(scope), NETDEV);
}

const NETDEV = ['--', 'set', 'bridge', 'br0', 'datapath_type=netdev'];

/** Undefined where Open vSwitch is not installed. */
export async function oraclePath(scope: Scope): Promise<Path | undefined> {
  const { code } = await run(['test', '-x', '/usr/sbin/ovs-vswitchd']);
  if (code !== 0) return undefined;
  const path = await switchPath(
    scope,
    'open vswitch (userspace)',
    await Instance.oracle(scope),
    NETDEV,
  );
  // Checksums left to the hardware do not survive a userspace datapath.
  for (const host of [path.a, path.b]) await host.exec('ethtool', '-K', 'eth0', 'tx', 'off');
  return path;
}

async function switchPath(
  scope: Scope,
  name: Path['name'],
  instance: Instance,
  columns: readonly string[],
): Promise<Path> {
  await instance.vsctl('add-br', 'br0', ...columns);
  const [a, b] = await twoPorts(scope, instance.host, async (port) => {
    await instance.vsctl('add-port', 'br0', port);
  });
  const appctl = existsSync(APPCTL) ? APPCTL : 'ovs-appctl';
  const forget = async (): Promise<void> => {
    await instance.exec(appctl, 'revalidator/purge');
  };
  return { ...(await ends(name, a, b)), forget, instance };
}

async function twoPorts(
  scope: Scope,
  middle: Host,
  join: (port: string) => Promise<void>,
): Promise<[Host, Host]> {
  const hosts: Host[] = [];
  for (const n of [1, 2]) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', `p${n}`, middle);
    await join(`p${n}`);
    hosts.push(host);
  }
  return hosts as [Host, Host];
}

async function ends(name: Path['name'], a: Host, b: Host): Promise<Path> {
  await a.address('eth0', '10.0.0.1/24');
  await b.address('eth0', '10.0.0.2/24');
  return { name, a, b, address: '10.0.0.2' };
}
