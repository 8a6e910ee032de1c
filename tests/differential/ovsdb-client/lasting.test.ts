/** Locks and detached monitors of both clients on one server: the same words at the same moments. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually, run, runOk } from '@heddle/testing';
import { Pair, type Peer } from '../ovsdb/peer.ts';
import { Lasting, OURS, THEIRS } from './clients.ts';

const schema = {
  name: 'T',
  version: '1.0.0',
  tables: {
    A: {
      isRoot: true,
      columns: {
        name: { type: 'string' },
        s: { type: { key: 'integer', min: 0, max: 'unlimited' } },
      },
    },
  },
} as const;
const PROGRAMS = { theirs: [THEIRS], ours: OURS } as const;
const SIDES = ['theirs', 'ours'] as const;
let pair: Pair;
let peer: Peer;
let server: string;

before(async () => {
  pair = await Pair.start(schema);
  const [first, second] = pair.peers();
  second.close();
  peer = first;
  server = `unix:${join(pair.dir, 'theirs.sock')}`;
});
after(() => {
  peer.close();
  pair.stop();
});

test('a lock that is waited for, then stolen', async () => {
  await peer.call('lock', ['busy']);
  const waiting = new Lasting('ours', ['--pretty', 'lock', server, 'busy']);
  const told = (text: string) => eventually(text, () => waiting.text.endsWith(text));
  try {
    await told('{\n  "locked": false}\n');
    await peer.call('unlock', ['busy']);
    await told('locked\n["busy"]\n');
    await peer.call('steal', ['busy']);
    await told('stolen\n["busy"]\n');
  } finally {
    waiting.kill();
  }
});

test('a lock with an impossible name is refused', async () => {
  const { code, stderr } = await run([...OURS, 'lock', server, 'not-an-id']);
  assert.equal(code, 1);
  assert.match(stderr, /^ovsdb-client: transaction returned error: .*must be <id>/);
});

for (const command of [
  ['monitor'],
  ['monitor-cond', '[["name","!=","no"]]'],
  ['monitor-cond-since', '[]'],
]) {
  test(`detached ${command.join(' ')}`, async () => {
    await peer.call('transact', ['T', { op: 'delete', table: 'A', where: [] }]);
    await insert('first');
    const ctl: Record<string, string> = {};
    const output = (side: string) => {
      const text = readFileSync(join(pair.dir, `${side}.out`), 'utf8');
      return text.replace(/last_id: \S{36}/g, 'last_id: ID');
    };
    for (const side of SIDES) {
      const pidfile = join(pair.dir, `${side}.${command[0]}.pid`);
      const options = ['--detach', '--no-chdir', `--pidfile=${pidfile}`];
      const words = [
        ...PROGRAMS[side],
        ...options,
        command[0]!,
        server,
        ...command.slice(1),
        'A',
        'name,s',
      ];
      const redirected = `exec "$@" > ${join(pair.dir, `${side}.out`)}`;
      const result = await run(['sh', '-c', redirected, 'sh', ...words], {
        env: { OVS_RUNDIR: pair.dir },
      });
      assert.equal(result.code, 0, result.stderr);
      const pid = readFileSync(pidfile, 'utf8').trim();
      ctl[side] = join(pair.dir, `ovsdb-client.${pid}.ctl`);
    }
    const tell = async (...words: string[]) => {
      for (const side of SIDES) await runOk(['/usr/bin/ovs-appctl', '-t', ctl[side]!, ...words]);
    };
    const same = () =>
      eventually('the same output', () => {
        assert.equal(output('ours'), output('theirs'));
        return true;
      });
    await same();
    await insert('second');
    await change({
      op: 'update',
      table: 'A',
      where: [['name', '==', 'second']],
      row: { s: ['set', [1, 2]] },
    });
    await same();
    await tell('ovsdb-client/block');
    await insert('third');
    await same();
    await tell('ovsdb-client/unblock');
    await eventually('the third row', () => output('ours').includes('third'));
    await same();
    await tell('exit');
  });
}

async function insert(name: string): Promise<void> {
  await change({ op: 'insert', table: 'A', row: { name } });
}

async function change(op: object): Promise<void> {
  await peer.call('transact', ['T', op as never]);
}
