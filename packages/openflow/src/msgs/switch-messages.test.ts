/** Groups, meters, queues, tables, bundles, monitors and roles: there and back in every version. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldByName } from '@heddle/packet';
import fc from 'fast-check';
import { OFPG_ANY, OFPP_NONE, type OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import { setMatchField } from '../match/index.ts';
import { Match } from '../match.ts';
import type { Bucket, GroupCommand, OfpBody, OfpMessage } from '../messages.ts';
import type { OfpAct } from '../ofp-actions.ts';
import { hashedFieldsMatch } from './field-array.ts';
import { decodeMessage, encodeMessage, encodeMultipart } from './index.ts';

/** Plain objects, as messages are. */
const record = ((model: Record<string, fc.Arbitrary<unknown>>, constraints: object = {}) =>
  fc.record(model, { noNullPrototype: true, ...constraints })) as typeof fc.record;

const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.nat({ max: 0xffff_ffff });
const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_fffen });
const port = fc.oneof(fc.nat(0xfeff), fc.constantFrom(0xfffe, 0xfff8));
const bool = fc.boolean();
const duration = { durationSec: fc.nat(0xffff_fffe), durationNsec: fc.nat(999_999_999) };
const actions: fc.Arbitrary<OfpAct[]> = fc.array(
  record({ type: fc.constant('output' as const), port, maxLen: fc.constant(0) }),
  { maxLength: 3 },
);
const match = fc.option(port, { nil: undefined }).map((inPort) => {
  const made = new Match();
  if (inPort !== undefined) setMatchField(made, fieldByName('in_port_oxm')!, BigInt(inPort));
  return made;
});

const bucket = (weight: fc.Arbitrary<number>): fc.Arbitrary<Omit<Bucket, 'bucketId'>> =>
  record({
    weight,
    watchPort: fc.oneof(port, fc.constant(OFPP_NONE)),
    watchGroup: fc.oneof(u32, fc.constant(OFPG_ANY)),
    actions,
  });
const buckets: fc.Arbitrary<Bucket[]> = fc
  .array(bucket(u16), { maxLength: 4 })
  .map((list) => list.map((b, bucketId) => ({ ...b, bucketId })));
const noProps = { selectionMethod: '', selectionMethodParam: 0n, fields: undefined };
const hashed = ['ip_src', 'tcp_dst'].map((name) => {
  const field = fieldByName(name)!;
  return { field, mask: (1n << BigInt(field.width)) - 1n };
});
const props = fc.oneof(
  fc.constant(noProps),
  u64.map((selectionMethodParam) => ({
    selectionMethod: 'hash',
    selectionMethodParam,
    fields: hashedFieldsMatch(hashed),
    fieldArray: hashed,
  })),
);
const groupMod = record({
  type: fc.constant('group_mod' as const),
  command: fc.constantFrom<GroupCommand>('add', 'modify', 'add_or_mod'),
  groupType: fc.constant('select' as const),
  groupId: u32,
  buckets,
});
const bands = fc.array(
  fc.oneof(
    record({
      type: fc.constant('drop' as const),
      rate: u32,
      burstSize: u32,
      precLevel: fc.constant(0),
    }),
    record({
      type: fc.constant('dscp_remark' as const),
      rate: u32,
      burstSize: u32,
      precLevel: u8,
    }),
  ),
  { maxLength: 3 },
);
const meterConfig = { meterId: u32, flags: fc.constantFrom(1, 2, 5, 14), bands };
const counters = fc.array(record({ packetCount: u64, byteCount: u64 }), { maxLength: 3 });
const pair = fc.tuple(fc.nat(7), fc.nat(7));
const none = fc.constant([0, 0] as const);
const tableMod = record({
  tableId: fc.nat(254),
  eviction: bool,
  isVacancyOn: bool,
  evictionFlags: fc.nat(7),
}).map((mod) => ({ ...mod, vacancy: { down: 1, up: 50, current: 0 } }));
const monitor = record({
  id: u32,
  command: fc.constant('add' as const),
  flags: fc.constantFrom(2, 6, 63),
  outPort: port,
  outGroup: fc.constant(OFPG_ANY),
  tableId: u8,
  match,
});
const update = fc.oneof(
  record({
    event: fc.constantFrom('added' as const, 'removed' as const, 'modified' as const),
    ...{ reason: fc.nat(5), priority: u16, idleTimeout: u16, hardTimeout: u16, tableId: u8 },
    ...{ cookie: u64, match },
    actions: fc.constant(undefined),
  }),
  record({ event: fc.constant('abbrev' as const), xid: u32 }),
);
const queue = record({
  portNo: port,
  queueId: u32,
  txBytes: u64,
  txPackets: u64,
  txErrors: u64,
});
const queueConfig = record(
  { queueId: u32, minRate: fc.nat(1000), maxRate: fc.nat(1000) },
  { requiredKeys: ['queueId'] },
);
const mapping = record({
  optionClass: u16,
  optionType: u8,
  optionLen: fc.nat(31).map((words) => words * 4),
  index: fc.nat(63),
});
const four = fc.tuple(u32, u32, u32, u32);

/** Bodies by the versions that have them. */
const CASES: readonly (readonly [versions: string, body: fc.Arbitrary<OfpBody>])[] = [
  ['2345', groupMod.map((mod) => ({ ...mod, props: noProps }))],
  ['16', fc.tuple(groupMod, props).map(([mod, p]) => ({ ...mod, props: p }))],
  [
    '23',
    record({
      groupId: u32,
      refCount: u32,
      packetCount: u64,
      byteCount: u64,
      buckets: counters,
    }).map((group) => ({ type: 'group_reply', groups: [group] })),
  ],
  [
    '1456',
    record({
      ...{ groupId: u32, refCount: u32, packetCount: u64, byteCount: u64, buckets: counters },
      ...duration,
    }).map((group) => ({ type: 'group_reply', groups: [group, group] })),
  ],
  ['123456', u32.map((groupId) => ({ type: 'group_request', groupId }))],
  [
    '16',
    fc.tuple(u32, buckets, props).map(([groupId, b, p]) => ({
      type: 'group_desc_reply',
      groups: [{ groupType: 'select', groupId, buckets: b, props: p }],
    })),
  ],
  [
    '13456',
    record({ types: u32, capabilities: u32, maxGroups: four, actions: four }).map((f) => ({
      type: 'group_features_reply',
      ...f,
    })),
  ],
  [
    '456',
    record({ command: fc.constantFrom('add' as const, 'modify' as const), ...meterConfig }).map(
      (mod) => ({ type: 'meter_mod', ...mod }),
    ),
  ],
  ['456', fc.array(record(meterConfig)).map((meters) => ({ type: 'meter_config_reply', meters }))],
  [
    '456',
    fc
      .array(
        record({
          ...{ meterId: u32, flowCount: u32, packetInCount: u64, byteInCount: u64 },
          ...duration,
          bands: counters,
        }),
      )
      .map((meters) => ({ type: 'meter_reply', meters })),
  ],
  [
    '456',
    record({ maxMeters: u32, bandTypes: u32, capabilities: u32, maxBands: u8, maxColor: u8 }).map(
      (f) => ({ type: 'meter_features_reply', ...f }),
    ),
  ],
  ['123456', fc.array(queue).map((queues) => ({ type: 'queue_reply', queues }))],
  [
    '1234',
    fc.tuple(port, fc.array(queueConfig)).map(([portNo, list]) => ({
      type: 'queue_get_config_reply',
      portNo,
      queues: list.map((q) => ({ ...q, portNo })),
    })),
  ],
  [
    '56',
    fc.array(fc.tuple(port, queueConfig)).map((list) => ({
      type: 'queue_get_config_reply',
      queues: list.map(([portNo, q]) => ({ ...q, portNo })),
    })),
  ],
  [
    '456',
    fc
      .array(record({ tableId: u8, activeCount: u32, lookupCount: u64, matchedCount: u64 }))
      .map((tables) => ({ type: 'table_reply', tables })),
  ],
  ['56', tableMod.map((mod) => ({ type: 'table_mod', ...mod }))],
  [
    '56',
    fc.array(tableMod, { minLength: 1 }).map((tables) => ({ type: 'table_desc_reply', tables })),
  ],
  ['56', tableMod.map((table) => ({ type: 'table_status', reason: 3, table }))],
  [
    '3456',
    record({
      role: fc.constantFrom('primary' as const, 'secondary' as const),
      generationId: u64,
    }).map((role) => ({ type: 'role_request', ...role })),
  ],
  [
    '12',
    fc
      .constantFrom('equal' as const, 'primary' as const)
      .map((role) => ({ type: 'role_reply', role })),
  ],
  [
    '56',
    record({ role: fc.constant('equal' as const), reason: fc.nat(2), generationId: u64 }).map(
      (role) => ({ type: 'role_status', ...role }),
    ),
  ],
  [
    '1234',
    record({
      packetIn: pair,
      portStatus: pair,
      flowRemoved: pair,
      roleStatus: none,
      tableStatus: none,
      requestForward: none,
    }).map((config) => ({ type: 'set_async', config })),
  ],
  [
    '56',
    record({
      packetIn: pair,
      portStatus: pair,
      flowRemoved: pair,
      roleStatus: pair,
      tableStatus: none,
      requestForward: none,
    }).map((config) => ({ type: 'get_async_reply', config, given: 0xfff })),
  ],
  [
    '456',
    record({
      bundleId: u32,
      control: fc.constantFrom('open_request' as const, 'commit_reply' as const),
      flags: fc.nat(3),
    }).map((control) => ({ type: 'bundle_control', ...control })),
  ],
  ['1345', fc.array(monitor).map((monitors) => ({ type: 'flow_monitor_request', monitors }))],
  ['1345', fc.array(update).map((updates) => ({ type: 'flow_monitor_reply', updates }))],
  ['1234', u32.map((id) => ({ type: 'flow_monitor_cancel', id }))],
  [
    '123456',
    record({
      command: fc.constantFrom('add' as const, 'delete' as const),
      mappings: fc.array(mapping),
    }).map((mod) => ({ type: 'tlv_table_mod', ...mod })),
  ],
  [
    '123456',
    record({ maxOptionSpace: u32, maxFields: fc.constant(64), mappings: fc.array(mapping) }).map(
      (reply) => ({
        type: 'tlv_table_reply',
        ...reply,
      }),
    ),
  ],
  [
    '123456',
    fc
      .array(
        record({
          collectorSetId: u32,
          counters: fc.array(u64, { minLength: 10, maxLength: 10 }),
        }),
      )
      .map((stats) => ({ type: 'ipfix_flow_reply', stats })),
  ],
];

const message: fc.Arbitrary<OfpMessage> = fc.constantFrom(...CASES).chain(([versions, body]) =>
  fc.tuple(fc.constantFrom(...versions), u32, body).map(([version, xid, b]) => {
    return { ...b, version: Number(version) as OfpVersion, xid } as OfpMessage;
  }),
);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 1500);
const OPTIONS = { seed: SEED, numRuns: COUNT };

test('what is written reads the same', () => {
  fc.assert(
    fc.property(message, (msg) => assert.deepEqual(decodeMessage(encodeMessage(msg)), msg)),
    OPTIONS,
  );
});

/** Decodes or refuses; anything else is our bug. */
function tryDecode(bytes: Uint8Array): void {
  try {
    decodeMessage(bytes);
  } catch (e) {
    if (!(e instanceof OfpError)) throw e;
  }
}

function withLength(bytes: Uint8Array): Uint8Array {
  if (bytes.length >= 4) new DataView(bytes.buffer, bytes.byteOffset).setUint16(2, bytes.length);
  return bytes;
}

test('messages cut short at any length are read or refused', () => {
  const property = fc.property(message, (msg) => {
    const bytes = encodeMessage(msg);
    for (let n = 0; n < bytes.length; n++) tryDecode(withLength(bytes.slice(0, n)));
  });
  fc.assert(property, { ...OPTIONS, numRuns: COUNT / 5 });
});

test('changed messages are read or refused', () => {
  const changes = fc.array(fc.tuple(fc.nat(), u8), { minLength: 1, maxLength: 6 });
  const property = fc.property(message, changes, (msg, list) => {
    const bytes = encodeMessage(msg);
    for (const [at, value] of list) bytes[at % bytes.length] = value;
    tryDecode(withLength(bytes));
  });
  fc.assert(property, OPTIONS);
});

test('a list too long for a message is several, which say so', () => {
  const band = { type: 'drop', rate: 1, burstSize: 2, precLevel: 0 } as const;
  const meters = Array.from({ length: 5000 }, (_, meterId) => ({
    meterId,
    flags: 1,
    bands: [band],
  }));
  const parts = encodeMultipart({ version: 4, xid: 7, type: 'meter_config_reply', meters });
  const read = parts.map((bytes) => decodeMessage(bytes));
  assert.ok(parts.length > 1 && parts.every((bytes) => bytes.length <= 0xffff));
  assert.deepEqual(
    read.map((msg) => 'more' in msg && msg.more),
    parts.map((_, i) => i < parts.length - 1),
  );
  const all = read.flatMap((msg) => (msg.type === 'meter_config_reply' ? msg.meters : []));
  assert.deepEqual(all, meters);
});

test('a bundle carries messages of its own xid and version only', () => {
  const group: OfpMessage = {
    ...{ version: 5, xid: 9, type: 'group_mod', command: 'add', groupType: 'all' },
    ...{ groupId: 1, buckets: [], props: noProps },
  };
  const added = { version: 5, xid: 9, type: 'bundle_add_message', bundleId: 3, flags: 1 } as const;
  const bytes = encodeMessage({ ...added, message: group });
  assert.deepEqual(decodeMessage(bytes), { ...added, message: group });
  bytes[23] = 8;
  assert.throws(() => decodeMessage(bytes), { ofpErr: 'OFPBFC_MSG_BAD_XID' });
  bytes[16] = 4;
  assert.throws(() => decodeMessage(bytes), { ofpErr: 'OFPBFC_BAD_VERSION' });
});
