/**
 * What the quickstart makes and removes: a network namespace for the switch, the daemons with a run
 * directory of their own, four containers (or namespaces). Nothing else on the machine is touched.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { instanceId, PIN_ROOT } from '@heddle/datapath/kernel/index';
import { openNetns, withNetns } from '@heddle/linux';
import { Docker, delay, Host, Instance, REPOSITORY, run, type Scope } from '@heddle/testing';
import { NODES, PREFIX } from './topology.ts';

export const DIRECTORY = '/run/heddle-quickstart';
export const NETNS = 'heddle-quickstart';
export const FAR_DIRECTORY = `${DIRECTORY}/far`;
export const FAR_NETNS = `${NETNS}-far`;
/** Each switch's files and namespace. */
const SWITCHES = [
  { directory: `${DIRECTORY}/ovs`, netns: NETNS },
  { directory: FAR_DIRECTORY, netns: FAR_NETNS },
];

export interface World {
  readonly instance: Instance;
  /** Undefined: plain namespaces stand in for containers, for this reason. */
  readonly docker: Docker | undefined;
  readonly reason: string;
  readonly userspace: boolean;
  /** How each node is named on a command line and where it lives. */
  readonly nodes: ReadonlyMap<string, { label: string; host: Host }>;
}

export interface WorldOptions {
  /** Run the steps on the installed Open vSwitch (userspace datapath) instead. */
  installed: boolean;
  containers: boolean;
  progress: (what: string) => void;
}

export async function build(scope: Scope, options: WorldOptions): Promise<World> {
  mkdirSync(DIRECTORY, { recursive: true });
  const host = await Host.create(scope, NETNS);
  const place = { host, directory: `${DIRECTORY}/ovs`, stopped: true };
  const instance = options.installed
    ? await Instance.oracle(scope, place)
    : await Instance.ours(scope, place);
  const opened = options.containers
    ? await Docker.open(scope, { directory: `${DIRECTORY}/docker`, progress: options.progress })
    : 'as asked';
  const docker = opened instanceof Docker ? opened : undefined;
  const reason = opened instanceof Docker ? '' : opened;
  return { instance, docker, reason, userspace: options.installed, nodes: new Map() };
}

/** A container, or without Docker a network namespace. */
export async function addNode(world: World, scope: Scope, name: string): Promise<void> {
  const label = `${PREFIX}${name}`;
  const host =
    world.docker === undefined
      ? await Host.create(scope, label)
      : (await world.docker.container(label)).host;
  (world.nodes as Map<string, { label: string; host: Host }>).set(name, { label, host });
}

/** Ends whatever an earlier run left: one that was killed, or asked to keep everything. */
export async function sweep(): Promise<void> {
  for (const { directory, netns } of SWITCHES) {
    if (isRunning(`${directory}/ovs-vswitchd.pid`)) {
      const appctl = `${REPOSITORY}/bin/ovs-appctl`;
      const env = { OVS_RUNDIR: directory };
      await run([appctl, '--timeout=5', 'exit', '--cleanup'], { env }).catch(() => {});
    }
    for (const daemon of ['ovs-vswitchd', 'ovsdb-server']) await end(`${directory}/${daemon}.pid`);
    removePins(directory, netns);
  }
  const socket = `${DIRECTORY}/docker/docker.sock`;
  const engines: Record<string, string>[] = [{}];
  if (existsSync(socket)) engines.unshift({ DOCKER_HOST: `unix://${socket}` });
  for (const engine of engines) {
    const names = NODES.map(({ name }) => `${PREFIX}${name}`);
    await run(['docker', 'rm', '--force', ...names], { env: engine }).catch(() => {});
  }
  await end(`${DIRECTORY}/docker/pid`);
  const nodes = [...NODES.map(({ name }) => PREFIX + name), `${PREFIX}e`];
  for (const name of [NETNS, FAR_NETNS, `${NETNS}-1`, `${NETNS}-2`, ...nodes]) {
    if (existsSync(`/run/netns/${name}`)) await run(['ip', 'netns', 'del', name]);
  }
  const mounts = `grep -o '${DIRECTORY}/[^ ]*' /proc/mounts | sort -r | xargs -r umount -l`;
  await run(['sh', '-c', mounts]);
  rmSync(DIRECTORY, { recursive: true, force: true });
}

/** Of a switch that was killed: their name is made of its run directory and its namespace. */
function removePins(directory: string, name: string): void {
  if (!existsSync(`/run/netns/${name}`)) return;
  using netns = openNetns({ name });
  const instance = withNetns(netns, () => instanceId(directory));
  rmSync(join(PIN_ROOT, instance), { recursive: true, force: true });
}

function isRunning(pidfile: string): number | undefined {
  try {
    const pid = Number(readFileSync(pidfile, 'utf8'));
    process.kill(pid, 0);
    return pid;
  } catch {
    return undefined;
  }
}

async function end(pidfile: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const pid = isRunning(pidfile);
    if (pid === undefined) return;
    process.kill(pid, attempt < 80 ? 'SIGTERM' : 'SIGKILL');
    await delay(100);
  }
}
