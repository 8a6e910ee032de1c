/** Links, addresses, routes and frames, as ip(8) and the other end of a veth see them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { Ethtool } from './ethtool.ts';
import { fdLeakCheck } from './fd-leak.ts';
import { NetlinkError } from './netlink/message.ts';
import { createAnonymousNetns, netnsIdentity, openOwnNetns, withNetns } from './netns.ts';
import { PACKET_OUTGOING, PacketSocket } from './packet-socket.ts';
import { type LinkEvent, LinkMonitor } from './rtnetlink/monitor.ts';
import { Rtnl } from './rtnetlink/rtnl.ts';
import { Tap } from './tap.ts';

const MAC = '02:00:00:00:00:01';

/** iproute2's view, the oracle. */
// biome-ignore lint/suspicious/noExplicitAny: the shape is ip(8)'s
const ip = (...args: string[]): any[] =>
  JSON.parse(execFileSync('ip', ['-j', ...args], { encoding: 'utf8' }) || '[]');

test('links, addresses, routes and neighbours are as ip(8) sees them', () => {
  using ns = createAnonymousNetns();
  using far = createAnonymousNetns();
  using rtnl = new Rtnl(ns);
  rtnl.createVeth(
    { name: 'v0', mac: MAC, mtu: 1400, alias: 'mine', up: true },
    { name: 'v1', netns: far, mtu: 1400, up: true },
  );
  const v0 = rtnl.link('v0')!;
  rtnl.addAddress(v0.index, '10.9.0.1/24');
  rtnl.addAddress(v0.index, 'fd09::1/64');
  rtnl.addRoute({ dst: '10.10.0.0/16', gateway: '10.9.0.2' });
  rtnl.setNeighbour(v0.index, '10.9.0.2', '02:00:00:00:00:02');
  withNetns(ns, () => {
    const [seen] = ip('-d', 'link', 'show', 'v0');
    assert.deepEqual(
      [v0.index, v0.mac, v0.mtu, v0.alias, v0.kind, v0.peerIndex, v0.peerNetnsid],
      [
        seen.ifindex,
        seen.address,
        seen.mtu,
        seen.ifalias,
        'veth',
        seen.link_index,
        seen.link_netnsid,
      ],
    );
    const routes = ip('route')
      .map((r) => r.dst)
      .sort();
    const ours = rtnl
      .routes(2)
      .filter((r) => r.table === 254)
      .map((r) => r.dst)
      .sort();
    assert.deepEqual(ours, routes);
    const addresses = ip('addr', 'show', 'v0')[0]
      .addr_info.map((a: { local: string }) => a.local)
      .sort();
    assert.deepEqual(
      rtnl
        .addresses(v0.index)
        .map((a) => a.address)
        .sort(),
      addresses,
    );
    assert.equal(ip('neigh')[0].lladdr, '02:00:00:00:00:02');
  });
  rtnl.deleteRoute({ dst: '10.10.0.0/16' });
  rtnl.ensureClsact(v0.index);
  rtnl.ensureClsact(v0.index);
  assert.deepEqual(rtnl.filters(v0.index, 'ingress'), []);
  assert.equal(rtnl.netnsid(far), v0.peerNetnsid);
  assert.throws(
    () => rtnl.createBridge({ name: 'v0' }),
    (e) => e instanceof NetlinkError && e.code === 'EEXIST',
  );
  rtnl.deleteLink('v0');
  assert.equal(rtnl.link('v0'), undefined);
});

test('withNetns comes back also from an exception; nothing leaks', () => {
  const leaked = fdLeakCheck();
  using home = openOwnNetns();
  const before = netnsIdentity(home);
  {
    using ns = createAnonymousNetns();
    assert.throws(() => withNetns(ns, () => assert.fail('x')));
    using now = openOwnNetns();
    assert.equal(netnsIdentity(now), before);
    withNetns(ns, () => {
      using tap = new Tap('t0');
      using ethtool = new Ethtool();
      assert.equal(ethtool.driver(tap.name)?.driver, 'tun');
      assert.equal(ethtool.linkSettings(tap.name)?.speed, 10000);
    });
  }
  home.close();
  assert.deepEqual(leaked(), []);
});

test('a tagged frame crosses a veth with its tag; the monitor sees the link go', async () => {
  using ns = createAnonymousNetns();
  using rtnl = new Rtnl(ns);
  rtnl.createVeth({ name: 'a', up: true }, { name: 'b', up: true });
  const [a, b] = [rtnl.link('a')!.index, rtnl.link('b')!.index];
  const frame = Buffer.alloc(64, 0x5a);
  frame.set([
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x81, 0, 0x20, 0x64, 0x88, 0xb5,
  ]);
  withNetns(ns, () => {
    using from = new PacketSocket({ ifindex: a, sendOnly: true });
    using to = new PacketSocket({ ifindex: b, promisc: true });
    from.send(frame);
    const got = to.receive().filter((p) => p.type !== PACKET_OUTGOING && p.frame[16] === 0x88);
    assert.deepEqual(
      got.map((p) => Buffer.from(p.frame)),
      [frame],
    );
  });
  const events: LinkEvent[] = [];
  const monitor = new LinkMonitor((event) => events.push(event), { netns: ns });
  rtnl.deleteLink('a');
  await new Promise((resolve) => setTimeout(resolve, 100));
  monitor.close();
  const gone = events.flatMap((e) => (e.type === 'deleted' ? [e.link.name] : [])).sort();
  assert.deepEqual(gone, ['a', 'b']);
});
