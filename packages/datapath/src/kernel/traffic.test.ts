/** Real packets through real veths: offloads, floods, fairness, and daemons that die. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { createNetns, deleteNetns, openNetns, openOwnNetns } from '@heddle/linux/netns';
import { PacketSocket } from '@heddle/linux/packet-socket';
import { Rtnl } from '@heddle/linux/rtnetlink/rtnl';
import { extractFlow, Flow, toHex } from '@heddle/packet';
import * as b from '@heddle/packet/build';
import { keptUpcall } from '../compliance.ts';
import type { Upcall } from '../dpif.ts';
import { LEAVING_GROUP } from './devices.ts';
import type { AttachMode } from './links.ts';
import { openKernelDpif } from './open.ts';
import { patch } from './test-daemon.ts';
import { delay, enterNewNetns, Rig, TEST_PIN_ROOT, testOptions, until } from './test-support.ts';

enterNewNetns();

const MACS = { dst: 'ff:ff:ff:ff:ff:ff', src: '02:00:00:00:00:01' };
const IPS = { src: '10.0.0.1', dst: '10.0.0.2' };

function udpFrame(bytes: number, src = 1): Uint8Array {
  return b.ethernet(MACS, b.ipv4(IPS, b.udp({ src, dst: 2 }, new Uint8Array(bytes).fill(7))));
}

function portMask(): Flow {
  const mask = new Flow();
  mask.inPort = 0xffff_ffff;
  return mask;
}

function inHost(name: string, command: string, args: readonly string[]): ChildProcess {
  return spawn('ip', ['netns', 'exec', name, command, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function output(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(child, 'close');
  return text;
}

/** Two hosts, `NAME1` and `NAME2`, with 10.0.0.1 and 10.0.0.2 behind devices p1 and p2. */
class Hosts implements Disposable {
  readonly names: string[];

  constructor(name: string, mtu = 1500) {
    this.names = [1, 2].map((n) => `k-${name}${process.pid}-${n}`);
    using rtnl = new Rtnl();
    this.names.forEach((host, i) => {
      createNetns(host);
      using ns = openNetns({ name: host });
      const peer = { name: 'eth0', netns: ns, up: true, mtu };
      rtnl.createVeth({ name: `p${i + 1}`, up: true, mtu }, peer);
      using there = new Rtnl(ns);
      there.addAddress(there.link('eth0')!.index, `10.0.0.${i + 1}/24`);
    });
  }

  checksumErrors(): number {
    return this.names
      .map((host) => spawnSync('ip', ['netns', 'exec', host, 'cat', '/proc/net/snmp']))
      .map((r) => r.stdout.toString().split('\n'))
      .map((lines) =>
        Number(
          lines
            .filter((l) => l.startsWith('Tcp:'))[1]!
            .split(' ')
            .at(-1),
        ),
      )
      .reduce((a, n) => a + n);
  }

  [Symbol.dispose](): void {
    using rtnl = new Rtnl();
    this.names.forEach((host, i) => {
      rtnl.deleteLink(`p${i + 1}`);
      deleteNetns(host);
    });
  }
}

/** TCP from the first host to the second; bytes that arrived. */
async function tcpTransfer(hosts: Hosts, megabytes: number): Promise<number> {
  const [from, to] = hosts.names;
  const receive = `require('net').createServer(s=>{let n=0;s.on('data',d=>n+=d.length);s.on('end',()=>{console.log(n);process.exit()})}).listen(5000,()=>console.log('up'))`;
  const sendCode = `const s=require('net').connect(5000,'10.0.0.2',()=>{s.end(Buffer.alloc(${megabytes}<<20))})`;
  const server = inHost(to!, process.execPath, ['-e', receive]);
  const text = output(server);
  await once(server.stdout!, 'data');
  const client = inHost(from!, process.execPath, ['-e', sendCode]);
  const timer = setTimeout(() => server.kill('SIGKILL'), 20_000);
  await once(client, 'close');
  const lines = (await text).trim().split('\n');
  clearTimeout(timer);
  return Number(lines.at(-1));
}

for (const [mtu, kfuncs] of [
  [1500, true],
  [9000, true],
  [1500, false],
] as const) {
  test(`TCP whose super-packets miss, MTU ${mtu}, kfuncs ${kfuncs}`, async () => {
    using hosts = new Hosts('g', mtu);
    const dpif = await openKernelDpif(testOptions({ kfuncs }));
    const [one, two] = [await dpif.portAdd('p1', 'system'), await dpif.portAdd('p2', 'system')];
    let [superPackets, partial, bytes] = [0, 0, 0];
    // Nothing is installed: every packet goes up and comes back.
    dpif.setUpcallHandler((batch) => {
      dpif.execute(
        batch.map(({ flow, packet }) => {
          if ((packet.vnet?.gsoType ?? 0) !== 0) superPackets++;
          if ((packet.vnet?.flags ?? 0) !== 0) partial++;
          bytes += packet.data.length;
          const port = flow.inPort === one ? two : one;
          return { flow, packet, actions: [{ type: 'output', port }] };
        }),
      );
    });
    assert.equal(await tcpTransfer(hosts, 8), 8 << 20);
    assert.ok(superPackets > 0 && partial > 0 && bytes >= 8 << 20);
    assert.equal(hosts.checksumErrors(), 0);
    // Each takes a 72 KiB record: a loaded machine may fill the ring now and then, and says so.
    assert.ok(dpif.stats().lost * 10 < superPackets);
    await dpif.destroy();
  });
}

test('rewritten TCP super-packets keep their checksums right', async () => {
  using hosts = new Hosts('r');
  const dpif = await openKernelDpif(testOptions());
  const [one, two] = [await dpif.portAdd('p1', 'system'), await dpif.portAdd('p2', 'system')];
  dpif.setUpcallHandler((batch) => {
    for (const { flow, packet } of batch) {
      const mask = portMask();
      mask.dlType = 0xffff;
      mask.nwProto = 0xff;
      const [key, set] = [new Flow(), new Flow()];
      const toServer = flow.inPort === one;
      // The second host is reached at port 6000 and serves at 5000.
      if (toServer) key.tpDst = 5000;
      else key.tpSrc = 6000;
      if (toServer) set.tpDst = 0xffff;
      else set.tpSrc = 0xffff;
      key.nwTtl = 9;
      set.nwTtl = 0xff;
      const out = { type: 'output' as const, port: toServer ? two : one };
      const rewrite = { type: 'set' as const, key, mask: set };
      const actions = flow.nwProto === 6 && flow.dlType === 0x800 ? [rewrite, out] : [out];
      dpif.flowPut({ key: flow, mask, actions });
      dpif.execute([{ flow, packet, actions }]);
    }
  });
  const [from, to] = hosts.names;
  const serve = `require('net').createServer(s=>{let n=0;s.on('data',d=>n+=d.length);s.on('end',()=>{console.log(n);process.exit()})}).listen(5000,()=>console.log('up'))`;
  const server = inHost(to!, process.execPath, ['-e', serve]);
  const text = output(server);
  await once(server.stdout!, 'data');
  const connect = `const s=require('net').connect(6000,'10.0.0.2',()=>{s.end(Buffer.alloc(32<<20))})`;
  const client = inHost(from!, process.execPath, ['-e', connect]);
  const timer = setTimeout(() => server.kill('SIGKILL'), 20_000);
  await once(client, 'close');
  assert.equal(Number((await text).trim().split('\n').at(-1)), 32 << 20);
  clearTimeout(timer);
  assert.equal(hosts.checksumErrors(), 0);
  await dpif.destroy();
});

for (const [size, longer] of [
  [1514, false],
  [1513, true],
] as const) {
  test(`super-packets are as long as their segments: ${longer ? '' : 'not '}over ${size}`, async () => {
    using hosts = new Hosts('l');
    const dpif = await openKernelDpif(testOptions());
    const [one, two] = [await dpif.portAdd('p1', 'system'), await dpif.portAdd('p2', 'system')];
    let [superPackets, greater] = [0, 0];
    dpif.setUpcallHandler((batch) => {
      for (const { flow, packet, userdata } of batch) {
        if (packet.vnet?.gsoSize) superPackets++;
        if (userdata !== undefined) {
          greater++;
          continue;
        }
        const out = { type: 'output' as const, port: flow.inPort === one ? two : one };
        const told = { type: 'userspace' as const, userdata: Uint8Array.of(1) };
        const check = { type: 'check_pkt_len' as const, size };
        const actions = [{ ...check, greater: [told, out], lessEqual: [out] }];
        dpif.flowPut({ key: flow, mask: portMask(), actions });
        dpif.execute([{ flow, packet, actions }]);
      }
    });
    assert.equal(await tcpTransfer(hosts, 2), 2 << 20);
    if (longer) assert.ok(greater > 0 && superPackets > 0);
    else assert.equal(greater, 0);
    await dpif.destroy();
  });
}

for (const count of [500]) {
  test(`a flood to ${count} ports reaches all`, async () => {
    const rig = await Rig.open(1);
    await rig.addPorts(count, { listen: false });
    const frame = udpFrame(100);
    const key = extractFlow(frame, { inPort: rig.ports[0]! });
    const actions = rig.ports.slice(1).map((port) => ({ type: 'output' as const, port }));
    rig.dpif.flowPut({ key, mask: portMask(), actions });
    rig.send(rig.ports[0]!, frame);
    using there = new Rtnl(rig.hosts);
    const reached = () => {
      const others = there.links().filter((l) => l.name.startsWith('y') && l.name !== 'y1');
      return others.filter((l) => l.stats.rx_packets >= 1).length;
    };
    await until(() => reached() === count, 3000);
    assert.equal(reached(), count);
    assert.deepEqual(rig.dpif.flowGet([...rig.dpif.flows()][0]!.ufid)!.actions, actions);
    const [flow, packet] = [key, { data: frame }];
    rig.dpif.execute([{ flow, packet, actions }]);
    const twice = () => rig.ports.slice(1).every((p) => rig.dpif.portStats(p).txPackets === 2);
    assert.ok(await until(twice), 'execute floods, too');
    await rig.close();
  });
}

test('frames longer than the MTU of the port are dropped and counted', async () => {
  const rig = await Rig.open(1, {});
  await rig.addPorts(1, { mtu: 1500 });
  const [one, two] = rig.ports;
  const long = udpFrame(1600);
  const actions = [{ type: 'output' as const, port: two! }];
  const flow = extractFlow(long, { inPort: one! });
  rig.dpif.execute([
    { flow, packet: { data: long }, actions },
    { flow, packet: { data: udpFrame(1472) }, actions },
  ]);
  await rig.settle();
  assert.deepEqual(
    rig.received(two!).map((f) => f.length),
    [14 + 20 + 8 + 1472],
  );
  assert.equal(rig.dpif.stats().drops.get('longer than MTU'), 1);
  assert.equal(rig.dpif.portStats(two!).txDropped, 1);
  await rig.close();
});

test('a port that floods misses does not starve another', async () => {
  const rig = await Rig.open(2, { sizes: { flows: 64, ports: 16, chunks: 16, ringBytes: 65536 } });
  const [one, two] = rig.ports;
  const seen = new Map<number, number>();
  rig.dpif.setUpcallHandler((batch) => {
    for (const u of batch) seen.set(u.flow.inPort, (seen.get(u.flow.inPort) ?? 0) + 1);
  });
  // All of this is sent before the daemon reads anything.
  for (let i = 0; i < 2000; i++) rig.send(one!, udpFrame(100, i));
  for (let i = 0; i < 10; i++) rig.send(two!, udpFrame(100, i));
  assert.ok(await until(() => seen.get(two!) === 10));
  await rig.settle();
  const { lost, lostByPort } = rig.dpif.stats();
  assert.equal(lost + seen.get(one!)!, 2000);
  assert.ok(seen.get(one!)! > 30);
  assert.deepEqual([...lostByPort], [[one, lost]]);
  await rig.close();
});

test('misses that nobody read before the daemon ended are served, and count against no port', async () => {
  const options = testOptions();
  const first = await openKernelDpif(options);
  using rtnl = new Rtnl();
  rtnl.createVeth({ name: 'q1', up: true }, { name: 'q2', up: true });
  const port = await first.portAdd('q1', 'system');
  const send = () => {
    using socket = new PacketSocket({ ifindex: rtnl.link('q2')!.index, sendOnly: true });
    socket.send(udpFrame(64));
  };
  first[Symbol.dispose]();
  for (let n = 0; n < 5; n++) send();
  const next = await openKernelDpif(options);
  try {
    let seen = 0;
    next.setUpcallHandler((batch) => {
      seen += batch.length;
    });
    assert.ok(await until(() => seen === 5), `${seen} of 5`);
    for (let n = 6; n <= 10; n++) {
      send();
      assert.ok(await until(() => seen === n), `${seen} of ${n}`);
    }
    assert.equal(next.stats().lostByPort.get(port) ?? 0, 0);
    assert.ok(await until(() => !next.upcallsPending()));
  } finally {
    await next.destroy();
    rtnl.deleteLink('q1');
  }
});

test('upcalls keep the order of a port and take turns between ports', async () => {
  const rig = await Rig.open(2);
  const [one, two] = rig.ports;
  const got: Upcall[] = [];
  for (let i = 0; i < 50; i++) rig.send(one!, udpFrame(100, i));
  for (let i = 0; i < 50; i++) rig.send(two!, udpFrame(100, i));
  rig.dpif.setUpcallHandler((batch) => void got.push(...batch.map(keptUpcall)));
  assert.ok(await until(() => got.length === 100));
  for (const port of [one, two]) {
    const order = got.filter((u) => u.flow.inPort === port).map((u) => u.flow.tpSrc);
    assert.deepEqual(order, [...Array(50).keys()]);
  }
  assert.equal(got.findIndex((u) => u.flow.inPort === two) < 5, true);
  await rig.close();
});

test('beyond the masks that there are, flows are narrower but right', async () => {
  const rig = await Rig.open(2);
  const [one, two] = rig.ports;
  const actions = [{ type: 'output' as const, port: two! }];
  const again = portMask();
  again.recircId = 0xffff_ffff;
  again.tpSrc = 0xffff;
  const known = new Flow();
  known.inPort = one!;
  known.tpSrc = 99;
  rig.dpif.flowPut({ key: known, mask: again, actions: [{ type: 'recirc', id: 5 }] });
  for (let i = 1; i <= 1022; i++) {
    const mask = portMask();
    mask.nwDst = i;
    mask.tpDst = 0xffff;
    const key = new Flow();
    key.tpDst = 9999;
    rig.dpif.flowPut({ key, mask, actions: [] });
  }
  assert.equal(rig.dpif.stats().masks, 1023);
  const mask = portMask();
  mask.tpSrc = 0xfff0;
  assert.throws(() => rig.dpif.flowPut({ key: new Flow(), mask, actions }), { code: 'ENOSPC' });
  rig.dpif.setUpcallHandler((batch) => {
    for (const { flow } of batch) rig.dpif.flowPut({ key: flow, mask, actions });
  });
  rig.send(one!, udpFrame(50, 17));
  await rig.settle();
  assert.equal(rig.dpif.stats().masks, 1024);
  rig.send(one!, udpFrame(50, 17));
  await rig.settle();
  assert.deepEqual(rig.received(two!).map(toHex), [toHex(udpFrame(50, 17))]);
  // What has been tracked is told apart by more than a narrow flow would look at.
  const refused: number[] = [];
  rig.dpif.setUpcallHandler((batch) => {
    for (const { flow } of batch) {
      mask.ctMark = 1;
      assert.throws(() => rig.dpif.flowPut({ key: flow, mask, actions }), { code: 'ENOSPC' });
      refused.push(flow.recircId);
    }
  });
  rig.send(one!, udpFrame(50, 99));
  assert.ok(await until(() => refused.length > 0));
  assert.deepEqual(refused, [5]);
  rig.dpif.flowFlush();
  assert.equal(rig.dpif.stats().masks, 0);
  await rig.close();
});

test('a port more does not look at all devices, whether or not there are tunnels', async (t) => {
  const rig = await Rig.open(1);
  const listed = t.mock.method(Rtnl.prototype, 'links').mock;
  for (const name of ['a0', 'a1', 'a2']) await rig.dpif.portAdd(name, 'internal');
  await rig.dpif.portAdd('vxlan_sys_4789', 'vxlan', undefined, { dstPort: 4789 });
  listed.resetCalls();
  for (const name of ['b0', 'b1', 'b2']) await rig.dpif.portAdd(name, 'internal');
  assert.equal(listed.callCount(), 0);
  assert.deepEqual(
    ['a0', 'b2'].map((name) => [...rig.dpif.ports()].find((p) => p.name === name)?.portNo),
    [2, 8],
  );
  await rig.dpif.portDel(3);
  assert.equal(await rig.dpif.portAdd('c0', 'internal'), 3);
  await rig.close();
});

test('devices of internal ports go together, and a name is free at once', async (t) => {
  const rig = await Rig.open(1);
  using rtnl = new Rtnl();
  const names = ['d0', 'd1', 'd2'];
  const ports = new Map<string, number>();
  for (const name of names) ports.set(name, await rig.dpif.portAdd(name, 'internal'));
  const deletions = t.mock.method(Rtnl.prototype, 'deleteGroup').mock;
  for (const name of names) await rig.dpif.portDel(ports.get(name)!);
  // As a port of another kind it is another device, which is not there.
  await assert.rejects(rig.dpif.portAdd('d1', 'system'), { code: 'ENODEV' });
  assert.deepEqual(
    names.map((name) => rtnl.link(name)),
    [undefined, undefined, undefined],
  );
  const again = await rig.dpif.portAdd('d2', 'internal');
  await delay(0);
  assert.equal(deletions.callCount(), 1);
  assert.notEqual(rtnl.link('d2'), undefined);
  await rig.dpif.portDel(again);
  assert.ok(await until(() => rtnl.link('d2') === undefined));
  await rig.close();
});

test('devices that a dead daemon was about to delete go when the next one starts', async () => {
  using rtnl = new Rtnl();
  rtnl.createVeth({ name: 'left0' }, { name: 'left1' });
  rtnl.createVeth({ name: 'kept0' }, { name: 'kept1' });
  rtnl.setLink('left1', { group: LEAVING_GROUP });
  const rig = await Rig.open(1);
  assert.deepEqual([rtnl.link('left0'), rtnl.link('left1')], [undefined, undefined]);
  assert.notEqual(rtnl.link('kept1'), undefined);
  rtnl.deleteLink('kept0');
  await rig.close();
});

test('an internal port works here and in another namespace', async () => {
  const rig = await Rig.open(1);
  const port = await rig.dpif.portAdd('int0', 'internal');
  using rtnl = new Rtnl();
  rtnl.setLink('int0', { up: true });
  const frame = udpFrame(60);
  const [out, key] = [{ type: 'output' as const, port }, extractFlow(frame, { inPort: 1 })];
  rig.dpif.flowPut({ key, mask: portMask(), actions: [out] });
  // A device that has just come up drops until the kernel has seen to it.
  const arrives = (device: Rtnl): Promise<boolean> => {
    const received = () => device.link('int0')!.stats.rx_packets;
    const before = received();
    return until(() => {
      rig.send(rig.ports[0]!, frame);
      return received() > before;
    });
  };
  assert.ok(await arrives(rtnl));
  rtnl.setLink('int0', { netns: rig.hosts });
  using there = new Rtnl(rig.hosts);
  there.setLink('int0', { up: true });
  assert.ok(await arrives(there));
  using home = openOwnNetns();
  there.setLink('int0', { netns: home });
  rtnl.setLink('int0', { up: true });
  assert.ok(await arrives(rtnl));
  await assert.rejects(rig.dpif.portAdd('nothing', 'system'), { code: 'ENODEV' });
  await rig.dpif.portDel(port);
  assert.ok(await until(() => rtnl.link('int0') === undefined));
  await rig.close();
});

test('a device that vanishes and comes back', async () => {
  const rig = await Rig.open(2);
  const two = rig.ports[1]!;
  const changed: number[] = [];
  rig.dpif.onPortChange((port) => changed.push(port));
  using rtnl = new Rtnl();
  rtnl.deleteLink('x2');
  assert.ok(await until(() => changed.includes(two)));
  rtnl.createVeth({ name: 'x2', up: true }, { name: 'y2', netns: rig.hosts, up: true });
  assert.equal(await rig.dpif.portAdd('x2', 'system'), two);
  const frame = udpFrame(60);
  const actions = [{ type: 'output' as const, port: two }];
  const key = extractFlow(frame, { inPort: rig.ports[0]! });
  rig.dpif.flowPut({ key, mask: portMask(), actions });
  using there = new Rtnl(rig.hosts);
  const arrives = () => {
    rig.send(rig.ports[0]!, frame);
    return there.link('y2')!.stats.rx_packets >= 1;
  };
  assert.ok(await until(arrives));
  await rig.close();
});

async function startDaemon(instance: string, attach: AttachMode): Promise<[ChildProcess, string]> {
  const script = new URL('./test-daemon.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, instance, TEST_PIN_ROOT, attach, 'p1', 'p2'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(child.stdout!, 'data');
  return [child, String(line).trim()];
}

for (const attach of ['tcx', 'clsact'] as const)
  test(`kill -9 under ping -f loses nothing; the next daemon adopts (${attach})`, async (t) => {
    using hosts = new Hosts('d');
    const options = testOptions({ attach });
    const [first, said] = await startDaemon(options.instance, attach);
    assert.equal(said, 'ready fresh 0');
    const warm = inHost(hosts.names[0]!, 'ping', ['-c', '2', '-i', '0.1', '-W', '1', '10.0.0.2']);
    assert.match(await output(warm), / 0% packet loss/);
    const flood = inHost(hosts.names[0]!, 'ping', ['-q', '-f', '-w', '3', '-W', '1', '10.0.0.2']);
    const report = output(flood);
    await new Promise((r) => setTimeout(r, 300));
    first.kill('SIGKILL');
    await once(first, 'close');
    const [second, adopted] = await startDaemon(options.instance, attach);
    assert.match(adopted, /^ready adopted [1-9]/);
    second.kill('SIGKILL');
    await once(second, 'close');
    // Other programs than those that run: everything changes over while packets pass.
    const dpif = await openKernelDpif({ ...options, forceUpgrade: true });
    t.after(() => dpif.destroy());
    patch(dpif);
    assert.equal(dpif.adopted, true);
    const text = await report;
    assert.match(text, / 0% packet loss/, text);
    const [sent] = /^\d+/m.exec(text.split('\n').find((l) => l.includes('transmitted'))!)!;
    const icmp = [...dpif.flows()].filter((f) => f.key.dlType === 0x800);
    assert.equal(icmp.length, 2);
    // Every echo was counted by the flows of some generation, the first packet by the upcall.
    for (const f of icmp) assert.equal(f.stats.packets, Number(sent) + 1);
  });

test('what a dead namespace left is collected', async () => {
  const script = new URL('./test-daemon.ts', import.meta.url).pathname;
  const { instance } = testOptions();
  const args = ['--net', process.execPath, script, instance, TEST_PIN_ROOT, 'tcx'];
  const child = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout!, 'data');
  assert.ok(existsSync(`${TEST_PIN_ROOT}/${instance}`));
  child.kill('SIGKILL');
  await once(child, 'close');
  // The kernel takes namespaces down in its own time.
  for (let i = 0; i < 50 && existsSync(`${TEST_PIN_ROOT}/${instance}`); i++) {
    await delay(100);
    const dpif = await openKernelDpif(testOptions());
    await dpif.destroy();
  }
  assert.ok(!existsSync(`${TEST_PIN_ROOT}/${instance}`));
});

test('ports and flows come and go without a trace', async () => {
  const options = testOptions();
  const dpif = await openKernelDpif(options);
  using rtnl = new Rtnl();
  const traces = () => [
    readdirSync('/proc/self/fd').length,
    rtnl.links({ stats: false }).length,
    readdirSync(`${TEST_PIN_ROOT}/${options.instance}/links`).length,
    dpif.stats().flows + dpif.stats().masks,
  ];
  const round = async (n: number) => {
    const port = await dpif.portAdd(`i${n % 5}`, 'internal');
    const key = new Flow();
    key.inPort = port;
    const actions = Array.from({ length: 400 }, (_, p) => ({ type: 'output' as const, port: p }));
    dpif.flowPut({ key, mask: portMask(), actions });
    dpif.flowFlush();
    await dpif.portDel(port);
  };
  await round(0);
  const before = traces();
  for (let n = 0; n < 30; n++) await round(n);
  assert.deepEqual(traces(), before);
  await dpif.destroy();
  assert.ok(!existsSync(`${TEST_PIN_ROOT}/${options.instance}`));
});
