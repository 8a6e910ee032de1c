/** Recirculation ids stay as long as a flow needs them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryNetdev, type OdpAction, UserspaceDpif } from '@heddle/datapath';
import { Flow } from '@heddle/packet';
import { ethernet, ipv4, udp } from '@heddle/packet/build';
import { FakeClock } from '@heddle/runtime/clock';
import { MacLearning } from './mac-learning.ts';
import { FlowChanges } from './ofproto/flow-changes.ts';
import { applyFlowMod } from './ofproto/flow-mod.ts';
import { RecircIds } from './ofproto/recirc.ts';
import { encodeUserdata } from './ofproto/userdata.ts';
import { Bundle, OfPort, Ofproto } from './ofproto.ts';
import { Udpif } from './ofproto-dpif-upcall.ts';
import { parseFlowLine } from './oracle/parse-lines.ts';
import { recircIdsOf } from './recirc-use.ts';

const MACS = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };

function frame(source: number): Uint8Array {
  const ips = { src: 0x0a00_0000 + source, dst: '10.1.0.1' };
  return ethernet(MACS, ipv4(ips, udp({ src: 1, dst: 2 })));
}

/** A bridge with ports 1 and 2 whose packets are recirculated with their source in a register. */
async function bridgeOfTwo() {
  const clock = new FakeClock(1000);
  const devices: MemoryNetdev[] = [];
  const dpif = new UserspaceDpif({
    clock,
    defer: (task) => task(),
    openNetdev: (name) => {
      const device = new MemoryNetdev(name);
      devices.push(device);
      return device;
    },
  });
  const bridge = new Ofproto('br0', new MacLearning<Bundle>(clock));
  for (const n of [1, 2]) {
    const bundle = new Bundle(`p${n}`, bridge);
    const port = new OfPort(`p${n}`, n, bundle);
    port.odpPort = await dpif.portAdd(`p${n}`, 'system', n);
    bridge.ports.set(n, port);
  }
  const recirc = new RecircIds(() => dpif.nowMs());
  const config = { vlanLimit: 1, portOf: (odp: number) => bridge.ports.get(odp), recirc };
  const udpif = new Udpif(dpif, config, clock);
  udpif.start();
  for (const line of [
    'table=0,ip actions=move:NXM_OF_IP_SRC[]->NXM_NX_REG0[],ct(table=1)',
    'table=1 actions=output:2',
  ]) {
    applyFlowMod(new FlowChanges(bridge), parseFlowLine(line), 0, 4);
  }
  return { clock, recirc, receive: (bytes: Uint8Array) => devices[0]!.receive(bytes), devices };
}

test('recirculations that no megaflow leads to are forgotten, those in use stay', async () => {
  const { clock, recirc, receive, devices } = await bridgeOfTwo();
  for (let source = 1; source <= 100; source++) receive(frame(source));
  assert.equal(recirc.size, 100);
  for (let seconds = 0; seconds < 200; seconds += 5) {
    receive(frame(1));
    clock.advance(5000);
  }
  assert.equal(recirc.size, 1);
  assert.equal(devices[1]!.transmitted.length, 140);
  clock.advance(200_000);
  assert.equal(recirc.size, 0);
});

test('ids are found in nested lists and in what is for controllers', () => {
  const userdata = encodeUserdata({
    kind: 'controller',
    recircId: 7,
    reason: 0,
    maxLen: 0,
    controllerId: 0,
    cookie: 0n,
    tableId: 0,
    isContinuation: false,
    dontSend: false,
  });
  const slow = encodeUserdata({ kind: 'slow_path', reasons: ['action'] });
  const actions: OdpAction[] = [
    { type: 'userspace', userdata: slow },
    { type: 'clone', actions: [{ type: 'recirc', id: 2 }] },
    {
      type: 'check_pkt_len',
      size: 100,
      greater: [{ type: 'sample', probability: 1, actions: [{ type: 'recirc', id: 3 }] }],
      lessEqual: [{ type: 'userspace', userdata }],
    },
    { type: 'recirc', id: 5 },
  ];
  const key = new Flow();
  key.recircId = 1;
  assert.deepEqual([...recircIdsOf({ key, actions })], [1, 2, 3, 7, 5]);
});
