/** Random actions and instructions in bytes. */
import { emitActions, parseFlowMod } from '@heddle/openflow';
import { HeddleError } from '@heddle/runtime';
import type { Random } from '@heddle/testing/random';
import { randomActions as randomText } from '../differential/openflow/random-actions.ts';
import { randomEntry, randomPort10, randomPort11 } from './random-match.ts';
import { bytes, hex, u8, u16, u32, u64, zeros } from './raw-peer.ts';
import { padded, type Version } from './raw-requests.ts';

type Make = (r: Random, v: Version) => Buffer;

const some = (r: Random): number => r.pick([0, 1, 2, 5, 7, 8, 63, 255]);

const output: Make = (r, v) =>
  v === 1
    ? u16(0, 8, randomPort10(r), r.pick([0, 64, 0xffff]))
    : bytes(u16(0, 16), u32(randomPort11(r)), u16(r.pick([0, 64, 0xffff])), zeros(6));

/** struct ofp_action_* of 8 bytes, of any type. */
const short: Make = (r) => {
  const value = r.pick([
    zeros(4),
    u16(r.pick([5, 0xfff, 0x1000, 0x8100, 0x88a8, 0x8847, 0x8848, 0x800]), 0),
    u32(r.pick([1, 2, 3, 9, 0xffff_fffc, 0xfffff, 0x10_0000])),
    bytes(u8(some(r)), zeros(3)),
  ]);
  return bytes(u16(r.below(30), 8), value);
};

const group: Make = (r) => bytes(u16(22, 8), u32(r.pick([1, 1, 2, 3, 9, 0xffff_fffc])));

const setField: Make = (r) => {
  const entry = randomEntry(r);
  return padded(8, u16(25, Math.ceil((4 + entry.length) / 8) * 8), entry);
};

const REGISTERS = [
  0x1_0004, 0x1_0204, 0x8000_0408, 0x8001_0008, 0x0000_0002, 0x8000_0602, 0x8000_1604,
];

/** OFPAT_COPY_FIELD, of OpenFlow 1.5 or as the ONF's extension. */
const copyField: Make = (r, v) => {
  const body = bytes(
    ...[u16(r.pick([8, 16, 32, 33]), r.pick([0, 0, 8, 30]), r.pick([0, 0, 8]), 0)],
    ...[u32(r.pick(REGISTERS)), u32(r.pick(REGISTERS))],
  );
  if (v === 6 && r.chance(0.8)) return padded(8, u16(28, 24), body);
  return padded(8, u16(0xffff, 32), u32(0x4f4e_4600), u16(3200, 0), body);
};

/** struct nx_action_header and what looks like a body. */
const nicira: Make = (r) => {
  const parts = Array.from({ length: 1 + r.below(8) }, () =>
    r.pick([
      () => u16(r.pick([0, 1, 2, 77, 0xfff8, 0xfffd, 0xffff])),
      () => u16(some(r)),
      () => u32(r.pick(REGISTERS)),
      () => zeros(2),
      () => zeros(4),
    ])(),
  );
  const body = padded(8, zeros(2), ...parts);
  return bytes(u16(0xffff, 8 + body.length), u32(0x2320), u16(r.below(52)), body);
};

const experimenter: Make = (r) =>
  bytes(
    u16(0xffff, 16),
    u32(r.pick([0x4f4e_4600, 0xdead_beef, 0x5ad6_50])),
    u16(r.below(4), 0),
    zeros(4),
  );

const OTHERS: readonly Make[] = [
  output,
  output,
  output,
  short,
  short,
  group,
  setField,
  copyField,
  nicira,
  experimenter,
];

/** As ovs-ofctl would send them. */
function written(r: Random, v: Version): Buffer {
  const { match, actions } = randomText(r);
  try {
    return Buffer.from(
      emitActions(parseFlowMod(`${match},actions=${actions}`, 'add').flowMod.actions, v),
    );
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    return zeros(0);
  }
}

/** `length` is a multiple of 8. */
export function randomActions(r: Random, v: Version): Buffer {
  const count = r.pick([0, 1, 1, 1, 2, 3, 4]);
  const parts = Array.from({ length: count }, () =>
    r.chance(0.35) ? written(r, v) : r.pick(OTHERS)(r, v),
  );
  return bytes(...parts);
}

type MakeInstruction = (r: Random, v: Version) => Buffer;

function instruction(type: number, ...body: Buffer[]): Buffer {
  const all = bytes(...body);
  return bytes(u16(type, 4 + all.length), all);
}

const wide = (r: Random): Buffer =>
  r.pick([u64(0), u64(0x55), Buffer.alloc(8, 0xff), u32(0, 0xff)]);

/** By type: goto_table, write_metadata, write_actions, apply_actions, clear_actions, meter. */
const INSTRUCTIONS: readonly MakeInstruction[] = [
  (r) => instruction(1, u8(r.pick([0, 1, 2, 4, 9, 253, 254, 255])), zeros(3)),
  (r) => instruction(2, zeros(4), wide(r), wide(r)),
  (r, v) => instruction(3, zeros(4), randomActions(r, v)),
  (r, v) => instruction(4, zeros(4), randomActions(r, v)),
  (r, v) => instruction(5, zeros(4), r.chance(0.1) ? randomActions(r, v) : zeros(0)),
  (r) => instruction(6, u32(r.pick([1, 1, 2, 9, 0, 0xffff_fffd]))),
];

/** The instructions of a flow mod; OpenFlow 1.0 has actions only. */
export function randomInstructions(r: Random, v: Version): Buffer {
  if (v === 1) return randomActions(r, v);
  if (r.chance(0.5)) return instruction(4, zeros(4), randomActions(r, v));
  const parts = Array.from({ length: r.below(4) }, () => r.pick(INSTRUCTIONS)(r, v));
  if (r.chance(0.05)) parts.push(instruction(r.pick([0, 7, 0x77]), zeros(4)));
  if (r.chance(0.05))
    parts.push(instruction(0xffff, hex(r.pick(['deadbeef', '00002320'])), zeros(8)));
  return bytes(...parts);
}
