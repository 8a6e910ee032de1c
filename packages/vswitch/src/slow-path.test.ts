/** A list done in part by the daemon comes to what an engine that knows all of it does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type DpExecute,
  formatOdpActions,
  MemoryNetdev,
  type OdpAction,
  parseOdpActions,
  segments,
  UserspaceDpif,
} from '@heddle/datapath';
import { randomActions } from '@heddle/datapath/oracle/random-actions';
import { Random, wellFormedFrame } from '@heddle/datapath/oracle/random-frame';
import { extractFlow, type Flow, fromHex, toHex } from '@heddle/packet';
import * as b from '@heddle/packet/build';
import { type ActionTypes, workSlowly } from './slow-path.ts';

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 400);
const PORTS = [1, 2, 3];

const KERNEL: ActionTypes = new Set([
  ...(['output', 'push_vlan', 'pop_vlan', 'set', 'userspace', 'recirc', 'trunc', 'drop'] as const),
]);

const NSH = { flags: 2, ttl: 63, mdtype: 1, np: 3, path: 0x1234ff, context: [1, 2, 3, 4] } as const;
const NONE = { flags: 0, ttl: 0, mdtype: 0, np: 0, path: 0, context: [0, 0, 0, 0] } as const;

/** Lists of what only one of the engines knows. */
function reshaping(r: Random, flow: Flow): OdpAction[] {
  const lse = 0x1000 * r.below(100) + 0x140;
  return r.pick<() => OdpAction[]>([
    () => [{ type: 'push_mpls', lse, ethertype: 0x8847 }],
    () => [
      { type: 'push_mpls', lse, ethertype: 0x8847 },
      { type: 'set_mpls', lse: 0x7000, mask: 0xffff_f000 },
      { type: 'output', port: 3 },
      { type: 'pop_mpls', ethertype: 0x0800 },
    ],
    () => [
      { type: 'push_nsh', header: NSH },
      { type: 'set_nsh', header: { ...NSH, path: 0x7700 }, mask: { ...NONE, path: 0xffff_ff00 } },
      { type: 'push_eth', src: 1, dst: 2 },
    ],
    () => [{ type: 'push_nsh', header: NSH }, { type: 'pop_nsh' }],
    () => [{ type: 'pop_eth' }, { type: 'push_eth', src: 0x0102_0304_0506, dst: 0x0a0b_0c0d_0e0f }],
    () => [
      { type: 'add_mpls', lse, ethertype: 0x8847 },
      { type: 'pop_mpls', ethertype: 0x6558 },
    ],
    () => [{ type: 'check_pkt_len', size: 80, greater: [out(2)], lessEqual: [out(3)] }],
    () => [{ type: 'clone', actions: [...plain(r, flow), { type: 'trunc', maxLen: 30 }, out(1)] }],
    () => [{ type: 'meter', id: r.below(2) }],
    () => [{ type: 'trunc', maxLen: 40 }],
  ])();
}

const out = (port: number): OdpAction => ({ type: 'output', port });
/** What both engines know, for the packet as it came: `set` is of its headers. */
const plain = (r: Random, flow: Flow): OdpAction[] =>
  parseOdpActions(randomActions(r, flow, true)).filter((a) => KERNEL.has(a.type));

async function datapath(): Promise<{ dpif: UserspaceDpif; sent: () => string[] }> {
  const devices: MemoryNetdev[] = [];
  const dpif = new UserspaceDpif({
    openNetdev(name) {
      const device = new MemoryNetdev(name);
      devices.push(device);
      return device;
    },
  });
  for (const n of PORTS) await dpif.portAdd(`p${n}`, 'system', n);
  const sent = (): string[] =>
    devices.flatMap((d) => d.transmitted.splice(0).map((f) => `${d.name} ${toHex(f)}`)).sort();
  return { dpif, sent };
}

test(`the same frames as from an engine that knows all actions (HEDDLE_SEED=${SEED})`, async () => {
  const whole = await datapath();
  const part = await datapath();
  const admits = (id: number): boolean => id === 1;
  let frames = 0;
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const r = new Random(seed);
    const data = wellFormedFrame(r, seed);
    const flow = extractFlow(data, { inPort: 1 });
    const actions = Array.from({ length: 1 + r.below(4) }, () =>
      r.chance(60) ? [...reshaping(r, flow), out(2)] : plain(r, flow),
    ).flat();
    const what: DpExecute = { flow, packet: { data: data.slice() }, actions };
    const work = workSlowly(what, { native: KERNEL, meterAdmits: admits, random: () => 0 });
    const text = `seed ${seed}: ${formatOdpActions(actions)}`;
    assert.equal(work.unsupported, undefined, text);
    for (const { actions: list } of work.executes) {
      assert.ok(
        list.every((a) => KERNEL.has(a.type)),
        formatOdpActions(list),
      );
    }
    part.dpif.execute(work.executes);
    whole.dpif.execute([{ ...what, actions: withoutMeters(actions, admits) }]);
    const expected = whole.sent();
    frames += expected.length;
    assert.deepEqual(part.sent(), expected, text);
  }
  assert.ok(frames > COUNT);
});

/** What a meter refuses ends its list. */
function withoutMeters(
  actions: readonly OdpAction[],
  admits: (id: number) => boolean,
): OdpAction[] {
  const end = actions.findIndex((a) => a.type === 'meter' && !admits(a.id));
  return actions.slice(0, end < 0 ? actions.length : end).filter((a) => a.type !== 'meter');
}

test('a super-packet is cut into its segments', () => {
  const macs = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };
  const body = Uint8Array.from({ length: 2500 }, (_, i) => i & 0xff);
  const tcp = { src: 1, dst: 2, seq: 0xffff_ff00, flags: 0x19 };
  for (const wrap of [
    (l4: ReturnType<typeof b.tcp>) => b.ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, l4),
    (l4: ReturnType<typeof b.tcp>) => b.ipv6({ src: 'fe80::1', dst: 'fe80::2' }, l4),
  ]) {
    const build = (flags: number, seq: number, part: Uint8Array) =>
      b.ethernet(macs, wrap(b.tcp({ ...tcp, flags, seq: seq >>> 0 }, part)));
    const data = build(tcp.flags, tcp.seq, body);
    const vnet = { flags: 1, gsoType: 1, hdrLen: 54, gsoSize: 1000, csumStart: 34, csumOffset: 16 };
    const cut = segments({ data, vnet }).map((s) => extractless(s));
    const expected = [
      build(0x10, tcp.seq, body.subarray(0, 1000)),
      build(0x10, tcp.seq + 1000, body.subarray(1000, 2000)),
      build(0x19, tcp.seq + 2000, body.subarray(2000)),
    ].map((s) => extractless(s));
    assert.deepEqual(cut, expected);
  }
  const plainFrame = fromHex('02000000000202000000000188b5');
  assert.deepEqual(segments({ data: plainFrame }), [plainFrame]);
});

/** Without what numbers IPv4 packets: identification and, with it, the header's checksum. */
function extractless(frame: Uint8Array): string {
  const copy = frame.slice();
  if (copy[12] === 0x08) {
    copy.fill(0, 18, 20);
    copy.fill(0, 24, 26);
  }
  return toHex(copy);
}
