/** Role-based access control and TLS: the same clients may do the same on both servers. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Json, RpcConnection, type RpcError } from '@heddle/ovsdb';
import { canonical } from '../differential/ovsdb/peer.ts';
import { Pki } from './ovsdb-pki.ts';
import {
  options,
  SB_SCHEMA,
  SIDES,
  type Side,
  TestServer,
  until,
  VSWITCH_SCHEMA,
} from './ovsdb-servers.ts';

const set = (...words: Json[]): Json => ['set', words];
const named = (name: string): Json => ['named-uuid', name];

interface Permission {
  readonly table: string;
  readonly authorization: readonly string[];
  readonly insert_delete: boolean;
  readonly update: readonly string[];
}

const PERMISSIONS: readonly Permission[] = [
  {
    table: 'Chassis',
    authorization: ['name'],
    insert_delete: true,
    update: ['nb_cfg', 'external_ids', 'encaps'],
  },
  { table: 'Encap', authorization: ['chassis_name'], insert_delete: true, update: ['type', 'ip'] },
  { table: 'MAC_Binding', authorization: [''], insert_delete: true, update: ['ip', 'mac'] },
  {
    table: 'Chassis_Private',
    authorization: ['external_ids:owner', 'name'],
    insert_delete: false,
    update: ['nb_cfg'],
  },
  { table: 'IGMP_Group', authorization: ['chassis'], insert_delete: true, update: ['address'] },
];

const connection = (name: string, target: string, more: object): Json =>
  ({ op: 'insert', table: 'Connection', 'uuid-name': name, row: { target, ...more } }) as Json;

const SETUP: readonly Json[] = [
  {
    op: 'insert',
    table: 'SB_Global',
    row: { connections: set(named('c1'), named('c2'), named('c3'), named('c4')) },
  },
  connection('c1', 'pssl:0:127.0.0.1', { role: 'ovn-controller' }),
  connection('c2', 'ptcp:0:127.0.0.1', { role: 'ovn-controller' }),
  connection('c3', 'pssl:0:127.0.0.2', { role: 'nobody' }),
  connection('c4', 'ptcp:0:127.0.0.2', { read_only: true }),
  {
    op: 'insert',
    table: 'RBAC_Role',
    row: {
      name: 'ovn-controller',
      permissions: ['map', PERMISSIONS.map(({ table }) => [table, named(table)])],
    },
  },
  ...PERMISSIONS.map(({ table, authorization, insert_delete, update }) => ({
    op: 'insert',
    table: 'RBAC_Permission',
    'uuid-name': table,
    row: { table, insert_delete, authorization: set(...authorization), update: set(...update) },
  })),
  { op: 'insert', table: 'Datapath_Binding', 'uuid-name': 'd', row: { tunnel_key: 1 } },
  { op: 'insert', table: 'MAC_Binding', row: { datapath: named('d'), ip: '1' } },
  { op: 'insert', table: 'Chassis_Private', row: { name: 'ch1' } },
  {
    op: 'insert',
    table: 'Chassis_Private',
    row: { name: 'ch2', external_ids: ['map', [['owner', 'ch1']]] },
  },
  { op: 'insert', table: 'Chassis_Private', row: { name: 'ch3' } },
];

const chassis = (name: string, ip: string): Json[] => [
  {
    op: 'insert',
    table: 'Encap',
    'uuid-name': 'e',
    row: { type: 'geneve', ip, chassis_name: name },
  },
  { op: 'insert', table: 'Chassis', row: { name, encaps: named('e') } },
];
const called = (name: string): Json => [['name', '==', name]];
const update = (table: string, where: Json, row: Json): Json[] => [
  { op: 'update', table, where, row },
];
const mutate = (table: string, where: Json, ...mutations: Json[]): Json[] => [
  { op: 'mutate', table, where, mutations },
];
const remove = (table: string, where: Json): Json[] => [{ op: 'delete', table, where }];

const select = (table: string): Json => ({
  op: 'select',
  table,
  where: [],
  columns: ['logical_port', 'mac'],
});

/** [client, remote, operations]: a client is a certificate's name. */
const TRIALS: readonly (readonly [string, 'c1' | 'c2' | 'c3' | 'c4', Json[]])[] = [
  ['ch1', 'c1', chassis('ch1', '1.2.3.4')],
  ['ch1', 'c1', chassis('ch2', '1.2.3.5')],
  ['ch2', 'c1', chassis('ch2', '1.2.3.5')],
  ['ch1', 'c1', update('Chassis', [], { nb_cfg: 5 })],
  ['ch1', 'c1', update('Chassis', called('ch1'), { nb_cfg: 5 })],
  ['ch1', 'c1', update('Chassis', called('ch2'), { nb_cfg: 5 })],
  ['ch1', 'c1', update('Chassis', called('ch1'), { hostname: 'x', nb_cfg: 7 })],
  ['ch1', 'c1', update('Chassis', called('ch1'), {})],
  ['ch1', 'c1', update('Chassis', called('none'), { hostname: 'x' })],
  ['ch1', 'c1', mutate('Chassis', called('ch1'), ['nb_cfg', '+=', 1])],
  ['ch1', 'c1', mutate('Chassis', [], ['nb_cfg', '+=', 1])],
  ['ch1', 'c1', mutate('Chassis', called('ch1'), ['transport_zones', 'insert', 'z'])],
  ['ch1', 'c1', mutate('Chassis', called('ch1'))],
  ['ch1', 'c1', remove('Chassis', called('ch2'))],
  ['ch1', 'c1', remove('Chassis', called('none'))],
  ['ch1', 'c1', remove('SB_Global', [])],
  ['ch1', 'c1', [{ op: 'insert', table: 'SB_Global', row: {} }]],
  ['ch1', 'c1', update('SB_Global', [['nb_cfg', '==', 99]], { nb_cfg: 3 })],
  ['ch1', 'c1', mutate('SB_Global', [], ['nb_cfg', '+=', 1])],
  ['ch1', 'c1', update('Chassis_Private', called('ch2'), { nb_cfg: 1 })],
  ['ch1', 'c1', update('Chassis_Private', called('ch3'), { nb_cfg: 1 })],
  ['ch1', 'c1', [{ op: 'insert', table: 'Chassis_Private', row: { name: 'ch4' } }]],
  ['ch1', 'c1', [{ op: 'insert', table: 'IGMP_Group', row: { address: 'a' } }]],
  ['ch1', 'c1', update('MAC_Binding', [], { mac: 'aa' })],
  ['ch1', 'c1', update('MAC_Binding', [], { logical_port: 'aa' })],
  ['ch1', 'c1', [{ op: 'insert', table: 'Port_Binding', row: {} }]],
  [
    'ch1',
    'c1',
    [
      { op: 'comment', comment: 'x' },
      { op: 'commit', durable: true },
    ],
  ],
  ['ch1', 'c1', remove('Chassis', called('ch1'))],
  ['ch1', 'c2', update('MAC_Binding', [], { mac: 'bb' })],
  ['ch1', 'c2', [{ op: 'insert', table: 'BFD', row: {} }]],
  ['ch1', 'c3', update('Chassis', called('ch2'), { nb_cfg: 1 })],
  ['ch1', 'c4', update('Chassis', called('ch2'), { nb_cfg: 1 })],
  ['ch1', 'c4', update('Chassis', called('ch2'), { none: 1 })],
  ['ch1', 'c4', [{ op: 'select', table: 'Chassis', where: [], columns: ['name'] }]],
  [
    'ch1',
    'c4',
    [
      { op: 'comment', comment: 'x' },
      { op: 'commit', durable: true },
    ],
  ],
];

/** The remotes by their names in SETUP, with the ports that they were given. */
function remotes(server: TestServer): Record<string, string> {
  const select = { op: 'select', table: 'Connection', where: [], columns: ['target', 'status'] };
  const query = JSON.stringify(['OVN_Southbound', select]);
  const reply = JSON.parse(server.tool('ovsdb-client', 'transact', server.remote, query)) as [
    { rows: { target: string; status: [string, [string, string][]] }[] },
  ];
  const out: Record<string, string> = {};
  for (const { target, status } of reply[0].rows) {
    const [name] = Object.entries(NAMES).find(([, t]) => t === target)!;
    const port = status[1].find(([key]) => key === 'bound_port')?.[1];
    if (port !== undefined) out[name] = target.slice(1).replace(/:0:(.*)$/, `:$1:${port}`);
  }
  return out;
}

const NAMES = {
  c1: 'pssl:0:127.0.0.1',
  c2: 'ptcp:0:127.0.0.1',
  c3: 'pssl:0:127.0.0.2',
  c4: 'ptcp:0:127.0.0.2',
};

async function trials(side: Side): Promise<string[]> {
  await using server = new TestServer(side);
  const pki = new Pki(server.dir);
  const file = server.create('sb.db', SB_SCHEMA);
  await server.start(
    file,
    ...pki.options('server'),
    '--remote=db:OVN_Southbound,SB_Global,connections',
  );
  const setup = JSON.stringify(['OVN_Southbound', ...SETUP]);
  server.tool('ovsdb-client', 'transact', server.remote, setup);
  await until('the ports', () => Object.keys(remotes(server)).length === 4);
  const ports = remotes(server);
  const open = (who: string, remote: string) => {
    const [privateKey, certificate] = [pki.key(who), pki.certificate(who)];
    const tls = { privateKey, certificate, caCert: pki.caCert };
    return RpcConnection.open(ports[remote]!, { tls });
  };
  const out: string[] = [];
  const say = async (who: string, remote: string, method: string, params: Json) => {
    const connection = await open(who, remote);
    const reply = await connection.request(method, params).catch((error: RpcError) => error.reply);
    connection.close();
    const text = canonical(reply).replaceAll(/\["uuid","[^"]*"\]/g, 'UUID');
    out.push(`${who} ${remote} ${method} ${JSON.stringify(params)}: ${text}`);
  };
  for (const [who, remote, ops] of TRIALS) {
    await say(who, remote, 'transact', ['OVN_Southbound', ...ops]);
  }
  const next = { name: 'OVN_Southbound', tables: {} };
  await say('ch1', 'c1', 'convert', ['OVN_Southbound', next]);
  await say('ch1', 'c4', 'lock', ['l']);
  await say('ch1', 'c1', 'lock', ['l']);
  return out;
}

test(
  `${TRIALS.length} transactions of clients with roles are allowed or refused alike`,
  options,
  async () => {
    const [theirs, ours] = await Promise.all(SIDES.map(trials));
    for (const [i, line] of ours!.entries()) assert.equal(line, theirs![i]);
  },
);

test('ovsdb-tool applies a role to who has no certificate', options, async () => {
  const database = (ops: readonly Json[]) => JSON.stringify(['OVN_Southbound', ...ops]);
  const answers: string[][] = [];
  for (const side of SIDES) {
    await using server = new TestServer(side);
    const file = server.create('sb.db', SB_SCHEMA);
    server.tool('ovsdb-tool', 'transact', file, database(SETUP));
    const ask = (role: string, command: string, ops: readonly Json[]) =>
      server
        .tool('ovsdb-tool', `--rbac-role=${role}`, command, file, database(ops))
        .replaceAll(/\["uuid","[^"]*"\]/g, 'UUID');
    answers.push([
      ask('ovn-controller', 'transact', chassis('ch1', '1.2.3.4')),
      ask('ovn-controller', 'transact', update('MAC_Binding', [], { mac: 'aa' })),
      ask('ovn-controller', 'query', update('MAC_Binding', [], { logical_port: 'aa' })),
      ask('ovn-controller', 'query', update('Chassis_Private', called('ch2'), { nb_cfg: 1 })),
      ask('ovn-controller', 'query', mutate('SB_Global', [], ['nb_cfg', '+=', 1])),
      ask('ovn-controller', 'query', remove('MAC_Binding', [])),
      ask('nobody', 'transact', remove('MAC_Binding', [])),
      ask('', 'transact', update('MAC_Binding', [], { logical_port: 'bb' })),
      server
        .tool('ovsdb-tool', 'query', file, database([select('MAC_Binding')]))
        .replaceAll(/\["uuid","[^"]*"\]/g, 'UUID'),
    ]);
  }
  assert.deepEqual(answers[1], answers[0]);
  assert.match(answers[1]!.at(-1)!, /"logical_port":"bb","mac":""/);
});

test(
  'TLS files that the database names, a CA that is not trusted, old protocols',
  options,
  async () => {
    for (const side of SIDES) {
      await using server = new TestServer(side);
      const [pki, strangers] = [new Pki(server.dir), new Pki(server.dir, 'other')];
      const column = (name: string) => `db:Open_vSwitch,SSL,${name}`;
      const file = server.create('conf.db', VSWITCH_SCHEMA);
      await server.start(
        file,
        `--private-key=${column('private_key')}`,
        `--certificate=${column('certificate')}`,
        `--bootstrap-ca-cert=${column('ca_cert')}`,
        '--ssl-protocols=TLSv1.2',
        '--remote=db:Open_vSwitch,Open_vSwitch,manager_options',
      );
      server.vsctl('set-manager', 'pssl:0:127.0.0.1');
      const port = () => /bound_port="(\d+)"/.exec(server.vsctl('list', 'manager'))?.[1];
      await until('the port', () => port() !== undefined);
      const remote = `ssl:127.0.0.1:${port()}`;
      const listDbs = (...tls: string[]) =>
        server.run('ovsdb-client', '--timeout=5', ...tls, 'list-dbs', remote).status;
      assert.notEqual(listDbs(...pki.options('c')), 0, `${side}: no certificate yet`);
      server.vsctl('set-ssl', pki.key('s'), pki.certificate('s'), pki.caCert);
      await until(`${side}: a certificate`, () => listDbs(...pki.options('c')) === 0);
      const stranger = [...strangers.options('c').slice(0, 2), `--ca-cert=${pki.caCert}`];
      assert.notEqual(listDbs(...stranger), 0, `${side}: a stranger`);
      assert.notEqual(listDbs(...pki.options('c'), '--ssl-protocols=TLSv1.1'), 0, side);
    }
  },
);

test(
  'a CA certificate is bootstrapped from the peer, and trusted from then on',
  options,
  async () => {
    for (const [first, second] of [
      ['theirs', 'ours'],
      ['ours', 'theirs'],
    ] as const) {
      await using active = new TestServer(first);
      await using backup = new TestServer(second);
      const pki = new Pki(active.dir);
      const file = active.create('a.db', VSWITCH_SCHEMA);
      const remotes = '--remote=db:Open_vSwitch,Open_vSwitch,manager_options';
      await active.start(file, remotes, ...pki.options('a'), `--peer-ca-cert=${pki.caCert}`);
      active.vsctl('set-manager', 'pssl:0:127.0.0.1', '--', 'add-br', 'br0');
      const port = () => /bound_port="(\d+)"/.exec(active.vsctl('list', 'manager'))?.[1];
      await until('the port', () => port() !== undefined);
      const caCert = join(backup.dir, 'cacert.pem');
      const own = [...pki.options('b').slice(0, 2), `--bootstrap-ca-cert=${caCert}`];
      const copy = backup.create('b.db', VSWITCH_SCHEMA);
      await backup.start(copy, `--sync-from=ssl:127.0.0.1:${port()}`, ...own);
      const what = `${second} follows ${first}`;
      await until(`${what}: the CA`, () => existsSync(caCert));
      const bridges = () =>
        backup.run('ovs-vsctl', `--db=${backup.remote}`, '--no-wait', 'list-br');
      await until(what, () => bridges().stdout === 'br0\n');
    }
  },
);
