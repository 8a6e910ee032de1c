/**
 * Hosts on one network, each with a bridge and a container on it: what tunnels between them carry.
 * Host N has 10.1.0.N and fd01::N, its container 10.2.0.N and fd02::N.
 */
import { Host, Instance, type InstanceOptions, run, type Scope } from '@heddle/testing';

export interface Site {
  readonly host: Host;
  readonly container: Host;
  readonly instance: Instance;
  readonly number: number;
}

export interface SiteOptions extends InstanceOptions {
  readonly kind?: 'ours' | 'oracle';
  /** Of the container's device. */
  readonly mtu?: number;
}

/** A network namespace with a Linux bridge, where hosts plug in. */
export async function createNetwork(scope: Scope): Promise<Host> {
  const network = await Host.create(scope);
  await network.exec('ip', 'link', 'add', 'lan', 'type', 'bridge');
  await network.exec('ip', 'link', 'set', 'lan', 'up');
  return network;
}

export async function plugIn(scope: Scope, network: Host, host: Host, n: number): Promise<void> {
  await host.veth(scope, 'eth0', `to${n}`, network);
  await network.exec('ip', 'link', 'set', `to${n}`, 'master', 'lan');
  await host.address('eth0', `10.1.0.${n}/24`);
  await host.address('eth0', `fd01::${n}/64`);
}

export async function createSite(
  scope: Scope,
  network: Host,
  n: number,
  options: SiteOptions = {},
): Promise<Site> {
  const host = options.host ?? (await Host.create(scope));
  if (!options.host) await plugIn(scope, network, host, n);
  const make = options.kind === 'oracle' ? Instance.oracle : Instance.ours;
  const instance = await make.call(Instance, scope, { ...options, host });
  const netdev =
    options.kind === 'oracle' ? ['--', 'set', 'bridge', 'br0', 'datapath_type=netdev'] : [];
  await instance.vsctl('add-br', 'br0', ...netdev);
  const container = await Host.create(scope);
  await plugContainer(scope, { host, container, instance, number: n }, options.mtu);
  return { host, container, instance, number: n };
}

async function plugContainer(scope: Scope, site: Site, mtu = 1400): Promise<void> {
  const { host, container, instance, number: n } = site;
  await container.veth(scope, 'eth0', `c${n}`, host);
  await container.exec('ip', 'link', 'set', 'eth0', 'mtu', String(mtu));
  await host.exec('ip', 'link', 'set', `c${n}`, 'mtu', String(mtu));
  await container.address('eth0', `10.2.0.${n}/24`);
  await container.address('eth0', `fd02::${n}/64`);
  if (instance.kind.name === 'oracle') {
    // Its AF_PACKET sockets do not tell of checksums that are still to be made.
    await container.exec('ethtool', '-K', 'eth0', 'tx', 'off');
  }
  await instance.vsctl('add-port', 'br0', `c${n}`);
}

/** A tunnel port of `br0` with these options. */
export async function addTunnel(
  { instance }: Site,
  name: string,
  type: string,
  ...options: string[]
): Promise<void> {
  const set = ['set', 'interface', name, `type=${type}`, ...options.map((o) => `options:${o}`)];
  await instance.vsctl('add-port', 'br0', name, '--', ...set);
}

/** A tunnel from each of two sites to the other. */
export async function connect(
  a: Site,
  b: Site,
  type: string,
  options: {
    readonly v6?: boolean;
    readonly extra?: readonly string[];
    /** From the start, so that no frame goes round a ring of bridges and is learned on the way. */
    readonly isProtected?: boolean;
  } = {},
): Promise<void> {
  const extra = options.extra ?? ['key=flow'];
  const ip = (n: number) => (options.v6 ? `fd01::${n}` : `10.1.0.${n}`);
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const name = `t${to.number}`;
    const set = ['set', 'interface', name, `type=${type}`, `options:remote_ip=${ip(to.number)}`];
    const more = extra.map((o) => `options:${o}`);
    const port = options.isProtected ? ['--', 'set', 'port', name, 'protected=true'] : [];
    await from.instance.vsctl('add-port', 'br0', name, '--', ...set, ...more, ...port);
  }
}

export async function ethtool(host: Host, device: string, ...features: string[]): Promise<void> {
  await run(host.argv('ethtool', '-K', device, ...features));
}
