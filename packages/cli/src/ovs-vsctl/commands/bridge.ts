/** Open vSwitch and bridge commands. */
import type { Command, Invocation, Preparation } from '../command.ts';
import { VsctlError } from '../errors.ts';
import type { BridgeModel } from '../model.ts';
import type { Row } from '../store.ts';
import { leadingInteger, sortedLines } from '../text.ts';

/** What bridges, ports and interfaces are told by. */
export function prepareModel({ want }: Preparation): void {
  want('Open_vSwitch', ['bridges']);
  want('Bridge', ['name', 'ports']);
  want('Port', ['name', 'interfaces', 'fake_bridge', 'tag']);
  want('Interface', ['name']);
}

function addBr(cmd: Invocation): void {
  const [name, parent, vlanText] = cmd.args as [string, string?, string?];
  if (parent !== undefined && vlanText === undefined) {
    throw new VsctlError("'add-br' command takes exactly 1 or 3 arguments");
  }
  if (name === '') throw new VsctlError('bridge name must not be empty string');
  const vlan = vlanText === undefined ? undefined : leadingInteger(vlanText);
  if (vlan !== undefined && (vlan < 0 || vlan > 4095)) {
    throw new VsctlError('add-br: vlan must be between 0 and 4095');
  }
  const { model } = cmd;
  const existing = model.findBridge(name);
  if (existing && cmd.has('may-exist')) {
    checkSame(existing, parent, vlan);
    return;
  }
  model.checkFree(name, `cannot create a bridge named ${name}`);
  cmd.added.add(name);
  if (parent === undefined) model.addBridge(name);
  else addFakeBridge(cmd, name, parent, vlan!);
}

function addFakeBridge({ model }: Invocation, name: string, parent: string, vlan: number): void {
  const real = model.findBridge(parent);
  if (!real) throw new VsctlError(`parent bridge ${parent} does not exist`);
  if (real.fake) throw new VsctlError('cannot create bridge with fake bridge as parent');
  const child = model.child(real, vlan);
  if (child) {
    throw new VsctlError(
      `bridge ${parent} already has a child VLAN bridge ${child.name} on VLAN ${vlan}`,
    );
  }
  real.row.verify('name');
  const port = model.addPort(real.row, name, [model.addInterface(name, 'internal')]);
  port.set('fake_bridge', { keys: [true] });
  port.set('tag', { keys: [vlan] });
}

/** `--may-exist add-br`: whether the bridge is what was asked for. */
function checkSame(
  { name, fake }: BridgeModel,
  parent: string | undefined,
  vlan: number | undefined,
): void {
  if (parent === undefined) {
    if (!fake) return;
    throw new VsctlError(
      `"--may-exist add-br ${name}" but ${name} is a VLAN bridge for VLAN ${fake.vlan}`,
    );
  }
  const refuse = (why: string) =>
    new VsctlError(`"--may-exist add-br ${name} ${parent} ${vlan}" but ${name} ${why}`);
  if (!fake) throw refuse('is not a VLAN bridge');
  if (fake.parent !== parent) throw refuse(`has the wrong parent ${fake.parent}`);
  if (fake.vlan !== vlan) throw refuse(`is a VLAN bridge for the wrong VLAN ${fake.vlan}`);
}

function listBr(cmd: Invocation): void {
  const [real, fake] = [cmd.has('real'), cmd.has('fake')];
  const shown = cmd.model.bridges().filter((b) => real === fake || (b.fake !== undefined) === fake);
  cmd.print(sortedLines(shown.map((b) => b.name)));
}

/** A fake bridge keeps its external IDs in its port, under longer names. */
function externalIds(cmd: Invocation): { prefix: string; row: Row } {
  const { fake, row } = cmd.model.bridge(cmd.args[0]!);
  return fake ? { prefix: 'fake-bridge-', row: fake.port } : { prefix: '', row };
}

function setExternalId(cmd: Invocation): void {
  const { prefix, row } = externalIds(cmd);
  const [, key, value] = cmd.args as [string, string, string?];
  if (row.mapValue('external_ids', prefix + key) === value) return;
  if (value === undefined) row.remove('external_ids', [prefix + key]);
  else row.insert('external_ids', { keys: [prefix + key], values: [value] });
}

function getExternalId(cmd: Invocation): void {
  const { prefix, row } = externalIds(cmd);
  const [, wanted] = cmd.args;
  if (wanted !== undefined) {
    const value = row.mapValue('external_ids', prefix + wanted);
    if (value !== undefined) cmd.print(`${value}\n`);
    return;
  }
  const { keys, values } = row.get('external_ids');
  const shown = keys.flatMap((k, i) =>
    String(k).startsWith(prefix) ? [`${String(k).slice(prefix.length)}=${values![i]}`] : [],
  );
  cmd.print(sortedLines(shown));
}

function prepareExternalIds(preparation: Preparation): void {
  prepareModel(preparation);
  preparation.want('Bridge', ['external_ids']);
  preparation.want('Port', ['external_ids']);
}

export const BRIDGE_COMMANDS: readonly Command[] = [
  { name: 'init', args: '', writes: true, prepare: prepareModel, run: () => {} },
  {
    name: 'add-br',
    args: '!NEW-BRIDGE ?PARENT ?NEW-VLAN',
    options: ['may-exist'],
    writes: true,
    prepare: prepareModel,
    run: addBr,
  },
  {
    name: 'del-br',
    args: '!BRIDGE',
    options: ['if-exists'],
    writes: true,
    prepare: prepareModel,
    run({ args, has, model }) {
      const name = args[0]!;
      const bridge = has('if-exists') ? model.findBridge(name) : model.bridge(name);
      if (bridge) model.deleteBridge(bridge);
    },
  },
  {
    name: 'list-br',
    args: '',
    options: ['real', 'fake'],
    writes: false,
    prepare: prepareModel,
    run: listBr,
  },
  {
    name: 'br-exists',
    args: '!BRIDGE',
    writes: false,
    prepare: prepareModel,
    run({ args, model }) {
      if (!model.findBridge(args[0]!)) throw new VsctlError('', 2);
    },
  },
  {
    name: 'br-to-vlan',
    args: '!BRIDGE',
    writes: false,
    prepare: prepareModel,
    run: (cmd) => cmd.print(`${cmd.model.bridge(cmd.args[0]!).fake?.vlan ?? 0}\n`),
  },
  {
    name: 'br-to-parent',
    args: '!BRIDGE',
    writes: false,
    prepare: prepareModel,
    run(cmd) {
      const { fake, name } = cmd.model.bridge(cmd.args[0]!);
      cmd.print(`${fake?.parent ?? name}\n`);
    },
  },
  {
    name: 'br-set-external-id',
    args: '!BRIDGE !KEY ?VALUE',
    writes: true,
    prepare: prepareExternalIds,
    run: setExternalId,
  },
  {
    name: 'br-get-external-id',
    args: '!BRIDGE ?KEY',
    writes: false,
    prepare: prepareExternalIds,
    run: getExternalId,
  },
];
