/** What several controllers, ports and time may do to a switch, at random, step by step. */
import type { Random } from '@heddle/testing/random';
import { property } from './raw-dialogue.ts';
import { bytes, hex, message, u8, u16, u32, u64, zeros } from './raw-peer.ts';
import {
  apply,
  bundleAdd,
  bundleControl,
  flowMod,
  match,
  output,
  packetOut,
  stats,
  type Version,
} from './raw-requests.ts';
import type { Seat, Side, TimedStep } from './timed-world.ts';

type Make = (r: Random, v: Version) => Buffer;

/**
 * Seconds that go by at once, and timeouts that end in the middle of such a time: when in a second a
 * switch looks for flows that have ended is its own affair.
 */
export const UNIT = 6;
const TIMEOUTS = [3, 9, 15, 27];

const XID = 0x700;
const NICIRA = 0x2320;
const ONF = 0x4f4e_4600;
const OFPP_IN_PORT = 0xfff8;
const OFPP_CONTROLLER = 0xfffd;
const OFPTC14_EVICTION = 4;
const OFPM_CONTROLLER = 0xffff_fffd;
const TABLES = [0, 0, 0, 0, 1, 2, 5, 5, 6, 6];

/** UDP between two hosts, or ARP. */
const packets = ['1', '2', '3'].map(
  (n) =>
    `50540000000a50540000000${n}08004500001c0000000040110000c0a80001c0a8000${n}0008000900080000`,
);

const nicira = (v: Version, subtype: number, ...body: Buffer[]): Buffer =>
  message(v, 4, XID, u32(NICIRA, subtype), ...body);
const action = (subtype: number, ...body: Buffer[]): Buffer => {
  const all = bytes(u32(NICIRA), u16(subtype), ...body);
  const padding = zeros((8 - ((4 + all.length) % 8)) % 8);
  return bytes(u16(0xffff, 4 + all.length + padding.length), all, padding);
};

/** NXAST_CONTROLLER2: a maximum, an id, a reason, user data, a meter, a pause. */
export function controller2(r: Random, mayPause = true): Buffer {
  const parts = [
    u16(0, 6, r.pick([0, 20, 0xffff]), 0),
    u16(1, 6, r.pick([0, 0, 0, 7]), 0),
    bytes(u16(2, 5), u8(r.below(4)), zeros(3)),
    bytes(u16(3, 6), hex('cafe'), zeros(2)),
    u16(4, 4, 0, 0),
    bytes(u16(5, 8), u32(r.pick([1, 2]))),
  ];
  const isPaused = mayPause && r.chance(0.7);
  return action(
    37,
    zeros(6),
    ...parts.filter((_, i) => (i === 4 ? isPaused : r.chance(i === 5 ? 0.15 : 0.3))),
  );
}

/** NXM_NX_REG0 loaded, pushed, or a resubmit. */
const small: Make = (r) =>
  r.pick([
    () => action(7, u16(31), u32(0x0001_0004), u64(r.below(9))),
    () => action(27, u16(0), u32(0x0001_0004), u16(32), zeros(6)),
    () => action(28, u16(0), u32(0x0001_0004), u16(32), zeros(6)),
    () => action(14, u16(OFPP_IN_PORT), u8(r.pick([1, 2])), zeros(3)),
    () => action(8, hex('010203040506')),
  ])();

function someActions(r: Random, v: Version, isWithin = false): Buffer {
  const one = (): Buffer =>
    r.pick([
      () => output(v, r.pick([1, 2, 3])),
      () => output(v, OFPP_CONTROLLER, r.pick([0, 24, 0xffff])),
      () => controller2(r),
      () => controller2(r),
      () => small(r, v),
      () => small(r, v),
      () => (isWithin ? small(r, v) : action(42, zeros(6), someActions(r, v, true))),
    ])();
  return bytes(...Array.from({ length: r.pick([0, 1, 1, 2, 3]) }, one));
}

const instructions: Make = (r, v) => {
  const applied = apply(v, someActions(r, v));
  if (v === 1 || r.chance(0.6)) return applied;
  const more = [
    bytes(u16(3, 8 + output(v, 2).length), zeros(4), output(v, r.pick([1, 2]))),
    bytes(u16(1, 8), u8(9), zeros(3)),
    ...(v < 4 ? [] : [bytes(u16(6, 8), u32(r.pick([1, 2])))]),
  ];
  return bytes(applied, ...more.filter(() => r.chance(0.4)));
};

const MATCHES: readonly { readonly inPort?: number }[] = [{}, { inPort: 1 }, { inPort: 2 }];

const anyFlowMod: Make = (r, v) => {
  const command = r.pick([0, 0, 0, 0, 0, 1, 2, 3, 4]);
  const isDelete = command >= 3;
  const which = r.pick(MATCHES);
  return flowMod(v, XID, {
    match: match(v, which),
    actions: isDelete ? zeros(0) : instructions(r, v),
    command,
    table: isDelete && v !== 2 && r.chance(0.5) ? 255 : r.pick(TABLES),
    priority: r.pick(which.inPort === undefined ? [1, 5] : which.inPort === 1 ? [3, 7] : [4, 8]),
    flags: r.pick([0, 1, 1, 1, 1]),
    cookie: isDelete || (command > 0 && v > 1) ? 0 : r.below(3),
    idle: r.pick([0, 0, ...TIMEOUTS]),
    hard: r.pick([0, 0, 0, ...TIMEOUTS]),
    importance: v >= 5 ? r.below(4) : 0,
  });
};

/** By cookie, and by an output. */
const deletion: Make = (r, v) => {
  const b = flowMod(v, XID, { actions: zeros(0), command: 3, table: 255, cookie: 1 + r.below(2) });
  if (v > 1 && r.chance(0.7)) b.writeBigUInt64BE(r.pick([1n, 3n, 0xffff_ffff_ffff_ffffn]), 16);
  return b;
};

const group: Make = (r, v) => {
  const [command, id] = [r.pick([0, 0, 1, 2, 2]), r.pick([1, 2])];
  const actions = bytes(small(r, v), r.chance(0.5) ? controller2(r) : output(v, 2));
  const type = r.pick([0, 2]);
  if (command === 2) {
    const tail = v === 6 ? [u16(0, 0), u32(0xffff_ffff)] : [];
    return message(v, 15, XID, u16(command), u8(type), u8(0), u32(id), ...tail);
  }
  if (v < 6) {
    const bucket = [u16(16 + actions.length, 0), u32(-1, -1), zeros(4), actions];
    return message(v, 15, XID, u16(command), u8(type), u8(0), u32(id), ...bucket);
  }
  const bucket = bytes(u16(8 + actions.length, actions.length), u32(7), actions);
  const head = [u16(command), u8(type), u8(0), u32(id), u16(bucket.length), zeros(2)];
  return message(v, 15, XID, ...head, u32(0xffff_ffff), bucket);
};

const toGroup: Make = (r, v) =>
  flowMod(v, XID, {
    match: match(v, { inPort: r.pick([1, 2]) }),
    actions: apply(v, v === 1 ? zeros(0) : u16(22, 8, 0, r.pick([1, 2]))),
    priority: 9,
    flags: 1,
    idle: r.pick([0, ...TIMEOUTS]),
  });

/** Also of what goes to controllers. */
const meter: Make = (r, v) => {
  const id = r.pick([1, 2, 2, OFPM_CONTROLLER]);
  const command = r.pick([0, 0, 1, 2]);
  // OFPMF_PKTPS.
  const band = command === 2 ? zeros(0) : bytes(u16(1, 16), u32(r.pick([1, 2, 5]), 0), zeros(4));
  return message(v, 29, XID, u16(command, 2), u32(id), band);
};

const table: Make = (r, v) => {
  const config = r.pick([0, OFPTC14_EVICTION, 8, 12]);
  const properties =
    v < 5
      ? []
      : r.pick([
          [],
          [property(2, u32(r.pick([1, 2, 4, 7])))],
          [property(3, u8(r.pick([10, 30])), u8(60), zeros(2))],
        ]);
  return message(v, 17, XID, u8(r.pick([5, 6, 255])), zeros(3), u32(config), ...properties);
};

const monitor: Make = (r, v) => {
  const [id, within] = [1 + r.below(3), r.pick([0, 5, 255, 255])];
  const of = match(v, r.pick(MATCHES));
  if (v >= 5) {
    const head = [u32(id, -1, -1), u16(1 + r.below(0x1f)), u8(within), u8(r.pick([0, 0, 0, 1, 2]))];
    return stats(v, XID, 16, ...head, of);
  }
  // Without actions: those of OpenFlow 1.1 and 1.2 nobody can read.
  const flags = (1 + r.below(0x3f)) & ~0x10;
  if (v < 4) {
    const head = [u32(id), u16(flags, 0xffff, 0), u8(within), zeros(5)];
    return stats(v, XID, 0xffff, u32(NICIRA, 2), ...head);
  }
  const head = [u32(id), u16(flags, of.readUInt16BE(2)), u32(-1), u8(within), zeros(3)];
  return stats(v, XID, 0xffff, u32(ONF, 1870), ...head, of);
};

const setAsync: Make = (r, v) => {
  const mask = (): number => r.pick([0, 1, 3, 7, 0x3f, 0x3f, 0x3f]);
  const properties = bytes(
    ...Array.from({ length: r.below(5) }, () => property(r.below(12), u32(mask()))),
  );
  if (r.chance(0.4)) return nicira(v, 27, properties);
  if (v >= 5) return message(v, 28, XID, properties);
  const masks = u32(...Array.from({ length: 6 }, mask));
  return v === 4 ? message(v, 28, XID, masks) : nicira(v, 19, masks);
};

const role: Make = (r, v) => {
  const number = r.pick([1, 1, 2, 3]);
  if (v <= 2) return nicira(v, 10, u32(Math.min(number, 2)));
  return message(v, 24, XID, u32(number, 0), u64(r.pick([0, 1, 1, 2])));
};

const settings: Make = (r, v) =>
  r.pick([
    () => message(v, 9, XID, u16(0, r.pick([0, 32, 128, 0xffff]))),
    () => nicira(v, 16, u32(r.pick([0, 1, 2, 2, 2]))),
    () => nicira(v, 20, zeros(6), u16(r.pick([0, 7]))),
    () => nicira(v, 12, u32(r.pick([0, 2]))),
    () => message(v, 26, XID),
    () => stats(v, XID, r.pick([9, 14, 18, 19]), zeros(0)),
    () => flowStats(v),
    () => flowStats(v),
  ])();

function flowStats(v: Version): Buffer {
  // Upstream pads actions within OpenFlow 1.0's by the message, which nobody can read.
  if (v === 1)
    return stats(v, XID, 0xffff, u32(NICIRA, 0), zeros(4), u16(0xffff, 0), u8(255), zeros(3));
  const head = [u8(255), zeros(3), u32(-1, -1), zeros(4), u64(0), u64(0)];
  return stats(v, XID, 1, ...head, match(v, {}));
}

const packet: Make = (r, v) => {
  // To OFPP_TABLE pauses are not the same, on purpose.
  const sent = r.pick([action(14, u16(OFPP_IN_PORT), u8(0), zeros(3)), someActions(r, v)]);
  return packetOut(v, XID, r.pick([1, 2]), sent, hex(r.pick(packets)));
};

const bundle: Make = (r, v) => {
  const id = r.pick([1, 1, 2]);
  return r.chance(0.5)
    ? bundleAdd(v, XID, id, r.pick([anyFlowMod, anyFlowMod, deletion, packet, group])(r, v))
    : bundleControl(v, XID, id, r.pick([0, 0, 2, 4, 4, 4, 6]));
};

const MAKES: readonly (readonly [weight: number, make: Make])[] = [
  [26, anyFlowMod],
  [3, deletion],
  [6, group],
  [3, toGroup],
  [5, meter],
  [3, table],
  [6, monitor],
  [5, setAsync],
  [4, role],
  [10, settings],
  [10, packet],
  [8, bundle],
];
const ALL = MAKES.flatMap(([weight, make]) => Array<Make>(weight).fill(make));

const NXT_RESUME = 28;

/** A packet-in with a continuation comes back from whoever it is, once or twice, perhaps damaged. */
function resume(r: Random, seats: readonly Seat[]): TimedStep {
  const [which, from] = [r.next(), r.below(seats.length)];
  const harm = r.chance(0.3) ? [r.next(), r.pick([0, 1, 7, 0x80, 0xff])] : undefined;
  const times = r.pick([1, 1, 1, 2]);
  const act = ({ paused, peers }: Side): void => {
    const taken = paused[Math.floor(which * paused.length)];
    if (!taken) return;
    const sent = Buffer.from(taken);
    sent[0] = seats[from]!.version;
    sent.writeUInt32BE(XID, 4);
    sent.writeUInt32BE(NXT_RESUME, 12);
    if (harm) sent[16 + Math.floor(harm[0]! * (sent.length - 16))] = harm[1]!;
    for (let n = 0; n < times; n++) peers[from]!.send(sent);
  };
  return { name: `resume ${which.toFixed(2)} from ${from}, ${times} times, ${harm}`, act };
}

function receive(r: Random): TimedStep {
  const [port, count] = [r.pick(['p1', 'p1', 'p2', 'q1']), r.pick([1, 1, 1, 2, 5, 40])];
  const frames = Array.from({ length: count }, () => r.pick(packets));
  // Open vSwitch looks at megaflows when flows change and counts what they forwarded when it gets to it.
  const act = async ({ subject }: Side): Promise<void> => {
    await subject.appctl('revalidator/purge');
    await subject.receive(port, ...frames);
    await subject.warp(1000 * UNIT, 1000);
  };
  return { name: `${count} frames at ${port}, ${UNIT} s`, act };
}

function wait(r: Random): TimedStep {
  const seconds = UNIT * r.pick([1, 1, 2]);
  return { name: `${seconds} s`, act: ({ subject }) => subject.warp(1000 * seconds, 1000) };
}

export function randomSteps(r: Random, seats: readonly Seat[], count: number): TimedStep[] {
  return Array.from({ length: count }, (_, i): TimedStep => {
    const kind = r.next();
    const step =
      kind < 0.12 ? wait(r) : kind < 0.3 ? receive(r) : kind < 0.4 ? resume(r, seats) : undefined;
    if (step) return { ...step, name: `${i}: ${step.name}` };
    const from = r.below(seats.length);
    const make = r.pick(ALL);
    const sent = make(r, seats[from]!.version);
    const act = ({ peers }: Side): void => peers[from]!.send(sent);
    return { name: `${i}: ${make.name} of ${from}: ${sent.toString('hex')}`, act };
  });
}
