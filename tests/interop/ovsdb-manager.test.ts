/** Manager rows: both servers tell of their targets alike, and probe as their rows say. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Peer } from '../differential/ovsdb/peer.ts';
import { options, SIDES, type Side, TestServer, until, VSWITCH_SCHEMA } from './ovsdb-servers.ts';

const TARGETS = [
  ...['punix:m.sock', 'ptcp:0:127.0.0.1', 'pssl:0:127.0.0.1', 'ptcp:xyz', 'tcp:127.0.0.1:1'],
  ...['unix:nowhere', 'ssl:127.0.0.1:2', 'nonsense'],
];
const REMOTE = '--remote=db:Open_vSwitch,Open_vSwitch,manager_options';

/** One line for each manager, its times and ports made equal. */
function managers(server: TestServer): string[] {
  const columns = '--columns=target,is_connected,status';
  return server
    .vsctl('--format=csv', '--no-headings', columns, 'list', 'manager')
    .replaceAll(server.dir, 'DIR')
    .replace(/(since_\w+|bound_port)=""\d+""/g, '$1=N')
    .trim()
    .split('\n')
    .sort();
}

async function statuses(side: Side): Promise<string[][]> {
  await using server = new TestServer(side);
  await server.start(server.create('conf.db', VSWITCH_SCHEMA), REMOTE);
  server.vsctl('init', '--', 'set-manager', ...TARGETS);
  await until(`${side}: statuses`, () => managers(server).every((m) => m.includes('=')));
  const before = managers(server);
  const path = join(server.dir, 'm.sock');
  const peers = [new Peer(path), new Peer(path)];
  for (const peer of peers) await peer.call('lock', ['l']);
  await until(`${side}: connections`, () => managers(server).join().includes('n_connections'));
  const during = managers(server);
  for (const peer of peers) peer.close();
  await until(`${side}: the end`, () => managers(server).join() === before.join());
  server.vsctl('del-manager');
  await until(`${side}: no listener`, () => {
    return server.run('ovsdb-client', '--timeout=5', 'list-dbs', `unix:${path}`).status !== 0;
  });
  return [before, during];
}

test(`managers with targets ${TARGETS.join(' ')}`, options, async () => {
  const [theirs, ours] = await Promise.all(SIDES.map(statuses));
  assert.deepEqual(ours, theirs);
});

/** A manager that the server connects to: what it says and when, in whole seconds. */
async function activeManager(side: Side): Promise<unknown[]> {
  await using server = new TestServer(side);
  const said: string[] = [];
  let connections = 0;
  const manager = createServer((socket) => {
    connections++;
    socket.on('error', () => {});
    if (connections === 1) socket.write('{"id":1,"method":"lock","params":["held"]}');
    if (connections === 1) socket.write('{"id":2,"method":"lock","params":["wanted"]}');
    socket.on('data', (bytes) => said.push(String(bytes)));
  }).listen(0, '127.0.0.1');
  await new Promise((done) => manager.once('listening', done));
  const { port } = manager.address() as { port: number };
  await server.start(server.create('conf.db', VSWITCH_SCHEMA), REMOTE);
  const owner = new Peer(join(server.dir, 'sock'));
  await owner.call('lock', ['wanted']);
  server.vsctl('init', '--', 'set-manager', `tcp:127.0.0.1:${port}`);
  const row = () => server.vsctl('--columns=is_connected,status', 'list', 'manager');
  await until(`${side}: locks`, () => row().includes('locks_waiting'));
  const status = row().replace(/since_connect="\d+"/, 'since_connect=N');
  server.vsctl('set', 'manager', '.', 'inactivity_probe=1000', 'max_backoff=1000');
  await until(`${side}: a probe`, () => said.join('').includes('"method":"echo"'));
  await until(`${side}: another connection`, () => connections > 1);
  await until(`${side}: a disconnection`, () => row().includes('sec_since_disconnect'));
  owner.close();
  manager.close();
  return [
    status,
    said
      .join('')
      .replaceAll(/"id":"echo"/g, 'ECHO')
      .includes('"locked":true'),
  ];
}

test('a manager that is silent is probed, then left and tried again', options, async () => {
  const [theirs, ours] = await Promise.all(SIDES.map(activeManager));
  assert.deepEqual(ours, theirs);
});
