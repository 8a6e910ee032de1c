/** What is logged of controllers and of the flow mods of a connection: Open vSwitch's lines. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, isolate, Scope } from '@heddle/testing';
import { DummySwitch } from './dummy-switch.ts';

isolate();

const FLOWS = `
add priority=1,actions=drop
add priority=2,actions=drop
modify_strict priority=2,actions=1
delete_strict priority=1
`;

/** Without times, numbers of lines and connections, and whose directory it is. */
function said({ instance }: DummySwitch): string[] {
  const { directory } = instance;
  const log = readFileSync(join(directory, 'ovs-vswitchd.log'), 'utf8');
  return log
    .split('\n')
    .filter((line) => line.includes('|connmgr|'))
    .map((line) => line.replace(/^[^|]*\|\d+\|/, '').replace(/unix#\d+/, 'unix#N'))
    .map((line) => line.replaceAll(directory, 'DIR'));
}

async function linesOf(subject: DummySwitch): Promise<string[]> {
  const { instance } = subject;
  const file = join(instance.directory, 'flows');
  writeFileSync(file, FLOWS);
  const lines = (n: number) => eventually(`line ${n}`, () => said(subject).length >= n);
  await subject.setUp('br0', ['p1']);
  await lines(1);
  await instance.exec('ovs-ofctl', 'add-flow', 'br0', 'actions=drop');
  await lines(2);
  await instance.exec('ovs-ofctl', 'add-flows', 'br0', file);
  await lines(3);
  await instance.exec('ovs-ofctl', '-OOpenFlow14', '--bundle', 'add-flows', 'br0', file);
  await lines(4);
  await instance.exec('ovs-ofctl', 'del-flows', 'br0');
  await lines(5);
  await subject.vsctl('set-controller', 'br0', 'bogus:nowhere');
  await lines(6);
  await subject.vsctl('set-controller', 'br0', 'tcp:127.0.0.1:9');
  await lines(7);
  await subject.vsctl('del-controller', 'br0');
  await lines(8);
  return said(subject);
}

test('a connection says at its end what it has done', async () => {
  await using scope = new Scope();
  const [ours, theirs] = await DummySwitch.pair(scope);
  assert.deepEqual(await linesOf(ours), await linesOf(theirs));
});
