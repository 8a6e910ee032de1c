/** Controllers, fail modes, managers, SSL and auto-attach. */
import type { Command, Invocation } from './command.ts';
import { VsctlError } from './errors.ts';
import type { StoredRow } from './store.ts';

const bridgeWants: Command['wants'] = () => ({
  Open_vSwitch: ['bridges'],
  Bridge: ['name', 'ports', 'controller', 'fail_mode', 'auto_attach'],
  Port: ['name', 'interfaces', 'fake_bridge', 'tag'],
  Interface: ['name'],
  Controller: ['target', 'inactivity_probe'],
  AutoAttach: ['mappings', 'system_name', 'system_description'],
});

const rootWants: Command['wants'] = () => ({
  Open_vSwitch: ['bridges', 'manager_options', 'ssl'],
  Manager: ['target', 'inactivity_probe'],
  SSL: ['private_key', 'certificate', 'ca_cert', 'bootstrap_ca_cert'],
});

function targets(cmd: Invocation, row: StoredRow, column: string): string[] {
  return cmd.store
    .refs(row, column)
    .map((r) => r.scalar('target')!)
    .sort();
}

function setTargets(
  cmd: Invocation,
  row: StoredRow,
  column: string,
  table: string,
  words: readonly string[],
): void {
  const probe = cmd.value('inactivity-probe');
  for (const old of cmd.store.refs(row, column)) cmd.store.delete(old);
  const rows = [...new Set(words)].map((target) => {
    if (!/^(ssl|tcp|unix|pssl|ptcp|punix|none)(:|$)/.test(target)) {
      throw new VsctlError(`${target}: unsupported connection method`);
    }
    const fresh = cmd.store.insert(table);
    fresh.set('target', { keys: [target] });
    if (probe !== undefined) fresh.set('inactivity_probe', { keys: [Number(probe)] });
    return fresh.uuid;
  });
  row.set(column, { keys: rows.sort() });
}

const print = (cmd: Invocation, words: readonly string[]) =>
  cmd.print(words.map((w) => `${w}\n`).join(''));

function setSsl(cmd: Invocation): void {
  const [privateKey, certificate, caCert] = cmd.args as [string, string, string];
  const { root } = cmd.model;
  for (const old of cmd.store.refs(root, 'ssl')) cmd.store.delete(old);
  const ssl = cmd.store.insert('SSL');
  ssl.set('private_key', { keys: [privateKey] });
  ssl.set('certificate', { keys: [certificate] });
  ssl.set('ca_cert', { keys: [caCert] });
  ssl.set('bootstrap_ca_cert', { keys: [cmd.has('bootstrap')] });
  root.set('ssl', { keys: [ssl.uuid] });
}

function autoAttach(cmd: Invocation, create: boolean): StoredRow | undefined {
  const bridge = cmd.model.realBridge(cmd.args[0]!).row;
  const known = cmd.store.refs(bridge, 'auto_attach')[0];
  if (known || !create) return known;
  const row = cmd.store.insert('AutoAttach');
  bridge.set('auto_attach', { keys: [row.uuid] });
  return row;
}

function addMapping(cmd: Invocation): void {
  const row = autoAttach(cmd, true)!;
  const datum = row.get('mappings');
  const pairs = new Map(datum.keys.map((k, i) => [k, datum.values![i]!]));
  pairs.set(Number(cmd.args[1]), Number(cmd.args[2]));
  setMappings(row, pairs);
}

function delMapping(cmd: Invocation): void {
  const row = autoAttach(cmd, false);
  if (!row) return;
  const datum = row.get('mappings');
  const pairs = new Map(datum.keys.map((k, i) => [k, datum.values![i]!]));
  if (pairs.get(Number(cmd.args[1])) === Number(cmd.args[2])) pairs.delete(Number(cmd.args[1]));
  setMappings(row, pairs);
}

function setMappings(row: StoredRow, pairs: ReadonlyMap<StoredAtom, StoredAtom>): void {
  const keys = [...pairs.keys()].sort((a, b) => (a < b ? -1 : 1));
  row.set('mappings', { keys, values: keys.map((k) => pairs.get(k)!) });
}

type StoredAtom = ReturnType<StoredRow['get']>['keys'][number];

export const CONTROL_COMMANDS: readonly Command[] = [
  {
    name: 'get-controller',
    usage: 'BRIDGE',
    min: 1,
    max: 1,
    wants: bridgeWants,
    run: (cmd) => print(cmd, targets(cmd, cmd.model.bridge(cmd.args[0]!).row, 'controller')),
  },
  {
    name: 'del-controller',
    usage: 'BRIDGE',
    min: 1,
    max: 1,
    wants: bridgeWants,
    run: (cmd) =>
      setTargets(cmd, cmd.model.realBridge(cmd.args[0]!).row, 'controller', 'Controller', []),
  },
  {
    name: 'set-controller',
    usage: 'BRIDGE TARGET...',
    min: 1,
    max: Infinity,
    valueOptions: ['inactivity-probe'],
    wants: bridgeWants,
    run: (cmd) =>
      setTargets(
        cmd,
        cmd.model.realBridge(cmd.args[0]!).row,
        'controller',
        'Controller',
        cmd.args.slice(1),
      ),
  },
  {
    name: 'get-fail-mode',
    usage: 'BRIDGE',
    min: 1,
    max: 1,
    wants: bridgeWants,
    run(cmd) {
      const mode = cmd.model.bridge(cmd.args[0]!).row.scalar('fail_mode');
      if (mode !== undefined && mode !== '') cmd.print(`${mode}\n`);
    },
  },
  {
    name: 'del-fail-mode',
    usage: 'BRIDGE',
    min: 1,
    max: 1,
    wants: bridgeWants,
    run: (cmd) => cmd.model.realBridge(cmd.args[0]!).row.set('fail_mode', { keys: [] }),
  },
  {
    name: 'set-fail-mode',
    usage: 'BRIDGE MODE',
    min: 2,
    max: 2,
    wants: bridgeWants,
    run(cmd) {
      const mode = cmd.args[1]!;
      const { row } = cmd.model.realBridge(cmd.args[0]!);
      if (mode !== 'standalone' && mode !== 'secure') {
        throw new VsctlError('fail-mode must be "standalone" or "secure"');
      }
      row.set('fail_mode', { keys: [mode] });
    },
  },
  {
    name: 'get-manager',
    usage: '',
    min: 0,
    max: 0,
    wants: rootWants,
    run: (cmd) => print(cmd, targets(cmd, cmd.model.root, 'manager_options')),
  },
  {
    name: 'del-manager',
    usage: '',
    min: 0,
    max: 0,
    wants: rootWants,
    run: (cmd) => setTargets(cmd, cmd.model.root, 'manager_options', 'Manager', []),
  },
  {
    name: 'set-manager',
    usage: 'TARGET...',
    min: 1,
    max: Infinity,
    valueOptions: ['inactivity-probe'],
    wants: rootWants,
    run: (cmd) => setTargets(cmd, cmd.model.root, 'manager_options', 'Manager', cmd.args),
  },
  {
    name: 'get-ssl',
    usage: '',
    min: 0,
    max: 0,
    wants: rootWants,
    run(cmd) {
      const ssl = cmd.store.refs(cmd.model.root, 'ssl')[0];
      if (!ssl) return;
      cmd.print(`Private key: ${ssl.scalar('private_key')}\n`);
      cmd.print(`Certificate: ${ssl.scalar('certificate')}\n`);
      cmd.print(`CA Certificate: ${ssl.scalar('ca_cert')}\n`);
      cmd.print(`Bootstrap: ${ssl.scalar('bootstrap_ca_cert')}\n`);
    },
  },
  {
    name: 'del-ssl',
    usage: '',
    min: 0,
    max: 0,
    wants: rootWants,
    run(cmd) {
      for (const ssl of cmd.store.refs(cmd.model.root, 'ssl')) cmd.store.delete(ssl);
      cmd.model.root.set('ssl', { keys: [] });
    },
  },
  {
    name: 'set-ssl',
    usage: 'PRIVATE-KEY CERTIFICATE CA-CERT',
    min: 3,
    max: 3,
    options: ['bootstrap'],
    wants: rootWants,
    run: setSsl,
  },
  {
    name: 'emer-reset',
    usage: '',
    min: 0,
    max: 0,
    wants: () => ({
      Open_vSwitch: ['bridges', 'manager_options', 'ssl'],
      Bridge: [
        'name',
        'ports',
        'controller',
        'fail_mode',
        'mirrors',
        'netflow',
        'sflow',
        'ipfix',
        'flood_vlans',
        'other_config',
      ],
      Port: ['name', 'interfaces', 'other_config', 'fake_bridge', 'tag'],
      Interface: ['name', 'ingress_policing_rate', 'ingress_policing_burst'],
      Controller: ['target'],
      Manager: ['target'],
      SSL: ['private_key'],
    }),
    run(cmd) {
      const { root } = cmd.model;
      for (const c of ['manager_options', 'ssl']) root.set(c, { keys: [] });
      for (const bridge of cmd.store.all('Bridge')) {
        for (const c of [
          'controller',
          'fail_mode',
          'mirrors',
          'netflow',
          'sflow',
          'ipfix',
          'flood_vlans',
        ])
          bridge.set(c, { keys: [] });
        keepHwaddr(bridge);
      }
      for (const port of cmd.store.all('Port')) keepHwaddr(port);
      for (const iface of cmd.store.all('Interface')) {
        iface.set('ingress_policing_rate', { keys: [0] });
        iface.set('ingress_policing_burst', { keys: [0] });
      }
    },
  },
  {
    name: 'add-aa-mapping',
    usage: 'BRIDGE I-SID VLAN',
    min: 3,
    max: 3,
    wants: bridgeWants,
    run: addMapping,
  },
  {
    name: 'del-aa-mapping',
    usage: 'BRIDGE I-SID VLAN',
    min: 3,
    max: 3,
    wants: bridgeWants,
    run: delMapping,
  },
  {
    name: 'get-aa-mapping',
    usage: 'BRIDGE',
    min: 1,
    max: 1,
    wants: bridgeWants,
    run(cmd) {
      const datum = autoAttach(cmd, false)?.get('mappings');
      print(cmd, datum?.keys.map((k, i) => `${k} ${datum.values![i]}`) ?? []);
    },
  },
];

/** emer-reset keeps a configured address. */
function keepHwaddr(row: StoredRow): void {
  const hwaddr = row.mapValue('other_config', 'hwaddr');
  row.set(
    'other_config',
    hwaddr === undefined ? { keys: [], values: [] } : { keys: ['hwaddr'], values: [hwaddr] },
  );
}
