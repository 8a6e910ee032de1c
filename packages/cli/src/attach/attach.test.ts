/** Owners and addresses of attached ports: their text both ways, and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { insideConfig, parsePrefix } from './inside-config.ts';
import {
  formatOwner,
  isAlive,
  ownerOfPath,
  ownerOfPid,
  parseOwner,
  processStart,
} from './owner.ts';
import { quote } from './switch-db.ts';

test('an owner survives its text', () => {
  for (const owner of [ownerOfPid(process.pid)!, ownerOfPath('/proc/self/ns/net')]) {
    assert.deepEqual(parseOwner(formatOwner(owner)), owner);
    assert.equal(isAlive(owner), true);
  }
});

test('another boot, another start, another inode: the owner is gone', () => {
  const pid = ownerOfPid(process.pid)!;
  assert.equal(isAlive({ ...pid, bootId: 'x' }), false);
  assert.equal(isAlive({ ...pid, kind: 'pid', pid: process.pid, startTicks: '1' }), false);
  const netns = ownerOfPath('/proc/self/ns/net');
  assert.equal(isAlive({ ...netns, kind: 'netns', path: '/proc/self/ns/net', inode: 1 }), false);
  assert.equal(isAlive({ ...netns, kind: 'netns', path: '/nowhere', inode: 1 }), false);
  assert.equal(processStart(2 ** 22 + 1), undefined);
});

test('texts that nobody wrote are no owners', () => {
  for (const text of ['', 'pid:1', 'pid:x:1:b', 'netns:1:b', 'netns:x:b:/p', 'other:1:2:3']) {
    assert.equal(parseOwner(text), undefined, text);
  }
});

test('addresses have a family and a length', () => {
  assert.deepEqual(parsePrefix('10.0.0.1/24'), { family: 4, address: '10.0.0.1', length: 24 });
  assert.deepEqual(parsePrefix('10.0.0.1'), { family: 4, address: '10.0.0.1', length: 32 });
  assert.deepEqual(parsePrefix('fd00::1/64'), { family: 6, address: 'fd00::1', length: 64 });
  for (const bad of ['10.0.0.1/33', '10.0.0/8', 'fd00::1/129', '1.2.3.4/', '1.2.3.4/8/8', 'x']) {
    assert.throws(() => parsePrefix(bad), /is not an address/, bad);
  }
});

test('what an interface cannot have is refused', () => {
  const mac = (text: string) => () => insideConfig('eth0', { mac: text });
  assert.throws(mac('01:00:00:00:00:01'), /multicast/);
  assert.throws(mac('1:2:3'), /not a MAC/);
  assert.throws(() => insideConfig('eth0', { mtu: '20' }), /not an MTU/);
  assert.throws(() => insideConfig('eth0', { mtu: '1e3' }), /not an MTU/);
  assert.equal(insideConfig('eth0', { mtu: '1450' }).mtu, 1450);
});

test('any text can be a value of external_ids', () => {
  assert.equal(quote('web'), 'web');
  assert.equal(quote('10'), '"10"');
  assert.equal(quote('a b"c'), '"a b\\"c"');
});
