/** Tunnel addresses of both families in the one place that programs have for them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Flow,
  flowAnd,
  flowEquals,
  flowMatches,
  isSubset,
  parseIpv4,
  parseIpv6,
  setTunnelDestination,
  setTunnelSource,
} from '@heddle/packet';
import fc from 'fast-check';
import { programKey, programMask, readProgramKey, readProgramMask } from './tunnel-addresses.ts';
import { decodeSetTunnel, encodeSetTunnel } from './tunnel-codec.ts';

const IPV4 = ['0.0.0.0', '10.0.0.1', '10.0.0.2', '10.9.0.1', '253.0.0.0'];
const IPV6 = ['::', 'fd00::1', 'fd00::2', 'fd01::1', 'a00:1::1', '::1'];
const MASKS_IPV4 = ['0.0.0.0', '255.0.0.0', '0.0.0.255', '255.255.255.255'];
const MASKS_IPV6 = ['::', 'ffff::', 'ff00::ff', '::ffff', `ffff${':ffff'.repeat(7)}`];

/** As a packet that has come by a tunnel has it. */
const key = fc.tuple(fc.boolean(), fc.nat(), fc.nat()).map(([v6, src, dst]) => {
  const flow = new Flow();
  if (v6) {
    flow.tunIpv6Src = parseIpv6(IPV6[src % IPV6.length]!)!;
    flow.tunIpv6Dst = parseIpv6(IPV6[1 + (dst % (IPV6.length - 1))]!)!;
  } else {
    flow.tunSrc = parseIpv4(IPV4[src % IPV4.length]!)!;
    flow.tunDst = parseIpv4(IPV4[1 + (dst % (IPV4.length - 1))]!)!;
  }
  return flow;
});

const mask = fc
  .tuple(
    fc.constantFrom(...MASKS_IPV4),
    fc.constantFrom(...MASKS_IPV4),
    fc.constantFrom(...MASKS_IPV6),
    fc.constantFrom(...MASKS_IPV6),
  )
  .map(([src4, dst4, src6, dst6]) => {
    const flow = new Flow();
    flow.tunSrc = parseIpv4(src4)!;
    flow.tunDst = parseIpv4(dst4)!;
    flow.tunIpv6Src = parseIpv6(src6)!;
    flow.tunIpv6Dst = parseIpv6(dst6)!;
    return flow;
  });

test('a key comes back as it was', () => {
  fc.assert(
    fc.property(key, (flow) => {
      const there = programKey(flow).clone();
      assert.equal(there.tunSrc | there.tunDst, 0);
      readProgramKey(there);
      assert.ok(flowEquals(there, flow));
    }),
  );
});

/** As translation looks at it: the packet's own addresses whole, others as flows ask for. */
function maskFor(flow: Flow, also: Flow): Flow {
  const wild = also.clone();
  if (flow.tunDst === 0) wild.u8.fill(0xff, 24, 56);
  else Object.assign(wild, { tunSrc: 0xffff_ffff, tunDst: 0xffff_ffff });
  return wild;
}

test('programs match what the mask does', () => {
  fc.assert(
    fc.property(key, key, mask, (flow, packet, also) => {
      const wild = maskFor(flow, also);
      const there = programMask(wild).clone();
      const masked = flowAnd(programKey(flow), there);
      const matches = flowMatches(packet, flowAnd(flow, wild), wild);
      assert.equal(flowMatches(programKey(packet), masked, there), matches);
      readProgramKey(masked, wild);
      assert.ok(flowEquals(masked, flowAnd(flow, wild)));
    }),
    { numRuns: 2000 },
  );
});

test('a mask that an earlier daemon left is no narrower, and the same to programs', () => {
  fc.assert(
    fc.property(key, mask, (flow, also) => {
      const wild = maskFor(flow, also);
      const there = programMask(wild).clone();
      const adopted = there.clone();
      readProgramMask(adopted);
      assert.ok(isSubset(wild, adopted));
      assert.ok(flowEquals(programMask(adopted), there));
    }),
  );
});

test('a header is of the family of its destination', () => {
  const endpoints = ['10.0.0.1', '10.0.0.2', 'fd00::1', 'fd00::2'].map((text) => {
    const out = new Uint8Array(16);
    const v4 = parseIpv4(text);
    if (v4 === undefined) out.set(parseIpv6(text)!);
    else new DataView(out.buffer).setUint32(0, v4);
    return out;
  });
  for (const [src, dst] of [
    [0, 1],
    [2, 3],
    [0, 3],
    [2, 1],
  ] as const) {
    const flow = new Flow();
    setTunnelSource(flow, endpoints[src]!);
    setTunnelDestination(flow, endpoints[dst]!);
    const read = new Flow();
    const ends = encodeSetTunnel(flow).map((act) => decodeSetTunnel(act, read));
    assert.equal(ends.at(-1), true);
    assert.equal(read.tunDst, flow.tunDst);
    assert.deepEqual(read.tunIpv6Dst, flow.tunIpv6Dst);
    const isMixed = src < 2 !== dst < 2;
    assert.equal(read.tunSrc, isMixed ? 0 : flow.tunSrc);
    if (!isMixed) assert.deepEqual(read.tunIpv6Src, flow.tunIpv6Src);
  }
});
