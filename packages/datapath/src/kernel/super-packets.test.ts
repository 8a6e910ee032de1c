/** TCP through real veths: offloads, lengths and checksums of super-packets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Flow } from '@heddle/packet';
import { openKernelDpif } from './open.ts';
import { Hosts, inHost, output, portMask, tcpTransfer } from './test-hosts.ts';
import { enterNewNetns, testOptions } from './test-support.ts';

enterNewNetns();

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
