/** Random matches in bytes: what they need is mostly there, values and masks are mostly right. */
import { codePointByName } from '@heddle/openflow';
import type { Random } from '@heddle/testing/random';
import { randomMatch } from '../differential/openflow/random-match.ts';
import { bytes, hex, u8, u16, u32, zeros } from './raw-peer.ts';
import { padded, type Version } from './raw-requests.ts';

const OFPXMC_EXPERIMENTER = 0xffff;

/** One entry from its text, `NXM_OF_ETH_TYPE(0800)` or `NXM_OF_ETH_SRC_W(…/…)`. */
function entry(text: string): Buffer {
  const [, name, isMasked, value, mask] = /^(\w+?)(_W)?\(([0-9a-f]+)(?:\/([0-9a-f]+))?\)$/.exec(
    text,
  )!;
  const point = codePointByName(name!)!;
  const vendor = point.cls === OFPXMC_EXPERIMENTER ? u32(point.vendor) : zeros(0);
  const body = bytes(vendor, hex(value!), hex(mask ?? ''));
  const field = 2 * point.number + (isMasked ? 1 : 0);
  return bytes(u16(point.cls), u8(field), u8(body.length), body);
}

/** The entries of a match, as NXM and OXM have them. */
export function randomEntries(r: Random): Buffer {
  if (r.chance(0.15)) return zeros(0);
  return bytes(...randomMatch(r).split(',').map(entry));
}

/** A single entry, as OFPAT_SET_FIELD has it. */
export function randomEntry(r: Random): Buffer {
  return entry(randomMatch(r).split(',').at(-1)!);
}

const ETH_TYPES = [0x800, 0x800, 0x806, 0x86dd, 0x8847, 0x8100, 0x5ff, 5];
const IP_PROTOS = [1, 6, 17, 58, 132, 0, 200];
const mac = (r: Random): Buffer =>
  hex(r.pick(['020000000001', '0100000000ff', 'ffffffffffff', '000000000000']));
const ip = (r: Random): Buffer =>
  hex(r.pick(['0a000001', '0a010203', '00000000', 'ffffffff', 'e0000001']));

/** struct ofp_match of OpenFlow 1.0. */
function ofp10Match(r: Random): Buffer {
  let wildcards = 0x30_00ff & r.below(0x40_0000);
  wildcards |= (r.pick([0, 8, 24, 32, 33, 63]) << 8) | (r.pick([0, 8, 24, 32, 33, 63]) << 14);
  if (r.chance(0.3)) wildcards = 0x3f_ffff;
  if (r.chance(0.05)) wildcards |= 1 << (22 + r.below(10));
  return bytes(
    u32(wildcards),
    u16(randomPort10(r)),
    mac(r),
    mac(r),
    u16(r.pick([0, 1, 5, 0xfff, 0x1000, 0xffff])),
    u8(r.pick([0, 3, 7, 8])),
    zeros(1),
    u16(r.pick(ETH_TYPES)),
    u8(r.pick([0, 4, 0xfc, 0xff])),
    u8(r.pick(IP_PROTOS)),
    zeros(2),
    ip(r),
    ip(r),
    u16(r.pick([0, 1, 8, 80, 255, 256]), r.pick([0, 1, 80, 65535])),
  );
}

/** struct ofp11_match, OFPMT_STANDARD. */
function ofp11Match(r: Random): Buffer {
  const wildcards = r.chance(0.3) ? 0x3ff : r.below(0x400) | (r.chance(0.05) ? 0x400 : 0);
  const macMask = (): Buffer =>
    hex(r.pick(['000000000000', 'ffffffffffff', 'ffffffffffff', 'feffffffffff']));
  const ipMask = (): Buffer =>
    hex(r.pick(['00000000', '000000ff', 'ffffffff', 'ffffffff', '00ff00ff']));
  const wide = (): Buffer => bytes(u32(r.below(4)), u32(r.below(4)));
  return bytes(
    ...[u16(0, r.chance(0.97) ? 88 : 96), u32(randomPort11(r)), u32(wildcards)],
    ...[mac(r), macMask(), mac(r), macMask()],
    ...[u16(r.pick([0, 1, 5, 0xfff, 0x1000, 0xfffe, 0xffff])), u8(r.pick([0, 3, 8])), zeros(1)],
    ...[u16(r.pick(ETH_TYPES)), u8(r.pick([0, 1, 0x3f, 0x40])), u8(r.pick(IP_PROTOS))],
    ...[ip(r), ipMask(), ip(r), ipMask()],
    ...[
      u16(r.pick([0, 1, 8, 80, 255, 256]), r.pick([0, 1, 80])),
      u32(r.pick([0, 5, 0xfffff, 0x100000])),
    ],
    ...[u8(r.pick([0, 7, 8])), zeros(3), wide(), r.chance(0.6) ? Buffer.alloc(8, 0xff) : wide()],
  );
}

export function randomPort10(r: Random): number {
  return r.pick([
    1, 2, 3, 1, 2, 0, 77, 0xfeff, 0xff00, 0xff05, 0xfff7, 0xfff8, 0xfff9, 0xfffa, 0xfffb, 0xfffc,
    0xfffd, 0xfffe, 0xffff,
  ]);
}

export function randomPort11(r: Random): number {
  if (r.chance(0.05)) return r.pick([0xfeff, 0xff00, 0x10001, 0xffff_0000, 0xffff_feff, 0xfffd]);
  const port = randomPort10(r);
  return port < 0xff00 ? port : port + 0xffff_0000;
}

export function randomOfpMatch(r: Random, v: Version): Buffer {
  if (v === 1) return ofp10Match(r);
  if (v === 2 && r.chance(0.97)) return ofp11Match(r);
  const entries = randomEntries(r);
  return padded(8, u16(r.chance(0.98) ? 1 : r.below(4), 4 + entries.length), entries);
}
