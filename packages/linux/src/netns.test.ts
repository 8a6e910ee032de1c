/** Network namespaces and taps, as ip(8) sees them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { createNetns, deleteNetns, listNetns, openNetns, withNetns } from './netns.ts';
import { Rtnl } from './rtnetlink/rtnl.ts';
import { getSysctl, readProtocolCounters, setSysctl } from './sysctl.ts';
import { Tap, tapSupported } from './tap.ts';

const name = `heddle-test-${process.pid}`;

test('a named namespace is made, seen by ip-netns(8), entered and removed', () => {
  createNetns(name);
  try {
    assert.ok(listNetns().includes(name));
    assert.match(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' }), new RegExp(name));
    assert.throws(() => createNetns(name), /File exists/);
    using fd = openNetns({ name });
    withNetns(fd, () => {
      assert.deepEqual(
        new Rtnl().links().map((l) => l.name),
        ['lo'],
      );
      for (const value of ['0', '1']) {
        setSysctl('net/ipv4/ip_forward', value);
        assert.equal(getSysctl('net/ipv4/ip_forward'), value);
      }
      assert.equal(getSysctl('net/ipv4/no_such_setting'), undefined);
      assert.equal(readProtocolCounters('snmp').get('TcpInCsumErrors'), 0);
    });
  } finally {
    deleteNetns(name);
  }
  assert.ok(!listNetns().includes(name));
  assert.throws(() => deleteNetns(name), /No such file or directory/);
});

test('a persistent tap outlives its descriptor, and is renamed and deleted by netlink', () => {
  assert.ok(tapSupported());
  createNetns(name);
  try {
    using fd = openNetns({ name });
    withNetns(fd, () => {
      const rtnl = new Rtnl();
      new Tap('tap7').persist(true).close();
      assert.equal(rtnl.link('tap7')?.kind, 'tun');
      rtnl.setLink('tap7', { name: 'tap8', mtu: 1400 });
      assert.equal(rtnl.link('tap8')?.mtu, 1400);
      rtnl.deleteLink('tap8');
      assert.equal(rtnl.link('tap8'), undefined);
    });
  } finally {
    deleteNetns(name);
  }
});
