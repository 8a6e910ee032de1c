/** What arrives at tunnels' ports, of any shape: the programs take what the reference takes, and as it does. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { checksum, copyTunnel, extractFlow, flowEquals, toHex } from '@heddle/packet';
import * as b from '@heddle/packet/build';
import fc from 'fast-check';
import type { TunnelVportType, Upcall } from '../dpif.ts';
import { formatOdpFlow } from '../odp-format.ts';
import { popHeader } from '../userspace/tunnel.ts';
import type { KernelDpif } from './kernel-dpif.ts';
import { openKernelDpif } from './open.ts';
import { kernelHasKfuncs, kernelIsAtLeast } from './programs.ts';
import { enterNewNetns, testOptions, until } from './test-support.ts';

enterNewNetns();

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 1500);
const SEED = Number(process.env['HEDDLE_SEED'] ?? Date.now() % 1_000_000);
const MACS = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };
const TYPES: Readonly<Record<TunnelVportType, number>> = {
  vxlan: 4789,
  geneve: 6081,
  gre: 0,
  erspan: 0,
  'gre-l3': 0,
};
const TC_ACT_UNSPEC = 0xffff_ffff;
const TC_ACT_SHOT = 2;
const TC_ACT_REDIRECT = 7;

let dp: KernelDpif;
const ports = new Map<TunnelVportType, number>();
const upcalls: Upcall[] = [];

before(async () => {
  execFileSync('ip', ['link', 'add', 'under', 'type', 'veth', 'peer', 'name', 'peer']);
  writeFileSync('/proc/sys/net/ipv6/conf/under/disable_ipv6', '0');
  for (const a of ['10.1.0.1/24', 'fd01::1/64']) {
    execFileSync('ip', ['addr', 'add', a, 'dev', 'under', ...(a.includes(':') ? ['nodad'] : [])]);
  }
  dp = await openKernelDpif(testOptions());
  for (const [type, dstPort] of Object.entries(TYPES) as [TunnelVportType, number][]) {
    ports.set(type, await dp.portAdd(type, type, undefined, { dstPort }));
  }
  dp.setUpcallHandler((batch) => void upcalls.push(...batch));
});
after(() => dp.destroy());

const u8 = fc.nat(255);
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

const innerPayload = fc.oneof(
  fc.record({ src: fc.nat(9), dst: fc.nat(9) }).chain((p) => bytes(40).map((d) => b.udp(p, d))),
  fc.record({ src: fc.nat(9), dst: fc.nat(9) }).map((p) => b.tcp(p)),
  bytes(30).map((d) => b.raw(50, d)),
);
const inner = fc.oneof(
  innerPayload.map((p) => b.ethernet(MACS, b.ipv4({ src: '10.2.0.1', dst: '10.2.0.2' }, p))),
  innerPayload.map((p) => b.ethernet(MACS, b.ipv6({ src: 'fd02::1', dst: 'fd02::2' }, p))),
  fc.constant(b.ethernet(MACS, b.arp({ op: 1, sha: MACS.src, spa: '10.2.0.1', tpa: '10.2.0.2' }))),
  bytes(60).map((d) => b.ethernet(MACS, b.raw(0x1234, d))),
  bytes(70),
);

const bigEndian = (n: number, length: number) =>
  Uint8Array.from({ length }, (_, i) => (n >>> (8 * (length - 1 - i))) & 0xff);
const often = <T>(usual: T, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });

const vxlan = fc
  .tuple(
    fc.oneof(often(0x08, u8), fc.constant(0x88)),
    fc.nat(0xffffff),
    fc.nat(0xffffff),
    often(0, u8),
  )
  .map(([flags, group, vni, reserved]) => [
    flags,
    ...(flags & 0x80 ? bigEndian(group, 3) : [0, 0, 0]),
    ...bigEndian(vni, 3),
    reserved,
  ]);

const geneve = fc
  .tuple(
    fc.nat(63),
    fc.oneof(fc.constant(true), fc.boolean()),
    often(0, u8),
    often(0x6558, fc.nat(65535)),
  )
  .chain(([words, isWhole, flags, proto]) => {
    const length = isWhole ? words * 4 : 0;
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((options) => [words, flags, ...bigEndian(proto, 2), 0, 0, 7, 0, ...options]);
  });

const GRE_FLAGS = [0, 0x2000, 0x8000, 0xa000, 0x1000, 0x3000, 0xb000];
const gre = fc
  .tuple(
    fc.oneof(fc.constantFrom(...GRE_FLAGS), fc.nat(65535)),
    fc.uint8Array({ minLength: 12, maxLength: 12 }),
  )
  .map(([flags, rest]) => {
    const words = [0x8000, 0x2000, 0x1000].filter((bit) => flags & bit).length;
    return [...bigEndian(flags, 2), 0x65, 0x58, ...rest.subarray(0, 4 * words)];
  });

const ERSPAN_PROTOS = [0x88be, 0x22eb];
const erspan = fc
  .tuple(
    often(0x1000, fc.nat(65535)),
    fc.constantFrom(...ERSPAN_PROTOS),
    fc.nat(65535),
    fc.constantFrom(1, 1, 2, 2, 0, 15),
    fc.nat(0xfffffff),
    fc.uint8Array({ minLength: 8, maxLength: 8 }),
  )
  .map(([flags, proto, seq, ver, base, rest]) => {
    if (ver === 2) rest[7]! &= 0xfe;
    const header = [...bigEndian(flags, 2), ...bigEndian(proto, 2), ...bigEndian(seq, 4)];
    const first = bigEndian((ver << 28) | base, 4);
    return [...header, ...first, ...rest.subarray(0, ver === 2 ? 8 : 4)];
  });

const HEADERS: Readonly<Record<TunnelVportType, fc.Arbitrary<number[]>>> = {
  vxlan,
  geneve,
  gre,
  erspan,
  'gre-l3': gre,
};
/** In the place of the inner frame's Ethernet header. */
const GRE_PROTOCOL = often(0x6558, fc.nat(65535));

function withGreChecksum(body: Buffer): Buffer {
  if (body.length < 8 || !(body[0]! & 0x80)) return body;
  body.writeUInt16BE(0, 4);
  body.writeUInt16BE(checksum(new DataView(body.buffer, body.byteOffset), 0, body.length), 4);
  return body;
}

/** A frame for one of the ports, whole or cut, its checksums right, absent or wrong. */
const outer = fc.constantFrom(...(Object.keys(TYPES) as TunnelVportType[])).chain((type) =>
  fc
    .record({
      header: HEADERS[type],
      inner,
      cut: often(0, fc.nat(120)),
      padding: often(0, fc.nat(20)),
      v6: fc.boolean(),
      tos: u8,
      ttl: u8,
      changes: often<[number, number][]>([], fc.array(fc.tuple(fc.nat(120), u8), { maxLength: 2 })),
      csum: fc.constantFrom('none', 'right', 'wrong'),
      protocol: GRE_PROTOCOL,
    })
    .map((f) => {
      const bare = type === 'gre-l3' && f.inner.length >= 14;
      const payload = Buffer.from([...f.header, ...f.inner.subarray(bare ? 14 : 0)]);
      if (bare) payload.set(f.inner.subarray(12, 14), 2);
      else if (type === 'gre') payload.writeUInt16BE(f.protocol, 2);
      const body = payload.subarray(0, Math.max(0, payload.length - f.cut));
      const l4 =
        TYPES[type] === 0
          ? b.raw(47, f.csum === 'right' ? withGreChecksum(body) : body)
          : b.udp({ src: 40000, dst: TYPES[type] }, body);
      const { tos, ttl } = f;
      const ip = f.v6
        ? b.ipv6({ src: 'fd01::2', dst: 'fd01::1', tos, hopLimit: ttl }, l4)
        : b.ipv4({ src: '10.1.0.2', dst: '10.1.0.1', tos, ttl }, l4);
      const frame = Buffer.concat([b.ethernet(MACS, ip), Buffer.alloc(f.padding)]);
      for (const [at, v] of f.changes) if (14 + at < frame.length) frame[14 + at] = v;
      if (f.csum !== 'right' && TYPES[type] !== 0) {
        frame.writeUInt16BE(f.csum === 'none' ? 0 : 0x1234, (f.v6 ? 54 : 34) + 6);
      }
      return { type, frame };
    }),
);

/** What the reference makes of it; `may`: the kernel takes it, too, and for a reason. */
function expected(frame: Buffer, type: TunnelVportType) {
  const popped = isOurs(frame, type) ? popHeader(frame, type, undefined) : undefined;
  if (popped === undefined)
    return { verdict: 'none' as const, may: hasOptions(frame) || !kernelHasKfuncs() };
  const inPort = ports.get(type)!;
  const key = extractFlow(popped.frame, { inPort });
  copyTunnel(popped.tunnel, key);
  const family = Buffer.from(popped.frame).readUInt16BE(12);
  // Before Linux 6.3 a packet of the other family than the outer one goes round the veth, too.
  const isMiss = kernelIsAtLeast(6, 3)
    ? [0x0800, 0x86dd].includes(family)
    : family === frame.readUInt16BE(12);
  const verdict = isMiss ? ('miss' as const) : ('round' as const);
  return { verdict, key, popped, may: false };
}

/** What GRE carries tells whose it is. */
function greType(frame: Buffer): TunnelVportType {
  const at = (frame[12] === 0x86 ? 54 : 14 + (frame[14]! & 15) * 4) + 2;
  const protocol = (frame[at]! << 8) | frame[at + 1]!;
  if (ERSPAN_PROTOS.includes(protocol)) return 'erspan';
  return protocol === 0x6558 ? 'gre' : 'gre-l3';
}

function isOurs(frame: Buffer, type: TunnelVportType): boolean {
  const v6 = frame[12] === 0x86;
  const to = toHex(v6 ? frame.subarray(38, 54) : frame.subarray(30, 34));
  const isLocal = to === (v6 ? 'fd010000000000000000000000000001' : '0a010001');
  return isLocal && (TYPES[type] === 0 || frame.readUInt16BE(v6 ? 56 : 36) === TYPES[type]);
}

/** Packets with IP options go on, as in the kernel's tunnels. */
function hasOptions(frame: Buffer): boolean {
  return frame[12] === 0x08 && (frame[14]! & 0xf) > 5;
}

test('what comes to tunnels, however broken, is taken as the reference takes it', async () => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(outer, async ({ type: sent, frame }) => {
      // BPF_PROG_TEST_RUN refuses IP packets without a whole IP header.
      fc.pre(frame.length >= 54);
      const type = TYPES[sent] === 0 ? greType(frame) : sent;
      const want = expected(frame, type);
      const missed = dp.stats().missed;
      upcalls.length = 0;
      const { result } = dp.testRun('underlay_in', frame);
      const isMiss = dp.stats().missed > missed;
      const verdict = isMiss ? 'miss' : result === TC_ACT_REDIRECT ? 'round' : 'none';
      const what = `seed ${SEED}, ${type}: ${toHex(frame)}`;
      if (isMiss) assert.ok(await until(() => upcalls.length > 0), what);
      if (want.may && verdict !== want.verdict) return;
      assert.equal(verdict, want.verdict, what);
      if (verdict === 'none') {
        const isOthers = TYPES[type] === 0 || result === TC_ACT_UNSPEC;
        assert.ok(isOthers || result === TC_ACT_SHOT, what);
      }
      if (!isMiss || want.key === undefined) return;
      taken++;
      const [upcall] = upcalls;
      assert.equal(formatOdpFlow(upcall!.flow), formatOdpFlow(want.key), what);
      assert.ok(flowEquals(upcall!.flow, want.key), what);
      assert.equal(toHex(upcall!.packet.data), toHex(want.popped.frame), what);
    }),
    { numRuns: COUNT, seed: SEED },
  );
  assert.ok(taken > COUNT / 30, `${taken} taken`);
});
