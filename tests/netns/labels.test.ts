/** Headers that the eBPF engine does not know: the daemon adds and takes them, packet by packet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '@heddle/packet';
import { Host, Instance, isolate, Scope, Wire } from '@heddle/testing';

isolate();

interface World {
  readonly a: Host;
  readonly b: Host;
  readonly instance: Instance;
  /** What passes between the two bridges. */
  readonly middle: Wire;
}

/** Two bridges with a host each, joined by a wire. */
async function world(scope: Scope): Promise<World> {
  const host = await Host.create(scope);
  const instance = await Instance.ours(scope, { host });
  const [a, b] = [await Host.create(scope), await Host.create(scope)];
  for (const [n, peer] of [a, b].entries()) {
    await peer.veth(scope, 'eth0', `p${n + 1}`, host);
    await peer.address('eth0', `10.4.0.${n + 1}/24`);
  }
  await host.exec('ip', 'link', 'add', 'x1', 'type', 'veth', 'peer', 'name', 'x2');
  for (const name of ['x1', 'x2']) await host.exec('ip', 'link', 'set', name, 'up', 'mtu', '1600');
  for (const n of [1, 2]) {
    await instance.vsctl(
      ...['add-br', `br${n}`, '--', 'set', 'bridge', `br${n}`, 'fail_mode=secure'],
      ...['--', 'add-port', `br${n}`, `p${n}`, '--', 'add-port', `br${n}`, `x${n}`],
    );
  }
  return { a, b, instance, middle: Wire.open(scope, host, 'x2') };
}

const over = (add: string, match: string, take: string): string[] => [
  `ip,in_port=LAN,actions=${add},output:WAY`,
  `${match},in_port=WAY,actions=${take},output:LAN`,
  'arp,in_port=LAN,actions=output:WAY',
  'arp,in_port=WAY,actions=output:LAN',
];

for (const [name, flows, mark] of [
  [
    'MPLS',
    over('push_mpls:0x8847,set_field:77->mpls_label', 'mpls,mpls_label=77', 'pop_mpls:0x0800'),
    /^.{24}88470004d1/,
  ],
  [
    'NSH',
    over(
      'encap(nsh(md_type=1)),set_field:0x1234->nsh_spi,encap(ethernet),set_field:02:00:00:00:00:09->eth_dst',
      'dl_type=0x894f,nsh_spi=0x1234',
      'decap(),decap()',
    ),
    /^020000000009.{12}894f/,
  ],
] as const) {
  test(`${name}: pings and a stream of super-packets pass`, async () => {
    await using scope = new Scope();
    const { a, b, instance, middle } = await world(scope);
    for (const n of [1, 2]) {
      for (const flow of flows) {
        const line = flow.replaceAll('LAN', `p${n}`).replaceAll('WAY', `x${n}`);
        await instance.exec('ovs-ofctl', '-O', 'OpenFlow13', 'add-flow', `br${n}`, line);
      }
    }
    const ping = await a.ping('10.4.0.2', { count: 20, intervalSeconds: 0.05 });
    assert.equal(ping.received, 20, ping.text);
    const seen = middle.received().map(toHex);
    assert.ok(
      seen.some((frame) => mark.test(frame)),
      seen.slice(0, 5).join('\n'),
    );
    // Segments are cut before the header comes, checksums complete: TCP takes them all.
    await b.iperfServer(scope);
    const gbits = await a.iperf('10.4.0.2', 1);
    assert.ok(gbits > 0.0005, `${gbits} Gbit/s`);
  });
}
