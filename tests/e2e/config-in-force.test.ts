/** What holds when ovs-vsctl has returned: packets of flows that the datapath knows are treated by it, too. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Instance, isolate, Scope } from '@heddle/testing';

isolate();

const FLOWS = 5000;

function mac(n: number): string {
  return `02:00:00:00:${[n >> 8, n & 0xff].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;
}

test('no megaflow is left that goes to a port which has another VLAN now', async () => {
  await using scope = new Scope();
  const switchArgs = ['--enable-dummy=override', '--disable-system'];
  const instance = await Instance.ours(scope, { switchArgs });
  const port = (name: string) => ['--', 'add-port', 'br0', name, '--', 'set', 'interface', name];
  await instance.vsctl(
    ...['add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=dummy'],
    ...[...port('p1'), 'type=dummy', 'ofport_request=1'],
    ...[...port('p2'), 'type=dummy', 'ofport_request=2'],
  );
  const dump = async () =>
    (await instance.appctl('dpctl/dump-flows', '--names', 'dummy@ovs-dummy')).trimEnd().split('\n');
  const goesTo = (name: string) => (flow: string) =>
    new RegExp(`actions:.*\\b${name}\\b`).test(flow);
  const packets = Array.from(
    { length: FLOWS },
    (_, n) => `eth(src=${mac(n)},dst=02:ff:ff:ff:ff:ff),eth_type(0x1234)`,
  );
  for (let at = 0; at < FLOWS; at += 500) {
    await instance.appctl('netdev-dummy/receive', 'p1', ...packets.slice(at, at + 500));
  }
  const before = await dump();
  assert.equal(before.filter(goesTo('p2')).length, FLOWS, before[0]);
  await instance.vsctl('set', 'port', 'p2', 'tag=9');
  assert.deepEqual((await dump()).filter(goesTo('p2')), []);
});
