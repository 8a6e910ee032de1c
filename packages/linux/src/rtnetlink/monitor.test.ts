/** A monitor of links that overflows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { check, syscall } from '../native.ts';
import { SYS } from '../syscalls.ts';
import { type LinkEvent, LinkMonitor } from './monitor.ts';
import { Rtnl } from './rtnl.ts';

const CLONE_NEWNET = 0x4000_0000;
check(syscall(SYS.unshare, CLONE_NEWNET), 'unshare');

test('a monitor that lost events says so, and hears of the next', async () => {
  using rtnl = new Rtnl();
  rtnl.createVeth({ name: 'a0' }, { name: 'a1' });
  const heard: LinkEvent[] = [];
  using _ = new LinkMonitor((event) => heard.push(event), { receiveBytes: 4096 });
  const hears = async (what: (event: LinkEvent) => boolean): Promise<boolean> => {
    for (let i = 0; i < 1000 && !heard.some(what); i++) await delay(5);
    return heard.some(what);
  };
  for (let mtu = 1000; mtu < 1100; mtu++) rtnl.setLink('a0', { mtu });
  assert(await hears(({ type }) => type === 'overrun'));
  heard.length = 0;
  rtnl.setLink('a0', { mtu: 1400 });
  assert(await hears((event) => event.type === 'new' && event.link.mtu === 1400));
});
