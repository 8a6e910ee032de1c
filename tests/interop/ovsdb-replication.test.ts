/** The active-backup model: each side follows each, through restarts, and changes roles on command. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { options, SIDES, type Side, TestServer, until, VSWITCH_SCHEMA } from './ovsdb-servers.ts';

const PAIRS: readonly (readonly [Side, Side])[] = [
  ['theirs', 'ours'],
  ['ours', 'theirs'],
  ['ours', 'ours'],
];
const TABLE = { T: { columns: { x: { type: 'string' } } } };

function contents(server: TestServer): string {
  return server.tool('ovsdb-client', 'dump', server.remote, 'Open_vSwitch');
}

function status(server: TestServer): string {
  return server.appctl('ovsdb-server/sync-status');
}

async function caughtUp(active: TestServer, backup: TestServer): Promise<void> {
  const wanted = contents(active);
  await until('the backup', () => contents(backup) === wanted);
}

for (const [first, second] of PAIRS) {
  test(`${second} follows ${first}`, options, async () => {
    await using active = new TestServer(first);
    await using backup = new TestServer(second);
    const file = active.create('a.db', VSWITCH_SCHEMA);
    const copy = backup.create('b.db', VSWITCH_SCHEMA);
    await active.start(file);
    active.vsctl('init', '--', 'add-br', 'br0', '--', 'set', 'bridge', 'br0', 'other_config:a=b');
    await backup.start(copy, `--sync-from=${active.remote}`);
    await caughtUp(active, backup);
    const replicating = `state: backup\nreplicating: ${active.remote}\ndatabase: Open_vSwitch\n`;
    assert.equal(status(backup), replicating);

    active.vsctl('add-port', 'br0', 'p1', '--', 'add-port', 'br0', 'p2', 'tag=3');
    active.vsctl('del-port', 'p1', '--', 'remove', 'bridge', 'br0', 'other_config', 'a');
    await caughtUp(active, backup);

    const refused = backup.run('ovs-vsctl', `--db=${backup.remote}`, '--no-wait', 'add-br', 'br1');
    assert.match(refused.stderr, /not allowed when database server is in read only mode/);
    assert.equal(refused.status, 1);

    await active.kill();
    assert.equal(backup.vsctl('list-ports', 'br0'), 'p2\n');
    await active.start(file);
    active.vsctl('add-br', 'br2');
    await caughtUp(active, backup);

    await backup.kill();
    active.vsctl('del-br', 'br2');
    await backup.start(copy, `--sync-from=${active.remote}`);
    await caughtUp(active, backup);

    assert.equal(backup.appctl('ovsdb-server/disconnect-active-ovsdb-server'), '');
    assert.equal(status(backup), 'state: active\n');
    backup.vsctl('add-br', 'mine');
    assert.equal(backup.vsctl('list-br'), 'br0\nmine\n');
    assert.equal(backup.appctl('ovsdb-server/connect-active-ovsdb-server'), '');
    await caughtUp(active, backup);

    backup.appctl('ovsdb-server/set-sync-exclude-tables', 'Open_vSwitch:QoS,Open_vSwitch:Queue');
    active.tool('ovs-vsctl', `--db=${active.remote}`, '--no-wait', 'create', 'qos', 'type=x');
    active.vsctl('add-br', 'last');
    await until('the last bridge', () => backup.vsctl('list-br').includes('last'));
    assert.equal(backup.vsctl('--columns=type', 'list', 'qos'), '');
    const excluded = 'exclude: Open_vSwitch:QoS,Open_vSwitch:Queue\n';
    await until('the status', () => status(backup) === replicating + excluded);

    backup.appctl('ovsdb-server/set-active-ovsdb-server', backup.remote);
    backup.appctl('ovsdb-server/connect-active-ovsdb-server');
    await until('the refusal to follow itself', () => status(backup) === 'state: active\n');
  });
}

test(
  'a backup has room for all that the active server has, or there is nothing to do',
  options,
  async () => {
    const more = { Extra: { columns: { x: { type: 'string' } } } };
    for (const side of SIDES) {
      await using small = new TestServer(side);
      await using large = new TestServer(side);
      await small.start(small.createFrom('db', { version: '1.0.0', tables: TABLE }));
      await large.start(
        large.createFrom('db', { version: '2.0.0', tables: { ...TABLE, ...more } }),
      );
      for (const [server, other] of [
        [small, large],
        [large, small],
      ] as const) {
        server.appctl('ovsdb-server/set-active-ovsdb-server', other.remote);
        server.appctl('ovsdb-server/connect-active-ovsdb-server');
        const followed = `state: backup\nreplicating: ${other.remote}\ndatabase: D\n`;
        const wanted = server === large ? followed : 'state: active\n';
        await until(`${side}: ${wanted}`, () => status(server) === wanted);
      }
    }
  },
);
