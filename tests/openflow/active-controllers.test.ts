/**
 * A switch that connects to controllers of six versions at once: what each hears, in bytes, of
 * packets that no flow matches and of ports.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Instance, isolate, Scope } from '@heddle/testing';
import { hello, hex, listen, message, type RawPeer } from './raw-peer.ts';
import { VERSIONS, type Version } from './raw-requests.ts';

isolate();

const PACKET =
  '50540000000a50540000000908004500001c0000000000110000c0a80001c0a800020008000900080000';
const OFPT_PACKET_IN = 10;
const OFPT_PORT_STATUS = 12;
const OFPPR_ADD = 0;
const OFPPR_DELETE = 1;

function ofType(type: number): (message: Buffer) => boolean {
  return (m) => m[1] === type;
}

interface Controller {
  readonly version: Version;
  readonly peer: RawPeer;
}

async function negotiate(version: Version, peer: RawPeer): Promise<Controller> {
  const first = await peer.next();
  assert.deepEqual([...first!.subarray(0, 2)], [6, 0]);
  peer.send(hello(version), message(version, 5, 7));
  const features = await peer.next(ofType(6));
  assert.equal(features!.readUInt32BE(4), 7);
  return { version, peer };
}

async function hear(create: typeof Instance.ours, scope: Scope): Promise<string[][]> {
  const switchArgs = ['--enable-dummy=override', '--disable-system'];
  const instance = await create(scope, { switchArgs });
  const paths = VERSIONS.map((v) => join(instance.directory, `controller${v}`));
  const servers = await Promise.all(paths.map((path) => listen(scope, path)));
  await instance.vsctl(
    ...['add-br', 'br0', '--', 'set', 'bridge', 'br0', 'fail_mode=secure'],
    'protocols=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15',
    ...['--', 'add-port', 'br0', 'p1', '--', 'set', 'interface', 'p1', 'ofport_request=1'],
    ...['--', 'set-controller', 'br0', ...paths.map((path) => `unix:${path}`)],
  );
  const controllers = await Promise.all(
    VERSIONS.map(async (v, i) => negotiate(v, await servers[i]!.next())),
  );
  await instance.appctl('netdev-dummy/receive', 'p1', PACKET);
  const heard: string[][] = [];
  for (const { version, peer } of controllers) {
    // Since OpenFlow 1.3 such packets are dropped.
    const packet = version < 4 ? await peer.next(ofType(OFPT_PACKET_IN)) : undefined;
    heard.push([packet?.toString('hex') ?? 'nothing']);
  }
  await instance.vsctl(
    ...['add-port', 'br0', 'p9', '--', 'set', 'interface', 'p9', 'ofport_request=9'],
  );
  await instance.vsctl('del-port', 'br0', 'p9');
  for (const [i, { version, peer }] of controllers.entries()) {
    const name = hex('7039 0000');
    const isMeant = (reason: number) => (m: Buffer) =>
      m[1] === OFPT_PORT_STATUS && m[8] === reason && m.includes(name);
    const added = await peer.next(isMeant(OFPPR_ADD));
    const deleted = await peer.next(isMeant(OFPPR_DELETE));
    heard[i]!.push(describe(added!), describe(deleted!));
    assert.equal(added![0], version);
  }
  return heard;
}

/** Without the address, which is the dummy's own, and whether it is alive yet. */
function describe(status: Buffer): string {
  const b = Buffer.from(status);
  const address = b[0] === 1 ? 18 : 24;
  b.fill(0, address, address + 6);
  const state = b[0] === 1 ? 44 : 52;
  b.fill(0, state, state + 4);
  return b.toString('hex');
}

test('controllers of six versions at once', async () => {
  await using scope = new Scope();
  const [ours, theirs] = await Promise.all([
    hear(Instance.ours, scope),
    hear(Instance.oracle, scope),
  ]);
  assert.deepEqual(ours, theirs);
});
