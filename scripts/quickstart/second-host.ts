/**
 * A second host, with a daemon of its own and a container e in VLAN 100: joined to the first by
 * tunnels of three kinds, watched through a mirror, and behind a firewall that tracks connections.
 */
import { eventually, Host, Instance, type Scope } from '@heddle/testing';
import { command, type Place } from './command.ts';
import { green, heading, red, say } from './screen.ts';
import { PREFIX } from './topology.ts';
import { FAR_DIRECTORY, FAR_NETNS, type World } from './world.ts';

const HERE = '192.0.2.1';
const THERE = '192.0.2.2';
const E = { name: 'e', label: `${PREFIX}e`, address: '10.0.0.5', tag: '100' };
const A_ADDRESS = '10.0.0.1';

interface Far extends Place {
  readonly e: Host;
  /** The port of e. */
  readonly port: string;
}

/** What is not as it should be. */
export async function secondHost(world: World, scope: Scope): Promise<string[]> {
  heading('A second host, with a container e in VLAN 100');
  const far = await build(world, scope);
  const failures: string[] = [];
  const check = async (from: string, to: string, should: boolean): Promise<void> => {
    const does = await reaches(world, far, from, to, should);
    say(
      `  ${from} ${does ? 'reaches' : 'does not reach'} ${to} ${does === should ? green('✓') : red('✗')}`,
    );
    if (does !== should) failures.push(`${from} and ${to}`);
  };
  for (const type of ['vxlan', 'gre', 'geneve']) {
    say(`\n  The hosts are joined by ${type}, tags and all:`);
    await tunnel(world, 'west', type, THERE);
    await tunnel(far, 'far', type, HERE);
    await check('a', 'e', true);
    await check('b', 'e', false);
    if (type === 'geneve') break;
    for (const [place, bridge] of [
      [world, 'west'],
      [far, 'far'],
    ] as const) {
      await place.instance.vsctl('del-port', bridge, 'tunnel');
    }
  }
  if (!(await watch(far, () => check('a', 'e', true)))) failures.push('the mirror is silent');
  await firewall(far);
  await check('e', 'a', true);
  await check('a', 'e', false);
  await command(far, 'ovs-appctl', 'dpctl/dump-conntrack');
  return failures;
}

async function build(world: World, scope: Scope): Promise<Far> {
  const host = await Host.create(scope, FAR_NETNS);
  const here = world.instance.host;
  await here.veth(scope, 'uplink', 'uplink', host);
  await here.address('uplink', `${HERE}/24`);
  await host.address('uplink', `${THERE}/24`);
  const instance = await Instance.ours(scope, { host, directory: FAR_DIRECTORY });
  const e = await Host.create(scope, E.label);
  const place = { instance, docker: undefined };
  await command(place, 'ovs-vsctl', 'add-br', 'far');
  await command(
    place,
    'heddle',
    'attach',
    'far',
    E.label,
    `--ip=${E.address}/24`,
    `--tag=${E.tag}`,
  );
  const port = (await instance.vsctl('list-ports', 'far')).trim();
  return { ...place, e, port };
}

async function tunnel(place: Place, bridge: string, type: string, remote: string): Promise<void> {
  const set = ['--', 'set', 'interface', 'tunnel', `type=${type}`];
  const options = [`options:remote_ip=${remote}`, 'options:key=7'];
  await command(place, 'ovs-vsctl', 'add-port', bridge, 'tunnel', ...set, ...options);
}

async function reaches(
  world: World,
  far: Far,
  from: string,
  to: string,
  should: boolean,
): Promise<boolean> {
  const host = from === E.name ? far.e : world.nodes.get(from)!.host;
  const address = to === E.name ? E.address : A_ADDRESS;
  // Neighbours are asked for first, and addresses learned.
  for (let attempt = 0; attempt < 5; attempt++) {
    if ((await host.reaches(address, 2)) === should) return should;
  }
  return !should;
}

/** Whether a port that mirrors the one of e sees what `talk` sends it. */
async function watch(far: Far, talk: () => Promise<void>): Promise<boolean> {
  say('\n  What e says and hears, on a port of its own:');
  await command(
    far,
    ...[
      'ovs-vsctl',
      'add-port',
      'far',
      'watch',
      '--',
      'set',
      'interface',
      'watch',
      'type=internal',
    ],
    ...['--', '--id=@watch', 'get', 'port', 'watch', '--', '--id=@e', 'get', 'port', far.port],
    ...['--', '--id=@m', 'create', 'mirror', 'name=m', 'select-src-port=@e', 'select-dst-port=@e'],
    ...['output-port=@watch', '--', 'set', 'bridge', 'far', 'mirrors=@m'],
  );
  await talk();
  const seen = await eventually('copies on the mirror', async () => {
    const text = await far.instance.exec('ovs-ofctl', 'dump-ports', 'far', 'watch');
    return /tx pkts=[1-9]/.test(text) || undefined;
  }).catch(() => false);
  await command(far, 'ovs-ofctl', 'dump-ports', 'far', 'watch');
  return seen === true;
}

async function firewall({ instance, docker, port }: Far): Promise<void> {
  say('\n  A firewall: e may open connections, nobody may open one to e:');
  for (const flow of [
    `priority=9,ip,in_port=${port} actions=ct(commit),normal`,
    'priority=8,ip,ct_state=-trk actions=ct(table=1)',
    'table=1,priority=1,ip,ct_state=+trk+est actions=normal',
    'table=1,priority=0 actions=drop',
  ]) {
    await command({ instance, docker }, 'ovs-ofctl', 'add-flow', 'far', flow);
  }
}
