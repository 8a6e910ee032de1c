/** The distribution's clients on our server, and databases handed over in both directions. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { command, hasOracle } from '../differential/ovsdb/peer.ts';

const ROOT = join(import.meta.dirname, '../..');
const BIN = join(ROOT, 'bin');
const dir = mkdtempSync(join(tmpdir(), 'heddle-interop-'));
const remote = `unix:${dir}/sock`;
const options = { skip: hasOracle() ? false : 'no Open vSwitch of the distribution' };
let server: ChildProcess;

const vsctl = (...args: string[]) =>
  command('/usr/bin/ovs-vsctl', `--db=${remote}`, '--no-wait', '--timeout=10', ...args);
const client = (...args: string[]) => command('/usr/bin/ovsdb-client', '--timeout=10', ...args);
const appctl = (...args: string[]) =>
  command('/usr/bin/ovs-appctl', '--timeout=10', '-t', join(dir, 'ctl'), ...args);

before(async () => {
  const db = join(dir, 'conf.db');
  command(join(BIN, 'ovsdb-tool'), 'create', db, join(ROOT, 'share/vswitch.ovsschema'));
  server = spawn(
    join(BIN, 'ovsdb-server'),
    [
      db,
      `--remote=punix:${dir}/sock`,
      '--remote=db:Open_vSwitch,Open_vSwitch,manager_options',
      `--unixctl=${dir}/ctl`,
      '-vconsole:off',
    ],
    { stdio: 'ignore', env: { ...process.env, OVS_RUNDIR: dir } },
  );
  for (let i = 0; i < 250 && !existsSync(join(dir, 'ctl')); i++) {
    await new Promise((done) => setTimeout(done, 20));
  }
});

after(() => {
  server.kill();
  rmSync(dir, { recursive: true, force: true });
});

test('ovs-vsctl builds a bridge, reads it back and takes it down', options, () => {
  vsctl(
    'add-br',
    'br0',
    '--',
    'add-port',
    'br0',
    'p1',
    'tag=5',
    '--',
    'set',
    'port',
    'p1',
    'external_ids:key="a value"',
  );
  assert.equal(vsctl('list-ports', 'br0'), 'p1\n');
  assert.equal(vsctl('get', 'port', 'p1', 'tag', 'external_ids'), '5\n{key="a value"}\n');
  assert.throws(() => vsctl('add-port', 'br0', 'p1'), /already exists/);
  assert.throws(() => vsctl('set', 'port', 'p1', 'tag=5000'), /constraint violation/);
  vsctl('del-port', 'p1');
  assert.equal(vsctl('list-ports', 'br0'), '');
  assert.equal(vsctl('--columns=name', '--bare', 'list', 'interface'), 'br0\n');
});

test('ovsdb-client lists, dumps, transacts and compares schemas', options, () => {
  assert.equal(client('list-dbs', remote), 'Open_vSwitch\n_Server\n');
  assert.equal(client('get-schema-version', remote), '8.8.0\n');
  assert.match(client('dump', remote, 'Open_vSwitch', 'Bridge', 'name'), /^Bridge table\nname/);
  const schema = join(ROOT, 'share/vswitch.ovsschema');
  assert.equal(client('needs-conversion', remote, schema), 'no\n');
  client('wait', remote, 'Open_vSwitch', 'connected');
  const query = '["Open_vSwitch",{"op":"select","table":"Bridge","where":[],"columns":["name"]}]';
  assert.equal(client('transact', remote, query), '[{"rows":[{"name":"br0"}]}]\n');
});

test('a schema is converted while the server runs', options, () => {
  client('convert', remote, join(ROOT, 'share/vswitch.ovsschema'));
  assert.equal(vsctl('list-br'), 'br0\n');
});

test('a manager in the database is listened on, and no longer when it goes', options, async () => {
  const path = join(dir, 'manager.sock');
  vsctl('set-manager', `punix:${path}`);
  for (let i = 0; i < 250 && !existsSync(path); i++) {
    await new Promise((done) => setTimeout(done, 20));
  }
  assert.equal(client('list-dbs', `unix:${dir}/manager.sock`), 'Open_vSwitch\n_Server\n');
  vsctl('del-manager');
  assert.throws(() => client('list-dbs', `unix:${dir}/manager.sock`));
});

test('ovs-appctl commands the server', options, () => {
  assert.equal(appctl('ovsdb-server/list-dbs'), 'Open_vSwitch\n_Server\n');
  assert.match(appctl('ovsdb-server/list-remotes'), /^db:Open_vSwitch.*\npunix:.*\n$/);
  appctl('ovsdb-server/add-remote', `punix:${dir}/more.sock`);
  assert.equal(client('list-dbs', `unix:${dir}/more.sock`), 'Open_vSwitch\n_Server\n');
  appctl('ovsdb-server/remove-remote', `punix:${dir}/more.sock`);
  assert.throws(() => appctl('ovsdb-server/remove-remote', `punix:${dir}/more.sock`));
  appctl('ovsdb-server/compact');
  assert.match(appctl('memory/show'), /cells:\d+/);
});

test('each side reads the database file of the other', options, () => {
  vsctl('add-port', 'br0', 'p2', '--', 'set', 'port', 'p2', 'trunks=1,2', 'other_config:a=b');
  vsctl('set', 'port', 'p2', 'trunks=2,3', 'other_config:c=d');
  const copy = join(dir, 'copy.db');
  copyFileSync(join(dir, 'conf.db'), copy);
  const query =
    '["Open_vSwitch",{"op":"select","table":"Port","where":[["name","==","p2"]],"columns":["trunks","other_config"]}]';
  const wanted =
    '[{"rows":[{"other_config":["map",[["a","b"],["c","d"]]],"trunks":["set",[2,3]]}]}]\n';
  assert.equal(command('/usr/bin/ovsdb-tool', 'query', copy, query), wanted);
  const more =
    '["Open_vSwitch",{"op":"mutate","table":"Port","where":[],"mutations":[["trunks","delete",3]]}]';
  command('/usr/bin/ovsdb-tool', 'transact', copy, more);
  const ours = command(join(BIN, 'ovsdb-tool'), 'query', copy, query);
  assert.equal(ours, wanted.replace('["set",[2,3]]', '2'));
});
