/** The distribution's Python IDL on our server and on the distribution's: it sees and gets the same. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { options, SIDES, TestServer, VSWITCH_SCHEMA } from './ovsdb-servers.ts';

const PROGRAM = join(import.meta.dirname, 'python-idl.py');

test('locks, transactions, errors and conditions of the Python IDL', options, async () => {
  const [theirs, ours] = await Promise.all(
    SIDES.map(async (side) => {
      await using server = new TestServer(side);
      await server.start(server.create('conf.db', VSWITCH_SCHEMA));
      return server.program('/usr/bin/python3', PROGRAM, server.remote, VSWITCH_SCHEMA);
    }),
  );
  assert.match(theirs!, /^success\nsuccess\nunchanged\nerror\n[\s\S]*Bridge .*name=br0/);
  assert.equal(ours, theirs);
});
