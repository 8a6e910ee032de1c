/** Two controllers of a version on one switch: what each hears of what the other does. */
import { property, type Turn } from './raw-dialogue.ts';
import { bytes, hex, message, u8, u16, u32, u64, zeros } from './raw-peer.ts';
import {
  apply,
  bundleAdd,
  bundleControl,
  flowMod,
  groupMod,
  match,
  meterMod,
  output,
  packetOut,
  portMod,
  stats,
  type Version,
} from './raw-requests.ts';

const PACKET = hex(
  '50540000000a 505400000009 0800 4500001c 00000000 40110000 c0a80001 c0a80002 0008000900080000',
);
const PORT_MAC = hex('0200 0000 0001');
const OFPP_TABLE = 0xfff9;
const OFPP_CONTROLLER = 0xfffd;

/** Everything, for both roles: Nicira's masks before OpenFlow 1.3, properties since 1.4. */
function everything(v: Version): Buffer {
  const masks = u32(0x3f, 0x3f, 7, 7, 0x3f, 0x3f);
  if (v < 4) return message(v, 4, 1, u32(0x2320, 19), masks);
  if (v === 4) return message(v, 28, 1, masks);
  const reasons = [0x3f, 0x3f, 7, 7, 0x3f, 0x3f, 7, 7, 0x18, 0x18, 3, 3];
  return message(v, 28, 1, ...reasons.map((mask, type) => property(type, u32(mask))));
}

/** A generation id of 64 bits; Nicira's roles have none. */
function role(v: Version, number: number, generation: bigint): Buffer {
  if (v <= 2) return message(v, 4, 2, u32(0x2320, 10, number));
  return message(v, 24, 2, u32(number, 0), u64(generation));
}

function roles(v: Version): Turn[] {
  const of = (from: number, number: number, generation: bigint): Turn => ({
    name: `role ${number} of ${from}, generation ${generation}`,
    sent: role(v, number, generation),
    from,
  });
  const base = BigInt(v) << 32n;
  return [
    of(0, 0, 0n),
    of(1, 0, 0n),
    of(0, 2, base),
    of(1, 2, base),
    of(0, 2, base - 1n),
    of(0, 3, base - 1n),
    of(0, 3, base),
    of(0, 1, 0n),
    of(0, 2, base + (1n << 63n) - 1n),
    // The distance is signed: this is behind, and the next is ahead by wrapping around.
    of(1, 2, base + (1n << 63n) + (1n << 62n) + 1n),
    of(1, 2, 0xffff_ffff_ffff_ffffn),
    of(0, 2, 1n),
    of(1, 2, 0xffff_ffff_ffff_fffen),
    of(1, 9, 2n),
    of(0, 4, 2n),
    { name: 'a primary adds', sent: flowMod(v, 3, { actions: zeros(0), priority: 1 }) },
    of(1, 3, 1n),
    { name: 'a secondary adds', sent: flowMod(v, 3, { actions: zeros(0) }), from: 1 },
    {
      name: 'a secondary adds what is wrong',
      sent: flowMod(v, 3, { actions: apply(v, u16(0x99, 8, 0, 0)), command: 9 }),
      from: 1,
    },
    { name: 'a secondary sends a packet', sent: packetOut(v, 4, 1, output(v, 2), PACKET), from: 1 },
    { name: 'a secondary mods a port', sent: portMod(v, 1, PORT_MAC, 0, 0xff), from: 1 },
    { name: 'a secondary sets', sent: message(v, 9, 5, u16(0, 0xffff)), from: 1 },
    { name: 'a secondary asks', sent: message(v, 7, 5), from: 1 },
    ...(v < 2 ? [] : [{ name: 'its group', sent: groupMod(v, 6, 0, 0, 5), from: 1 }]),
    ...(v < 4 ? [] : [{ name: 'its meter', sent: meterMod(v, 6, 0, 5), from: 1 }]),
    { name: 'its bundle', sent: bundleControl(v, 7, 1, 0), from: 1 },
    {
      name: 'in its bundle',
      sent: bundleAdd(v, 7, 1, flowMod(v, 7, { actions: zeros(0) })),
      from: 1,
    },
    { name: 'its table mod', sent: message(v, 17, 8, u8(0), zeros(3), u32(0)), from: 1 },
    of(1, 1, 0n),
    of(0, 1, 0n),
  ];
}

/** NXT_FLOW_MONITOR and, since OpenFlow 1.4, OFPMP_FLOW_MONITOR. */
function monitors(v: Version): Turn[] {
  const nx = (id: number, flags: number, outPort: number, table: number): Buffer =>
    bytes(u32(id), u16(flags, outPort, 0), u8(table), zeros(5));
  const nicira = (name: string, ...requests: Buffer[]): Turn => ({
    name: `Nicira's monitor: ${name}`,
    sent: stats(v, 0x700, 0xffff, u32(0x2320, 2), zeros(v === 1 ? 4 : 0), ...requests),
    from: 1,
  });
  const cancel = (id: number, from: number): Turn => ({
    name: `cancel monitor ${id} of ${from}`,
    sent: message(v, 4, 0x701, u32(0x2320, 22, id)),
    from,
  });
  const standard = (name: string, id: number, flags: number, command = 0): Turn => ({
    name: `monitor: ${name}`,
    sent: stats(
      ...([v, 0x702, 16] as const),
      ...[u32(id, -1, -1), u16(flags), u8(255), u8(command), match(v, {})],
    ),
    from: 1,
  });
  const add = (name: string, parts: Parameters<typeof flowMod>[2], from = 0): Turn => ({
    name: `seen: ${name}`,
    sent: flowMod(v, 0x710, parts),
    from,
  });
  const seen = (): Turn[] => [
    add('add', { match: match(v, { inPort: 1 }), actions: apply(v, output(v, 2)), cookie: 6 }),
    add('modify', { match: match(v, { inPort: 1 }), actions: apply(v, output(v, 1)), command: 1 }),
    add('again', { match: match(v, { inPort: 1 }), actions: apply(v, output(v, 1)), command: 1 }),
    add('own', { match: match(v, { inPort: 2 }), actions: zeros(0), cookie: 7 }, 1),
    add('own delete', { match: match(v, { inPort: 2 }), actions: zeros(0), command: 4 }, 1),
    add('delete', { match: match(v, { inPort: 1 }), actions: zeros(0), command: 3 }),
  ];
  const old =
    v > 3
      ? []
      : [
          // Actions of OpenFlow 1.1 and 1.2 upstream sends as 1.0 does, which nobody can read.
          nicira('all', nx(1, v === 1 ? 0x3f : 0x2f, 0xffff, 255)),
          nicira('of port 2, no actions', nx(2, 0x0f, 2, 0)),
          nicira('two of the same flows', nx(3, 0x0f, 0xffff, 255), nx(4, 0x2f, 0xffff, 255)),
          cancel(3, 1),
          cancel(4, 1),
          ...seen(),
          cancel(1, 1),
          cancel(1, 1),
          ...seen(),
          cancel(2, 1),
        ];
  if (v < 5) return old;
  return [
    standard('all', 1, 0x1f),
    ...seen(),
    standard('modify', 1, 0x1e, 1),
    ...seen(),
    standard('delete', 1, 0, 2),
    ...seen(),
  ];
}

/** Packets that each is sent of, in the formats and lengths that it has asked for. */
function packets(v: Version): Turn[] {
  const nicira = (name: string, from: number, subtype: number, ...body: Buffer[]): Turn => ({
    name: `Nicira's ${name}`,
    sent: message(v, 4, 0x800, u32(0x2320, subtype), ...body),
    from,
  });
  const miss = (length: number, from: number): Turn => ({
    name: `miss_send_len ${length} of ${from}`,
    sent: message(v, 9, 0x801, u16(0, length)),
    from,
  });
  const packet = (name: string, actions: Buffer): Turn => ({
    name: `packet: ${name}`,
    sent: packetOut(v, 0x802, 1, actions, PACKET),
  });
  const controller = (length: number, id: number, reason: number): Buffer =>
    bytes(u16(0xffff, 16), u32(0x2320), u16(20, length, id), u8(reason), zeros(1));
  const all = (): Turn[] => [
    packet('20 bytes', output(v, OFPP_CONTROLLER, 20)),
    packet('all of it', output(v, OFPP_CONTROLLER, 0xffff)),
    packet('0 bytes', output(v, OFPP_CONTROLLER, 0)),
    packet('by a flow', output(v, OFPP_TABLE)),
    packet('to id 0', controller(0xffff, 0, 1)),
    packet('to id 7', controller(30, 7, 2)),
    packet('to id 8', controller(0xffff, 8, 0)),
  ];
  const flow = (name: string, parts: Parameters<typeof flowMod>[2]): Turn => ({
    name: `flow: ${name}`,
    sent: flowMod(v, 0x803, parts),
  });
  const of = match(v, { inPort: 1 });
  return [
    flow('to controllers', {
      match: of,
      actions: apply(v, output(v, OFPP_CONTROLLER, 24)),
      cookie: 0xabc,
    }),
    ...all(),
    nicira('controller id', 1, 20, zeros(6), u16(7)),
    ...all(),
    ...[0, 1, 2, 3].flatMap((format) => [
      nicira(`packet-in format ${format}`, 0, 16, u32(format)),
      ...all(),
    ]),
    nicira('packet-in format, short', 0, 16),
    nicira('back', 0, 16, u32(0)),
    ...[0, 2, 99].map((format) => nicira(`flow format ${format}`, 0, 12, u32(format))),
    nicira('flow mod table id', 0, 15, u8(1), zeros(7)),
    nicira('flow mod table id off', 0, 15, u8(0), zeros(7)),
    nicira('flow format back', 0, 12, u32(0)),
    flow('miss', { match: of, actions: zeros(0), command: 3 }),
    flow('table miss', { actions: apply(v, output(v, OFPP_CONTROLLER, 0xffff)), priority: 0 }),
    ...[0, 16, 128, 0xffff].flatMap((n) => [miss(n, 0), ...all().slice(1, 4)]),
    miss(0, 1),
    ...all(),
    // From then on it hears of flows and ports again.
    miss(0xffff, 1),
    nicira('controller id', 1, 20, zeros(6), u16(0)),
    flow('no miss', { actions: zeros(0), priority: 0, command: 4 }),
  ];
}

/** What is forwarded and told of to the other: removals, groups, meters, tables, ports. */
function told(v: Version): Turn[] {
  const five = v === 1 ? 0 : 5;
  const flow = (name: string, parts: Parameters<typeof flowMod>[2]): Turn => ({
    name: `told: ${name}`,
    sent: flowMod(v, 0x900, parts),
  });
  const port = (name: string, config: number, mask: number): Turn => ({
    name: `told: ${name}`,
    sent: portMod(v, 1, PORT_MAC, config, mask),
  });
  const many = [1, 2, 3, 4, 5];
  return [
    ...(v < 5
      ? []
      : [
          {
            name: 'vacancy',
            sent: message(
              ...([v, 17, 0x901, u8(5), zeros(3), u32(8)] as const),
              property(3, u8(30), u8(60), zeros(2)),
            ),
          },
        ]),
    ...many.map((priority) =>
      flow(`add ${priority}`, { actions: zeros(0), table: five, priority, flags: 1 }),
    ),
    ...many.map((priority) =>
      flow(`delete ${priority}`, { actions: zeros(0), table: five, priority, command: 4 }),
    ),
    ...(v < 2
      ? []
      : [
          { name: 'told: group', sent: groupMod(v, 0x902, 0, 0, 3) },
          { name: 'told: group modified', sent: groupMod(v, 0x902, 1, 1, 3) },
          { name: 'told: no such group', sent: groupMod(v, 0x902, 1, 1, 4) },
          flow('by group', { actions: apply(v, u16(22, 8), u32(3)), flags: 1, cookie: 3 }),
          { name: 'told: group deleted', sent: groupMod(v, 0x902, 2, 0, 3) },
        ]),
    ...(v < 4
      ? []
      : [
          { name: 'told: meter', sent: meterMod(v, 0x903, 0, 3) },
          { name: 'told: meter modified', sent: meterMod(v, 0x903, 1, 3) },
          flow('by meter', { actions: bytes(u16(6, 8), u32(3)), flags: 1, cookie: 4 }),
          { name: 'told: meter deleted', sent: meterMod(v, 0x903, 2, 3) },
        ]),
    ...(v < 5
      ? []
      : [
          {
            name: 'eviction',
            sent: message(v, 17, 0x904, u8(5), zeros(3), u32(4), property(2, u32(4))),
          },
        ]),
    ...(v < 5 ? [] : many).map((priority) =>
      flow(`evict by ${priority}`, {
        ...{ actions: zeros(0), table: five, priority, flags: 1, importance: priority },
      }),
    ),
    flow('delete all', { actions: zeros(0), table: five, command: 3 }),
    port('port down', 1, 1),
    port('port up', 0, 1),
    port('no forwarding', 0x20, 0x20),
    port('forwarding', 0, 0x20),
    port('no packet-in', 0x40, 0x40),
    port('packet-in', 0, 0x40),
  ];
}

export function pairSession(v: Version): Turn[] {
  const both = [0, 1].map((from) => ({
    name: `all reasons of ${from}`,
    sent: everything(v),
    from,
  }));
  const end = [0, 3, 5].map((table) => ({
    name: 'the end',
    sent: flowMod(v, 0xa00, { actions: zeros(0), command: 3, table: v === 1 ? 255 : table }),
  }));
  return [
    ...packets(v),
    ...told(v),
    ...both,
    ...roles(v),
    ...packets(v),
    ...told(v),
    ...monitors(v),
    ...end,
  ];
}

/** A controller of OpenFlow 1.4 does it, one of another version hears of it. */
export function mixedSession(v: Version): Turn[] {
  const monitor = monitors(v).filter(({ from, name }) => from === 1 && !name.startsWith('seen: '));
  return [
    ...told(5),
    { name: 'all reasons', sent: everything(v), from: 1 },
    ...told(5),
    ...monitor.slice(0, 1),
    ...told(5),
    ...packets(5).filter(({ from = 0 }) => from === 0),
  ];
}
