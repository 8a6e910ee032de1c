/**
 * One suite for every datapath: what a `Dpif` promises, observed from outside. A provider says how
 * frames get in and out; `dpifCompliance` registers the tests.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { extractFlow, Flow, toHex } from '@heddle/packet';
import * as b from '@heddle/packet/build';
import { ACTION_CASES } from './compliance-cases.ts';
import type { DpFlow, Dpif, OdpPort, Upcall } from './dpif.ts';
import { formatOdpFlow } from './odp-format.ts';
import { parseOdpActions } from './odp-parse.ts';
import { Ufid } from './odp-ufid.ts';

/** A fresh datapath with ports whose other ends the test holds. */
export interface ComplianceProvider {
  readonly dpif: Dpif;
  /** Datapath ports, as many as were asked for. */
  readonly ports: readonly OdpPort[];
  /** A frame arrives at the port. */
  send(port: OdpPort, frame: Uint8Array): void | Promise<void>;
  /** Frames that left at the port since the last call. */
  received(port: OdpPort): Uint8Array[] | Promise<Uint8Array[]>;
  /** Resolves when everything sent was dealt with and upcalls were delivered. */
  settle(): Promise<void>;
  close(): void | Promise<void>;
}

export type ComplianceFactory = (ports: number) => Promise<ComplianceProvider>;

const MACS = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };
const IPS = { src: '10.0.0.1', dst: '10.0.0.2' };
const BODY = new Uint8Array(20).fill(0x5a);

function udpFrame(src = 1, dst = 2): Uint8Array {
  return b.ethernet(MACS, b.ipv4(IPS, b.udp({ src, dst }, BODY)));
}

function tcpFrame(flags: number): Uint8Array {
  return b.ethernet(MACS, b.ipv4(IPS, b.tcp({ src: 1, dst: 2, flags }, BODY)));
}

/** A megaflow that looks at port, types and tags of the frame, and at further fields by `more`. */
export function flowFor(
  frame: Uint8Array,
  inPort: OdpPort,
  actions: string,
  more: (mask: Flow) => void = () => {},
): DpFlow {
  const key = extractFlow(frame, { inPort });
  const mask = new Flow();
  mask.inPort = 0xffff_ffff;
  mask.recircId = 0xffff_ffff;
  mask.dlType = 0xffff;
  mask.vlanTci0 = 0xffff;
  mask.vlanTpid0 = 0xffff;
  mask.vlanTci1 = 0xffff;
  mask.nwProto = 0xff;
  mask.nwFrag = 3;
  more(mask);
  return { key, mask, actions: parseOdpActions(actions) };
}

/** For longer than until its handler returns. */
export function keptUpcall(upcall: Upcall): Upcall {
  return { ...upcall, flow: upcall.flow.clone() };
}

class Bench {
  readonly p: ComplianceProvider;
  readonly upcalls: Upcall[] = [];

  constructor(p: ComplianceProvider) {
    this.p = p;
    p.dpif.setUpcallHandler((batch) => void this.upcalls.push(...batch.map(keptUpcall)));
  }

  get dpif(): Dpif {
    return this.p.dpif;
  }

  port(n: number): OdpPort {
    return this.p.ports[n - 1]!;
  }

  /** `$2` in actions is the second port. */
  actions(text: string): string {
    return text.replace(/\$(\d+)/g, (_, n) => String(this.port(Number(n))));
  }

  put(frame: Uint8Array, actions: string, more?: (mask: Flow) => void): void {
    this.dpif.flowPut(flowFor(frame, this.port(1), this.actions(actions), more));
  }

  async send(...frames: Uint8Array[]): Promise<void> {
    for (const frame of frames) await this.p.send(this.port(1), frame);
    await this.p.settle();
  }

  async expect(n: number, frames: readonly Uint8Array[], what = `frames at $${n}`): Promise<void> {
    const got = await this.p.received(this.port(n));
    assert.deepEqual(got.map(toHex), frames.map(toHex), what);
  }
}

export function dpifCompliance(name: string, open: ComplianceFactory): void {
  const run = (title: string, ports: number, body: (t: Bench) => Promise<void>): void => {
    test(title, async () => {
      const provider = await open(ports);
      try {
        await body(new Bench(provider));
      } finally {
        await provider.close();
      }
    });
  };
  describe(`${name}: actions`, () => {
    for (const c of ACTION_CASES) {
      run(c.name, 3, async (t) => {
        t.put(c.frame, c.actions);
        await t.send(c.frame);
        assert.deepEqual(t.upcalls, []);
        await t.expect(2, c.out2 ?? []);
        await t.expect(3, c.out3 ?? []);
        await t.expect(1, []);
      });
    }
    run('execute does the same', 3, async (t) => {
      for (const c of ACTION_CASES) {
        const flow = extractFlow(c.frame, { inPort: t.port(1) });
        const actions = parseOdpActions(t.actions(c.actions));
        t.dpif.execute([{ flow, packet: { data: c.frame.slice() }, actions }]);
        await t.p.settle();
        await t.expect(2, c.out2 ?? [], `${c.name}, $2`);
        await t.expect(3, c.out3 ?? [], `${c.name}, $3`);
      }
      assert.equal(t.dpif.stats().flows, 0);
    });
  });
  describe(`${name}: flows`, () => flowTests(run));
  describe(`${name}: upcalls`, () => {
    upcallTests(run);
    sampleTest(run);
    fairnessTest(run);
  });
  describe(`${name}: recirculation, drops and floods`, () => pathTests(run));
  describe(`${name}: ports`, () => portTests(run));
}

type Run = (title: string, ports: number, body: (t: Bench) => Promise<void>) => void;

function flowTests(run: Run): void {
  run('put modes', 2, async (t) => {
    const frame = udpFrame();
    const flow = flowFor(frame, t.port(1), 'drop');
    assert.throws(() => t.dpif.flowPut(flow, 'modify'), { code: 'ENOENT' });
    t.dpif.flowPut(flow, 'create');
    assert.throws(() => t.dpif.flowPut(flow, 'create'), { code: 'EEXIST' });
    await t.send(frame, frame);
    const to2 = { ...flow, actions: parseOdpActions(t.actions('$2')) };
    assert.equal(t.dpif.flowPut(to2, 'modify')?.packets, 2);
    await t.send(frame);
    await t.expect(2, [frame]);
    t.dpif.flowPut(flow);
    await t.send(frame);
    await t.expect(2, []);
    assert.equal(t.dpif.stats().flows, 1);
  });

  run('stats', 2, async (t) => {
    const syn = tcpFrame(0x02);
    t.put(syn, '$2');
    const ufid = [...t.dpif.flows()][0]!.ufid;
    assert.match(String(ufid), /^[0-9a-f]{32}$/);
    const fresh = t.dpif.flowGet(Ufid.fromString(String(ufid)))!.stats;
    assert.deepEqual(fresh, { packets: 0, bytes: 0, usedMs: undefined, tcpFlags: 0 });
    const before = t.dpif.nowMs();
    await t.send(syn, tcpFrame(0x11));
    const { packets, bytes, usedMs, tcpFlags } = t.dpif.flowGet(ufid)!.stats;
    assert.deepEqual([packets, bytes, tcpFlags], [2, 2 * syn.length, 0x13]);
    const read: unknown[] = [];
    t.dpif.eachStats((id, stats) => read.push([String(id), { ...stats }]));
    assert.deepEqual(read, [[String(ufid), { packets, bytes, usedMs, tcpFlags }]]);
    assert.ok(usedMs !== undefined && usedMs >= before - 1000 && usedMs <= t.dpif.nowMs() + 1);
    const dp = t.dpif.stats();
    assert.deepEqual([dp.hit, dp.missed, dp.flows, dp.masks], [2, 0, 1, 1]);
  });

  run('ufid is a function of masked key and mask', 2, async (t) => {
    t.put(udpFrame(1), 'drop');
    t.put(udpFrame(2), '$2');
    assert.equal(t.dpif.stats().flows, 1, 'ports are not in the mask');
    t.put(udpFrame(1), 'drop', (m) => {
      m.tpSrc = 0xffff;
    });
    const flows = [...t.dpif.flows()];
    assert.equal(new Set(flows.map((f) => f.ufid)).size, 2);
    assert.equal(t.dpif.stats().masks, 2);
  });

  run('what was put is dumped', 2, async (t) => {
    t.put(udpFrame(7), '$2', (m) => {
      m.tpSrc = 0xff00;
      m.nwSrc = 0xffffff00;
      m.nwTtl = 0xff;
    });
    const [flow] = [...t.dpif.flows()];
    const text = `recirc_id(0),in_port(${t.port(1)}),eth(),eth_type(0x0800),ipv4(src=10.0.0.`;
    assert.ok(formatOdpFlow(flow!.key, flow!.mask).startsWith(text));
    assert.deepEqual(flow!.actions, [{ type: 'output', port: t.port(2) }]);
    assert.deepEqual(t.dpif.flowGet(flow!.ufid)?.actions, flow!.actions);
  });

  run('del and flush', 2, async (t) => {
    for (const port of [1, 2, 3]) {
      t.put(udpFrame(port), '$2', (m) => {
        m.tpSrc = 0xffff;
      });
    }
    await t.send(udpFrame(1));
    await t.expect(2, [udpFrame(1)]);
    const used = [...t.dpif.flows()].find((f) => f.stats.packets > 0)!;
    assert.equal(t.dpif.flowDel(used.ufid)?.packets, 1);
    assert.equal(t.dpif.flowDel(used.ufid), undefined);
    assert.equal(t.dpif.flowGet(used.ufid), undefined);
    await t.send(udpFrame(1), udpFrame(2));
    await t.expect(2, [udpFrame(2)]);
    assert.equal(t.upcalls.length, 1);
    t.dpif.flowFlush();
    assert.deepEqual([...t.dpif.flows()], []);
    await t.send(udpFrame(2));
    await t.expect(2, []);
    assert.equal(t.upcalls.length, 2);
  });

  run('each field separates flows', 2, async (t) => {
    const differing: [keyof Flow & ('tpDst' | 'nwTtl' | 'nwTos'), Uint8Array, number][] = [
      ['tpDst', udpFrame(1, 99), 0xffff],
      ['nwTtl', b.ethernet(MACS, b.ipv4({ ...IPS, ttl: 9 }, b.udp({ src: 1, dst: 2 }, BODY))), 255],
      ['nwTos', b.ethernet(MACS, b.ipv4({ ...IPS, tos: 9 }, b.udp({ src: 1, dst: 2 }, BODY))), 255],
    ];
    for (const [field, other, full] of differing) {
      t.dpif.flowFlush();
      t.put(udpFrame(), '$2', (m) => {
        m[field] = full;
      });
      await t.send(udpFrame(), other);
      await t.expect(2, [udpFrame()], field);
    }
  });

  run('many masks', 2, async (t) => {
    for (let bits = 1; bits <= 16; bits++) {
      t.put(udpFrame(1 << (16 - bits)), '$2', (m) => {
        m.tpSrc = (0xffff << (16 - bits)) & 0xffff;
      });
    }
    assert.equal(t.dpif.stats().masks, 16);
    const frames = Array.from({ length: 16 }, (_, i) => udpFrame(1 << i));
    await t.send(...frames);
    await t.expect(2, frames);
    assert.equal(t.upcalls.length, 0);
  });
}

function upcallTests(run: Run): void {
  run('a miss carries key and packet', 2, async (t) => {
    const frame = b.ethernet(MACS, b.vlan({ vid: 5, pcp: 1 }, b.raw(0x1234, BODY)));
    await t.send(frame);
    assert.equal(t.upcalls.length, 1);
    const [upcall] = t.upcalls;
    assert.equal(upcall!.type, 'miss');
    assert.equal(toHex(upcall!.packet.data), toHex(frame));
    const expected = formatOdpFlow(extractFlow(frame, { inPort: t.port(1) }));
    assert.equal(formatOdpFlow(upcall!.flow), expected);
    assert.equal(upcall!.userdata, undefined);
    assert.equal(t.dpif.stats().missed, 1);
  });

  run('keys of all kinds of packets', 2, async (t) => {
    for (const frame of keyFrames()) {
      t.upcalls.length = 0;
      await t.send(frame);
      const expected = formatOdpFlow(extractFlow(frame, { inPort: t.port(1) }));
      assert.equal(t.upcalls.length, 1, expected);
      assert.equal(formatOdpFlow(t.upcalls[0]!.flow), expected);
      assert.equal(toHex(t.upcalls[0]!.packet.data), toHex(frame), expected);
    }
  });

  run('userspace action', 2, async (t) => {
    const frame = udpFrame();
    t.put(frame, 'push_vlan(vid=7,pcp=0),userspace(pid=0,userdata(0102ff)),$2');
    await t.send(frame);
    const tagged = b.ethernet(
      MACS,
      b.vlan({ vid: 7 }, b.ipv4(IPS, b.udp({ src: 1, dst: 2 }, BODY))),
    );
    await t.expect(2, [tagged]);
    const [upcall] = t.upcalls;
    assert.equal(upcall?.type, 'action');
    assert.deepEqual(Array.from(upcall!.userdata!), [1, 2, 255]);
    assert.equal(toHex(upcall!.packet.data), toHex(tagged), 'the packet as the actions made it');
    assert.equal(upcall!.flow.vlanTci0, 0x1007);
  });
}

function sampleTest(run: Run): void {
  run('sample: some packets go up as they are by then, all go on', 2, async (t) => {
    const frame = udpFrame();
    const sampled = (percent: string, id: string): string =>
      `sample(sample=${percent}%,actions(userspace(pid=0,userdata(${id}))))`;
    t.put(
      frame,
      `${sampled('0', '01')},${sampled('50', '02')},push_vlan(vid=7,pcp=0),${sampled('100', '03')},$2`,
    );
    const n = 200;
    for (let i = 0; i < n; i++) {
      await t.p.send(t.port(1), frame);
      // A port may have so many upcalls under way.
      if (i % 20 === 19) await t.p.settle();
    }
    const tagged = await t.p.received(t.port(2));
    assert.equal(tagged.length, n);
    const by = (id: number) => t.upcalls.filter((u) => u.userdata?.[0] === id);
    assert.deepEqual([by(1).length, by(3).length], [0, n]);
    assert.ok(by(2).length > 40 && by(2).length < 160, `${by(2).length} of ${n}`);
    assert.equal(toHex(by(3)[0]!.packet.data), toHex(tagged[0]!));
    assert.equal(toHex(by(2)[0]!.packet.data), toHex(frame));
  });
}

function fairnessTest(run: Run): void {
  run('a port that floods misses does not starve another', 2, async (t) => {
    const other = udpFrame(7);
    for (let i = 0; i < 3000; i++) await t.p.send(t.port(1), udpFrame(i & 0xffff));
    await t.p.send(t.port(2), other);
    await t.p.settle();
    const theirs = t.upcalls.filter((u) => u.flow.inPort === t.port(2));
    assert.equal(theirs.length, 1);
    const { lost, lostByPort, missed } = t.dpif.stats();
    assert.equal(missed, 3001);
    assert.equal(t.upcalls.length + lost, missed);
    assert.equal(lostByPort.get(t.port(1)) ?? 0, lost);
    assert.equal(lostByPort.get(t.port(2)) ?? 0, 0);
  });
}

/** One frame for each path of extraction. */
function keyFrames(): Uint8Array[] {
  const v6 = { src: 'fe80::1', dst: 'ff02::1', tos: 0x21, label: 0x54321, hopLimit: 255 };
  const ports = { src: 1000, dst: 2000 };
  const parts = [
    b.ipv4({ ...IPS, tos: 0x47, ttl: 3 }, b.tcp({ ...ports, flags: 0x1c2 }, BODY)),
    b.ipv4(IPS, b.udp(ports, BODY)),
    b.ipv4({ ...IPS, options: new Uint8Array(8) }, b.udp(ports, BODY)),
    b.ipv4(IPS, b.raw(132, BODY)),
    b.ipv4(IPS, b.icmp({ type: 3, code: 4 }, BODY)),
    b.ipv4(IPS, b.raw(47, BODY)),
    b.ipv4({ ...IPS, mf: true }, b.udp(ports, BODY)),
    b.ipv4({ ...IPS, mf: true, fragOff: 3 }, b.raw(17, BODY)),
    b.ipv4({ ...IPS, fragOff: 3 }, b.raw(17, BODY)),
    b.arp({ op: 2, sha: MACS.src, spa: IPS.src, tha: MACS.dst, tpa: IPS.dst }),
    b.arp({ op: 3, sha: MACS.src, spa: IPS.src, tha: MACS.dst, tpa: IPS.dst }, 0x8035),
    b.ipv6(v6, b.tcp({ ...ports, flags: 0x12 }, BODY)),
    b.ipv6(v6, b.udp(ports, BODY)),
    b.ipv6(v6, b.icmpv6({ type: 128 }, BODY)),
    b.ipv6(v6, b.nd({ type: 135, target: 'fe80::2', sll: MACS.src })),
    b.ipv6(v6, b.nd({ type: 136, target: 'fe80::2', tll: MACS.src })),
    b.ipv6(v6, b.ipv6Extension(0, b.ipv6Extension(60, b.udp(ports, BODY), 1))),
    b.ipv6(v6, b.ipv6Fragment({ off: 0, mf: true }, b.udp(ports, BODY))),
    b.ipv6(v6, b.ipv6Fragment({ off: 9, mf: false }, b.raw(17, BODY))),
    b.raw(0x88cc, BODY),
    b.raw(38, Uint8Array.from([0x42, 0x42, 3, ...new Uint8Array(35)])),
  ];
  const frames = parts.map((part) => b.ethernet(MACS, part));
  for (const dataOffset of [0x00, 0x40, 0xf0]) {
    const broken = b.tcp({ ...ports, flags: 0x12 }, BODY);
    broken.bytes[12] = dataOffset;
    frames.push(b.ethernet(MACS, b.ipv4(IPS, broken)));
  }
  const tag = b.vlan({ vid: 9, pcp: 2 }, parts[0]!);
  frames.push(b.ethernet(MACS, tag));
  frames.push(b.ethernet(MACS, b.vlan({ vid: 8, tpid: 0x88a8 }, tag)));
  frames.push(b.pad(frames[1]!, 90));
  return frames;
}

function pathTests(run: Run): void {
  run('recirculation looks up the rewritten packet', 3, async (t) => {
    const frame = udpFrame();
    const tagged = b.ethernet(
      MACS,
      b.vlan({ vid: 7 }, b.ipv4(IPS, b.udp({ src: 1, dst: 2 }, BODY))),
    );
    t.put(frame, 'push_vlan(vid=7,pcp=0),recirc(17)');
    await t.send(frame);
    assert.equal(t.upcalls.length, 1);
    assert.deepEqual([t.upcalls[0]!.flow.recircId, t.upcalls[0]!.flow.vlanTci0], [17, 0x1007]);
    const second = flowFor(tagged, t.port(1), t.actions('$3'));
    second.key.recircId = 17;
    t.dpif.flowPut(second);
    await t.send(frame);
    await t.expect(3, [tagged]);
    t.put(frame, 'push_vlan(vid=7,pcp=0),recirc(17),pop_vlan,$2');
    await t.send(frame);
    await t.expect(3, [tagged]);
    await t.expect(2, [frame]);
  });

  run('a mark set is matched after recirculation', 2, async (t) => {
    const frame = udpFrame();
    t.put(frame, 'set(skb_mark(0x5)),recirc(1)');
    const second = flowFor(frame, t.port(1), t.actions('$2'), (m) => {
      m.pktMark = 0xffff_ffff;
    });
    second.key.recircId = 1;
    second.key.pktMark = 5;
    t.dpif.flowPut(second);
    await t.send(frame);
    await t.expect(2, [frame]);
  });

  run('endless recirculation ends', 2, async (t) => {
    const frame = udpFrame();
    const loop = flowFor(frame, t.port(1), 'recirc(1)');
    loop.mask.recircId = 0;
    t.dpif.flowPut(loop);
    await t.send(frame);
    assert.equal(t.dpif.stats().drops.get('recirculation limit'), 1);
  });

  run('drops are counted by reason', 2, async (t) => {
    const frame = udpFrame();
    const flow = flowFor(frame, t.port(1), 'drop');
    t.dpif.flowPut({ ...flow, actions: [{ type: 'drop', reason: 'policy' }] });
    await t.send(frame, frame);
    t.dpif.flowPut(flow);
    await t.send(frame);
    t.dpif.flowPut({ ...flow, actions: [{ type: 'output', port: 4000 }] });
    await t.send(frame);
    const { drops } = t.dpif.stats();
    assert.equal(drops.get('policy'), 2);
    assert.equal(drops.get('no actions'), 1);
    assert.equal(drops.get('no such port'), 1);
  });

  run('a wide flood reaches all', 40, async (t) => {
    const frame = udpFrame();
    const others = t.p.ports.slice(1);
    t.put(frame, others.join(','));
    await t.send(frame);
    for (let n = 2; n <= 40; n++) await t.expect(n, [frame]);
    const tagged = b.ethernet(
      MACS,
      b.vlan({ vid: 7 }, b.ipv4(IPS, b.udp({ src: 1, dst: 2 }, BODY))),
    );
    t.put(frame, others.map((p) => `push_vlan(vid=7,pcp=0),${p},pop_vlan`).join(','));
    await t.send(frame);
    for (let n = 2; n <= 40; n++) await t.expect(n, [tagged]);
  });
}

function portTests(run: Run): void {
  run('listed, counted and removed', 2, async (t) => {
    const frame = udpFrame();
    t.put(frame, '$2');
    await t.send(frame);
    const [one, two] = [t.port(1), t.port(2)];
    const listed = [...t.dpif.ports()].map((p) => p.portNo);
    assert.ok(listed.includes(one) && listed.includes(two));
    assert.equal(t.dpif.portStats(one).rxPackets, 1);
    assert.equal(t.dpif.portStats(one).rxBytes, frame.length);
    assert.equal(t.dpif.portStats(two).txPackets, 1);
    await t.expect(2, [frame]);
    const { name, type } = [...t.dpif.ports()].find((p) => p.portNo === two)!;
    await assert.rejects(t.dpif.portAdd(name, type), { code: 'EBUSY' });
    await t.dpif.portDel(two);
    await assert.rejects(t.dpif.portDel(two), { code: 'ENODEV' });
    assert.throws(() => t.dpif.portStats(two), { code: 'ENODEV' });
    await t.send(frame);
    assert.equal(t.dpif.stats().drops.get('no such port'), 1);
  });
}
