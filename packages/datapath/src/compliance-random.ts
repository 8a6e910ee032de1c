/**
 * The same random frames and actions through a datapath and through the userspace reference:
 * keys of upcalls and frames sent must be equal. HEDDLE_SEED picks other ones.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { extractFlow, type Flow, formatMac, IPPROTO_TCP, toHex } from '@heddle/packet';
import {
  type ComplianceFactory,
  type ComplianceProvider,
  flowFor,
  keptUpcall,
} from './compliance.ts';
import type { DpFlow, OdpPort, Upcall } from './dpif.ts';
import { formatOdpFlow } from './odp-format.ts';
import { randomActions } from './oracle/random-actions.ts';
import { Random, randomFrame, wellFormedFrame } from './oracle/random-frame.ts';
import { MemoryNetdev } from './userspace/netdev.ts';
import { UserspaceDpif } from './userspace/userspace-dpif.ts';

const SEED = Number(process.env.HEDDLE_SEED ?? 1);
const BATCH = 25;

async function withProvider(
  open: ComplianceFactory,
  body: (p: ComplianceProvider) => Promise<void>,
): Promise<void> {
  const provider = await open(2);
  try {
    await body(provider);
  } finally {
    await provider.close();
  }
}

export function dpifRandomCompliance(name: string, open: ComplianceFactory, count = 500): void {
  describe(`${name}: random (HEDDLE_SEED=${SEED})`, () => {
    test('keys of random, cut and damaged frames', () =>
      withProvider(open, (p) => compareKeys(p, count)));
    test('frames after random actions', () =>
      withProvider(open, (p) => compareActions(p, count / 5)));
  });
}

async function compareKeys(p: ComplianceProvider, count: number): Promise<void> {
  const r = new Random(SEED);
  const upcalls = new Map<string, Upcall>();
  p.dpif.setUpcallHandler((batch) => {
    for (const u of batch) upcalls.set(formatMac(u.flow.dlSrc), keptUpcall(u));
  });
  const port = p.ports[0]!;
  for (let i = 0; i < count; i += BATCH) {
    upcalls.clear();
    const frames = Array.from({ length: BATCH }, (_, k) => randomFrame(r, i + k));
    for (const frame of frames) await p.send(port, frame);
    await p.settle();
    for (const frame of frames) {
      const key = extractFlow(frame, { inPort: port });
      const upcall = upcalls.get(formatMac(key.dlSrc));
      if (upcall === undefined && tagCutShort(frame)) continue;
      assert.ok(upcall, `no upcall for ${toHex(frame)}`);
      assert.equal(formatOdpFlow(upcall.flow), formatOdpFlow(key), toHex(frame));
      assert.deepEqual([...upcall.flow.u32], [...key.u32], toHex(frame));
      assert.equal(toHex(upcall.packet.data), toHex(frame));
    }
  }
}

/** The kernel engine sees two tags, and drops what is to be rewritten behind more. */
function setsBehindTags(actions: string, key: Flow): boolean {
  const had = Number(key.vlanTci0 !== 0) + Number(key.vlanTci1 !== 0);
  const pushed = actions.match(/push_vlan/g)?.length ?? 0;
  return had + pushed > 2 && /set\((?!eth)/.test(actions);
}

/** Linux drops such frames before any program sees them (skb_vlan_untag, net/core/skbuff.c). */
function tagCutShort(frame: Uint8Array): boolean {
  const type = (frame[12]! << 8) | frame[13]!;
  return frame.length < 20 && (type === 0x8100 || type === 0x88a8);
}

async function compareActions(p: ComplianceProvider, count: number): Promise<void> {
  const r = new Random(SEED);
  const port = p.ports[0]!;
  const out = p.ports[1]!;
  // Who takes upcalls has the stumps sent, too, that the kernel does not cut by itself.
  p.dpif.setUpcallHandler(() => {});
  const device = new MemoryNetdev('reference');
  const reference = new UserspaceDpif({ openNetdev: () => device });
  await reference.portAdd('reference', 'system', out);
  for (let i = 0; i < count; i++) {
    const frame = wellFormedFrame(r, i);
    const key = extractFlow(frame, { inPort: port });
    // Ports of a header that is damaged further on: the engines may differ in whether they rewrite.
    if (key.nwProto === IPPROTO_TCP && (key.tpSrc | key.tpDst | key.tcpFlags) === 0) continue;
    const text = randomActions(r, key, key.nwProto !== 0).replace(/(?<=^|,)2(?=,|$)/g, String(out));
    if (tagCutShort(frame) || setsBehindTags(text, key)) continue;
    const flow = flowFor(frame, port, text);
    p.dpif.flowFlush();
    if (!accepts(p, flow)) continue;
    await p.send(port, frame);
    reference.execute([{ flow: key, packet: { data: frame }, actions: flow.actions }]);
    // Copies for one port may overtake each other: the last one can take a shorter way.
    const expected = device.transmitted.splice(0).map(toHex).sort();
    const got = (await arrivals(p, out, expected.length)).map(toHex).sort();
    assert.deepEqual(got, expected, `${text} on ${toHex(frame)}`);
  }
}

const MAX_SETTLES = 50;

/** What leaves at the port: `count` frames, or after a long wait what there is. */
async function arrivals(
  p: ComplianceProvider,
  port: OdpPort,
  count: number,
): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  for (let i = 0; i < MAX_SETTLES; i++) {
    await p.settle();
    frames.push(...(await p.received(port)));
    if (frames.length >= count) break;
  }
  return frames;
}

/** An engine may refuse what it cannot do, but only in words. */
function accepts(p: ComplianceProvider, flow: DpFlow): boolean {
  try {
    p.dpif.flowPut(flow);
    return true;
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'EOPNOTSUPP');
    return false;
  }
}
