/** The replica follows its server through changes, lost connections and older protocols. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, suite, test } from 'node:test';
import { vlog } from '@heddle/runtime';
import type { Json } from '../notation/index.ts';
import { parseSchema } from '../schema/schema.ts';
import { Database } from '../server/database.ts';
import { OvsdbServer } from '../server/server.ts';
import { Idl, type IdlOptions, type RowEvent } from './idl.ts';
import { TestProxy } from './test-proxy.ts';

const schema = {
  name: 'Test',
  version: '1.0.0',
  tables: {
    Host: {
      isRoot: true,
      columns: {
        name: { type: 'string' },
        count: { type: 'integer' },
        alias: { type: { key: 'string', min: 0, max: 1 } },
        tags: { type: { key: 'integer', min: 0, max: 'unlimited' } },
        ids: { type: { key: 'string', value: 'string', min: 0, max: 'unlimited' } },
        disks: { type: { key: { type: 'uuid', refTable: 'Disk' }, min: 0, max: 'unlimited' } },
      },
      indexes: [['name']],
    },
    Disk: { columns: { size: { type: 'integer' } } },
  },
} as const;

/** As an older server has it. */
const olderSchema = {
  ...schema,
  tables: {
    Host: { isRoot: true, columns: { name: schema.tables.Host.columns.name } },
  },
};

vlog.setLevel(undefined, 'console', 'off');

for (const refuse of [[], ['monitor_cond_since'], ['monitor_cond_since', 'monitor_cond']]) {
  const version = 3 - refuse.length;
  suite(`replica by monitor version ${version}`, () => {
    const dir = mkdtempSync(join(tmpdir(), 'heddle-idl-'));
    const direct = `unix:${join(dir, 'server')}`;
    const remote = `unix:${join(dir, 'proxy')}`;
    let server: OvsdbServer;
    let proxy: TestProxy;
    const opened: Idl<typeof schema>[] = [];
    const open = (options: Partial<IdlOptions<typeof schema>> = {}) => {
      const idl = new Idl(schema, { remote, ...options });
      opened.push(idl);
      return idl.start();
    };

    before(async () => {
      server = new OvsdbServer();
      await server.addDatabase(new Database(parseSchema(schema as unknown as Json)));
      await server.addRemote(`p${direct}`);
    });
    beforeEach(() => {
      proxy = new TestProxy(join(dir, 'proxy'), join(dir, 'server'));
      // Without it servers tell of no cluster.
      proxy.rules = { refuse };
    });
    afterEach(async () => {
      for (const idl of opened.splice(0)) idl.close();
      proxy.close();
      const clear = { op: 'delete', table: 'Host', where: [] };
      await server.databases.get('Test')!.change([clear]);
    });
    after(() => {
      server.close();
      rmSync(dir, { recursive: true });
    });

    test('rows are typed values, and change as whole new objects', async () => {
      const idl = open();
      await idl.whenSynced();
      const txn = idl.txn('make a host');
      const disk = txn.insert('Disk', { size: 7 });
      const host = txn.insert('Host', {
        name: 'a',
        alias: 'b',
        tags: [3, 1],
        ids: new Map([['k', 'v']]),
        disks: [disk],
      });
      const done = await txn.commit();
      assert(done.status === 'success');
      const uuid = done.uuidOf(host)!;
      const row = idl.get('Host', uuid)!;
      assert.deepEqual(
        { ...row },
        {
          _uuid: uuid,
          name: 'a',
          count: 0,
          alias: 'b',
          tags: [1, 3],
          ids: new Map([['k', 'v']]),
          disks: [done.uuidOf(disk)],
        },
      );
      assert.deepEqual(
        idl.deref('Disk', row.disks).map((d) => d.size),
        [7],
      );
      assert.equal(idl.first('Host'), row);

      const change = idl.txn();
      change.update('Host', uuid, { alias: undefined, count: 5 });
      change.mutate('Host', uuid, 'tags', 'insert', [2]);
      change.mutate('Host', uuid, 'ids', 'delete', ['k']);
      change.increment('Host', uuid, 'count');
      assert.equal((await change.commit()).status, 'success');
      const now = idl.get('Host', uuid)!;
      assert.deepEqual(
        [now.alias, now.count, now.tags, now.ids.size],
        [undefined, 6, [1, 2, 3], 0],
      );
      assert.deepEqual([row.alias, row.count, row.tags], ['b', 0, [1, 3]]);
    });

    test('one call for each transaction, with the old rows', async () => {
      const idl = open();
      await idl.whenSynced();
      const calls: (readonly RowEvent[])[] = [];
      idl.onChange((events) => calls.push(events));
      const { seqno } = idl;
      const txn = idl.txn();
      txn.insert('Host', { name: 'a' });
      txn.insert('Host', { name: 'b' });
      await txn.commit();
      const b = idl.rows('Host').find((r) => r.name === 'b')!;
      const next = idl.txn();
      next.update('Host', b._uuid, { count: 1 });
      await next.commit();
      const last = idl.txn();
      last.delete('Host', b._uuid);
      await last.commit();
      assert.deepEqual(
        calls.map((events) => events.map((e) => [e.old?.['count'], e.now?.['count']])),
        [
          [
            [undefined, 0],
            [undefined, 0],
          ],
          [[0, 1]],
          [[1, undefined]],
        ],
      );
      assert.equal(idl.seqno, seqno + 3);
      await idl.changed(seqno);
    });

    test('after a lost connection only what differs is told', async () => {
      const idl = open();
      const writer = open({ remote: direct });
      await Promise.all([idl.whenSynced(), writer.whenSynced()]);
      const txn = writer.txn();
      for (const name of ['stays', 'goes', 'changes']) txn.insert('Host', { name });
      await txn.commit();
      while (idl.rows('Host').length < 3) await idl.changed(idl.seqno);

      const calls: RowEvent[] = [];
      idl.onChange((events) => calls.push(...events));
      proxy.close();
      await until(() => !idl.synced);
      const by = (name: string) => writer.rows('Host').find((r) => r.name === name)!._uuid;
      const away = writer.txn();
      away.delete('Host', by('goes'));
      away.update('Host', by('changes'), { count: 9 });
      away.insert('Host', { name: 'comes' });
      await away.commit();
      assert.equal(idl.rows('Host').length, 3);
      proxy = new TestProxy(join(dir, 'proxy'), join(dir, 'server'));
      proxy.rules = { refuse };
      await idl.whenSynced();
      assert.deepEqual(
        calls.map((e) => [e.old?.['name'], e.now?.['name'], e.now?.['count']]).sort(),
        [
          ['changes', 'changes', 9],
          ['goes', undefined, undefined],
          [undefined, 'comes', 0],
        ].sort(),
      );
    });

    test('no change is missed or told twice while connections break at random', async () => {
      const idl = open();
      const writer = open({ remote: direct });
      await Promise.all([idl.whenSynced(), writer.whenSynced()]);
      const mirror = new Map<string, unknown>();
      idl.onChange((events) => {
        for (const { uuid, old, now } of events) {
          assert.equal(mirror.get(uuid), old?.['count']);
          if (now) mirror.set(uuid, now['count']);
          else mirror.delete(uuid);
        }
      });
      for (let i = 0; i < 60; i++) {
        const [row] = writer.rows('Host');
        const txn = writer.txn();
        if (row && i % 7 === 0) txn.delete('Host', row._uuid);
        else if (row && i % 2 === 0) txn.update('Host', row._uuid, { count: i });
        else txn.insert('Host', { name: `h${i}`, count: i });
        assert.equal((await txn.commit()).status, 'success');
        if (i % 5 === 0) proxy.cut();
        if (i % 11 === 0) await idl.whenSynced();
      }
      const want = new Map(writer.rows('Host').map((r) => [r._uuid, r.count]));
      await until(() => {
        const have = new Map(idl.rows('Host').map((r) => [r._uuid, r.count]));
        return idl.synced && JSON.stringify([...have].sort()) === JSON.stringify([...want].sort());
      });
      assert.deepEqual(new Map([...mirror].sort()), new Map([...want].sort()));
    });

    test('a verified column that has changed means: try again', async () => {
      const idl = open();
      await idl.whenSynced();
      const make = idl.txn();
      make.insert('Host', { name: 'a' });
      await make.commit();
      const { _uuid } = idl.first('Host')!;
      const stale = idl.txn();
      stale.verify('Host', _uuid, 'count');
      stale.update('Host', _uuid, { name: 'stale' });
      const other = idl.txn();
      other.update('Host', _uuid, { count: 1 });
      assert.equal((await other.commit()).status, 'success');
      assert.equal((await stale.commit()).status, 'try-again');
      assert.equal(idl.first('Host')!.name, 'a');
    });

    test('transact repeats until all of 4 clients have counted', async () => {
      const clients = [open(), open(), open(), open({ remote: direct })];
      await Promise.all(clients.map((c) => c.whenSynced()));
      const make = clients[0]!.txn();
      make.insert('Host', { name: 'a' });
      await make.commit();
      await Promise.all(
        clients.map(async (idl) => {
          while (!idl.first('Host')) await idl.changed(idl.seqno);
          for (let i = 0; i < 10; i++) {
            const result = await idl.transact((txn) => {
              const { _uuid, count } = idl.first('Host')!;
              txn.verify('Host', _uuid, 'count');
              txn.update('Host', _uuid, { count: count + 1 });
            });
            assert.equal(result.status, 'success');
          }
        }),
      );
      await until(() => clients.every((c) => c.first('Host')!.count === 40));
    });

    test('a reply that is lost with the connection: try again, done once', async () => {
      const idl = open();
      await idl.whenSynced();
      let replies = 0;
      proxy.rules = {
        refuse,
        onReply: (message) => {
          const [first] = Array.isArray(message['result']) ? message['result'] : [];
          if (typeof first !== 'object' || !('uuid' in first) || ++replies > 1) return true;
          proxy.cut();
          return false;
        },
      };
      const result = await idl.transact((txn) => {
        if (idl.rows('Host').every((r) => r.name !== 'once')) txn.insert('Host', { name: 'once' });
      });
      assert.equal(result.status, 'unchanged');
      assert.equal(replies, 1);
      assert.equal(idl.rows('Host').length, 1);
    });

    test("the server's error is the result", async () => {
      const idl = open();
      await idl.whenSynced();
      const txn = idl.txn();
      txn.insert('Host', { name: 'a' });
      txn.insert('Host', { name: 'a' });
      const result = await txn.commit();
      assert(result.status === 'error');
      assert.equal(result.error, 'constraint violation');
      assert.match(result.details, /identical values \(a\) for index on column "name"/);
      assert.equal((await idl.txn('nothing to do').commit()).status, 'unchanged');
    });

    test('only followed columns have values, all can be written', async () => {
      const idl = open({ tables: { Host: ['name'] } });
      const whole = open();
      await Promise.all([idl.whenSynced(), whole.whenSynced()]);
      const make = idl.txn();
      make.insert('Host', { name: 'a', count: 4 });
      await make.commit();
      const row = idl.first('Host')!;
      assert.equal(row.count, 0);
      const txn = idl.txn();
      // Equal to what the replica shows, which is not what the database has.
      txn.update('Host', row._uuid, { count: 0 });
      assert.equal((await txn.commit()).status, 'success');
      await until(() => whole.first('Host')?.count === 0);
      assert.deepEqual(idl.rows('Disk'), []);
    });

    test('an idle server is probed, a silent one is left', async () => {
      const idl = open({ probeIntervalMs: 30 });
      await idl.whenSynced();
      await until(() => proxy.methods.includes('echo'));
      await new Promise((done) => setTimeout(done, 100));
      assert(idl.synced);
      let silent = true;
      proxy.rules = { refuse, onRequest: () => !silent, onReply: () => !silent };
      await until(() => !idl.synced);
      silent = false;
      proxy.cut();
      await idl.whenSynced();
    });

    test('a malformed update costs the connection, not the replica', async () => {
      const idl = open();
      const writer = open({ remote: direct });
      await Promise.all([idl.whenSynced(), writer.whenSynced()]);
      const make = writer.txn();
      make.insert('Host', { name: 'a' });
      await make.commit();
      while (!idl.first('Host')) await idl.changed(idl.seqno);
      let spoilt = 0;
      proxy.rules = {
        refuse,
        onReply: (message) => {
          if (!String(message['method']).startsWith('update') || spoilt++ > 0) return true;
          const updates = message['params'] as Json[];
          updates[updates.length - 1] = {
            Host: { [writer.first('Host')!._uuid]: { modify: { tags: 'x' }, new: { tags: 'x' } } },
          };
          return true;
        },
      };
      const next = writer.txn();
      next.update('Host', writer.first('Host')!._uuid, { tags: [1], count: 2 });
      await next.commit();
      await until(() => spoilt > 0 && idl.synced && idl.first('Host')!.count === 2);
      assert.deepEqual(idl.first('Host')!.tags, [1]);
    });

    test('a listener that throws is an uncaught exception, and costs no connection', async () => {
      const idl = open();
      await idl.whenSynced();
      const bug = new Error('a bug in a listener');
      const caught: unknown[] = [];
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.on('uncaughtException', (error) => caught.push(error));
      try {
        idl.onChange(() => {
          throw bug;
        });
        const make = idl.txn();
        make.insert('Host', { name: 'a' });
        assert.equal((await make.commit()).status, 'success');
        await until(() => caught.length > 0);
      } finally {
        process.removeAllListeners('uncaughtException');
        for (const listener of listeners) process.on('uncaughtException', listener);
      }
      assert.deepEqual(caught, [bug]);
      assert(idl.synced);
      assert.equal(idl.rows('Host').length, 1);
    });

    test('one holds the lock, the next one gets it', async () => {
      const first = open({ lock: 'l' });
      await until(() => first.hasLock && first.synced);
      const second = open({ lock: 'l' });
      await second.whenSynced();
      assert(!second.hasLock && second.lockContended);
      const txn = second.txn();
      txn.insert('Host', { name: 'a' });
      assert.equal((await txn.commit()).status, 'try-again');
      const waiting = second.transact((t) => void t.insert('Host', { name: 'b' }));
      first.close();
      assert.equal((await waiting).status, 'success');
      assert(second.hasLock && !second.lockContended);
      assert.deepEqual(
        second.rows('Host').map((r) => r.name),
        ['b'],
      );
    });

    test('the next remote is tried when one does not answer', async () => {
      const idl = open({
        remote: `unix:${join(dir, 'nobody')},${remote},unix:${join(dir, 'none')}`,
      });
      await idl.whenSynced();
    });

    test('closing ends the waiting', async () => {
      const idl = open({ remote: `unix:${join(dir, 'nobody')}` });
      const waiting = assert.rejects(idl.whenSynced(), /replica closed/);
      idl.close();
      await waiting;
      await assert.rejects(
        idl.transact(() => {}),
        /replica closed/,
      );
    });
  });
}

test("what an older server's schema lacks is left out", async () => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-idl-'));
  const server = new OvsdbServer();
  await server.addDatabase(new Database(parseSchema(olderSchema as unknown as Json)));
  await server.addRemote(`punix:${join(dir, 'db.sock')}`);
  const idl = new Idl(schema, { remote: `unix:${join(dir, 'db.sock')}` }).start();
  await idl.whenSynced();
  assert(
    idl.serverHas('Host', 'name') && !idl.serverHas('Host', 'count') && !idl.serverHas('Disk'),
  );
  const txn = idl.txn();
  txn.insert('Host', { name: 'a', count: 3 });
  assert.equal((await txn.commit()).status, 'success');
  const row = idl.first('Host')!;
  assert.deepEqual([row.name, row.count, row.tags], ['a', 0, []]);
  const update = idl.txn();
  update.update('Host', row._uuid, { count: 4 });
  update.increment('Host', row._uuid, 'count');
  update.verify('Host', row._uuid, 'count');
  assert.equal((await update.commit()).status, 'unchanged');
  idl.close();
  server.close();
  rmSync(dir, { recursive: true });
});

async function until(done: () => boolean): Promise<void> {
  for (let i = 0; !done(); i++) {
    assert(i < 1000, 'nothing happens');
    await new Promise((next) => setTimeout(next, 5));
  }
}
