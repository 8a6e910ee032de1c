/** A controller that fills tables, groups and meters, and asks for each kind of statistics. */
import { property, type Turn } from './raw-dialogue.ts';
import { bytes, hex, message, u8, u16, u32, u64, zeros } from './raw-peer.ts';
import {
  apply,
  flowMod,
  groupMod,
  match,
  meterMod,
  output,
  packetOut,
  stats,
  type Version,
} from './raw-requests.ts';

const PACKET = hex(
  '50540000000a 505400000009 0800 4500001c 00000000 00110000 c0a80001 c0a80002 0008000900080000',
);
const OFPP_TABLE = 0xfff9;
const ANY = 0xffff_ffff;

interface Filter {
  readonly table?: number;
  readonly outPort?: number;
  readonly outGroup?: number;
  readonly cookie?: number;
  readonly mask?: number | bigint;
  readonly of?: Buffer;
}

/** struct ofp_flow_stats_request: also what OFPMP_AGGREGATE and OFPMP_FLOW_STATS of 1.5 ask. */
function flowRequest(v: Version, filter: Filter): Buffer {
  const { table = 255, cookie = 0, mask = 0, of = match(v, {}) } = filter;
  if (v === 1) return bytes(of, u8(table), u8(0), u16(filter.outPort ?? 0xffff));
  const out = u32(filter.outPort ?? ANY, filter.outGroup ?? ANY);
  return bytes(u8(table), zeros(3), out, zeros(4), u64(cookie), u64(mask), of);
}

/** OFPFC_DELETE and OFPFC_MODIFY of those whose cookie, output port and group are these. */
function flowsOf(v: Version, command: number, filter: Filter, instructions = zeros(0)): Buffer {
  const { table = 255, cookie = 0, mask = 0, of = match(v, {}) } = filter;
  const times = u16(0, 0, 0x8000);
  if (v === 1) {
    const port = u16(filter.outPort ?? 0xffff, 0);
    return message(v, 14, 9, of, u64(cookie), u16(command), times, u32(-1), port, instructions);
  }
  const out = u32(filter.outPort ?? ANY, filter.outGroup ?? ANY);
  const head = [u64(cookie), u64(mask), u8(table), u8(command), times, u32(-1), out, u16(0, 0)];
  return message(v, 14, 9, ...head, of, instructions);
}

function filled(v: Version): Turn[] {
  const flow = (name: string, parts: Parameters<typeof flowMod>[2]): Turn => ({
    name: `add ${name}`,
    sent: flowMod(v, 0x100, parts),
  });
  const late = v === 1 ? 0 : 3;
  return [
    ...(v === 1 ? [] : [{ name: 'add group 1', sent: groupMod(v, 0x101, 0, 1, 1) }]),
    ...(v === 1 ? [] : [{ name: 'add group 2', sent: groupMod(v, 0x102, 0, 0, 2) }]),
    ...(v < 4 ? [] : [{ name: 'add meter 1', sent: meterMod(v, 0x103, 0, 1) }]),
    ...(v < 4 ? [] : [{ name: 'add meter 7', sent: meterMod(v, 0x104, 0, 7) }]),
    flow('1', { match: match(v, { inPort: 1 }), actions: apply(v, output(v, 2)), cookie: 0x10 }),
    flow('2', { match: match(v, { inPort: 2 }), actions: apply(v, output(v, 1)), cookie: 0x11 }),
    flow('3', {
      match: match(v, { dlType: 0x800, nwSrc8: 10 }),
      ...{ actions: zeros(0), cookie: 0x20, table: late, priority: 9, flags: 1 },
    }),
    ...(v === 1
      ? []
      : [
          flow('4', {
            ...{ actions: apply(v, u16(22, 8), u32(1)), cookie: 0x21, table: 3 },
            ...{ priority: 5, flags: v >= 4 ? 0x1c : 0 },
          }),
        ]),
    ...(v < 4
      ? []
      : [flow('5', { actions: bytes(u16(6, 8), u32(7)), table: 4, cookie: 0x30, flags: 0x5 })]),
    {
      name: 'a packet through the tables',
      sent: packetOut(v, 0x110, 1, output(v, OFPP_TABLE), PACKET),
    },
    {
      name: 'another',
      sent: packetOut(v, 0x111, 2, output(v, OFPP_TABLE), bytes(PACKET, zeros(40))),
    },
  ];
}

function flowQuestions(v: Version): Turn[] {
  const filters: [string, Filter][] = [
    ['all', {}],
    ['output to 2', { outPort: 2 }],
    ['output to 77', { outPort: 77 }],
    ['table 0', { table: 0 }],
    ['table 3', { table: 3 }],
    ['table 254', { table: 254 }],
    ['in_port 2', { of: match(v, { inPort: 2 }) }],
    ['a prefix', { of: match(v, { dlType: 0x800, nwSrc8: 10 }) }],
    ['cookies 0x1x', { cookie: 0x10, mask: 0xf0 }],
    ['one cookie', { cookie: 0x21, mask: 0xffff_ffff_ffff_ffffn }],
    ['a cookie beyond its mask', { cookie: 0x3f, mask: 0x30 }],
    ['group 1', { outGroup: 1 }],
    ['group 2', { outGroup: 2 }],
    ['port and group', { outPort: 2, outGroup: 1 }],
    ['OFPP_CONTROLLER', { outPort: v === 1 ? 0xfffd : 0xffff_fffd }],
    ['OFPP_MAX and more', { outPort: v === 1 ? 0xff33 : 0xffff_ff33 }],
  ];
  const kinds: [string, number][] = [
    ['flows', 1],
    ['aggregate', 2],
    ['statistics of flows', 17],
  ];
  return kinds.flatMap(([kind, type]) =>
    filters.map(([name, filter]) => ({
      name: `${kind}: ${name}`,
      sent: stats(v, 0x200, type, flowRequest(v, filter)),
    })),
  );
}

/** Each kind of statistics, of one, of all, of what is not there, and of wrong lengths. */
function questions(v: Version): Turn[] {
  const wide = (port: number): Buffer =>
    v === 1 ? u16(port) : u32(port < 0xff00 ? port : port + 0xffff_0000);
  const pad = zeros(v === 1 ? 6 : 4);
  const ask = (name: string, type: number, ...body: Buffer[]): Turn => ({
    name,
    sent: stats(v, 0x300 + type, type, ...body),
  });
  const queue = (port: number, id: number): Buffer =>
    bytes(wide(port), v === 1 ? zeros(2) : zeros(0), u32(id));
  const group = (id: number): Buffer => bytes(u32(id), zeros(4));
  const kinds = [...Array(22).keys()];
  // Upstream's errors of flow monitors do not quote the request.
  const others = kinds.filter((kind) => kind !== 16);
  return [
    ask('tables', 3),
    ...[1, 0xffff, 0xfffe, 77, 0xfff8].map((port) => ask(`port ${port}`, 4, wide(port), pad)),
    ask('queues of all', 5, queue(v === 1 ? 0xfffc : 0xffff, -1)),
    ask('queues of port 1', 5, queue(1, -1)),
    ask('queue 0 of port 1', 5, queue(1, 0)),
    ask('queue 5 of port 1', 5, queue(1, 5)),
    ...[1, 2, 9, ANY, ANY - 3].map((id) => ask(`group ${id}`, 6, group(id))),
    ...[1, 9, -4].map((id) => ask(`description of group ${id}`, 7, group(id))),
    ask('descriptions of groups', 7),
    ask('features of groups', 8),
    ...[9, 10].flatMap((type) =>
      [1, 7, 9, 0, -1, -2, -3].map((id) => ask(`meter ${id}, ${type}`, type, group(id))),
    ),
    ask('features of meters', 11),
    ask('features of tables', 12),
    ask('ports', 13),
    ...[1, 2, 77, -1].map((port) => ask(`description of port ${port}`, 13, u32(port), zeros(4))),
    ask('descriptions of tables', 14),
    ask('queue descriptions', 15, u32(1, -1)),
    ask('queue descriptions of all', 15, u32(-1, -1)),
    ask('queue descriptions of none', 15, u32(77, -1)),
    ask('controllers', 18),
    ask('bundles', 19),
    ask('bundles with flags', 19, u32(1), zeros(4)),
    ...kinds.map((kind) => ask(`${kind} without a body`, kind)),
    ...kinds.map((kind) => ask(`${kind} with 4 bytes`, kind, zeros(4))),
    ...others.map((kind) => ask(`${kind} with 8 bytes`, kind, zeros(8))),
    ...others.map((kind) => ask(`${kind} with 16 bytes`, kind, zeros(16))),
    ...others.map((kind) => ask(`${kind} with 48 bytes`, kind, zeros(48))),
    ask("Nicira's 2", 0xffff, u32(0x2320, 2)),
    ...[0, 1, 3, 4, 5, 99].flatMap((subtype) => [
      ask(`Nicira's ${subtype}`, 0xffff, u32(0x2320, subtype)),
      ask(`Nicira's ${subtype} with 16 bytes`, 0xffff, u32(0x2320, subtype), zeros(16)),
    ]),
    ask("the ONF's", 0xffff, u32(0x4f4e_4600, 1)),
    ask('experimental, 4 bytes', 0xffff, u32(0x2320)),
    ask('experimental, nothing', 0xffff),
  ];
}

/** OFPT_QUEUE_GET_CONFIG_REQUEST, until OpenFlow 1.3. */
function queueConfigs(v: Version): Turn[] {
  const ask = (name: string, ...body: Buffer[]): Turn => ({
    name: `queue configuration: ${name}`,
    sent: message(v, v === 1 ? 20 : 22, 0x400, ...body),
  });
  if (v === 1) return [1, 77, 0xfffc, 0xffff].map((port) => ask(`${port}`, u16(port, 0)));
  return [1, 77, -1, -4].map((port) => ask(`${port}`, u32(port), zeros(4)));
}

function configured(v: Version): Turn[] {
  const mod = (name: string, table: number, config: number, ...properties: Buffer[]): Turn => ({
    name: `table mod: ${name}`,
    sent: message(v, 17, 0x500, u8(table), zeros(3), u32(config), ...properties),
  });
  const vacancy = property(3, u8(20), u8(80), zeros(2));
  return [
    ...[0, 1, 2, 3].map((config) => mod(`configuration ${config}`, 1, config)),
    mod('all tables', 255, 0),
    mod('table 254', 254, 0),
    mod('unknown flags', 2, 0xf0),
    ...(v < 5
      ? []
      : [
          mod('eviction', 2, 4, property(2, u32(1))),
          mod('eviction off', 2, 0),
          mod('no such property', 2, 0, property(0x77, u32(1))),
          mod('vacancy', 2, 8, vacancy),
          mod('vacancy upside down', 2, 8, property(3, u8(80), u8(20), zeros(2))),
          mod('foreign property', 2, 0, property(0xffff, u32(0xdead_beef, 1))),
        ]),
    { name: 'tables afterwards', sent: stats(v, 0x501, 14) },
    { name: 'features afterwards', sent: stats(v, 0x502, 12) },
  ];
}

/** Flows that go and change by cookies, ports, groups; groups take theirs with them. */
function changes(v: Version): Turn[] {
  const all = stats(v, 0x600, 1, flowRequest(v, {}));
  const change = (name: string, sent: Buffer): Turn[] => [
    { name, sent },
    { name: `after: ${name}`, sent: all },
  ];
  const table = v === 2 ? 3 : 255;
  const drop = apply(v, output(v, 1));
  return [
    ...change('modify by cookie', flowsOf(v, 1, { table: 0, cookie: 0x11, mask: 0xff }, drop)),
    ...change('modify strictly by cookie', flowsOf(v, 2, { table: 0, cookie: 1, mask: 1 }, drop)),
    ...change('delete by port 77', flowsOf(v, 3, { table, outPort: 77 })),
    ...change('delete by group 2', flowsOf(v, 3, { table, outGroup: 2 })),
    ...change('delete by cookie', flowsOf(v, 3, { table, cookie: 0x20, mask: 0xff })),
    ...change('delete strictly', flowsOf(v, 4, { table, cookie: 0x21, mask: 0xff })),
    ...change('delete by port 2', flowsOf(v, 3, { table: v === 2 ? 0 : 255, outPort: 2 })),
    ...(v === 1 ? [] : change('delete group 1', groupMod(v, 0x601, 2, 1, 1))),
    ...(v === 1 ? [] : change('delete all groups', groupMod(v, 0x602, 2, 0, 0xffff_fffc))),
    ...(v < 4 ? [] : change('delete all meters', meterMod(v, 0x603, 2, -1))),
    { name: 'groups afterwards', sent: stats(v, 0x604, 6, u32(-4), zeros(4)) },
    { name: 'meters afterwards', sent: stats(v, 0x605, 10, u32(-1), zeros(4)) },
    { name: 'the end', sent: flowsOf(v, 3, { table: v === 2 ? 0 : 255 }) },
    { name: 'the end of late tables', sent: flowsOf(v, 3, { table }) },
  ];
}

export function statisticsSession(v: Version): Turn[] {
  const asked = [...flowQuestions(v), ...questions(v), ...queueConfigs(v)];
  return [...filled(v), ...asked, ...configured(v), ...changes(v)];
}
