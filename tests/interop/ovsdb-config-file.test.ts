/** `--config-file` of Open vSwitch 3.3: the distribution's server is older and has none. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { options, TestServer, until } from './ovsdb-servers.ts';

const COLUMNS = { x: { type: 'string' } };

function schema(name: string): object {
  return { name, version: '1.0.0', tables: { T: { isRoot: true, columns: COLUMNS } } };
}

function create(server: TestServer, name: string): string {
  const path = join(server.dir, `${name}.ovsschema`);
  writeFileSync(path, JSON.stringify(schema(name)));
  return server.create(`${name}.db`, path);
}

function insert(server: TestServer, remote: string, database: string, x: string): string {
  const text = JSON.stringify([database, { op: 'insert', table: 'T', row: { x } }]);
  const { stdout, stderr } = server.run('ovsdb-client', '-t', '5', 'transact', remote, text);
  return (stdout + stderr).replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'UUID');
}

function dump(server: TestServer, remote: string, database: string): string {
  const args = ['-f', 'csv', '--no-headings', 'dump', remote, database, 'T', 'x'];
  return server.run('ovsdb-client', '-t', '5', ...args).stdout;
}

test('databases and remotes are as the file says, and as it says later', options, async () => {
  await using source = new TestServer('theirs');
  await source.start(create(source, 'R'), create(source, 'B'));
  assert.equal(insert(source, source.remote, 'R', 'relayed'), '[{"uuid":["uuid","UUID"]}]\n');
  assert.equal(insert(source, source.remote, 'B', 'copied'), '[{"uuid":["uuid","UUID"]}]\n');

  await using server = new TestServer('ours');
  const [a, reader] = [`unix:${server.dir}/a`, `unix:${server.dir}/reader`];
  for (const name of ['A', 'B', 'C']) create(server, name);
  const from = { [source.remote]: { 'inactivity-probe': 5000, 'max-backoff': 1000 } };
  const remotes = { [`p${a}`]: null, [`p${reader}`]: { 'read-only': true } };
  const config = {
    remotes,
    databases: {
      'A.db': {},
      'B.db': { 'service-model': 'active-backup', backup: true, source: from },
      R: { 'service-model': 'relay', source: from },
    },
  };
  const path = join(server.dir, 'config');
  const write = (json: unknown) => writeFileSync(path, JSON.stringify(json));
  const reload = () => server.appctl('ovsdb-server/reload');
  const list = (what: string) => server.appctl(`ovsdb-server/list-${what}`);
  write(config);
  await server.startConfigured(path);

  assert.equal(list('dbs').trim(), 'A\nB\nR\n_Server');
  assert.equal(list('remotes'), 'punix:DIR/a\npunix:DIR/reader\n');
  assert.equal(insert(server, a, 'A', 'mine'), '[{"uuid":["uuid","UUID"]}]\n');
  assert.match(insert(server, reader, 'A', 'no'), /read only mode/);
  await until('the relay', () => dump(server, a, 'R').includes('relayed'));
  await until('the backup', () => dump(server, a, 'B').includes('copied'));
  assert.match(insert(server, a, 'B', 'no'), /read only mode/);
  assert.equal(
    server.appctl('ovsdb-server/sync-status'),
    `state: backup\nreplicating: ${source.remote}\ndatabase: B\n`,
  );
  assert.equal(insert(server, a, 'R', 'through'), '[{"uuid":["uuid","UUID"]}]\n');
  assert.ok(dump(source, source.remote, 'R').includes('through'));
  for (const command of ['add-db C.db', 'remove-remote x', 'set-active-ovsdb-server x']) {
    const said = server.appctl(...`ovsdb-server/${command}`.split(' '));
    assert.match(said, /not allowed with --config-file/);
  }

  write({
    remotes: { [`p${a}`]: { 'read-only': true } },
    databases: { 'A.db': {}, 'B.db': { 'service-model': 'active-backup' }, 'C.db': null },
  });
  assert.equal(reload(), '');
  assert.equal(list('dbs').trim(), 'A\nB\nC\n_Server');
  assert.equal(list('remotes'), 'punix:DIR/a\n');
  assert.match(insert(server, a, 'A', 'no'), /read only mode/);
  assert.ok(!existsSync(join(server.dir, 'reader')));
  write({ remotes: { [`p${a}`]: {} }, databases: { 'A.db': {}, 'B.db': {}, 'none.db': {} } });
  assert.match(reload(), /none\.db/);
  assert.equal(list('dbs').trim(), 'A\nB\n_Server');
  assert.equal(insert(server, a, 'B', 'mine now'), '[{"uuid":["uuid","UUID"]}]\n');
  assert.equal(dump(server, a, 'A'), 'T table\nmine\n');
});

const BAD: readonly (readonly [unknown, RegExp])[] = [
  [[], /must be an object/],
  [{ remote: {} }, /unknown member "remote"/],
  [{ remotes: { 'punix:x': { role: 1 } } }, /"role" must be a string/],
  [{ remotes: { 'punix:x': { 'inactivity-probe': -1 } } }, /must be a number of milliseconds/],
  [{ databases: { x: { 'service-model': 'y' } } }, /unknown service model "y"/],
  [{ databases: { x: { 'service-model': 'relay' } } }, /needs a "source"/],
  [{ databases: { x: { backup: true } } }, /needs a "source"/],
  [{ databases: { x: { source: { 'tcp:1': {} } } } }, /must not have "source"/],
  [
    { databases: { x: { 'service-model': 'relay', source: { a: {}, b: {} } } } },
    /must have one connection method/,
  ],
];

test('a file that is no configuration changes nothing', options, async () => {
  await using server = new TestServer('ours');
  create(server, 'A');
  const path = join(server.dir, 'config');
  writeFileSync(path, JSON.stringify({ remotes: {}, databases: { 'A.db': {} } }));
  await server.startConfigured(path);
  for (const [config, wanted] of BAD) {
    writeFileSync(path, JSON.stringify(config));
    assert.match(server.appctl('ovsdb-server/reload'), wanted);
    assert.equal(server.appctl('ovsdb-server/list-dbs').trim(), 'A\n_Server');
  }
  writeFileSync(path, '{');
  assert.match(server.appctl('ovsdb-server/reload'), /JSON/);
  const { status, stderr } = server.serve(`--config-file=${path}`, '--remote=punix:x');
  assert.equal(status, 1);
  assert.match(stderr, /--config-file/);
});
