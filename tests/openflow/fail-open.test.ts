/**
 * A bridge that goes on without its controllers, and by what they show that they control it again,
 * beside Open vSwitch's (ovs-vswitchd.conf.db(5), `fail_mode` "standalone").
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, Instance, isolate, Scope } from '@heddle/testing';
import { hello, listen, message, type RawPeer, u16, u32, u64, zeros } from './raw-peer.ts';

isolate();

const NICIRA = 0x2320;
const OFPT_PACKET_IN = 10;

const FLOW_MOD = [u64(0), u16(0, 0, 0, 5), u32(0xffffffff), u16(0xffff, 0, 0, 8, 1, 0)];

/** What a controller says: the first message behind the hellos, by the version that it speaks. */
const SAYINGS: Readonly<Record<string, readonly [version: number, message?: Buffer]>> = {
  nothing: [1],
  'nothing (1.3)': [4],
  'echo reply': [1, message(1, 3, 2)],
  error: [1, message(1, 1, 2, u16(1, 1))],
  features: [1, message(1, 5, 2)],
  'get config': [1, message(1, 7, 2)],
  'set config': [1, message(1, 9, 2, u16(0, 128))],
  queues: [1, message(1, 20, 2, u16(0xfffe, 0))],
  'get async': [4, message(4, 26, 2)],
  'no such vendor': [1, message(1, 4, 2, u32(0x9999, 20))],
  'no such type': [1, message(1, 77, 2)],
  'too long': [1, message(1, 9, 2, zeros(8))],
  barrier: [1, message(1, 18, 2)],
  'barrier (1.3)': [4, message(4, 20, 2)],
  description: [4, message(4, 18, 2, u16(0, 0), zeros(4))],
  role: [4, message(4, 24, 2, u32(1, 0), u64(0))],
  'role of Nicira': [1, message(1, 4, 2, u32(NICIRA, 10, 0))],
  'packet-out': [1, message(1, 13, 2, u32(0xffffffff), u16(0xffff, 0))],
  'port mod': [1, message(1, 15, 2, u16(0xfffe), zeros(22))],
  'flow mod': [1, message(1, 14, 2, u32(0x3820fe), zeros(36), ...FLOW_MOD)],
};

const isPacketIn = (m: Buffer): boolean => m[1] === OFPT_PACKET_IN;

interface Told {
  /** Whether the bridge went on by itself after what was said. */
  readonly isOpen: boolean;
  readonly flows: readonly string[];
}

async function follow(create: typeof Instance.ours): Promise<Record<string, Told>> {
  await using scope = new Scope();
  const instance = await create(scope, {
    switchArgs: ['--enable-dummy=override', '--disable-system'],
  });
  const names = Object.keys(SAYINGS);
  const path = (i: number) => join(instance.directory, `c${i}`);
  const joined = (commands: readonly (readonly string[])[]) =>
    commands.flatMap((command) => ['--', ...command]).slice(1);
  await instance.vsctl(
    ...joined(names.map((_, i) => ['add-br', `br${i}`])),
    '--',
    ...joined(names.map((_, i) => ['set-controller', `br${i}`, `unix:${path(i)}`])),
  );
  const rows = await instance.vsctl('--bare', '--columns=_uuid', 'list', 'controller');
  const fast = ['inactivity_probe=1000', 'max_backoff=1000'];
  const uuids = rows.split(/\s+/).filter(Boolean);
  await instance.vsctl(...joined(uuids.map((row) => ['set', 'controller', row, ...fast])));
  const flowsOf = async (i: number) =>
    (await instance.appctl('bridge/dump-flows', `br${i}`))
      .split('\n')
      .filter((line) => line !== '' && !line.includes('table_id=254'))
      .map((line) => line.replace(/duration=\d+s, /, ''));
  const isOpen = async (i: number) =>
    (await flowsOf(i)).some((f) => f.includes('priority=15790320'));
  for (const i of names.keys()) await eventually('standalone bridges', () => isOpen(i), 40_000);
  return Object.fromEntries(
    await Promise.all(
      names.map(async (name, i) => {
        const servers = await listen(scope, path(i));
        const [version, said] = SAYINGS[name]!;
        const peer: RawPeer = await servers.next();
        peer.send(hello(version));
        // A packet for controllers that say nothing before one comes.
        const packet = await peer.next(isPacketIn);
        assert.match(packet!.toString('hex'), /f{12}002320[89a-f].{5}803500010800060400030/);
        if (said) peer.send(said);
        peer.received = [];
        const asked = async () => peer.received.filter(isPacketIn).length > 1;
        const left = async () => !(await isOpen(i));
        await eventually('an end or more packets', async () => (await asked()) || (await left()));
        const told = { isOpen: await isOpen(i), flows: await flowsOf(i) };
        return [name, told] as const;
      }),
    ),
  );
}

test('a bridge switches by itself until a controller controls it', async () => {
  const [ours, theirs] = await Promise.all([follow(Instance.ours), follow(Instance.oracle)]);
  assert.deepEqual(ours, theirs);
  const open = Object.keys(ours).filter((name) => ours[name]!.isOpen);
  assert.equal(open.length, 12, String(open));
});
