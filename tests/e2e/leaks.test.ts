/** Ports and bridges that come and go leave no devices, pins, filters or descriptors. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { Instance, isolate, Scope } from '@heddle/testing';

isolate();

const PINS = '/sys/fs/bpf';
const PORTS = 125;
const ROUNDS = 8;

interface Inventory {
  readonly devices: string[];
  readonly pins: string[];
  readonly descriptors: number;
}

async function inventory(instance: Instance): Promise<Inventory> {
  const links = JSON.parse(await instance.host.exec('ip', '-j', 'link')) as { ifname: string }[];
  return {
    devices: links.map(({ ifname }) => ifname).sort(),
    pins: readdirSync(PINS, { recursive: true }).map(String).sort(),
    descriptors: readdirSync(`/proc/${instance.pid('ovs-vswitchd')}/fd`).length,
  };
}

test(`${PORTS * ROUNDS} ports and ${ROUNDS} bridges later everything is as before`, async () => {
  await using scope = new Scope();
  const instance = await Instance.ours(scope);
  await instance.vsctl('add-br', 'br0');
  const names = Array.from({ length: PORTS }, (_, n) => `i${n}`);
  const round = async (): Promise<void> => {
    const add = names.flatMap((name) => [
      '--',
      'add-port',
      'br1',
      name,
      '--',
      'set',
      'interface',
      name,
      'type=internal',
    ]);
    await instance.vsctl('add-br', 'br1', ...add);
    await instance.vsctl('del-br', 'br1');
  };
  await round();
  const before = await inventory(instance);
  for (let n = 1; n < ROUNDS; n++) await round();
  const after = await inventory(instance);
  assert.deepEqual(after.devices, before.devices);
  assert.deepEqual(after.pins, before.pins);
  // A connection that is being closed may be in the count.
  assert.ok(
    Math.abs(after.descriptors - before.descriptors) <= 3,
    JSON.stringify([before.descriptors, after.descriptors]),
  );
  await instance.stop();
  const links = JSON.parse(await instance.host.exec('ip', '-j', 'link')) as { ifname: string }[];
  assert.deepEqual(
    links.map(({ ifname }) => ifname),
    ['lo'],
  );
  assert.deepEqual(
    readdirSync(PINS, { recursive: true }).filter((name) => String(name).includes('/')),
    [],
  );
});
