/** Random messages of controllers in each version, mostly right by themselves. */
import type { Random } from '@heddle/testing/random';
import { randomActions, randomInstructions } from './random-actions.ts';
import { randomEntries, randomOfpMatch, randomPort10, randomPort11 } from './random-match.ts';
import { bytes, hex, message, u8, u16, u32, u64, zeros } from './raw-peer.ts';
import {
  bundleAdd,
  bundleControl,
  padded,
  roleRequest,
  stats,
  type Version,
} from './raw-requests.ts';

export type Make = (r: Random, v: Version, xid: number) => Buffer;

const TABLES = [0, 0, 0, 1, 2, 3, 9, 253, 254, 255];
const GROUPS = [
  1, 1, 2, 3, 4, 9, 0, 0xffff_ff00, 0xffff_ff01, 0xffff_fffc, 0xffff_fffd, 0xffff_ffff,
];
const METERS = [1, 1, 2, 3, 9, 0, 0xffff_0000, 0xffff_fffd, 0xffff_fffe, 0xffff_ffff, 300_000];
const PACKET = hex(
  '50540000000a 505400000009 0800 4500001c 00000000 00110000 c0a80001 c0a80002 0008000900080000',
);

const cookie = (r: Random): Buffer =>
  r.pick([u64(0), u64(0), u64(1), u64(5), Buffer.alloc(8, 0xff)]);
/** Long enough that none ends while a test runs. */
const times = (r: Random): Buffer =>
  u16(r.pick([0, 0, 5000]), r.pick([0, 0, 6000]), r.pick([0x8000, 0x8000, 0, 5, 0xffff]));
const flags = (r: Random): number => r.pick([0, 0, 0, 1, 2, 2, 4, 8, 16, 3, 31, 32, 0x8000]);
const buffer = (r: Random): Buffer => u32(r.chance(0.96) ? 0xffff_ffff : 77);
const command = (r: Random): number => r.pick([0, 0, 0, 0, 1, 2, 3, 4, 5, 255]);
const port = (r: Random, v: Version): Buffer =>
  v === 1 ? u16(randomPort10(r)) : u32(randomPort11(r));
/** An out_port or an out_group that leaves nothing out, mostly. */
const any = (r: Random, v: Version): Buffer =>
  r.chance(0.8) ? (v === 1 ? u16(0xffff) : u32(-1)) : port(r, v);

const flowMod: Make = (r, v, xid) => {
  const match = randomOfpMatch(r, v);
  if (v === 1) {
    const table = r.chance(0.1) ? r.pick(TABLES) << 8 : 0;
    const head = [
      match,
      cookie(r),
      u16(command(r) + table),
      times(r),
      buffer(r),
      any(r, v),
      u16(flags(r)),
    ];
    return message(v, 14, xid, ...head, randomActions(r, v));
  }
  return message(
    ...([v, 14, xid] as const),
    ...[
      cookie(r),
      u64(r.pick([0, 0, 0, 1, 5])),
      u8(r.pick(TABLES)),
      u8(command(r)),
      times(r),
      buffer(r),
    ],
    ...[any(r, v), any(r, v), u16(flags(r), r.pick([0, 0, 0, 5])), match, randomInstructions(r, v)],
  );
};

/** struct nx_flow_mod (NXT_FLOW_MOD). */
const nxFlowMod: Make = (r, v, xid) => {
  const entries = randomEntries(r);
  const table = r.chance(0.3) ? r.pick(TABLES) : 0;
  const head = [
    cookie(r),
    u16((table << 8) | command(r)),
    times(r),
    buffer(r),
    u16(0xffff),
    u16(flags(r)),
  ];
  const match = padded(8, entries);
  return message(
    v,
    4,
    xid,
    u32(0x2320, 13),
    ...head,
    u16(entries.length),
    zeros(6),
    match,
    randomActions(r, v),
  );
};

function bucketProperties(r: Random): Buffer {
  const all = [
    u16(0, 8, r.pick([0, 1, 1, 5]), 0),
    bytes(u16(1, 8), u32(r.pick([1, 77, -1]))),
    bytes(u16(2, 8), u32(r.pick(GROUPS))),
    bytes(u16(r.pick([3, 0x77]), 8), zeros(4)),
    bytes(u16(0xffff, 12), u32(0xdead_beef, 1), zeros(4)),
  ];
  return bytes(...all.filter((_, i) => r.chance(i < 3 ? 0.3 : 0.01)));
}

function bucket(r: Random, v: Version): Buffer {
  const actions = randomActions(r, v);
  if (v < 6) {
    const head = [
      u16(16 + actions.length, r.pick([0, 0, 0, 1, 5])),
      u32(r.pick([-1, -1, 1, 77])),
      u32(r.pick([-1, -1, 1, 2, 9])),
    ];
    return bytes(...head, zeros(4), actions);
  }
  const properties = bucketProperties(r);
  const length = 8 + actions.length + properties.length;
  return bytes(
    u16(length, actions.length),
    u32(r.pick([0, 1, 2, 3, 7, 0xffff_ff00, 0xffff_ffff])),
    actions,
    properties,
  );
}

/** NTR_SELECTION_METHOD, the experimenter property of groups. */
function selectionMethod(r: Random): Buffer {
  const name = Buffer.alloc(16);
  name.write(r.pick(['hash', 'dp_hash', 'hash', 'hrw', '']));
  const fields = r.chance(0.6)
    ? zeros(0)
    : r.chance(0.5)
      ? hex('80001604ffffffff')
      : hex('8000160400ff00ff80000a02ffff');
  const all = bytes(
    u32(0x154d),
    u32(r.chance(0.95) ? 1 : 2),
    zeros(4),
    name,
    u64(r.pick([0, 5])),
    fields,
  );
  return padded(8, u16(0xffff, 4 + all.length), all);
}

const groupMod: Make = (r, v, xid) => {
  const commands = v === 6 ? [0, 0, 0, 1, 2, 3, 4, 5, 0x8000] : [0, 0, 0, 1, 2, 3, 5, 0x8000];
  const which = r.pick(commands);
  const count = which === 2 && r.chance(0.8) ? 0 : r.pick([0, 1, 1, 2, 3]);
  const buckets = bytes(...Array.from({ length: count }, () => bucket(r, v)));
  const head = [u16(which), u8(r.pick([0, 0, 1, 1, 2, 3, 4])), zeros(1), u32(r.pick(GROUPS))];
  if (v < 6) return message(v, 15, xid, ...head, buckets);
  const commandBucket =
    which === 3 || which === 5 ? r.pick([0, 1, 2, 7, -1, -2, -3]) : r.pick([-1, -1, -1, -1, -1, 1]);
  const properties = r.chance(0.25) ? selectionMethod(r) : zeros(0);
  return message(
    v,
    15,
    xid,
    ...head,
    u16(buckets.length),
    zeros(2),
    u32(commandBucket),
    buckets,
    properties,
  );
};

const meterMod: Make = (r, v, xid) => {
  const band = (): Buffer =>
    bytes(
      u16(r.pick([1, 1, 1, 2, 0, 3, 0xffff]), r.chance(0.96) ? 16 : r.pick([0, 8, 24])),
      u32(r.pick([1000, 5, 0, 0xffff_ffff]), r.pick([0, 100])),
      u8(r.pick([0, 0, 1, 5])),
      zeros(3),
    );
  const bands = Array.from({ length: r.pick([0, 1, 1, 1, 2, 9]) }, band);
  return message(
    v,
    29,
    xid,
    u16(r.pick([0, 0, 0, 1, 2, 3]), r.pick([1, 1, 2, 5, 9, 3, 0, 13, 16])),
    u32(r.pick(METERS)),
    ...bands,
  );
};

const packetOut: Make = (r, v, xid) => {
  const actions = randomActions(r, v);
  const packet = r.pick([PACKET, PACKET, PACKET.subarray(0, 14), PACKET.subarray(0, 20)]);
  const length = r.chance(0.97) ? actions.length : r.pick([0, 4, actions.length + 8]);
  if (v === 1) return message(v, 13, xid, buffer(r), port(r, v), u16(length), actions, packet);
  if (v < 6)
    return message(v, 13, xid, buffer(r), port(r, v), u16(length), zeros(6), actions, packet);
  const inPort = bytes(hex('80000004'), port(r, v));
  const entries = r.pick([
    inPort,
    inPort,
    inPort,
    zeros(0),
    randomEntries(r),
    bytes(inPort, hex('8001000800000000000000ff')),
  ]);
  const match = padded(8, u16(1, 4 + entries.length), entries);
  return message(v, 13, xid, buffer(r), u16(length), zeros(2), match, actions, packet);
};

const portMod: Make = (r, v, xid) => {
  const number = r.pick([1, 1, 2, 3, 77, 0]);
  const mac = r.chance(0.85) ? hex(`0200 0000 000${number % 8}`) : hex('0200 0000 00ff');
  const [config, mask] = [
    r.pick([0, 1, 4, 0x20, 0x40, 0x7f, -1]),
    r.pick([1, 4, 0x20, 0x40, 0x7f, -1]),
  ];
  if (v === 1)
    return message(v, 15, xid, u16(number), mac, u32(config, mask, r.pick([0, 1])), zeros(4));
  const head = [u32(number), zeros(4), mac, zeros(2), u32(config, mask)];
  if (v < 5) return message(v, 16, xid, ...head, u32(r.pick([0, 1])), zeros(4));
  const property = r.pick([
    zeros(0),
    bytes(u16(0, 8), u32(1)),
    bytes(u16(r.pick([1, 2, 9]), 8), u32(1)),
    bytes(u16(0xffff, 12), u32(0xdead_beef, 1), zeros(4)),
    u16(0, 4, 0, 0),
  ]);
  return message(v, 16, xid, ...head, property);
};

const tableMod: Make = (r, v, xid) => {
  const head = [u8(r.pick(TABLES)), zeros(3), u32(r.pick([0, 1, 2, 3, 4, 8, 12, 16, 0xffff_ffff]))];
  if (v < 5) return message(v, 17, xid, ...head);
  const vacancy = bytes(
    u16(3, 8),
    u8(r.pick([10, 20, 101])),
    u8(r.pick([10, 80, 101])),
    u8(r.pick([0, 0, 0, 5])),
    zeros(1),
  );
  const all = [
    bytes(u16(2, 8), u32(r.pick([1, 2, 4, 7, 0xff]))),
    vacancy,
    bytes(u16(0xffff, 12), u32(0xdead_beef, 1), zeros(4)),
    bytes(u16(r.pick([0, 1, 9]), 8), zeros(4)),
  ];
  return message(v, 17, xid, ...head, ...all.filter((_, i) => r.chance(i < 2 ? 0.4 : 0.08)));
};

const bundle: Make = (r, v, xid) => {
  const id = 1 + r.below(3);
  if (r.chance(0.5)) return bundleControl(v, xid, id, r.pick([0, 0, 2, 4, 4, 6, 1, 7]));
  const inner = r.pick([flowMod, flowMod, groupMod, portMod, packetOut, meterMod, roleOrConfig])(
    r,
    v,
    xid,
  );
  return bundleAdd(v, xid, id, inner);
};

const flowRequest: Make = (r, v, xid) => {
  const match = randomOfpMatch(r, v);
  const type = r.pick([1, 2, ...(v === 6 ? [15, 17] : [])]);
  if (v === 1) return stats(v, xid, type, match, u8(r.pick(TABLES)), zeros(1), any(r, v));
  return stats(
    v,
    xid,
    type,
    u8(r.pick(TABLES)),
    zeros(3),
    any(r, v),
    any(r, v),
    zeros(4),
    cookie(r),
    cookie(r),
    match,
  );
};

/** Of ports, queues, groups, meters: known ones and others. */
const smallRequest: Make = (r, v, xid) => {
  const body = r.pick([
    () => bytes(port(r, v), zeros(v === 1 ? 6 : 4)),
    () => bytes(port(r, v), zeros(v === 1 ? 2 : 0), u32(r.pick([0, 1, -1]))),
    () => bytes(u32(r.pick(GROUPS)), zeros(4)),
    () => bytes(u32(r.pick(METERS)), zeros(4)),
    () => zeros(0),
  ])();
  return stats(v, xid, r.pick([4, 5, 6, 7, 9, 10, 11, 13, 14, 16, 99]), body);
};

const roleOrConfig: Make = (r, v, xid) =>
  r.pick([
    () => roleRequest(v, xid, r.pick([0, 1, 1, 2, 9]), r.pick([0, 1, 5])),
    () => message(v, 9, xid, u16(r.pick([0, 0, 1, 2, 3, 4, 5]), r.pick([0, 128, 0xffff]))),
    () =>
      message(
        v,
        v === 1 ? 20 : 22,
        xid,
        v === 1 ? bytes(port(r, v), zeros(2)) : bytes(port(r, v), zeros(4)),
      ),
    () =>
      message(
        v,
        4,
        xid,
        u32(
          0x2320,
          r.pick([11, 12, 15, 15, 15, 16, 18, 19, 20, 22, 24, 26, 29, 999]),
          r.below(4),
          0,
        ),
      ),
    () => message(v, 28, xid, u16(r.below(14), 8), u32(r.below(64))),
    () => message(v, r.below(40), xid, zeros(8 * r.below(4))),
  ])();

/** NXT_TLV_TABLE_MOD */
const tlvTableMod: Make = (r, v, xid) => {
  const mapping = (): Buffer =>
    bytes(
      u16(0xffff),
      u8(r.below(3)),
      u8(r.pick([4, 4, 8, 124, 3, 0])),
      u16(r.pick([0, 1, 2, 63, 64])),
      zeros(2),
    );
  const mappings = Array.from({ length: r.below(3) }, mapping);
  return message(
    v,
    4,
    xid,
    u32(0x2320, 24),
    u16(r.pick([0, 0, 0, 1, 2, 3])),
    zeros(6),
    ...mappings,
  );
};

const WEIGHTED: readonly (readonly [weight: number, make: Make])[] = [
  [40, flowMod],
  [6, nxFlowMod],
  [16, groupMod],
  [8, meterMod],
  [10, packetOut],
  [4, portMod],
  [4, tableMod],
  [6, bundle],
  [4, flowRequest],
  [3, smallRequest],
  [3, roleOrConfig],
  [2, tlvTableMod],
];
const ALL = WEIGHTED.flatMap(([weight, make]) => Array<Make>(weight).fill(make));

export const randomRequest: Make = (r, v, xid) => r.pick(ALL)(r, v, xid);
