/** What two controllers may say to a switch, at random: what one does, the other may hear of. */
import type { Random } from '@heddle/testing/random';
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

type Make = (r: Random, v: Version) => Buffer;

const XID = 0x600;
const NICIRA = 0x2320;
const ONF = 0x4f4e_4600;
const OFPP_TABLE = 0xfff9;
const OFPP_CONTROLLER = 0xfffd;
const PACKET = hex(
  '50540000000a 505400000009 0800 4500001c 00000000 40110000 c0a80001 c0a80002 0008000900080000',
);
const TABLES = [0, 0, 0, 1, 5];

const nicira = (v: Version, subtype: number, ...body: Buffer[]): Buffer =>
  message(v, 4, XID, u32(NICIRA, subtype), ...body);

const someMatch: Make = (r, v) => match(v, r.pick(MATCHES));
const MATCHES: readonly { readonly inPort?: number }[] = [{}, { inPort: 1 }, { inPort: 2 }];

/** NXAST_CONTROLLER, and NXAST_CONTROLLER2 of a maximum, an id, a reason and user data. */
const controllerAction: Make = (r) => {
  const [length, id, reason] = [r.pick([0, 20, 0xffff]), r.pick([0, 0, 7]), r.below(4)];
  if (r.chance(0.5))
    return bytes(u16(0xffff, 16), u32(NICIRA), u16(20, length, id), u8(reason), zeros(1));
  const parts = bytes(
    u16(0, 6, length, 0),
    u16(1, 6, id, 0),
    bytes(u16(2, 5), u8(reason), zeros(3)),
    bytes(u16(3, 6), hex('cafe'), zeros(2)),
  );
  return bytes(u16(0xffff, 16 + parts.length), u32(NICIRA), u16(37), zeros(6), parts);
};

const actions: Make = (r, v) =>
  r.pick([
    () => zeros(0),
    () => apply(v, output(v, r.pick([1, 2]))),
    () => apply(v, output(v, OFPP_CONTROLLER, r.pick([0, 24, 0xffff]))),
    () => apply(v, controllerAction(r, v)),
    () => apply(v, output(v, 2), controllerAction(r, v)),
  ])();

const anyFlowMod: Make = (r, v) => {
  const command = r.pick([0, 0, 0, 0, 1, 2, 3, 4]);
  const which = r.pick(MATCHES);
  return flowMod(v, XID, {
    match: match(v, which),
    actions: command >= 3 ? zeros(0) : actions(r, v),
    command,
    table: command >= 3 && v !== 2 ? r.pick([...TABLES, 255]) : r.pick(TABLES),
    // Which of two flows of the same priority a packet takes nobody says.
    priority: r.pick(which.inPort === undefined ? [1, 5] : [3, 7]),
    flags: r.pick([0, 1, 1]),
    cookie: command >= 3 || (command > 0 && v > 1) ? 0 : r.below(3),
  });
};

/**
 * Flags of which some are refused. In OpenFlow 1.1 and 1.2 without actions: upstream sends instructions
 * among them so that no client can read them.
 */
const monitorFlags = (r: Random, v: Version): number =>
  (r.chance(0.7) ? 1 + r.below(0x3f) : r.below(0x80)) & (v === 2 || v === 3 ? ~0x10 : -1);

/** NXST_FLOW_MONITOR, ONFST_FLOW_MONITOR of OpenFlow 1.3, OFPMP_FLOW_MONITOR since 1.4. */
const monitor: Make = (r, v) => {
  const [id, table] = [1 + r.below(3), r.pick([0, 1, 255, 255])];
  const of = someMatch(r, v);
  const outPort = r.pick([0, 0, 1, 2]);
  if (v >= 5) {
    const wide = outPort === 0 ? -1 : outPort;
    const flags = r.chance(0.9) ? 1 + r.below(0x1f) : r.below(0x80);
    const head = [u32(id, wide, -1), u16(flags), u8(table), u8(r.pick([0, 0, 0, 0, 1, 2]))];
    return stats(v, XID, 16, ...head, of);
  }
  const port = outPort === 0 ? 0xffff : outPort;
  const entries = r.pick([zeros(0), hex('000000020001')]);
  const one = (n: number): Buffer => {
    const head = [u32(n), u16(monitorFlags(r, v), port, entries.length), u8(table), zeros(5)];
    return bytes(...head, entries, zeros((8 - (entries.length % 8)) % 8));
  };
  const all = Array.from({ length: 1 + r.below(2) }, (_, i) => one(id + i));
  if (v < 4) return stats(v, XID, 0xffff, u32(NICIRA, 2), ...(v === 1 ? [zeros(0)] : []), ...all);
  const wide = outPort === 0 ? -1 : outPort;
  const head = [
    u32(id),
    u16(monitorFlags(r, v), of.readUInt16BE(2)),
    u32(wide),
    u8(table),
    zeros(3),
  ];
  return stats(v, XID, 0xffff, u32(ONF, 1870), ...head, of);
};

const cancel: Make = (r, v) =>
  v === 4 ? message(v, 4, XID, u32(ONF, 1870, 1 + r.below(3))) : nicira(v, 22, u32(1 + r.below(3)));

/** Masks of both roles; NXT_SET_ASYNC_CONFIG2 has properties in all versions. */
const setAsync: Make = (r, v) => {
  const mask = (): number => r.pick([0, 1, 3, 7, 0x3f, 0x3f, r.below(0x80)]);
  const properties = bytes(
    ...Array.from({ length: r.below(5) }, () => property(r.below(13), u32(mask()))),
  );
  if (r.chance(0.4)) return nicira(v, 27, properties);
  if (v >= 5) return message(v, 28, XID, properties);
  const masks = u32(...Array.from({ length: 6 }, mask));
  return v === 4 ? message(v, 28, XID, masks) : nicira(v, 19, masks);
};

const role: Make = (r, v) => {
  const number = r.pick([0, 1, 1, 2, 3]);
  if (v <= 2) return nicira(v, 10, u32(Math.min(number, 2)));
  return message(v, 24, XID, u32(number, 0), u64(r.pick([0, 1, 1, 2])));
};

const settings: Make = (r, v) =>
  r.pick([
    () => message(v, 9, XID, u16(r.pick([0, 0, 4]), r.pick([0, 32, 128, 0xffff]))),
    () => nicira(v, 16, u32(r.below(4))),
    () => nicira(v, 20, zeros(6), u16(r.pick([0, 7]))),
    () => message(v, 26, XID),
    () => stats(v, XID, r.pick([14, 18, 19])),
    // Upstream tells OpenFlow 1.1 what a table does by numbers of its own.
    () => stats(v, XID, v === 2 ? 14 : 3),
  ])();

const packet: Make = (r, v) => {
  const sent = r.pick([output(v, OFPP_CONTROLLER), output(v, OFPP_TABLE), controllerAction(r, v)]);
  return packetOut(v, XID, r.pick([1, 2, OFPP_CONTROLLER]), sent, PACKET);
};

const other: Make = (r, v) =>
  r.pick([
    () => groupMod(v, XID, r.below(3), 0, 1 + r.below(2)),
    () => meterMod(v, XID, r.below(3), 1 + r.below(2)),
    () => portMod(v, 1, hex('0200 0000 0001'), r.below(2), 1),
    () =>
      message(v, 17, XID, u8(5), zeros(3), u32(r.pick([0, 4, 8, 12])), ...(v < 5 ? [] : table(r))),
  ])();

const table = (r: Random): Buffer[] => [property(3, u8(r.pick([10, 30])), u8(60), zeros(2))];

/** Bundle 1 of whoever says it. */
const bundle: Make = (r, v) =>
  r.chance(0.4)
    ? bundleAdd(v, XID, 1, r.pick([anyFlowMod, anyFlowMod, anyFlowMod, other])(r, v))
    : bundleControl(v, XID, 1, r.pick([0, 0, 2, 4, 4, 6]));

const WEIGHTED: readonly (readonly [weight: number, make: Make])[] = [
  [30, anyFlowMod],
  [12, monitor],
  [3, cancel],
  [8, setAsync],
  [5, role],
  [10, settings],
  [16, packet],
  [8, other],
  [12, bundle],
];
const ALL = WEIGHTED.flatMap(([weight, make]) => Array<Make>(weight).fill(make));

/** Turns of controllers of these versions, and at the end nothing is left of them. */
export function randomTurns(r: Random, versions: readonly Version[], count: number): Turn[] {
  const turns = Array.from({ length: count }, (_, i): Turn => {
    const from = r.below(versions.length);
    const make = r.pick(ALL);
    return { name: `${i}: ${make.name}`, sent: make(r, versions[from]!), from };
  });
  return turns;
}
