/** Bridge, port and interface commands. */
import type { Command, Invocation } from './command.ts';
import { setColumn } from './commands-db.ts';
import { VsctlError } from './errors.ts';
import type { BridgeModel } from './model.ts';

const wants: Command['wants'] = () => ({
  Open_vSwitch: ['bridges'],
  Bridge: ['name', 'ports', 'external_ids', 'fail_mode', 'controller'],
  Port: ['name', 'interfaces', 'fake_bridge', 'tag', 'external_ids'],
  Interface: ['name', 'type', 'external_ids'],
});

const sorted = (names: readonly string[]) =>
  [...names].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
const lines = (words: readonly string[]) => words.map((w) => `${w}\n`).join('');

function addBr(cmd: Invocation): void {
  const [name, parent, vlanText] = cmd.args as [string, string?, string?];
  const mayExist = cmd.has('may-exist');
  if (parent !== undefined && vlanText === undefined) {
    throw new VsctlError("'add-br' command takes exactly 1 or 3 arguments");
  }
  const vlan = vlanText === undefined ? undefined : Number(vlanText);
  if (vlan !== undefined && !(Number.isInteger(vlan) && vlan >= 0 && vlan <= 4095)) {
    throw new VsctlError('add-br: vlan must be between 0 and 4095');
  }
  const { model } = cmd;
  const existing = model.findBridge(name);
  if (existing && mayExist) {
    checkSame(existing, name, parent, vlan);
    return;
  }
  model.checkFree(name, `cannot create a bridge named ${name}`);
  if (parent === undefined) {
    model.addBridge(name);
    cmd.checkErrors.add(name);
    return;
  }
  const real = model.findBridge(parent);
  if (!real) throw new VsctlError(`parent bridge ${parent} does not exist`);
  if (real.fake) throw new VsctlError(`cannot create bridge with fake bridge as parent`);
  const port = model.addPort(real.row, name, [model.addInterface(name, 'internal')]);
  port.set('fake_bridge', { keys: [true] });
  port.set('tag', { keys: [vlan!] });
  cmd.checkErrors.add(name);
}

function checkSame(
  bridge: BridgeModel,
  name: string,
  parent: string | undefined,
  vlan: number | undefined,
): void {
  if (parent === undefined) {
    if (!bridge.fake) return;
    throw new VsctlError(
      `"--may-exist add-br ${name}" but ${name} is a VLAN bridge for VLAN ${bridge.fake.vlan}`,
    );
  }
  if (!bridge.fake) {
    throw new VsctlError(
      `"--may-exist add-br ${name} ${parent} ${vlan}" but ${name} is not a VLAN bridge`,
    );
  }
  if (bridge.fake.parent !== parent) {
    throw new VsctlError(
      `"--may-exist add-br ${name} ${parent} ${vlan}" but ${name} has the wrong parent ${bridge.fake.parent}`,
    );
  }
  if (bridge.fake.vlan !== vlan) {
    throw new VsctlError(
      `"--may-exist add-br ${name} ${parent} ${vlan}" but ${name} is a VLAN bridge for the wrong VLAN ${bridge.fake.vlan}`,
    );
  }
}

function addPort(
  cmd: Invocation,
  bridgeName: string,
  name: string,
  ifaces: readonly string[],
  settings: readonly string[],
): void {
  const { model } = cmd;
  if (cmd.has('may-exist')) {
    const existing = model.findPort(name);
    if (existing) {
      if (existing.bridge.name !== bridgeName) {
        throw new VsctlError(
          `"${cmd.text}" but ${name} is actually attached to bridge ${existing.bridge.name}`,
        );
      }
      const have = sorted(existing.interfaces.map((i) => i.scalar('name')!));
      const want = sorted(ifaces);
      if (have.join() !== want.join()) {
        throw new VsctlError(
          `"${cmd.text}" but ${name} actually has interface(s) ${have.join(', ')}`,
        );
      }
      for (const s of settings) setColumn(cmd, existing.row, s);
      return;
    }
  }
  model.checkFree(name, `cannot create a port named ${name}`);
  for (const i of ifaces) {
    if (i !== name) model.checkFree(i, `cannot create an interface named ${i}`);
  }
  const bridge = model.bridge(bridgeName);
  const rows = ifaces.map((i) => model.addInterface(i));
  const port = model.addPort(bridge.row, name, rows);
  if (bridge.fake) port.set('tag', { keys: [bridge.fake.vlan] });
  if (cmd.has('fake-iface')) port.set('bond_fake_iface', { keys: [true] });
  for (const s of settings) setColumn(cmd, port, s);
  for (const i of ifaces) cmd.checkErrors.add(i);
}

function delPort(cmd: Invocation): void {
  const [first, second] = cmd.args as [string, string?];
  const target = second ?? first;
  const { model } = cmd;
  if (cmd.has('with-iface') && !model.findPort(target)) {
    const iface = model.findInterface(target);
    if (iface) {
      model.deletePort(iface.port);
      return;
    }
  }
  const port = model.findPort(target);
  if (!port || model.findBridge(target)) {
    if (model.findBridge(target) && port) {
      throw new VsctlError(
        `cannot delete port ${target} because it is the local port for bridge ${target} (deleting this port requires deleting the entire bridge)`,
      );
    }
    if (cmd.has('if-exists')) return;
    if (second !== undefined) model.bridge(first);
    throw new VsctlError(
      cmd.has('with-iface') ? `no port or interface named ${target}` : `no port named ${target}`,
    );
  }
  if (second !== undefined) {
    const bridge = model.bridge(first);
    if (port.bridge.name !== bridge.name) {
      throw new VsctlError(`bridge ${first} does not have a port ${target}`);
    }
  }
  model.deletePort(port);
}

function externalIds(cmd: Invocation): {
  bridge: BridgeModel;
  prefix: string;
  row: BridgeModel['row'];
} {
  const bridge = cmd.model.bridge(cmd.args[0]!);
  return {
    bridge,
    prefix: bridge.fake ? 'fake-bridge-' : '',
    row: bridge.fake?.port ?? bridge.row,
  };
}

function setExternalId(cmd: Invocation): void {
  const { prefix, row } = externalIds(cmd);
  const [, key, value] = cmd.args;
  const datum = row.get('external_ids');
  const pairs = new Map(datum.keys.map((k, i) => [k, datum.values![i]!]));
  if (value === undefined) pairs.delete(prefix + key);
  else pairs.set(prefix + key, value);
  const keys = [...pairs.keys()].sort((a, b) => (a < b ? -1 : 1));
  row.set('external_ids', { keys, values: keys.map((k) => pairs.get(k)!) });
}

function getExternalId(cmd: Invocation): void {
  const { prefix, row } = externalIds(cmd);
  const datum = row.get('external_ids');
  const [, wanted] = cmd.args;
  datum.keys.forEach((k, i) => {
    const key = String(k);
    if (!key.startsWith(prefix)) return;
    const bare = key.slice(prefix.length);
    const value = String(datum.values![i]);
    if (wanted === undefined) cmd.print(`${bare}=${value}\n`);
    else if (bare === wanted) cmd.print(`${value}\n`);
  });
}

export const BRIDGE_COMMANDS: readonly Command[] = [
  { name: 'init', usage: '', min: 0, max: 0, wants, run: () => {} },
  {
    name: 'add-br',
    usage: 'BRIDGE [PARENT VLAN]',
    min: 1,
    max: 3,
    options: ['may-exist'],
    wants,
    run: addBr,
  },
  {
    name: 'del-br',
    usage: 'BRIDGE',
    min: 1,
    max: 1,
    options: ['if-exists'],
    wants,
    run(cmd) {
      const name = cmd.args[0]!;
      const bridge = cmd.has('if-exists') ? cmd.model.findBridge(name) : cmd.model.bridge(name);
      if (bridge) cmd.model.deleteBridge(bridge);
    },
  },
  {
    name: 'list-br',
    usage: '',
    min: 0,
    max: 0,
    options: ['real', 'fake'],
    wants,
    run(cmd) {
      const all = cmd.model
        .bridges()
        .filter((b) => (cmd.has('real') ? !b.fake : cmd.has('fake') ? b.fake : true));
      cmd.print(lines(sorted(all.map((b) => b.name))));
    },
  },
  {
    name: 'br-exists',
    usage: 'BRIDGE',
    min: 1,
    max: 1,
    wants,
    run(cmd) {
      if (!cmd.model.findBridge(cmd.args[0]!)) throw new VsctlError('', 2);
    },
  },
  {
    name: 'br-to-vlan',
    usage: 'BRIDGE',
    min: 1,
    max: 1,
    wants,
    run: (cmd) => cmd.print(`${cmd.model.bridge(cmd.args[0]!).fake?.vlan ?? 0}\n`),
  },
  {
    name: 'br-to-parent',
    usage: 'BRIDGE',
    min: 1,
    max: 1,
    wants,
    run(cmd) {
      const b = cmd.model.bridge(cmd.args[0]!);
      cmd.print(`${b.fake?.parent ?? b.name}\n`);
    },
  },
  {
    name: 'br-set-external-id',
    usage: 'BRIDGE KEY [VALUE]',
    min: 2,
    max: 3,
    wants,
    run: setExternalId,
  },
  { name: 'br-get-external-id', usage: 'BRIDGE [KEY]', min: 1, max: 2, wants, run: getExternalId },
  {
    name: 'list-ports',
    usage: 'BRIDGE',
    min: 1,
    max: 1,
    wants,
    run: (cmd) =>
      cmd.print(
        lines(sorted(cmd.model.portsOf(cmd.model.bridge(cmd.args[0]!)).map((p) => p.name))),
      ),
  },
  {
    name: 'add-port',
    usage: 'BRIDGE PORT [COLUMN[:KEY]=VALUE]...',
    min: 2,
    max: Infinity,
    options: ['may-exist'],
    wants,
    settings: 'Port',
    run: (cmd) => addPort(cmd, cmd.args[0]!, cmd.args[1]!, [cmd.args[1]!], cmd.args.slice(2)),
  },
  {
    name: 'add-bond',
    usage: 'BRIDGE PORT IFACE... [COLUMN[:KEY]=VALUE]...',
    min: 4,
    max: Infinity,
    options: ['may-exist', 'fake-iface'],
    wants,
    settings: 'Port',
    run(cmd) {
      const [bridge, name, ...rest] = cmd.args as [string, string, ...string[]];
      const ifaces = rest.filter((w) => !w.includes('='));
      if (ifaces.length < 2) {
        throw new VsctlError('add-bond requires at least 2 interfaces, but only 1 was specified');
      }
      addPort(
        cmd,
        bridge,
        name,
        ifaces,
        rest.filter((w) => w.includes('=')),
      );
    },
  },
  {
    name: 'del-port',
    usage: '[BRIDGE] PORT|IFACE',
    min: 1,
    max: 2,
    options: ['if-exists', 'with-iface'],
    wants,
    run: delPort,
  },
  {
    name: 'port-to-br',
    usage: 'PORT',
    min: 1,
    max: 1,
    wants,
    run: (cmd) => cmd.print(`${cmd.model.port(cmd.args[0]!).bridge.name}\n`),
  },
  {
    name: 'list-ifaces',
    usage: 'BRIDGE',
    min: 1,
    max: 1,
    wants,
    run(cmd) {
      const ports = cmd.model.portsOf(cmd.model.bridge(cmd.args[0]!));
      cmd.print(lines(sorted(ports.flatMap((p) => p.interfaces.map((i) => i.scalar('name')!)))));
    },
  },
  {
    name: 'iface-to-br',
    usage: 'IFACE',
    min: 1,
    max: 1,
    wants,
    run(cmd) {
      const name = cmd.args[0]!;
      const iface = cmd.model.findInterface(name);
      if (!iface || cmd.model.findBridge(name)) throw new VsctlError(`no interface named ${name}`);
      cmd.print(`${iface.port.bridge.name}\n`);
    },
  },
];
