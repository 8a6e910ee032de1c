/** The programs against the reference: same key from any bytes, same flow for any key. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { extractFlow, Flow, flowAnd, flowEquals, flowMatches, toHex } from '@heddle/packet';
import * as b from '@heddle/packet/build';
import fc from 'fast-check';
import { formatOdpFlow } from '../odp-format.ts';
import type { Ufid } from '../odp-ufid.ts';
import type { KernelDpif } from './kernel-dpif.ts';
import { openKernelDpif } from './open.ts';
import { enterNewNetns, testOptions } from './test-support.ts';

enterNewNetns();

const LO = 1;
const MACS = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };
let dp: KernelDpif;
let inPort: number;
let mark = 1;

before(async () => {
  dp = await openKernelDpif(testOptions({ hashMask: [0, 0x3f] }));
  inPort = await dp.portAdd('lo', 'system');
});
after(() => dp.destroy());

const u8 = fc.nat(255);
const u16 = fc.nat(65535);
const ipv4Address = fc.nat(3).map((n) => `10.0.0.${n}`);
const ipv6Address = fc.nat(3).map((n) => `fd00::${n}`);
const body = fc.uint8Array({ maxLength: 64 });

const l4 = fc.oneof(
  fc.record({ src: fc.nat(3), dst: fc.nat(3), flags: fc.nat(0xfff) }).map((t) => b.tcp(t)),
  fc.record({ src: fc.nat(3), dst: fc.nat(3) }).map((u) => b.udp(u)),
  fc.record({ type: u8, code: u8 }).map((i) => b.icmp(i)),
  fc.record({ type: fc.constantFrom(128, 133, 135, 136), code: fc.nat(1) }).map((i) => b.icmpv6(i)),
  fc
    .tuple(fc.constantFrom(135, 136), fc.boolean(), fc.boolean())
    .map(([type, s, t]) =>
      b.nd({ type, target: 'fe80::7', ...(s && { sll: MACS.src }), ...(t && { tll: MACS.dst }) }),
    ),
  fc.tuple(fc.constantFrom(132, 47, 0, 43, 44, 51, 60, 135, 58), body).map(([p, x]) => b.raw(p, x)),
);

const ip4 = fc
  .tuple(
    fc.record({ src: ipv4Address, dst: ipv4Address, tos: u8, ttl: u8, mf: fc.boolean() }),
    fc.constantFrom(0, 0, 0, 1, 185),
    fc.constantFrom(0, 0, 4, 40),
    l4,
  )
  .map(([h, fragOff, options, p]) =>
    b.ipv4({ ...h, fragOff, options: new Uint8Array(options) }, p),
  );

const extended = fc
  .tuple(fc.array(fc.constantFrom(0, 43, 44, 51, 60, 135), { maxLength: 6 }), fc.nat(2), u16, l4)
  .map(([types, units, frag, inner]) =>
    types.reduce(
      (part, type) =>
        type === 44
          ? b.ipv6Fragment({ off: frag & 3, mf: (frag & 4) !== 0 }, part)
          : b.ipv6Extension(type, part, units),
      inner,
    ),
  );

const ip6 = fc
  .tuple(
    fc.record({ src: ipv6Address, dst: ipv6Address, tos: u8, label: fc.nat(0xfffff) }),
    extended,
  )
  .map(([h, p]) => b.ipv6(h, p));

const arp = fc
  .record({ op: fc.constantFrom(1, 2, 256), spa: ipv4Address, tpa: ipv4Address })
  .map((a) => b.arp({ sha: MACS.src, ...a }));

const l3 = fc.oneof(
  ip4,
  ip6,
  arp,
  fc.tuple(fc.constantFrom(0x88cc, 0x8847, 38, 8), body).map(([t, x]) => b.raw(t, x)),
  body.map((x) => b.raw(20, Uint8Array.from([0xaa, 0xaa, 3, 0, 0, 0, 8, 0, ...x]))),
);

const tags = fc.array(
  fc.record({ vid: fc.nat(4095), pcp: fc.nat(7), tpid: fc.constantFrom(0x8100, 0x88a8) }),
  { maxLength: 3 },
);

const whole = fc.tuple(tags, l3).map(([t, p]) =>
  b.ethernet(
    MACS,
    t.reduceRight((inner, tag) => b.vlan(tag, inner), p),
  ),
);

/** Cut anywhere, or with bytes changed anywhere. */
const frame = fc
  .tuple(whole, fc.nat(200), fc.array(fc.tuple(fc.nat(120), u8), { maxLength: 2 }), fc.nat(3))
  .map(([f, cut, changes, how]) => {
    const out = f.slice(0, how === 0 ? Math.max(14, f.length - (cut % 80)) : f.length);
    if (how === 1) for (const [at, v] of changes) if (at < out.length) out[at] = v;
    return out;
  });

test('keys equal the reference, field for field', () => {
  fc.assert(
    fc.property(frame, (f) => {
      // BPF_PROG_TEST_RUN refuses IP packets without a whole IP header.
      fc.pre(f.length >= 54 || ![0x0800, 0x86dd].includes((f[12]! << 8) | f[13]!));
      const pktMark = mark++;
      const expected = extractFlow(f, { inPort: LO, pktMark });
      const got = dp.testExtract(f, pktMark);
      assert.equal(formatOdpFlow(got), formatOdpFlow(expected), toHex(f));
      assert.ok(flowEquals(got, expected), toHex(f));
    }),
    { numRuns: 3000 },
  );
});

/** Words of any shape: whole fields, parts of fields, nothing. */
const mask = fc
  .array(
    fc.tuple(fc.constantFrom(0, 16, 17, 20, 22, 26, 30, 31), fc.constantFrom(-1, 0xff, 0x0100)),
  )
  .map((words) => {
    const m = new Flow();
    for (const [w, bits] of words) m.u32[w] = bits;
    m.inPort = 0xffffffff;
    return m;
  });

function hits(): Map<Ufid, number> {
  return new Map([...dp.flows()].map((f) => [f.ufid, f.stats.packets]));
}

test('with forced hash collisions every packet meets a flow that matches, or none does', () => {
  const table = fc.array(fc.tuple(whole, mask), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(table, fc.array(fc.nat(), { minLength: 10, maxLength: 10 }), (flows, picks) => {
      dp.flowFlush();
      for (const [f, m] of flows) {
        const key = extractFlow(f, { inPort });
        dp.flowPut({ key, mask: m, actions: [] });
        if (key.dlSrc % 3 === 0) dp.flowDel([...dp.flows()][0]!.ufid);
      }
      for (const pick of picks) {
        const [f] = flows[pick % flows.length]!;
        const packet = extractFlow(f, { inPort });
        const [before, missed] = [hits(), dp.stats().missed];
        dp.testRun('port_in', f);
        const hit = [...dp.flows()].filter((x) => x.stats.packets > before.get(x.ufid)!);
        const matching = [...dp.flows()].filter((x) => flowMatches(packet, x.key, x.mask));
        assert.equal(hit.length, matching.length > 0 ? 1 : 0, formatOdpFlow(packet));
        assert.equal(dp.stats().missed - missed, matching.length > 0 ? 0 : 1);
        if (hit[0]) assert.ok(flowEquals(flowAnd(packet, hit[0].mask), hit[0].key));
      }
    }),
    { numRuns: 40 },
  );
});

test('packets of one connection meet other flows where masks look at what differs', () => {
  dp.flowFlush();
  const m = new Flow();
  m.inPort = 0xffffffff;
  m.nwTtl = 0xff;
  const ends = { src: '10.0.0.1', dst: '10.0.0.2' };
  const frames = [1, 2, 3].map((ttl) =>
    b.ethernet(MACS, b.ipv4({ ...ends, ttl }, b.udp({ src: 1, dst: 2 }))),
  );
  for (const f of frames) dp.flowPut({ key: extractFlow(f, { inPort }), mask: m, actions: [] });
  const order = [0, 0, 1, 0, 2, 2, 1, 0, 2, 1];
  for (const i of order) dp.testRun('port_in', frames[i]!);
  const counts = () => [...dp.flows()].map((f) => f.stats.packets);
  assert.deepEqual(counts(), [4, 3, 3]);
  // What is remembered of a flow that is gone leads nowhere.
  const missed = dp.stats().missed;
  dp.testRun('port_in', frames[1]!);
  dp.flowDel([...dp.flows()][1]!.ufid);
  dp.testRun('port_in', frames[1]!);
  dp.testRun('port_in', frames[2]!);
  assert.deepEqual(counts(), [4, 4]);
  assert.equal(dp.stats().missed - missed, 1);
});

test('deletions in any order leave chains whole', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray([...Array(100).keys()], { minLength: 20 }), (order) => {
      dp.flowFlush();
      const m = new Flow();
      m.inPort = 0xffffffff;
      m.tpSrc = 0xffff;
      const frames = order.map((n) =>
        b.ethernet(MACS, b.ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, b.udp({ src: n, dst: 1 }))),
      );
      const ufids = frames.map((f) => {
        dp.flowPut({ key: extractFlow(f, { inPort }), mask: m, actions: [] });
        return [...dp.flows()].at(-1)!.ufid;
      });
      for (let i = 0; i < ufids.length; i += 3) dp.flowDel(ufids[i]!);
      frames.forEach((f, i) => {
        const missed = dp.stats().missed;
        dp.testRun('port_in', f);
        assert.equal(dp.stats().missed - missed, i % 3 === 0 ? 1 : 0);
      });
      assert.equal(dp.stats().flows, ufids.length - Math.ceil(ufids.length / 3));
      dp.flowFlush();
      assert.equal(dp.stats().flows, 0);
      assert.equal(dp.stats().masks, 0);
    }),
    { numRuns: 10 },
  );
});
