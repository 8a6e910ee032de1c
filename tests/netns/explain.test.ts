/** Each reason to drop, provoked with real packets; the edit that is told makes them pass. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, Host, Instance, isolate, Scope, Wire } from '@heddle/testing';
import type { Explanation } from '@heddle/vswitch/explain/explanation';

isolate();

/** Three hosts, 10.0.0.1 to 10.0.0.3, on ports 1 to 3 of a bridge. */
async function world(scope: Scope, ...vsctl: string[]) {
  const instance = await Instance.ours(scope);
  await instance.vsctl('add-br', 'br0', ...vsctl);
  const hosts: Host[] = [];
  for (let i = 1; i <= 3; i++) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', `p${i}`, instance.host);
    await host.address('eth0', `10.0.0.${i}/24`);
    const set = ['set', 'interface', `p${i}`, `ofport_request=${i}`];
    await instance.vsctl('add-port', 'br0', `p${i}`, '--', ...set);
    hosts.push(host);
  }
  const [mac1, mac2] = await Promise.all([hosts[0]!.mac('eth0'), hosts[1]!.mac('eth0')]);
  for (const [host, ip, mac] of [
    [hosts[0]!, '10.0.0.2', mac2],
    [hosts[1]!, '10.0.0.1', mac1],
  ] as const) {
    await host.exec('ip', 'neigh', 'replace', ip, 'lladdr', mac, 'dev', 'eth0');
  }
  const flow = `in_port=p1,icmp,dl_src=${mac1},dl_dst=${mac2},nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,icmp_type=8`;
  const explain = async (what: string, ...options: string[]): Promise<Explanation> =>
    JSON.parse(await instance.exec('heddle', 'explain', '--json', 'br0', what, ...options));
  const text = (what: string, ...options: string[]) =>
    instance.exec('heddle', 'explain', 'br0', what, ...options);
  const drops = () => instance.exec('heddle', 'explain', '--drops', 'br0');
  const reaches = () => hosts[0]!.reaches('10.0.0.2', 4);
  /** Does what is told, word for word. */
  const follow = async ({ edits }: Explanation, n = 0): Promise<void> => {
    assert.ok(edits[n], 'an edit is told');
    await instance.exec('sh', '-ec', edits[n].command);
  };
  const passes = () => eventually('packets from 1 to 2', reaches);
  const ofctl = (...args: string[]) => instance.exec('ovs-ofctl', ...args);
  return {
    instance,
    hosts,
    flow,
    mac1,
    mac2,
    explain,
    text,
    drops,
    reaches,
    follow,
    passes,
    ofctl,
  };
}

const DOWN = 'priority=9,in_port=2 actions=1';

test('a secure bridge without flows and controller', async () => {
  await using scope = new Scope();
  const w = await world(scope, '--', 'set-fail-mode', 'br0', 'secure');
  assert.equal(await w.reaches(), false);
  const told = await w.explain(w.flow);
  assert.equal(told.verdict, 'dropped');
  assert.match(told.reason!.text, /table 0: with fail_mode=secure .* has no controller/);
  assert.match(await w.drops(), /\d packets, .* no flow of the bridge matches \(table 0\)/);
  assert.match(await w.drops(), /ovs-vsctl del-fail-mode br0/);
  assert.match(told.edits[0]!.command, /del-fail-mode/);
  await w.follow(told);
  await w.passes();
  assert.equal((await w.explain(w.flow)).verdict, 'forwarded');
});

test('a near miss: the flow that wants another address, adapted', async () => {
  await using scope = new Scope();
  const w = await world(scope, '--', 'set-fail-mode', 'br0', 'secure');
  await w.ofctl('add-flow', 'br0', DOWN);
  await w.ofctl('add-flow', 'br0', 'cookie=0x77,priority=5 actions=resubmit(,3)');
  await w.ofctl('add-flow', 'br0', 'table=3,priority=100,ip,nw_dst=10.0.0.3 actions=output:2');
  assert.equal(await w.reaches(), false);
  const told = await w.explain(w.flow);
  assert.equal(told.reason!.text, 'no flow matched in table 3');
  assert.deepEqual(
    told.nearMisses.filter((m) => m.flow.table === 3).map((m) => [m.flow.priority, m.differences]),
    [[100, [{ field: 'nw_dst', wants: '10.0.0.3', has: '10.0.0.2' }]]],
  );
  const first = told.steps.find((s) => s.type === 'flow')!;
  assert.equal(first.flow.cookie, '0x77');
  assert.match(first.flow.origin, /management socket \(ovs-ofctl, OpenFlow 1\.\d\)/);
  const text = await w.text(w.flow);
  assert.match(text, /priority 100 .* wants nw_dst=10\.0\.0\.3, the packet has 10\.0\.0\.2/);
  await w.follow(told);
  await w.passes();
});

test('a flow that drops: without it, or with an exception before it', async () => {
  await using scope = new Scope();
  const w = await world(scope);
  await w.ofctl('add-flow', 'br0', 'priority=50,icmp,nw_src=10.0.0.0/24 actions=drop');
  assert.equal(await w.reaches(), false);
  const told = await w.explain(w.flow);
  assert.match(told.reason!.text, /in table 0 that it matched drops/);
  assert.match(told.edits[0]!.command, /--strict del-flows br0/);
  assert.match(told.edits[1]!.command, /add-flow br0 'table=0,priority=51,icmp,.*actions=NORMAL'/);
  assert.match(await w.drops(), /the flow has no actions \(table 0: priority=50,icmp/);
  await w.follow(told);
  await w.passes();
});

test('VLANs: tags, trunks, on the way in and out', async () => {
  await using scope = new Scope();
  const w = await world(scope);
  await w.instance.vsctl('set', 'port', 'p1', 'tag=5');
  await w.instance.vsctl('set', 'port', 'p2', 'tag=6');
  assert.equal(await w.reaches(), false);
  const out = await w.explain(w.flow, '--to=p2');
  assert.match(out.reason!.text, /VLAN 5 does not go out of port p2: .* of VLAN 6 \(column tag\)/);
  assert.equal(out.edits[0]!.command, 'ovs-vsctl set port p2 tag=5');
  await w.follow(out);
  await w.passes();

  // The first host speaks tagged now.
  const [a, b] = w.hosts;
  const sender = Wire.open(scope, a!, 'eth0');
  const receiver = Wire.open(scope, b!, 'eth0');
  const frame = Buffer.from(
    `${w.mac2}${w.mac1}8100000988b5${'ab'.repeat(50)}`.replaceAll(':', ''),
    'hex',
  );
  const tagPasses = () =>
    eventually('a packet of VLAN 9', async () => {
      sender.send(frame);
      return receiver
        .expect((f) => Buffer.from(f).includes(Buffer.alloc(50, 0xab)), 300)
        .then(() => true)
        .catch(() => false);
    });
  await w.instance.vsctl('clear', 'port', 'p2', 'tag');
  const tagged = w.flow.replace('icmp,', 'icmp,dl_vlan=9,');
  const access = await w.explain(tagged);
  assert.match(access.reason!.text, /VLAN 9 in: it is an access port of VLAN 5 \(column tag\)/);
  assert.match(access.edits[0]!.command, /set port p1 vlan_mode=native-untagged trunks=9/);
  await w.follow(access);
  await tagPasses();
  await w.instance.vsctl('set', 'port', 'p1', 'trunks=7');
  const trunk = await w.explain(tagged);
  assert.match(trunk.reason!.text, /column trunks is \[7\]/);
  assert.equal(trunk.edits[0]!.command, 'ovs-vsctl add port p1 trunks 9');
  await w.follow(trunk);
  await tagPasses();
});

test('ports: down, protected, not forwarding, not receiving', async () => {
  await using scope = new Scope();
  const w = await world(scope);
  await w.passes();
  const check = async (break_: () => Promise<unknown>, why: RegExp, edit: RegExp) => {
    await break_();
    await eventually('no way through', async () => !(await w.reaches()));
    const told = await w.explain(w.flow, '--to=p2');
    assert.match(told.reason!.text, why);
    assert.match(told.edits[0]!.command, edit);
    await w.follow(told);
    await w.passes();
  };
  await check(
    () => w.instance.exec('ip', 'link', 'set', 'p2', 'down'),
    /device p2 is administratively down/,
    /ip link set dev p2 up/,
  );
  await check(
    () =>
      w.instance.vsctl(
        'set',
        'port',
        'p1',
        'protected=true',
        '--',
        'set',
        'port',
        'p2',
        'protected=true',
      ),
    /ports p1 and p2 are both protected/,
    /protected=false/,
  );
  await check(
    () => w.ofctl('mod-port', 'br0', 'p2', 'no-forward'),
    /p2 sends no packets \(OpenFlow's no-forward\)/,
    /mod-port br0 p2 forward/,
  );
  await check(
    () => w.ofctl('mod-port', 'br0', 'p1', 'no-receive'),
    /p1 takes no packets \(OpenFlow's no-receive\)/,
    /mod-port br0 p1 receive/,
  );
});

test('an address that is known to be where the packet came from', async () => {
  await using scope = new Scope();
  const w = await world(scope);
  await w.instance.appctl('fdb/add', 'br0', 'p1', '0', w.mac2);
  await eventually('no way through', async () => !(await w.reaches()));
  const told = await w.explain(w.flow);
  assert.match(told.reason!.text, /is known to be at p1 \(a static entry\), where the packet came/);
  assert.equal(told.edits[0]!.command, `ovs-appctl fdb/del br0 0 ${w.mac2}`);
  await w.follow(told);
  await w.passes();
});

test('flows that send back, to nowhere, or up to nobody', async () => {
  await using scope = new Scope();
  const w = await world(scope, '--', 'set-fail-mode', 'br0', 'secure');
  await w.ofctl('add-flow', 'br0', DOWN);
  await w.ofctl('add-flow', 'br0', 'priority=5,in_port=1 actions=output:1');
  const back = await w.explain(w.flow);
  assert.match(back.reason!.text, /out of the port that it came in by \(p1\)/);
  assert.match(back.edits[0]!.command, /actions=IN_PORT/);
  assert.match(back.edits[0]!.outcome, /p1/);
  await w.ofctl('add-flow', 'br0', 'priority=5,in_port=1 actions=output:77');
  const nowhere = await w.explain(w.flow, '--to=p2');
  assert.match(nowhere.reason!.text, /a port that the bridge does not have/);
  assert.match(nowhere.edits[0]!.command, /actions=output:2/);
  await w.ofctl('add-flow', 'br0', 'priority=5,in_port=1 actions=CONTROLLER');
  const up = await w.explain(w.flow);
  assert.equal(up.verdict, 'controller');
  assert.match(up.notes[0]!, /br0 has none: nobody hears of it/);
  await w.follow(nowhere);
  await w.passes();
});

test('connection tracking: what another state would have brought', async () => {
  await using scope = new Scope();
  const w = await world(scope, '--', 'set-fail-mode', 'br0', 'secure');
  await w.ofctl('add-flow', 'br0', 'ip,ct_state=-trk actions=ct(table=1)');
  await w.ofctl('add-flow', 'br0', 'table=1,ip,ct_state=+trk+est actions=output:2');
  const told = await w.explain(w.flow);
  assert.match(told.reason!.text, /no flow matched in table 1/);
  assert.ok(told.notes.some((n) => /ct_state=est\|trk, it would go out of p2/.test(n)));
  const est = await w.explain(w.flow, '--ct-next=trk,est');
  assert.deepEqual(
    est.outputs.map((o) => o.port),
    ['p2'],
  );
});

test('a pcap file: each kind of packet once, with counts; and the MTU', async () => {
  await using scope = new Scope();
  const w = await world(scope);
  const file = join(w.instance.directory, 'some.pcap');
  const headers = `${w.mac2}${w.mac1}08004500001c0001000040010000`.replaceAll(':', '');
  const short = Buffer.from(`${headers}0a0000010a0000020800f7ff00000000`, 'hex');
  const { emitPcapHeader, emitPcapRecord } = await import('@heddle/packet');
  const long = Buffer.concat([short, Buffer.alloc(1500)]);
  const record = (data: Uint8Array) => emitPcapRecord({ timeUs: 0, data });
  writeFileSync(
    file,
    Buffer.concat([emitPcapHeader(), record(short), record(short), record(short)]),
  );
  // Both addresses are learned then.
  await w.passes();
  const text = await w.text(file, '--in-port=p1');
  assert.match(text, /^3 packets, \d+ bytes, 1 distinct:/m);
  assert.match(text, /It goes out of p2/);
  writeFileSync(file, Buffer.concat([emitPcapHeader(), record(long)]));
  const groups = JSON.parse(await w.instance.exec('heddle', 'explain', '--json', 'br0', file)) as {
    explanation: Explanation;
  }[];
  const told = groups[0]!.explanation;
  assert.match(told.reason!.text, /the MTU of p2 is 1500/);
  assert.match(told.edits[0]!.command, /set interface p2 mtu_request=\d+/);
  await w.follow(told);
  await eventually('a greater MTU', async () =>
    /mtu (1[5-9]\d\d|[2-9]\d\d\d)/.test(await w.instance.exec('ip', 'link', 'show', 'p2')),
  );
});

test('a file that is no capture, none of Ethernet, or one that is cut', async () => {
  await using scope = new Scope();
  const w = await world(scope);
  const file = join(w.instance.directory, 'some.pcapng');
  const explained = async (bytes: Uint8Array) => {
    writeFileSync(file, bytes);
    const { code, stdout, stderr } = await w.instance.run('heddle', 'explain', 'br0', file);
    assert.doesNotMatch(stderr, /^\s+at /m);
    return { code, stdout, told: stderr.trimEnd().replaceAll(file, 'FILE') };
  };
  const words = (...u32: number[]) => Buffer.from(Uint32Array.from(u32).buffer);
  const header = (linktype: number) => words(0xa1b2c3d4, 0x40002, 0, 0, 65535, linktype);
  const addresses = `${w.mac2}${w.mac1}08004500`.replaceAll(':', '');
  const frame = Buffer.from(`${addresses}05dc0001000040010000${'0a0000010a0000020800'}`, 'hex');
  const record = (bytes: number) => [words(0, 0, bytes, 1514), frame.subarray(0, bytes)];
  const refused: [string, Uint8Array][] = [
    ['is empty', Buffer.alloc(0)],
    ['is neither a pcap nor a pcapng file', Buffer.from('table=0,actions=drop')],
    ['has no packets', header(1)],
    ['all 1 packets are cut within their headers', Buffer.concat([header(1), ...record(30)])],
    [
      'has no Ethernet frames, but 1 of link type LINUX_SLL2 (276): capture on one Ethernet device',
      Buffer.concat([header(276), ...record(30)]),
    ],
  ];
  for (const [why, bytes] of refused) {
    const { code, stdout, told } = await explained(bytes);
    assert.ok(told.startsWith(`heddle explain: FILE: ${why}`), told);
    assert.deepEqual([code, stdout], [1, '']);
  }
  const missing = await w.instance.run('heddle', 'explain', 'br0', '/nowhere.pcap');
  assert.equal(missing.stderr, 'heddle explain: /nowhere.pcap: there is no such file\n');

  await w.passes();
  // Payload that the capture has cut off changes nothing, and counts; the end is damaged.
  const pieces = [header(1), ...record(frame.length), ...record(30), ...record(frame.length)];
  const { stdout, told } = await explained(Buffer.concat(pieces).subarray(0, -4));
  assert.match(stdout, /^1 packets, 1514 bytes, 1 distinct:/m);
  assert.match(stdout, /It goes out of p2/);
  assert.deepEqual(told.split('\n'), [
    'FILE: the packet at byte 122 is cut short; what comes before it is explained',
    'FILE: left out: 1 packets, cut within their headers: capture more of each (-s of tcpdump)',
  ]);
});
