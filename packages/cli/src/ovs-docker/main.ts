/** ovs-docker: connects Docker containers to Open vSwitch. */
import { HeddleError } from '@heddle/runtime/errors';
import { print, printError } from '@heddle/runtime/stdio';
import { attach, detach, findAttached } from '../attach/attach.ts';
import { AttachError } from '../attach/errors.ts';
import { insideConfig } from '../attach/inside-config.ts';
import { bridgeExists, type OwnedPort, vsctl } from '../attach/switch-db.ts';
import { containerTarget } from '../attach/target.ts';
import { USAGE } from './usage.ts';

const PROGRAM = 'ovs-docker';

/** Returns the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  const [command, ...args] = argv;
  if (command === undefined || command === '-h' || command === '--help') {
    print(USAGE);
    return 0;
  }
  const run = COMMANDS[command];
  if (run === undefined) {
    return fail(new AttachError(`unknown command "${command}" (use --help for help)`));
  }
  try {
    await run(args);
    return 0;
  } catch (error) {
    return fail(error);
  }
}

function fail(error: unknown): number {
  if (!(error instanceof HeddleError)) throw error;
  if (error === HELP) print(USAGE);
  else
    printError(`${PROGRAM}${error instanceof AddPortUsage ? ' add-port' : ''}: ${error.message}\n`);
  return error instanceof AttachError ? error.status : 1;
}

const HELP = new AttachError('usage');
class AddPortUsage extends AttachError {}

export const COMMANDS: Record<string, (args: readonly string[]) => Promise<void>> = {
  'add-port': addPort,
  'del-port': delPort,
  'del-ports': delPorts,
  'set-vlan': setVlan,
};

export const OPTIONS = {
  '--ipaddress': 'address',
  '--ip6address': 'address6',
  '--gateway': 'gateway',
  '--gateway6': 'gateway6',
  '--macaddress': 'mac',
  '--mtu': 'mtu',
} as const;

async function addPort(args: readonly string[]): Promise<void> {
  const [bridge, interfaceName, container, ...options] = args;
  if (!bridge || !interfaceName || !container) {
    throw new AddPortUsage('not enough arguments (use --help for help)');
  }
  const config = insideConfig(interfaceName, parseOptions(options));
  await refuseTwice(container, interfaceName);
  await bridgeExists(bridge);
  const target = await containerTarget(container);
  await attach({ bridge, target, createBridge: true, ...config });
}

/** Before the container is looked up, as it may be gone by now. */
async function refuseTwice(container: string, interfaceName: string): Promise<void> {
  if ((await findAttached(container, interfaceName)).length === 0) return;
  throw new AttachError(
    `Port already attached for CONTAINER=${container} and INTERFACE=${interfaceName}`,
  );
}

function parseOptions(options: readonly string[]): Partial<Record<string, string>> {
  const parsed: Record<string, string> = {};
  for (const option of options) {
    const split = option.indexOf('=');
    const name = split < 0 ? option : option.slice(0, split);
    const field = OPTIONS[name as keyof typeof OPTIONS];
    if (field === undefined || split < 0) throw new AddPortUsage(`unknown option "${option}"`);
    parsed[field] = option.slice(split + 1);
  }
  return parsed;
}

async function delPort([bridge, interfaceName, container]: readonly string[]): Promise<void> {
  if (!bridge || !interfaceName || !container) throw HELP;
  await detach(await onlyPort(container, interfaceName));
}

async function delPorts([bridge, container]: readonly string[]): Promise<void> {
  if (!bridge || !container) throw HELP;
  for (const port of await findAttached(container)) await detach(port);
}

async function setVlan(args: readonly string[]): Promise<void> {
  const [bridge, interfaceName, container, vlan] = args;
  if (!bridge || !interfaceName || !container || !vlan) throw HELP;
  const port = await onlyPort(container, interfaceName);
  await vsctl('set', 'Port', port.name, `tag=${vlan}`);
}

async function onlyPort(container: string, interfaceName: string): Promise<OwnedPort> {
  const [port] = await findAttached(container, interfaceName);
  if (port !== undefined) return port;
  throw new AttachError(
    `Failed to find any attached port for CONTAINER=${container} and INTERFACE=${interfaceName}`,
  );
}
