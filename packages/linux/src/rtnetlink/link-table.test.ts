/** All links as they are now, beside what the kernel says when asked. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { check, syscall } from '../native.ts';
import { SYS } from '../syscalls.ts';
import { LinkTable } from './link-table.ts';
import type { LinkEvent } from './monitor.ts';
import { Rtnl } from './rtnl.ts';

const CLONE_NEWNET = 0x4000_0000;
check(syscall(SYS.unshare, CLONE_NEWNET), 'unshare');

test('a link table is up to date whenever it is asked', () => {
  using rtnl = new Rtnl();
  rtnl.createVeth({ name: 'a0' }, { name: 'a1' });
  using links = new LinkTable(() => {});
  assert.equal(links.link('a0')?.name, 'a0');
  assert.equal(links.link(links.link('a0')!.index)?.name, 'a0');
  links.setLink('a0', { mtu: 1400, up: true });
  assert.equal(links.link('a0')?.mtu, 1400);
  rtnl.setLink('a1', { name: 'b1' });
  assert.equal(links.link('a1'), undefined);
  assert.equal(links.link('b1')?.peerIndex, links.link('a0')?.index);
  rtnl.deleteLink('a0');
  assert.equal(links.link('b1'), undefined);
  for (let i = 0; i < 300; i++) rtnl.createBridge({ name: `br${i}` });
  assert.equal(links.link('br299')?.kind, 'bridge');
});

test('a port that leaves a Linux bridge stays a link', () => {
  using rtnl = new Rtnl();
  using links = new LinkTable(() => {});
  rtnl.createBridge({ name: 'sw' });
  rtnl.createVeth({ name: 'p0' }, { name: 'p1' });
  rtnl.setLink('p0', { master: links.link('sw')!.index });
  rtnl.setLink('p0', { master: 0 });
  assert.equal(links.link('p0')?.master, undefined);
  assert.equal(links.link('p0')?.name, 'p0');
});

test('the listener hears of all changes, after the call that found them', async () => {
  using rtnl = new Rtnl();
  const heard: LinkEvent[] = [];
  using links = new LinkTable((events) => heard.push(...events));
  rtnl.createBridge({ name: 'one' });
  links.link('one');
  assert.equal(heard.length, 0);
  const deadline = Date.now() + 5000;
  while (heard.length === 0 && Date.now() < deadline) await new Promise(setImmediate);
  assert.ok(heard.some((e) => e.type === 'new' && e.link.name === 'one'));
});

test('a link is found by other names, however long, and none by what no link can be called', () => {
  using rtnl = new Rtnl();
  rtnl.createVeth({ name: 'n0' }, { name: 'n1' });
  for (const name of ['short', 'longer-than-a-name-of-a-device']) {
    execFileSync('ip', ['link', 'property', 'add', 'dev', 'n0', 'altname', name]);
    assert.equal(rtnl.link(name)?.name, 'n0');
  }
  for (const size of [0, 15, 16, 127, 128, 1000]) {
    assert.equal(rtnl.link('x'.repeat(size)), undefined);
  }
  rtnl.deleteLink('n0');
});
