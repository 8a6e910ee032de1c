/** Port, bond and interface commands. */
import type { Command, Invocation } from '../command.ts';
import { VsctlError } from '../errors.ts';
import type { PortModel } from '../model.ts';
import { quoteBlank, sortedLines } from '../text.ts';
import { prepareModel } from './bridge.ts';
import { setColumn } from './set.ts';

/** What `add-port` and `add-bond` are asked to make. */
interface NewPort {
  readonly bridge: string;
  readonly name: string;
  readonly interfaces: readonly string[];
  readonly settings: readonly string[];
}

function addPort(
  cmd: Invocation,
  { bridge: bridgeName, name, interfaces, settings }: NewPort,
): void {
  if (name === '') throw new VsctlError('port name must not be empty string');
  if (interfaces.includes('')) throw new VsctlError('interface name must not be empty string');
  const { model } = cmd;
  const existing = cmd.has('may-exist') ? model.findPort(name) : undefined;
  if (existing && !model.findBridge(name)) {
    checkSame(cmd, existing, bridgeName, interfaces);
    return;
  }
  model.checkFree(name, `cannot create a port named ${name}`);
  for (const i of interfaces) {
    if (i !== name) model.checkFree(i, `cannot create an interface named ${i}`);
  }
  const bridge = model.bridge(bridgeName);
  const rows = interfaces.map((i) => model.addInterface(i));
  const port = model.addPort(bridge.row, name, rows);
  if (cmd.has('fake-iface')) port.set('bond_fake_iface', { keys: [true] });
  if (bridge.fake) port.set('tag', { keys: [bridge.fake.vlan] });
  for (const text of settings) setColumn(cmd, port, text);
  for (const i of interfaces) cmd.added.add(i);
}

/** The command, to quote in a message. */
function asGiven({ command, args, options }: Invocation): string {
  const words = [...[...options.keys()].map((name) => `--${name}`), command.name, ...args];
  return words.map((word) => (word === '' ? '' : quoteBlank(word))).join(' ');
}

/** `--may-exist`: whether the port is what was asked for. */
function checkSame(
  cmd: Invocation,
  existing: PortModel,
  bridge: string,
  interfaces: readonly string[],
): void {
  const have = existing.interfaces.map((i) => i.name).sort();
  const want = [...interfaces].sort();
  const refuse = (why: string) => new VsctlError(`"${asGiven(cmd)}" but ${existing.name} ${why}`);
  if (existing.bridge.name !== bridge) {
    throw refuse(`is actually attached to bridge ${existing.bridge.name}`);
  }
  if (have.length !== want.length || have.some((name, i) => name !== want[i])) {
    throw refuse(`actually has interface(s) ${have.join(', ')}`);
  }
}

function addBond(cmd: Invocation): void {
  const [bridge, name, ...rest] = cmd.args as [string, string, ...string[]];
  const first = rest.findIndex((w) => w.includes('='));
  const interfaces = first < 0 ? rest : rest.slice(0, first);
  if (interfaces.length < 2) {
    throw new VsctlError(
      `add-bond requires at least 2 interfaces, but only ${interfaces.length} were specified`,
    );
  }
  addPort(cmd, { bridge, name, interfaces, settings: rest.slice(interfaces.length) });
}

function delPort(cmd: Invocation): void {
  const { args, model } = cmd;
  const target = args.at(-1)!;
  const mustExist = !cmd.has('if-exists');
  const port = cmd.has('with-iface')
    ? (model.findPort(target) ?? model.findInterface(target)?.port)
    : model.findPort(target);
  if (model.findBridge(target)) {
    if (!mustExist) return;
    throw new VsctlError(
      `cannot delete port ${target} because it is the local port for bridge ${target} (deleting this port requires deleting the entire bridge)`,
    );
  }
  if (!port) {
    if (!mustExist) return;
    const what = cmd.has('with-iface') ? 'port or interface' : 'port';
    throw new VsctlError(`no ${what} named ${target}`);
  }
  if (args.length === 2) checkBridge(cmd, port, args[0]!, target);
  model.deletePort(port);
}

function checkBridge({ model }: Invocation, port: PortModel, name: string, target: string): void {
  const bridge = model.bridge(name);
  if (port.bridge === bridge) return;
  const child = port.bridge.fake?.parent === name ? port.bridge.name : undefined;
  const hint = child === undefined ? '' : ` (although its child bridge ${child} does)`;
  throw new VsctlError(`bridge ${name} does not have a port ${target}${hint}`);
}

function addBondInterface(cmd: Invocation): void {
  const [bond, name] = cmd.args as [string, string];
  const { model } = cmd;
  const port = model.port(bond);
  const existing = cmd.has('may-exist') ? model.findInterface(name) : undefined;
  if (existing && !model.findBridge(name)) {
    if (existing.port === port) return;
    throw new VsctlError(
      `"${asGiven(cmd)}" but ${name} is actually attached to port ${existing.port.name}`,
    );
  }
  model.checkFree(name, `cannot create an interface named ${name}`);
  model.addBondInterface(port, name);
  cmd.added.add(name);
}

function delBondInterface(cmd: Invocation): void {
  const { args, model } = cmd;
  const name = args.at(-1)!;
  if (cmd.has('if-exists') && (model.findBridge(name) || !model.findInterface(name))) return;
  const found = model.interface(name);
  if (args.length === 2) {
    const port = model.port(args[0]!);
    if (found.port !== port) {
      throw new VsctlError(`port ${port.name} does not have an interface ${name}`);
    }
  }
  if (found.port.interfaces.length < 2) {
    throw new VsctlError(`cannot delete last interface from port ${found.port.name}`);
  }
  model.deleteInterface(found);
}

export const PORT_COMMANDS: readonly Command[] = [
  {
    name: 'list-ports',
    args: '!BRIDGE',
    writes: false,
    prepare: prepareModel,
    run: (cmd) =>
      cmd.print(sortedLines(cmd.model.bridge(cmd.args[0]!).ports.map(({ name }) => name))),
  },
  {
    name: 'add-port',
    args: '!BRIDGE !NEW-PORT *COLUMN?:KEY=VALUE',
    options: ['may-exist'],
    writes: true,
    prepare: prepareModel,
    run(cmd) {
      const [bridge, name, ...settings] = cmd.args as [string, string, ...string[]];
      addPort(cmd, { bridge, name, interfaces: [name], settings });
    },
  },
  {
    name: 'add-bond',
    args: '!BRIDGE !BOND +IFACE *COLUMN?:KEY=VALUE',
    min: 4,
    options: ['may-exist', 'fake-iface'],
    writes: true,
    prepare: prepareModel,
    run: addBond,
  },
  {
    name: 'add-bond-iface',
    args: '!BOND !IFACE',
    options: ['may-exist'],
    writes: true,
    prepare: prepareModel,
    run: addBondInterface,
  },
  {
    name: 'del-bond-iface',
    args: '?BOND !IFACE',
    options: ['if-exists'],
    writes: true,
    prepare: prepareModel,
    run: delBondInterface,
  },
  {
    name: 'del-port',
    args: '?BRIDGE !PORT|IFACE',
    options: ['if-exists', 'with-iface'],
    writes: true,
    prepare: prepareModel,
    run: delPort,
  },
  {
    name: 'port-to-br',
    args: '!PORT',
    writes: false,
    prepare: prepareModel,
    run: (cmd) => cmd.print(`${cmd.model.port(cmd.args[0]!).bridge.name}\n`),
  },
  {
    name: 'list-ifaces',
    args: '!BRIDGE',
    writes: false,
    prepare: prepareModel,
    run(cmd) {
      const bridge = cmd.model.bridge(cmd.args[0]!);
      cmd.print(sortedLines(cmd.model.interfacesOf(bridge).map(({ name }) => name)));
    },
  },
  {
    name: 'iface-to-br',
    args: '!IFACE',
    writes: false,
    prepare: prepareModel,
    run: (cmd) => cmd.print(`${cmd.model.interface(cmd.args[0]!).port.bridge.name}\n`),
  },
];
