/** Flow mods taken by layout, beside the same ones decoded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flow } from '@heddle/packet';
import { generator } from '@heddle/testing/random';
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import { Match } from '../match.ts';
import type { FlowMod } from '../messages.ts';
import { parseFlowMod } from '../text/index.ts';
import { type AddLayout, AddLayouts, addCookie, addPriority } from './add-layouts.ts';
import { decodeMessage, encodeMessage } from './registry.ts';

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 10_000);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const random = generator(SEED);

const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
const byte = () => random(256);
const port = () => random(65536);
const ip = () => `10.${random(3)}.${byte()}.${byte()}`;
const ip6 = () => `2001:db8::${port().toString(16)}:${port().toString(16)}`;
const mac = () => `02:00:00:${[byte(), byte(), byte()].map((b) => b.toString(16)).join(':')}`;

const MATCHES: readonly (() => string)[] = [
  () => 'in_port=3',
  () => `ip,nw_dst=${ip()}`,
  () => `ip,nw_src=${ip()}/9,nw_proto=${pick([6, 17])}`,
  () => `tcp,nw_src=${ip()},tp_dst=${port()}`,
  () => `udp,in_port=${1 + random(3)},tp_src=${port()}/0xfff0`,
  () => `tcp6,ipv6_src=${ip6()},ipv6_dst=${ip6()}/${pick([64, 33, 128])}`,
  () => `dl_src=${mac()},dl_dst=${mac()}`,
  () => `dl_vlan=${random(10)},dl_dst=${mac()}/ff:ff:ff:00:ff:0f`,
  () => `arp,arp_spa=${ip()},arp_tha=${mac()}`,
  () => `icmp6,icmp_type=135,nd_target=${ip6()},nd_sll=${mac()}`,
  () =>
    `metadata=0x${port().toString(16)}/0xffff,reg0=${port()},reg3=${byte()}/0xff,tun_id=${port()}`,
  () => `xreg1=${port()},ct_state=+trk,ct_mark=${byte()}`,
];
const ACTIONS: readonly (() => string)[] = [
  () => 'drop',
  () => `output:${1 + random(3)}`,
  () => 'set_field:5->reg1,resubmit(,7)',
  () => 'write_actions(output:2),goto_table:254',
];

function randomAdd(version: OfpVersion): Uint8Array {
  const words = [
    `table=${random(2)}`,
    `priority=${port()}`,
    `cookie=${random(4)}`,
    ...(random(9) === 0 ? [`idle_timeout=${random(2)}`] : []),
    pick(MATCHES)(),
    `actions=${pick(ACTIONS)()}`,
  ];
  const { flowMod } = parseFlowMod(words.join(','), 'add');
  return encodeMessage({ ...flowMod, format: 'OXM', version, xid: random(1000), type: 'flow_mod' });
}

/** One byte or two are others. */
function damaged(bytes: Uint8Array): Uint8Array {
  const out = bytes.slice();
  for (let n = random(2); n >= 0; n--) out[random(out.length)] = byte();
  return out;
}

function decoded(bytes: Uint8Array): FlowMod | undefined {
  try {
    const msg = decodeMessage(bytes);
    return msg.type === 'flow_mod' ? msg : undefined;
  } catch (error) {
    if (error instanceof OfpError) return undefined;
    throw error;
  }
}

/** The flow mod that a layout makes of bytes. */
function made(layout: AddLayout<FlowMod>, dv: DataView, at: number): FlowMod | undefined {
  const values = new Uint32Array(layout.words.length);
  if (!layout.readKey(dv, at, values, 0)) return undefined;
  const key = new Flow();
  for (const [i, word] of layout.words.entries()) key.u32[word] = values[i]!;
  return {
    ...layout.known,
    match: new Match(key, layout.mask),
    priority: addPriority(dv, at),
    newCookie: addCookie(dv, at),
  };
}

function contents(mod: FlowMod): unknown {
  const { match, ...rest } = mod as FlowMod & { xid?: number };
  const { key, mask, tunMetadata } = match;
  return { ...rest, xid: 0, key: key.u32, mask: mask.u32, tunMetadata };
}

test(`what a layout takes is what decoding comes to (seed ${SEED})`, () => {
  const layouts = new AddLayouts<FlowMod>();
  let taken = 0;
  for (let n = 0; n < COUNT; n++) {
    const whole = randomAdd(pick([3, 4, 6]));
    const bytes = random(3) === 0 ? damaged(whole) : whole;
    // Older ones say in the log what they leave out.
    if (bytes[0]! < 3) continue;
    const pad = random(9);
    const dv = new DataView(new ArrayBuffer(pad + bytes.length));
    new Uint8Array(dv.buffer).set(bytes, pad);
    const want = decoded(bytes);
    const layout = layouts.find(dv, pad, bytes.length);
    const got = layout && made(layout, dv, pad);
    if (got) {
      taken++;
      assert.ok(want, `refused: ${Buffer.from(bytes).toString('hex')}`);
      assert.deepEqual(contents(got), contents(want));
    } else if (want) layouts.learn(dv, pad, bytes.length, want, want);
  }
  assert.ok(taken > COUNT / 8, `${taken} of ${COUNT}`);
});

test('deletions, old versions and messages that are cut off have no layout', () => {
  const layouts = new AddLayouts<number>();
  const learn = (bytes: Uint8Array): boolean => {
    const dv = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const mod = decoded(bytes);
    if (mod) layouts.learn(dv, 0, bytes.length, mod, 0);
    return layouts.find(dv, 0, bytes.length) !== undefined;
  };
  const encode = (version: OfpVersion, command: 'add' | 'delete'): Uint8Array => {
    const { flowMod } = parseFlowMod(
      `table=0,ip,nw_dst=10.0.0.1${command === 'add' ? ',actions=drop' : ''}`,
      command,
    );
    return encodeMessage({ ...flowMod, format: 'OXM', version, xid: 1, type: 'flow_mod' });
  };
  assert.ok(learn(encode(4, 'add')));
  assert.ok(!learn(encode(4, 'delete')));
  assert.ok(!learn(encode(1, 'add')));
  const whole = encode(4, 'add');
  for (let length = 0; length < whole.length; length++) {
    assert.equal(layouts.find(new DataView(whole.buffer, 0, length), 0, length), undefined);
  }
});
