/** The SSL configuration, and the way back to a clean state. */
import type { Command, Invocation, Preparation } from '../command.ts';
import type { Row } from '../store.ts';

function prepareSsl({ want }: Preparation): void {
  want('Open_vSwitch', ['ssl']);
  want('SSL', ['private_key', 'certificate', 'ca_cert', 'bootstrap_ca_cert']);
}

function current({ store, model }: Invocation): Row | undefined {
  return store.refs(model.root, 'ssl')[0];
}

function getSsl(cmd: Invocation): void {
  const ssl = current(cmd);
  if (!ssl) return;
  cmd.print(`Private key: ${ssl.scalar('private_key')}\n`);
  cmd.print(`Certificate: ${ssl.scalar('certificate')}\n`);
  cmd.print(`CA Certificate: ${ssl.scalar('ca_cert')}\n`);
  cmd.print(`Bootstrap: ${ssl.scalar('bootstrap_ca_cert')}\n`);
}

function clear(cmd: Invocation): void {
  const { root } = cmd.model;
  const ssl = current(cmd);
  if (ssl) cmd.store.delete(ssl);
  root.verify('ssl');
  root.set('ssl', { keys: [] });
}

function setSsl(cmd: Invocation): void {
  const [privateKey, certificate, caCert] = cmd.args as [string, string, string];
  clear(cmd);
  const ssl = cmd.store.insert('SSL');
  ssl.set('private_key', { keys: [privateKey] });
  ssl.set('certificate', { keys: [certificate] });
  ssl.set('ca_cert', { keys: [caCert] });
  ssl.set('bootstrap_ca_cert', { keys: [cmd.has('bootstrap')] });
  cmd.model.root.set('ssl', { keys: [ssl.uuid] });
}

const EMPTY = ['controller', 'fail_mode', 'mirrors', 'netflow', 'sflow', 'ipfix', 'flood_vlans'];

/** Tables that are empty after an emergency reset. */
const EMPTY_TABLES = ['Manager', 'Controller', 'Mirror', 'NetFlow', 'SSL', 'sFlow', 'IPFIX'];

function emergencyReset({ model, store }: Invocation): void {
  for (const table of EMPTY_TABLES) for (const row of store.all(table)) store.delete(row);
  for (const column of ['manager_options', 'ssl']) model.root.set(column, { keys: [] });
  for (const bridge of store.all('Bridge')) {
    for (const column of EMPTY) bridge.set(column, { keys: [] });
    const hwaddr = bridge.mapValue('other_config', 'hwaddr');
    const kept = hwaddr === undefined ? [[], []] : [['hwaddr'], [hwaddr]];
    bridge.set('other_config', { keys: kept[0]!, values: kept[1]! });
  }
  for (const port of store.all('Port')) port.set('other_config', { keys: [], values: [] });
  for (const row of store.all('Interface')) {
    row.set('ingress_policing_rate', { keys: [0] });
    row.set('ingress_policing_burst', { keys: [0] });
  }
}

export const SSL_COMMANDS: readonly Command[] = [
  { name: 'get-ssl', args: '', writes: false, prepare: prepareSsl, run: getSsl },
  { name: 'del-ssl', args: '', writes: true, prepare: prepareSsl, run: clear },
  {
    name: 'set-ssl',
    args: '!PRIVATE-KEY !CERTIFICATE !CA-CERT',
    options: ['bootstrap'],
    writes: true,
    prepare: prepareSsl,
    run: setSsl,
  },
  {
    name: 'emer-reset',
    args: '',
    writes: true,
    prepare({ want }) {
      for (const table of EMPTY_TABLES) want(table, []);
      want('Open_vSwitch', ['manager_options', 'ssl']);
      want('Bridge', [...EMPTY, 'other_config']);
      want('Port', ['other_config']);
      want('Interface', ['ingress_policing_rate', 'ingress_policing_burst']);
    },
    run: emergencyReset,
  },
];
