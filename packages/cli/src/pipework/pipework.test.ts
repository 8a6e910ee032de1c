/** What the words of a `pipework` line ask for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { macOf, parse } from './main.ts';

const REST = { interfaceName: 'eth1', portName: undefined, mac: undefined, vlan: undefined };

test('the shortest line', () => {
  const expected = { ...REST, bridge: 'br0', guest: 'web', address: '10.0.0.1/24' };
  assert.deepEqual(parse(['br0', 'web', '10.0.0.1/24']), expected);
});

test('options may stand anywhere', () => {
  const request = parse(['br0', '-i', 'net0', 'web', '-l', 'p0', '10.0.0.1/24']);
  assert.equal(request?.interfaceName, 'net0');
  assert.equal(request?.portName, 'p0');
});

test('MAC and VLAN, together or apart', () => {
  const words = (...rest: string[]) => {
    const request = parse(['br0', 'web', '10.0.0.1/24', ...rest]);
    return [request?.mac, request?.vlan];
  };
  const mac = '02:00:00:00:00:01';
  assert.deepEqual(words(mac), [mac, undefined]);
  assert.deepEqual(words('@10'), [undefined, '10']);
  assert.deepEqual(words(`${mac}@10`), [mac, '10']);
  assert.deepEqual(words(mac, '@10'), [mac, '10']);
  assert.throws(() => words(mac, mac), /one word too many/);
  assert.throws(() => words('@5000'), /not a VLAN/);
  assert.throws(() => words('@x'), /not a VLAN/);
});

test('a MAC made from a text is stable, local and unicast', () => {
  assert.equal(macOf('web'), macOf('web'));
  assert.notEqual(macOf('web'), macOf('db'));
  assert.match(macOf('web'), /^02(:[0-9a-f]{2}){5}$/);
});

test('missing words ask for the usage', () => {
  assert.equal(parse([]), undefined);
  assert.equal(parse(['br0', 'web']), undefined);
  assert.equal(parse(['--help']), undefined);
  assert.throws(() => parse(['br0', '-x', 'web']), /unknown option/);
  assert.throws(() => parse(['br0', 'web', '-i']), /requires an argument/);
});
