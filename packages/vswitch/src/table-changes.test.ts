/** What a change of flow tables does not concern decides as before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatOdpActions, MemoryNetdev, Ufid, UserspaceDpif } from '@heddle/datapath';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { Flow, flowAnd, isTunnelled } from '@heddle/packet';
import { ethernet, ipv4, udp } from '@heddle/packet/build';
import { coverage, FakeClock, HeddleError } from '@heddle/runtime';
import { MacLearning } from './mac-learning.ts';
import { FlowChanges, OFPRR_DELETE } from './ofproto/flow-changes.ts';
import { applyFlowMod } from './ofproto/flow-mod.ts';
import { RecircIds } from './ofproto/recirc.ts';
import { Bundle, OfPort, Ofproto, type XlateConfig } from './ofproto.ts';
import { Udpif } from './ofproto-dpif-upcall.ts';
import { parseFlowLine } from './oracle/parse-lines.ts';
import { mixed, randomBridges, randomKey } from './oracle/random-bridge.ts';
import { randomFlowLine } from './oracle/random-flows.ts';
import { TableChanges } from './table-changes.ts';
import { NO_STATS, type Ukey } from './ukey.ts';
import { xlateActions } from './xlate/xlate.ts';

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 20);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const PACKETS = 20;
const CHANGES = 5;

interface Megaflow {
  readonly key: Flow;
  readonly ukey: Ukey;
  readonly text: string;
  /** Each packet is looked at by itself. */
  readonly isSlow: boolean;
}

function megaflowOf(config: XlateConfig, packet: Flow): Megaflow {
  const { wildcards, actions, effects, macs, isDirect, slow } = translate(config, packet);
  const rest = { ufid: new Ufid(0, 0, 0, 0), createdMs: 0, stats: NO_STATS, dump: 0 };
  const mask = wildcards.clone();
  const ukey = { ...rest, mask, actions, effects, macs, isDirect };
  const text = decision(config, packet);
  return { key: flowAnd(packet, mask), ukey, text, isSlow: slow.length > 0 };
}

function translate(config: XlateConfig, key: Flow) {
  return xlateActions(config, key, { withPacket: false });
}

function decision(config: XlateConfig, key: Flow): string {
  // A new flow may have packets come up that get what they got before.
  const { actions, failure } = translate(config, key);
  return `${formatOdpActions(actions)} ${failure}`;
}

/** One flow comes, changes or goes, as tables have it. */
function change(r: Random, bridge: Ofproto): FlowChanges {
  const changes = new FlowChanges(bridge);
  const rules = [...bridge.tables.rules()];
  if (r.chance(40) && rules.length > 0) changes.delete(r.pick(rules), OFPRR_DELETE);
  else {
    const command = r.pick(['add', 'add', 'modify', 'delete'] as const);
    try {
      applyFlowMod(changes, { ...parseFlowLine(randomFlowLine(r)), command }, 0, 4);
    } catch (error) {
      if (!(error instanceof HeddleError)) throw error;
      changes.revert();
    }
  }
  return changes;
}

test('megaflows that changed tables do not concern decide as before', () => {
  const seen = { concerned: 0, changed: 0, others: 0 };
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const r = new Random(seed);
    const config = randomBridges(r);
    const packets = Array.from({ length: PACKETS }, () => randomKey(r, config));
    for (let n = 0; n < CHANGES; n++) {
      const megaflows = packets.map((packet) => megaflowOf(config, packet));
      const found = new TableChanges();
      const changes = change(r, r.pick(config.bridges));
      assert.ok(found.add(changes));
      changes.release();
      for (const [i, { ukey, key, text, isSlow }] of megaflows.entries()) {
        const isSame = decision(config, packets[i]!) === text;
        if (found.concern(ukey, () => key)) {
          seen.concerned++;
          if (!isSame) seen.changed++;
          continue;
        }
        seen.others++;
        assert.ok(isSame, `seed ${seed}, change ${n}, packet ${i}`);
        for (const other of packets) {
          const flow = mixed(packets[i]!, ukey.mask, other);
          if (isSlow || isTunnelled(flow) !== isTunnelled(key)) continue;
          assert.equal(decision(config, flow), text, `seed ${seed}, change ${n}, packet ${i}`);
        }
      }
    }
  }
  assert.ok(seen.changed > COUNT / 8 && seen.others > COUNT, JSON.stringify(seen));
});

test('flows that come and go concern who is told whether there is room to learn another', () => {
  const clock = new FakeClock();
  const bridge = new Ofproto('br0', new MacLearning<Bundle>(clock));
  for (const n of [1, 2]) {
    const port = new OfPort(`p${n}`, n, new Bundle(`p${n}`, bridge));
    port.odpPort = n;
    bridge.ports.set(n, port);
  }
  const recirc = new RecircIds(() => clock.nowMs());
  const config = { vlanLimit: 1, portOf: (odp: number) => bridge.ports.get(odp), recirc };
  const make = (line: string): FlowChanges => {
    const changes = new FlowChanges(bridge);
    applyFlowMod(changes, parseFlowLine(line), 0, 4);
    return changes;
  };
  const learn = 'learn(table=9,limit=2,result_dst=reg0[0],NXM_OF_ETH_SRC[])';
  make(`table=0 actions=${learn},2`).release();
  const packet = new Flow();
  packet.inPort = 1;
  const megaflow = (): Ukey => {
    const { wildcards, ...rest } = xlateActions(config, packet, { withPacket: true });
    const base = { ufid: new Ufid(0, 0, 0, 0), createdMs: 0, stats: NO_STATS, dump: 0 };
    return { ...base, ...rest, mask: wildcards };
  };
  const concerns = (changes: FlowChanges): boolean => {
    const found = new TableChanges();
    assert.ok(found.add(changes));
    return found.concern(megaflow(), () => packet);
  };
  // Other packets' flows: what is counted, not what is matched.
  assert.ok(concerns(make('table=9,dl_src=02:99:00:00:00:01 actions=drop')));
  assert.ok(!concerns(make('table=8,dl_src=02:99:00:00:00:01 actions=drop')));
  make(`table=0 actions=${learn.replace('limit=2,', '')},2`).release();
  assert.ok(!concerns(make('table=9,dl_src=02:99:00:00:00:02 actions=drop')));
});

test('many changes at a time, and those of groups, concern all', () => {
  const bridge = new Ofproto('br0', new MacLearning<Bundle>(new FakeClock()));
  const changes = new FlowChanges(bridge);
  for (let i = 0; i < 100; i++) {
    applyFlowMod(changes, parseFlowLine(`table=0,tcp,tp_dst=${i} actions=drop`), 0, 4);
  }
  assert.ok(!new TableChanges().add(changes));
  const group = new FlowChanges(bridge);
  group.setGroup(1, undefined);
  assert.ok(!new TableChanges().add(group));
});

test('a flow that comes has those megaflows translated again that it may match', async () => {
  const clock = new FakeClock(1000);
  const devices: MemoryNetdev[] = [];
  const openNetdev = (name: string) => {
    devices.push(new MemoryNetdev(name));
    return devices.at(-1)!;
  };
  const dpif = new UserspaceDpif({ clock, defer: (task) => task(), openNetdev });
  const bridge = new Ofproto('br0', new MacLearning<Bundle>(clock));
  for (const n of [1, 2]) {
    const port = new OfPort(`p${n}`, n, new Bundle(`p${n}`, bridge));
    port.odpPort = await dpif.portAdd(`p${n}`, 'system', n);
    bridge.ports.set(n, port);
  }
  const recirc = new RecircIds(() => dpif.nowMs());
  const config = { vlanLimit: 1, portOf: (odp: number) => bridge.ports.get(odp), recirc };
  const udpif = new Udpif(dpif, config, clock);
  udpif.start();
  // A start has all of them translated again, once.
  await new Promise((resolve) => setImmediate(resolve));
  const add = async (line: string): Promise<number> => {
    const before = revalidated();
    const changes = new FlowChanges(bridge);
    applyFlowMod(changes, parseFlowLine(line), 0, 4);
    udpif.flowsChanged(changes);
    changes.release();
    await udpif.wait();
    return revalidated() - before;
  };
  // Each port by itself: what only rules flows out does not look at all of it.
  await add('table=0,priority=1,udp actions=move:NXM_OF_UDP_DST[]->NXM_NX_REG0[0..15],output:2');
  for (let source = 1; source <= 50; source++) devices[0]!.receive(frame(source));
  assert.equal(dpif.stats().flows, 50);
  assert.equal(await add('table=0,priority=3,udp,tp_dst=1007 actions=drop'), 1);
  assert.equal(await add('table=1,priority=3 actions=drop'), 0);
  // Nothing has looked at the source address yet.
  assert.equal(await add('table=0,priority=3,ip,nw_src=10.0.0.1 actions=drop'), 50);
  const dropped = [...dpif.flows()].filter(({ actions }) => actions[0]?.type === 'drop');
  assert.equal(dropped.length + dpif.stats().flows, 2);
  udpif.stop();
});

function revalidated(): number {
  return coverage.counter('rev_flow_table').total;
}

function frame(source: number): Uint8Array {
  const macs = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };
  return ethernet(
    macs,
    ipv4({ src: '10.0.0.1', dst: '10.1.0.1' }, udp({ src: source, dst: 1000 + source })),
  );
}
