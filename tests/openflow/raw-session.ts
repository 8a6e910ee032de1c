/** A controller's session in each version: a list of what it sends. */
import { bytes, hello, hex, message, u8, u16, u32, u64, zeros } from './raw-peer.ts';
import {
  apply,
  bundleAdd,
  bundleControl,
  flowMod,
  groupMod,
  match,
  meterMod,
  output,
  oxm,
  oxmMatch,
  packetOut,
  part,
  portMod,
  roleRequest,
  stats,
  type Version,
} from './raw-requests.ts';

export interface Step {
  readonly name: string;
  readonly sent: Buffer;
}

const PORT_MAC = hex('0200 0000 0001');
const PACKET = hex(
  '50540000000a 505400000009 0800 4500001c 00000000 00110000 c0a80001 c0a80002 0008000900080000',
);
const CONTROLLER = 0xfffd;
const OFPFF_SEND_FLOW_REM = 1;
const OFPFF_CHECK_OVERLAP = 2;
const ETH_TYPE = oxm(5, u16(0x800));

function flows(v: Version): Step[] {
  const add = (name: string, parts: Parameters<typeof flowMod>[2]): Step => {
    return { name: `flow mod: ${name}`, sent: flowMod(v, 0x100, parts) };
  };
  const drop = zeros(0);
  return [
    add('add', { match: match(v, { inPort: 1 }), actions: apply(v, output(v, 2)), cookie: 5 }),
    add('a prefix, told of when it goes', {
      match: match(v, { dlType: 0x800, nwSrc8: 10 }),
      actions: apply(v, output(v, CONTROLLER, 64)),
      priority: 7,
      flags: OFPFF_SEND_FLOW_REM,
    }),
    add('overlap', { match: match(v, {}), actions: drop, flags: OFPFF_CHECK_OVERLAP }),
    add('modify', { actions: apply(v, output(v, 1), output(v, 2)), command: 1 }),
    add('modify strictly what is not there', {
      actions: drop,
      command: 2,
      priority: 99,
      cookie: 9,
    }),
    add('modify, with a cookie', {
      match: match(v, { inPort: 1 }),
      actions: apply(v, output(v, 1)),
      command: 1,
      cookie: 8,
    }),
    add('overlap with others, but there', {
      match: match(v, { inPort: 1 }),
      actions: apply(v, output(v, 2)),
      flags: OFPFF_CHECK_OVERLAP,
    }),
    add('a second without prefix', { actions: drop, priority: 7 }),
    add('overlap with others, but there', {
      actions: drop,
      priority: 7,
      flags: OFPFF_CHECK_OVERLAP,
    }),
    add('no such command', { actions: drop, command: 9 }),
    add('a buffer', { actions: drop, bufferId: 77, priority: 3 }),
    add('delete with a buffer', { actions: drop, bufferId: 77, command: 4, priority: 33 }),
    add('importance', { actions: drop, priority: 2, importance: 0x1234 }),
    add('unknown flags', { actions: drop, flags: 0x8000 }),
    add('port 0', { actions: apply(v, output(v, 0)) }),
    add('no such port', { actions: apply(v, output(v, 0xff05)) }),
    add('output of 12 bytes', { actions: apply(v, hex('0000 000c 0001 0000 0000 0000')) }),
    add('no such action', { actions: apply(v, u16(0x99, 8), zeros(4)) }),
    add('an action of no length', { actions: apply(v, zeros(8)) }),
    add('half an action', { actions: apply(v, u16(0, 64), zeros(4)) }),
    add('foreign action', { actions: apply(v, u16(0xffff, 16), u32(0xdead_beef), zeros(8)) }),
    ...(v === 1 ? ofp10Flows(add, v) : ofp11Flows(add, v)),
    ...(v >= 3 ? oxmFlows(add, v) : []),
  ];
}

type Add = (name: string, parts: Parameters<typeof flowMod>[2]) => Step;

function ofp10Flows(add: Add, v: Version): Step[] {
  return [
    add('OFPAT10_SET_VLAN_VID', { actions: bytes(u16(1, 8, 5, 0), output(v, 2)), priority: 20 }),
    add('OFPAT10_SET_VLAN_VID, 13 bits', { actions: bytes(u16(1, 8, 0x1005, 0)) }),
    add('OFPAT10_STRIP_VLAN', { actions: bytes(u16(3, 8, 0, 0), output(v, 2)), priority: 21 }),
    add('OFPAT10_SET_DL_DST', {
      actions: bytes(u16(5, 16), hex('0200 0000 0009'), zeros(6), output(v, 2)),
      priority: 22,
    }),
    add('OFPAT10_SET_NW_SRC', { actions: bytes(u16(6, 8), u32(0x0a00_0001)), priority: 23 }),
    add('OFPAT10_ENQUEUE', {
      actions: bytes(u16(11, 16, 2), zeros(6), u32(3)),
      priority: 24,
    }),
    add('emergency', { actions: zeros(0), flags: 4 }),
  ];
}

function ofp11Flows(add: Add, v: Version): Step[] {
  const instruction = (type: number, ...body: Buffer[]): Buffer => {
    const all = bytes(...body);
    return bytes(u16(type, 4 + all.length), all);
  };
  const write = instruction(3, zeros(4), output(v, 2));
  const goto = (table: number): Buffer => instruction(1, u8(table), zeros(3));
  const metadata = instruction(2, zeros(4), u64(0x55), u64(0xff));
  const ofNicira = (subtype: number, ...body: Buffer[]): Buffer => {
    const all = bytes(u32(0x2320), u16(subtype), ...body);
    return bytes(u16(0xffff, 4 + all.length), all);
  };
  // NXAST_REG_LOAD2 of NXM_NX_CT_MARK, NXAST_NOTE and NXAST_CONJUNCTION.
  const setCtMark = ofNicira(33, zeros(6), hex('0001d604'), u32(1));
  const note = ofNicira(8, zeros(6));
  const conjunction = ofNicira(34, u8(0), u8(2), u32(1));
  return [
    add('all instructions', { actions: bytes(apply(v), write, metadata, goto(4)), priority: 30 }),
    add('goto back', { actions: goto(2), table: 4 }),
    add('goto itself', { actions: goto(4), table: 4 }),
    add('goto nowhere', { actions: goto(255), table: 4 }),
    add('the same instruction twice', { actions: bytes(goto(4), goto(5)) }),
    add('no such instruction', { actions: instruction(0x77, zeros(4)) }),
    add('foreign instruction', { actions: instruction(0xffff, u32(0xdead_beef), zeros(8)) }),
    add('an instruction of no length', { actions: zeros(8) }),
    add('table 254', { actions: zeros(0), table: 254 }),
    add('all tables', { actions: zeros(0), table: 255 }),
    add('meter', { actions: bytes(instruction(6, u32(1)), apply(v, output(v, 2))), priority: 31 }),
    add('group', { actions: apply(v, u16(22, 8), u32(1)), priority: 32 }),
    add('push VLAN', { actions: apply(v, u16(17, 8, 0x8100, 0), output(v, 2)), priority: 33 }),
    add('ct_mark, applied', { actions: apply(v, setCtMark), priority: 34 }),
    add('ct_mark, written', { actions: instruction(3, zeros(4), setCtMark), priority: 34 }),
    add('note, written', { actions: instruction(3, zeros(4), note), priority: 35 }),
    add('what may not be together', { actions: bytes(apply(v, note, conjunction, output(v, 2))) }),
    add('what may not be together, written', {
      actions: bytes(apply(v, conjunction, output(v, 2)), instruction(3, zeros(4), note)),
    }),
    add('push what is no VLAN', { actions: apply(v, u16(17, 8, 0x8847, 0)), priority: 33 }),
    add('delete in all tables', { actions: zeros(0), table: 255, command: 4, cookie: 1 }),
  ];
}

function oxmFlows(add: Add, v: Version): Step[] {
  const setField = (...entry: Buffer[]): Buffer => {
    const all = bytes(...entry);
    const length = Math.ceil((4 + all.length) / 8) * 8;
    return apply(v, u16(25, length), all, zeros(length - 4 - all.length));
  };
  const of = (...entries: Buffer[]) => ({ match: oxmMatch(...entries), actions: zeros(0) });
  return [
    add('tcp_dst', of(ETH_TYPE, oxm(10, u8(6)), oxm(14, u16(80)))),
    add('no prerequisite', of(oxm(14, u16(80)))),
    add('a field twice', of(ETH_TYPE, ETH_TYPE)),
    add('a bad length', of(bytes(u16(0x8000), u8(10), u8(3), zeros(3)))),
    add('bits beyond the mask', of(ETH_TYPE, oxm(11, u32(0x0a01_0101), hex('ffff0000')))),
    add('a mask where none may be', of(oxm(5, u16(0x800), u16(0xff00)))),
    add('a value beyond a mask where none may be', of(oxm(5, u16(0x800), u16(0xff)))),
    add('no such field', of(oxm(99, u32(0)))),
    add('no such class', of(bytes(u16(0x1234), u8(2), u8(4), u32(0)))),
    add('OFPMT_STANDARD', { match: match(2, { inPort: 1 }), actions: zeros(0) }),
    add('set_field', { actions: setField(oxm(3, hex('0200 0000 0007'))), priority: 40 }),
    add('masked set_field', {
      actions: setField(oxm(3, hex('0200 0000 0007'), hex('ffff 0000 0000'))),
      priority: 41,
    }),
    add('set_field of in_port', { actions: setField(oxm(0, u32(1))) }),
    add('set_field without IP', { actions: setField(oxm(11, u32(1))) }),
  ];
}

function groupsAndMeters(v: Version): Step[] {
  const steps: Step[] = [];
  if (v >= 2) {
    const group = (name: string, command: number, type: number, id: number): void => {
      steps.push({ name: `group: ${name}`, sent: groupMod(v, 0x200, command, type, id) });
    };
    group('add', 0, 0, 1);
    group('add again', 0, 0, 1);
    group('modify', 1, 2, 1);
    group('modify what is not there', 1, 0, 9);
    group('no such type', 0, 9, 2);
    group('no such command', 77, 0, 2);
    group('reserved', 0, 0, 0xffff_ff01);
    steps.push({
      name: 'group desc',
      sent: stats(v, 0x201, 7, ...(v === 6 ? [u32(-4), zeros(4)] : [])),
    });
    steps.push({ name: 'group features', sent: stats(v, 0x202, 8) });
    group('delete', 2, 0, 1);
    group('delete what is not there', 2, 0, 1);
  }
  const meter = (name: string, command: number, id: number): void => {
    steps.push({ name: `meter: ${name}`, sent: meterMod(v, 0x210, command, id) });
  };
  meter('add', 0, 1);
  meter('add again', 0, 1);
  meter('modify what is not there', 1, 9);
  meter('0', 0, 0);
  meter('no such command', 7, 1);
  steps.push({ name: 'meter config', sent: stats(v, 0x211, v === 6 ? 10 : 10, u32(1), zeros(4)) });
  steps.push({ name: 'meter features', sent: stats(v, 0x212, 11) });
  meter('delete', 2, 1);
  return steps;
}

function bundles(v: Version): Step[] {
  const control = (name: string, id: number, type: number): Step => {
    return { name: `bundle: ${name}`, sent: bundleControl(v, 0x300, id, type) };
  };
  const inner = (xid: number, output2: Buffer): Buffer =>
    flowMod(v, xid, { match: match(v, { inPort: 2 }), actions: output2, priority: 50 });
  const fill = (name: string, id: number, message: Buffer): Step => {
    return { name: `bundle: ${name}`, sent: bundleAdd(v, 0x300, id, message) };
  };
  const good = inner(0x300, apply(v, output(v, 1)));
  return [
    control('open', 1, 0),
    fill('add', 1, good),
    fill('another xid', 1, inner(0x301, zeros(0))),
    fill('what cannot be bundled', 1, message(v, 5, 0x300)),
    fill('another version', 1, bytes(u8(v === 1 ? 2 : v - 1), good.subarray(1))),
    fill('opened by its first message', 2, good),
    control('commit', 1, 4),
    control('commit what is gone', 1, 4),
    control('close', 2, 2),
    fill('add to what is closed', 2, good),
    control('open 3', 3, 0),
    fill('bad port', 3, inner(0x300, apply(v, output(v, 0xff05)))),
    control('commit what fails', 3, 4),
    control('discard nothing', 4, 6),
  ];
}

function configuration(v: Version): Step[] {
  const ask = (name: string, type: number, ...body: Buffer[]): Step => {
    return { name, sent: message(v, type, 0x400, ...body) };
  };
  return [
    ask('features', 5),
    ask('get config', 7),
    ask('set config', 9, u16(0, 0xffff)),
    ask('get config', 7),
    ask('set config: drop fragments', 9, u16(1, 0x80)),
    ask('get config', 7),
    ask('set config: reassemble', 9, u16(2, 0xffff)),
    ask('set config: bad TTL', 9, u16(4, 0xffff)),
    ask('get config', 7),
    ...(v < 4 ? [] : [{ name: 'get async', sent: message(v, 26, 0x406) }]),
    ask('set config: as ever', 9, u16(0, 0xffff)),
    ask('set config of 3 bytes', 9, zeros(3)),
    ask('echo', 2, hex('cafe')),
    ask('echo reply', 3, hex('cafe')),
    ask('hello again', 0),
    ask('no such type', 99),
    ask('foreign', 4, u32(0xdead_beef, 1)),
    ask('Nicira, no such subtype', 4, u32(0x2320, 999)),
    ask('error', 1, u16(1, 1)),
    { name: 'another version', sent: message(v === 6 ? 5 : v + 1, 5, 0x401) },
    { name: 'version 77', sent: message(77, 5, 0x402) },
    { name: 'echo of another version', sent: message(v === 6 ? 5 : v + 1, 2, 0x403) },
    { name: 'error of another version', sent: message(v === 6 ? 5 : v + 1, 1, 0x403, u16(1, 1)) },
    { name: 'hello of another version', sent: hello(v === 6 ? 5 : v + 1) },
    { name: 'no such statistics', sent: stats(v, 0x403, 0x7777) },
    { name: 'foreign statistics', sent: stats(v, 0x404, 0xffff, u32(0xdead_beef, 1)) },
    { name: 'desc', sent: stats(v, 0x405, 0) },
    ...(v < 4 ? [] : inParts(v)),
    { name: 'role: as it is', sent: roleRequest(v, 0x410, v <= 2 ? 1 : 0, 0) },
    { name: 'role: secondary', sent: roleRequest(v, 0x411, 3, 10 * v + 1) },
    { name: 'a secondary must not', sent: flowMod(v, 0x412, { actions: zeros(0) }) },
    { name: 'a secondary may ask', sent: message(v, 5, 0x413) },
    { name: 'role: stale', sent: roleRequest(v, 0x414, 2, 10 * v) },
    { name: 'role: primary', sent: roleRequest(v, 0x415, 2, 10 * v + 2) },
    { name: 'role: equal', sent: roleRequest(v, 0x416, 1, 0) },
    { name: 'role: no such', sent: roleRequest(v, 0x417, 9, 0) },
    ...asyncMessages(v),
  ];
}

/** Requests of several parts, each of them sent at once as the switch does not wait for long. */
function inParts(v: Version): Step[] {
  const port = (n: number): Buffer => bytes(u32(n), zeros(4));
  const table = (id: number): Buffer =>
    bytes(u16(64), u8(id), zeros(37), Buffer.alloc(16, 0xff), u32(0, 1_000_000));
  return [
    { name: 'desc in parts', sent: bytes(part(v, 0x430, 0, true), part(v, 0x430, 0, false)) },
    {
      name: 'port statistics in parts',
      sent: bytes(part(v, 0x431, 4, true, port(1)), part(v, 0x431, 4, false, port(2))),
    },
    {
      name: 'parts of two kinds',
      sent: bytes(part(v, 0x432, 4, true, port(1)), part(v, 0x432, 0, false)),
    },
    {
      name: 'a part of a wrong length',
      sent: bytes(part(v, 0x433, 4, true, u32(1)), part(v, 0x433, 4, false, port(77))),
    },
    {
      name: 'table features in parts',
      sent: bytes(part(v, 0x434, 12, true, table(1)), part(v, 0x434, 12, false, table(2))),
    },
  ];
}

/** Six masks in OpenFlow 1.3 (and Nicira's before), properties since 1.4. */
function asyncMessages(v: Version): Step[] {
  const masks = u32(0x7, 0x1, 0x7, 0x2, 0xf, 0x4);
  const property = (type: number, mask: number): Buffer => bytes(u16(type, 8), u32(mask));
  const get = v < 4 ? [] : [{ name: 'get async', sent: message(v, 26, 0x420) }];
  const set = (name: string, ...body: Buffer[]): Step => {
    const sent =
      v < 4 ? message(v, 4, 0x421, u32(0x2320, 19), ...body) : message(v, 28, 0x421, ...body);
    return { name, sent };
  };
  if (v < 5) return [...get, set('set async', masks), ...get, set('set async, short', zeros(8))];
  const back = [0x01, 0x3b, 0x07, 0x07, 0x00, 0x3f].map((mask, i) => property(i, mask));
  return [
    ...get,
    set('set async', property(0, 1), property(5, 2)),
    ...get,
    set('set async: no such reason', property(1, 0xf000)),
    set('set async: no such property', property(0x55, 1)),
    set('set async', ...back),
    ...get,
  ];
}

/** What the switch tells of by itself, and statistics at the end. */
function events(v: Version): Step[] {
  const wide = (port: number): Buffer => (v === 1 ? u16(port) : u32(port));
  const controller = output(v, CONTROLLER, 20);
  const mod = (name: string, ...rest: [number, Buffer, number, number]): Step => {
    return { name: `port mod: ${name}`, sent: portMod(v, ...rest) };
  };
  const flowRequest = bytes(
    ...(v === 1
      ? [match(v, {}), u8(255), u8(0), u16(0xffff)]
      : [u8(255), zeros(3), u32(-1, -1), zeros(4), u64(0), u64(0), match(v, {})]),
  );
  return [
    { name: 'packet to the controller', sent: packetOut(v, 0x500, 1, controller, PACKET) },
    { name: 'from nowhere', sent: packetOut(v, 0x501, 0xfffd, controller, PACKET) },
    { name: 'packet-out, bad action', sent: packetOut(v, 0x502, 1, u16(0x99, 8, 0, 0), PACKET) },
    { name: 'packet-out, bad port', sent: packetOut(v, 0x503, 0xff05, controller, PACKET) },
    mod('no flood or no receive', 1, PORT_MAC, v === 1 ? 0x10 : 4, v === 1 ? 0x10 : 4),
    mod('back', 1, PORT_MAC, 0, 0xff),
    mod('another address', 1, hex('0200 0000 00ff'), 0, 1),
    mod('no such port', 77, PORT_MAC, 0, 1),
    { name: 'aggregate', sent: stats(v, 0x510, 2, flowRequest) },
    { name: 'all flows', sent: stats(v, 0x511, 1, flowRequest) },
    { name: 'flows of port 1', sent: stats(v, 0x511, 1, onlyOf(v)) },
    ...unmappedOptions(v),
    { name: 'short flow request', sent: stats(v, 0x512, 1, zeros(8)) },
    { name: 'ports of no such number', sent: stats(v, 0x513, 4, wide(77), zeros(v === 1 ? 6 : 4)) },
    { name: 'port desc', sent: stats(v, 0x514, 13, ...(v === 6 ? [u32(-1), zeros(4)] : [])) },
    { name: 'table desc', sent: stats(v, 0x515, 99) },
    {
      name: 'queue of no port',
      sent: stats(v, 0x516, 5, wide(77), ...(v === 1 ? [zeros(2)] : []), u32(-1)),
    },
    // OpenFlow 1.1 has no way to say all tables.
    ...(v === 2 ? [0, 4] : [255]).map((table) => {
      return { name: 'delete', sent: flowMod(v, 0x520, { actions: zeros(0), command: 3, table }) };
    }),
  ];
}

function onlyOf(v: Version): Buffer {
  const of = match(v, { inPort: 1 });
  if (v === 1) return bytes(of, u8(255), u8(0), u16(0xffff));
  return bytes(u8(255), zeros(3), u32(-1, -1), zeros(4), u64(0), u64(0), of);
}

/** NXM_NX_TUN_METADATA0, of which nobody has said what it is, before or behind something wrong. */
function unmappedOptions(v: Version): Step[] {
  if (v < 3) return [];
  const option = bytes(u16(1), u8(0x50), u8(4), u32(5));
  const inPort = oxm(0, u32(1));
  const lists: [string, Buffer[]][] = [
    ['alone', [option]],
    ['before what lacks a prerequisite', [option, oxm(14, u16(80))]],
    ['behind what lacks a prerequisite', [oxm(14, u16(80)), option]],
    ['twice', [option, option, inPort]],
  ];
  return lists.flatMap(([name, entries]) => {
    const of = oxmMatch(...entries);
    const request = bytes(u8(255), zeros(3), u32(-1, -1), zeros(4), u64(0), u64(0), of);
    const steps = [
      { name: `flows by an unmapped option ${name}`, sent: stats(v, 0x518, 1, request) },
      { name: `aggregate by it ${name}`, sent: stats(v, 0x519, 2, request) },
    ];
    if (v < 6) return steps;
    const head = [u32(-1), u16(0), zeros(2)];
    const packet = message(v, 13, 0x51a, ...head, of, PACKET);
    return [...steps, { name: `packet-out with it ${name}`, sent: packet }];
  });
}

export function session(v: Version): Step[] {
  const steps = [...configuration(v), ...groupsAndMeters(v).slice(0, v >= 2 ? 2 : 0)];
  return [...steps, ...flows(v), ...groupsAndMeters(v), ...bundles(v), ...events(v)];
}
