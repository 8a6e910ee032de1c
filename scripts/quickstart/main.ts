/**
 * Four containers on two bridges, and a second host, in five minutes: see USAGE. Everything runs in a network namespace
 * of its own, so an installed Open vSwitch, or any other network here, is not touched.
 */
import { parseArgs } from 'node:util';
import { REPOSITORY, Scope } from '@heddle/testing';
import { command } from './command.ts';
import { differs, measure, show } from './reachability.ts';
import { bold, dim, during, green, heading, red, say } from './screen.ts';
import { secondHost } from './second-host.ts';
import { throughput } from './throughput.ts';
import { NODES, type PictureState, PREFIX, picture } from './topology.ts';
import { addNode, build, DIRECTORY, NETNS, sweep, type World } from './world.ts';

const USAGE = `usage: npm run quickstart [-- OPTION...]
  --keep         leave everything running and say what to try
  --clean        remove what an earlier run left, and stop
  --namespaces   do not use Docker
  --installed    the same steps on the installed Open vSwitch (userspace datapath)
  --help         this text`;

const OPTIONS = {
  keep: { type: 'boolean', default: false },
  clean: { type: 'boolean', default: false },
  namespaces: { type: 'boolean', default: false },
  installed: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    say(USAGE);
    return 0;
  }
  if (process.getuid?.() !== 0) {
    say('The quickstart makes network namespaces and loads eBPF programs: run it as root (sudo).');
    return 1;
  }
  await sweep();
  if (values.clean) return 0;
  const scope = new Scope();
  const finish = async (): Promise<void> => {
    await scope[Symbol.asyncDispose]().catch((error) => say(`clean-up: ${error}`));
    await sweep();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      say('\nInterrupted: cleaning up.');
      void finish().then(() => process.exit(130));
    });
  }
  let failures: string[] = ['not finished'];
  try {
    const world = await build(scope, {
      installed: values.installed,
      containers: !values.namespaces,
      progress: (what) => say(`  ${dim(what)}`),
    });
    failures = await play(world, scope);
    if (values.keep) {
      explain(world);
      return report(failures);
    }
  } finally {
    if (!values.keep) await during('cleaning up', finish);
  }
  return report(failures);
}

function report(failures: readonly string[]): number {
  if (failures.length === 0) {
    say(green('\nEverything is as it should be.'));
    return 0;
  }
  say(red(`\nNot as it should be: ${failures.join(', ')}`));
  return 1;
}

async function play(world: World, scope: Scope): Promise<string[]> {
  const { instance } = world;
  say(
    world.docker === undefined
      ? `Containers: network namespaces stand in for them (${world.reason}).`
      : `Containers: Docker, ${world.docker.started ? 'a private daemon for this run' : 'the daemon that runs here'}.`,
  );
  heading('The switch');
  say(dim(`  in network namespace ${NETNS}, with its files in ${DIRECTORY}/ovs`));
  await during('starting the database and the switch', () => instance.start());
  heading('Four containers');
  await during('starting a, b, c and d', () =>
    Promise.all(NODES.map(({ name }) => addNode(world, scope, name))),
  );

  heading('1. Two bridges, joined by patch ports');
  const type = world.userspace ? ['--', 'set', 'bridge'] : undefined;
  for (const [here, there] of [
    ['west', 'east'],
    ['east', 'west'],
  ] as const) {
    const datapath = type === undefined ? [] : [...type, here, 'datapath_type=netdev'];
    await command(world, 'ovs-vsctl', 'add-br', here, ...datapath);
    await command(
      world,
      ...['ovs-vsctl', 'add-port', here, `to-${there}`, '--', 'set', 'interface', `to-${there}`],
      ...['type=patch', `options:peer=to-${here}`],
    );
  }
  for (const node of NODES) await attachNode(world, node.name, node.bridge, node.address);
  const failures = await look(world, { tagged: false }, ['abcd']);

  heading('2. Tags: a and c in VLAN 100, b and d in VLAN 200');
  for (const { name, bridge, tag } of NODES) await setTag(world, name, bridge, tag);
  failures.push(...(await look(world, { tagged: true }, ['ac', 'bd'])));

  heading('3. A wire that carries VLAN 100 only');
  await command(world, 'ovs-vsctl', 'set', 'port', 'to-east', 'trunks=100');
  failures.push(...(await look(world, { tagged: true, trunks: 100 }, ['ac'])));

  heading(`The flows ${world.userspace ? '' : 'in the kernel '}that do this`);
  await command(world, 'ovs-appctl', 'dpctl/dump-flows');

  heading('How fast');
  const { switchGbps, bridgeGbps } = await during('measuring TCP in alternating rounds', () =>
    throughput(world),
  );
  say(
    `  a to c through both bridges: ${bold(`${switchGbps.toFixed(1)} Gbit/s`)}; a Linux bridge: ` +
      `${bridgeGbps.toFixed(1)} Gbit/s (ratio ${(switchGbps / bridgeGbps).toFixed(2)})`,
  );
  if (!world.userspace) failures.push(...(await secondHost(world, scope)));
  return failures;
}

async function attachNode(
  world: World,
  name: string,
  bridge: string,
  address: string,
): Promise<void> {
  const { label } = world.nodes.get(name)!;
  if (world.docker !== undefined) {
    const ip = `--ipaddress=${address}/24`;
    await command(world, 'ovs-docker', 'add-port', bridge, 'eth1', label, ip);
  } else {
    await command(world, 'heddle', 'attach', bridge, label, `--ip=${address}/24`);
  }
}

async function setTag(world: World, name: string, bridge: string, tag: number): Promise<void> {
  const { label } = world.nodes.get(name)!;
  if (world.docker !== undefined) {
    await command(world, 'ovs-docker', 'set-vlan', bridge, 'eth1', label, String(tag));
  } else {
    await command(world, 'heddle', 'attach', bridge, label, `--tag=${tag}`, '--update');
  }
}

async function look(
  world: World,
  state: PictureState,
  groups: readonly string[],
): Promise<string[]> {
  say(`\n${picture(state)}`);
  const matrix = await measure(world);
  show(matrix);
  return differs(matrix, groups);
}

function explain(world: World): void {
  const ovs = `${DIRECTORY}/ovs`;
  const docker = world.docker?.endpoint;
  heading('It all keeps running. Try:');
  say(`  export PATH=${REPOSITORY}/bin:$PATH OVS_RUNDIR=${ovs} OVS_DBDIR=${ovs} OVS_LOGDIR=${ovs}`);
  if (docker !== undefined) say(`  export DOCKER_HOST=${docker}`);
  const inside = world.docker === undefined ? `ip netns exec ${PREFIX}a` : `docker exec ${PREFIX}a`;
  say('  ovs-vsctl show');
  say('  ovs-appctl fdb/show west');
  say('  ovs-appctl dpctl/dump-flows');
  say(`  ${inside} ping 10.0.0.3`);
  say(`  ovs-vsctl set port to-east trunks=100,200   ${dim('# b and d meet again')}`);
  say(`  kill -9 $(cat ${ovs}/ovs-vswitchd.pid)   ${dim('# and the ping goes on')}`);
  say(`${dim('  and in the end')}  npm run quickstart -- --clean`);
}

process.exitCode = await main().catch((error: Error) => {
  say(red(error.message));
  return 1;
});
