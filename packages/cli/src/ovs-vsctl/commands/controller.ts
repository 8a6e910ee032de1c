/** Controllers, fail modes and managers. */
import type { Command, Invocation, Preparation } from '../command.ts';
import { VsctlError } from '../errors.ts';
import type { Row } from '../store.ts';
import { leadingInteger, sortedLines } from '../text.ts';
import { prepareModel } from './bridge.ts';

interface Targets {
  readonly row: Row;
  readonly column: string;
  readonly table: string;
}

function controllers(cmd: Invocation): Targets {
  const { row } = cmd.model.realBridge(cmd.args[0]!);
  return { row, column: 'controller', table: 'Controller' };
}

function managers({ model }: Invocation): Targets {
  return { row: model.root, column: 'manager_options', table: 'Manager' };
}

function printTargets(cmd: Invocation, row: Row, column: string): void {
  cmd.print(sortedLines(cmd.store.refs(row, column).map((r) => r.scalar('target')!)));
}

function clearTargets(cmd: Invocation, { row, column }: Targets): void {
  row.verify(column);
  for (const old of cmd.store.refs(row, column)) cmd.store.delete(old);
  row.set(column, { keys: [] });
}

function setTargets(cmd: Invocation, targets: Targets, words: readonly string[]): void {
  for (const word of words) {
    if (!/^(p?(tcp|ssl|unix)):/.test(word)) {
      cmd.warn('vsctl', `target type "${word}" is possibly erroneous`);
    }
  }
  clearTargets(cmd, targets);
  const probe = cmd.options.get('inactivity-probe');
  const uuids = words.map((target) => {
    const row = cmd.store.insert(targets.table);
    row.set('target', { keys: [target] });
    if (probe !== undefined) row.set('inactivity_probe', { keys: [leadingInteger(probe)] });
    return row.uuid;
  });
  targets.row.set(targets.column, { keys: uuids.sort() });
}

function prepareControllers(preparation: Preparation): void {
  prepareModel(preparation);
  preparation.want('Bridge', ['controller']);
  preparation.want('Controller', ['target', 'inactivity_probe']);
}

function prepareFailMode(preparation: Preparation): void {
  prepareModel(preparation);
  preparation.want('Bridge', ['fail_mode']);
}

function prepareManagers({ want }: Preparation): void {
  want('Open_vSwitch', ['manager_options']);
  want('Manager', ['target', 'inactivity_probe']);
}

export const CONTROLLER_COMMANDS: readonly Command[] = [
  {
    name: 'get-controller',
    args: '!BRIDGE',
    writes: false,
    prepare: prepareControllers,
    run: (cmd) => printTargets(cmd, cmd.model.bridge(cmd.args[0]!).row, 'controller'),
  },
  {
    name: 'del-controller',
    args: '!BRIDGE',
    writes: true,
    prepare: prepareControllers,
    run: (cmd) => clearTargets(cmd, controllers(cmd)),
  },
  {
    name: 'set-controller',
    args: '!BRIDGE +TARGET',
    min: 1,
    options: ['inactivity-probe='],
    writes: true,
    prepare: prepareControllers,
    run: (cmd) => setTargets(cmd, controllers(cmd), cmd.args.slice(1)),
  },
  {
    name: 'get-fail-mode',
    args: '!BRIDGE',
    writes: false,
    prepare: prepareFailMode,
    run(cmd) {
      const mode = cmd.model.bridge(cmd.args[0]!).row.scalar('fail_mode');
      if (mode !== undefined && mode !== '') cmd.print(`${mode}\n`);
    },
  },
  {
    name: 'del-fail-mode',
    args: '!BRIDGE',
    writes: true,
    prepare: prepareFailMode,
    run: (cmd) => cmd.model.realBridge(cmd.args[0]!).row.set('fail_mode', { keys: [] }),
  },
  {
    name: 'set-fail-mode',
    args: '!BRIDGE !MODE',
    writes: true,
    prepare: prepareFailMode,
    run(cmd) {
      const [name, mode] = cmd.args as [string, string];
      const { row } = cmd.model.realBridge(name);
      if (mode !== 'standalone' && mode !== 'secure') {
        throw new VsctlError('fail-mode must be "standalone" or "secure"');
      }
      row.set('fail_mode', { keys: [mode] });
    },
  },
  {
    name: 'get-manager',
    args: '',
    writes: false,
    prepare: prepareManagers,
    run: (cmd) => printTargets(cmd, cmd.model.root, 'manager_options'),
  },
  {
    name: 'del-manager',
    args: '',
    writes: true,
    prepare: prepareManagers,
    run: (cmd) => clearTargets(cmd, managers(cmd)),
  },
  {
    name: 'set-manager',
    args: '+TARGET',
    options: ['inactivity-probe='],
    writes: true,
    prepare: prepareManagers,
    run: (cmd) => setTargets(cmd, managers(cmd), cmd.args),
  },
];
