/** Flow monitors (ovs-ofctl(8), `monitor`; NXST_FLOW_MONITOR, OpenFlow 1.4.0 section 7.3.5.17). */
import { vlog } from '@heddle/runtime';
import type { ByteWriter } from '../actions/byte-writer.ts';
import {
  emitActions,
  emitInstructions,
  parseActions,
  parseInstructions,
} from '../actions/index.ts';
import { OFPG_ANY, OFPP_NONE, type OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import { emitNxMatch, emitOxmMatch } from '../match/index.ts';
import { hexOr0 } from '../match/value-text.ts';
import type { Match } from '../match.ts';
import type { FlowMonitorRequest, FlowUpdate } from '../messages.ts';
import { refusal } from '../refuse.ts';
import {
  type AnyForm,
  form,
  NX_VENDOR_ID,
  ONF_VENDOR_ID,
  type Wire,
  writeNothing,
} from './form.ts';
import { pullList } from './list.ts';
import { pullMatch11, pullNxMatch } from './match-bytes.ts';
import { pullPort11, putPort11 } from './port-number.ts';
import type { Reader } from './reader.ts';

const log = vlog.module('ofp_monitor');

/** How a monitor's messages look: Nicira's, its form for OpenFlow 1.3, and OpenFlow 1.4's. */
type Form = 'nx' | 'onf' | 'ofp14';

/** initial, add, delete, modify, actions, own. */
const KNOWN_FLAGS = 0x3f;
const CHANGES = 2 | 4 | 8;
const NXFMF_OWN = 1 << 5;
const OFPFMF14_ONLY_OWN = 1 << 6;
const OFPFMF14_NO_ABBREV = 1 << 5;
const COMMANDS: readonly FlowMonitorRequest['command'][] = ['add', 'modify', 'delete'];

/** OpenFlow 1.4 has a flag more: never abbreviate. It is not supported. */
function pullFlags14(wire: number): number {
  if ((wire & OFPFMF14_NO_ABBREV) !== 0) throw badFlags(wire, 'ofp14');
  const own = (wire & OFPFMF14_ONLY_OWN) !== 0 ? NXFMF_OWN : 0;
  return (wire & ~OFPFMF14_ONLY_OWN) | own;
}

function putFlags14(flags: number): number {
  const own = (flags & NXFMF_OWN) !== 0 ? OFPFMF14_ONLY_OWN : 0;
  return (flags & ~NXFMF_OWN) | own;
}

/** `wire`: as the message has them. */
function checkFlags(flags: number, wire: number, kind: Form): number {
  if ((flags & ~KNOWN_FLAGS) !== 0 || (flags & CHANGES) === 0) throw badFlags(wire, kind);
  return flags;
}

function badFlags(wire: number, kind: Form): OfpError {
  return refusal(log, 'OFPMOFC_BAD_FLAGS', `${NAMES[kind]} has bad flags ${hexOr0(wire)}`);
}

const NAMES = {
  nx: 'NXST_FLOW_MONITOR',
  onf: 'ONFST_FLOW_MONITOR',
  ofp14: 'OFPST_FLOW_MONITOR',
} as const;

function leftover(left: number, kind: Form, which: 'request' | 'reply'): OfpError {
  const why = `${NAMES[kind]} ${which} has ${left} leftover bytes at end`;
  return refusal(log, 'OFPBRC_BAD_LEN', why);
}

function pullMatch(r: Reader, matchLength: number, kind: Form): Match {
  return kind === 'nx' ? pullNxMatch(r, matchLength).match : pullMatch11(r);
}

function pullRequest(r: Reader, kind: Form): FlowMonitorRequest {
  if (r.left < 16) throw leftover(r.left, kind, 'request');
  return kind === 'ofp14' ? pullRequest14(r) : pullRequestNx(r, kind);
}

function pullRequestNx(r: Reader, kind: Form): FlowMonitorRequest {
  const at = r.take(16);
  const { dv } = r;
  const isNx = kind === 'nx';
  const zeros = r.u8.subarray(at + (isNx ? 11 : 13), at + 16);
  const wire = dv.getUint16(at + 4);
  const flags = checkFlags(wire, wire, kind);
  if (isNx && zeros.some((byte) => byte !== 0)) throw new OfpError('NXBRC_MUST_BE_ZERO');
  const matchLength = dv.getUint16(at + (isNx ? 8 : 6));
  const port = r.within(at + (isNx ? 6 : 8), r.end);
  const outPort = isNx ? port.u16() : pullPort11(port);
  const tableId = r.u8[at + (isNx ? 10 : 12)]!;
  const match = pullMatch(r, matchLength, kind);
  const id = dv.getUint32(at);
  return { id, command: 'add', flags, outPort, outGroup: OFPG_ANY, tableId, match };
}

function pullRequest14(r: Reader): FlowMonitorRequest {
  const at = r.take(16);
  const id = r.dv.getUint32(at);
  const wire = r.dv.getUint16(at + 12);
  const command = COMMANDS[r.u8[at + 15]!] ?? 'unknown';
  const isDelete = command === 'delete';
  const flags = isDelete ? 0 : checkFlags(pullFlags14(wire), wire, 'ofp14');
  const outPort = isDelete ? OFPP_NONE : pullPort11(r.within(at + 4, at + 8));
  const outGroup = r.dv.getUint32(at + 8);
  const tableId = r.u8[at + 14]!;
  return { id, command, flags, outPort, outGroup, tableId, match: pullMatch(r, 0, 'ofp14') };
}

function putRequest(w: ByteWriter, m: FlowMonitorRequest, version: OfpVersion, kind: Form): void {
  const at = w.grow(16);
  w.dv.setUint32(at, m.id);
  if (kind === 'ofp14') {
    const { dv } = w;
    const port = w.length;
    w.length = at + 4;
    putPort11(w, m.outPort);
    w.length = port;
    dv.setUint32(at + 8, m.outGroup);
    dv.setUint16(at + 12, putFlags14(m.flags));
    w.u8[at + 14] = m.tableId;
    const command = COMMANDS.indexOf(m.command);
    if (command < 0) throw new OfpError('OFPMOFC_BAD_COMMAND');
    w.u8[at + 15] = command;
    w.bytes(emitOxmMatch(m.match, version));
    return;
  }
  if (m.command !== 'add') throw new OfpError('OFPMOFC_BAD_COMMAND', 'needs OpenFlow 1.4');
  w.dv.setUint16(at + 4, m.flags);
  if (kind === 'nx') {
    const match = emitNxMatch(m.match);
    w.dv.setUint16(at + 6, m.outPort);
    w.dv.setUint16(at + 8, match.length);
    w.u8[at + 10] = m.tableId;
    w.bytes(match);
  } else {
    const match = emitOxmMatch(m.match, version);
    w.dv.setUint16(at + 6, (match[2]! << 8) | match[3]!);
    const end = w.length;
    w.length = at + 8;
    putPort11(w, m.outPort);
    w.length = end;
    w.u8[at + 12] = m.tableId;
    w.bytes(match);
  }
  w.align8(at);
}

/** By number; before OpenFlow 1.4 what is there already is added. */
const EVENTS: Readonly<Record<Form, readonly FlowUpdate['event'][]>> = {
  nx: ['added', 'removed', 'modified', 'abbrev'],
  onf: ['added', 'removed', 'modified', 'abbrev'],
  ofp14: ['initial', 'added', 'removed', 'modified', 'abbrev', 'paused', 'resumed'],
};
const FULL_LENGTH = 24;

function pullUpdate(r: Reader, version: OfpVersion, kind: Form): FlowUpdate {
  const at = r.off;
  const { left } = r;
  if (left < 4) throw leftover(left, kind, 'reply');
  const length = r.dv.getUint16(at);
  const number = r.dv.getUint16(at + 2);
  const event = EVENTS[kind][number];
  if (length > left || length % 8 !== 0) throw leftover(left, kind, 'reply');
  if (event === undefined) {
    throw refusal(log, 'NXBRC_FM_BAD_EVENT', `NXST_FLOW_MONITOR reply has bad event ${number}`);
  }
  if (length < 4) throw leftover(left, kind, 'reply');
  r.off = at + length;
  if (event === 'abbrev' || event === 'paused' || event === 'resumed') {
    if (length !== 8) throw leftover(left, kind, 'reply');
    return event === 'abbrev' ? { event, xid: r.dv.getUint32(at + 4) } : { event };
  }
  if (length < FULL_LENGTH) throw leftover(left, kind, 'reply');
  return pullFull(r.within(at, at + length), r.end, event, version, kind);
}

type FullEvent = 'initial' | 'added' | 'modified' | 'removed';

/** As upstream's, a match of OpenFlow 1.4 is read before it is known to be in its update. */
function pullFull(
  r: Reader,
  messageEnd: number,
  event: FullEvent,
  version: OfpVersion,
  kind: Form,
): FlowUpdate {
  const at = r.take(FULL_LENGTH);
  const { dv } = r;
  const is14 = kind === 'ofp14';
  const head = {
    event,
    reason: is14 ? r.u8[at + 5]! : dv.getUint16(at + 4),
    priority: dv.getUint16(at + (is14 ? 10 : 6)),
    idleTimeout: dv.getUint16(at + (is14 ? 6 : 8)),
    hardTimeout: dv.getUint16(at + (is14 ? 8 : 10)),
    tableId: r.u8[at + (is14 ? 4 : 14)]!,
    cookie: dv.getBigUint64(at + 16),
  };
  const matchLength = is14 ? 0 : dv.getUint16(at + 12);
  if (((matchLength + 7) & ~7) > r.left) throw leftover(messageEnd - at, kind, 'reply');
  const whole = is14 ? r.within(r.off, messageEnd) : r;
  const match = pullMatch(whole, matchLength, kind);
  if (whole.off > r.end) throw new OfpError('OFPBIC_BAD_LEN');
  r.off = whole.off;
  const hasActions = r.left > 0;
  const actions =
    kind === 'nx' ? parseActions(r.view(), version) : parseInstructions(r.view(), version);
  return { ...head, match, actions: hasActions ? actions : undefined };
}

function putUpdate(w: ByteWriter, u: FlowUpdate, version: OfpVersion, kind: Form): void {
  const isInitial = u.event === 'initial' && kind !== 'ofp14';
  const event = EVENTS[kind].indexOf(isInitial ? 'added' : u.event);
  if (event < 0) throw new OfpError('NXBRC_FM_BAD_EVENT');
  if (!('match' in u)) {
    w.u16(8);
    w.u16(event);
    w.u32('xid' in u ? u.xid : 0);
    return;
  }
  const is14 = kind === 'ofp14';
  const at = w.grow(FULL_LENGTH);
  const match = kind === 'nx' ? emitNxMatch(u.match) : emitOxmMatch(u.match, version);
  w.bytes(match);
  w.align8(at);
  if (u.actions) {
    w.bytes(kind === 'nx' ? emitActions(u.actions, version) : emitInstructions(u.actions, version));
  }
  const { dv, u8 } = w;
  dv.setUint16(at, w.length - at);
  dv.setUint16(at + 2, event);
  if (is14) u8[at + 5] = u.reason;
  else dv.setUint16(at + 4, u.reason);
  dv.setUint16(at + (is14 ? 10 : 6), u.priority);
  dv.setUint16(at + (is14 ? 6 : 8), u.idleTimeout);
  dv.setUint16(at + (is14 ? 8 : 10), u.hardTimeout);
  if (kind === 'nx') dv.setUint16(at + 12, match.length);
  if (kind === 'onf') dv.setUint16(at + 12, (match[2]! << 8) | match[3]!);
  u8[at + (is14 ? 4 : 14)] = u.tableId;
  dv.setBigUint64(at + 16, u.cookie);
}

interface Where {
  readonly kind: Form;
  readonly name: string;
  readonly since: OfpVersion;
  readonly until: OfpVersion;
  wire(reply: boolean): Wire;
}

const WHERE: readonly Where[] = [
  {
    kind: 'nx',
    name: 'NXST_FLOW_MONITOR',
    since: 1,
    until: 3,
    wire: (reply) => ({ ofpstVendor: NX_VENDOR_ID, subtype: 2, reply }),
  },
  {
    kind: 'onf',
    name: 'ONFST_FLOW_MONITOR',
    since: 4,
    until: 4,
    wire: (reply) => ({ ofpstVendor: ONF_VENDOR_ID, subtype: 1870, reply }),
  },
  {
    kind: 'ofp14',
    name: 'OFPST_FLOW_MONITOR',
    since: 5,
    until: 6,
    wire: (reply) => ({ ofpst: 16, reply }),
  },
];

function request({ kind, name, since, until, wire }: Where): AnyForm {
  return form<'flow_monitor_request'>({
    type: 'flow_monitor_request',
    name,
    since,
    until,
    wire: wire(false),
    min: 0,
    step: 8,
    decode: (r) =>
      pullList(
        r,
        (list) => pullRequest(list, kind),
        (monitors) => ({ monitors }),
      ),
    encode: writeNothing,
    entries: {
      of: ({ monitors }) => monitors,
      put: (w, entry: FlowMonitorRequest, { version }) => putRequest(w, entry, version, kind),
    },
  });
}

function reply({ kind, name, since, until, wire }: Where): AnyForm {
  return form<'flow_monitor_reply'>({
    type: 'flow_monitor_reply',
    name,
    since,
    until,
    wire: wire(true),
    min: 0,
    step: 8,
    decode: (r, { version }) =>
      pullList(
        r,
        (list) => pullUpdate(list, version, kind),
        (updates) => ({ updates }),
      ),
    encode: writeNothing,
    entries: {
      of: ({ updates }) => updates,
      put: (w, entry: FlowUpdate, { version }) => putUpdate(w, entry, version, kind),
    },
  });
}

function cancel(name: string, wire: Wire, since: OfpVersion, until: OfpVersion): AnyForm {
  return form<'flow_monitor_cancel'>({
    type: 'flow_monitor_cancel',
    name,
    since,
    until,
    wire,
    min: 4,
    step: 0,
    decode: (r) => ({ id: r.u32() }),
    encode: (w, { id }) => w.u32(id),
  });
}

type Pause = 'flow_monitor_paused' | 'flow_monitor_resumed';

function pause(
  type: Pause,
  name: string,
  wire: Wire,
  since: OfpVersion,
  until: OfpVersion,
): AnyForm {
  return form<Pause>({
    type,
    name,
    since,
    until,
    wire,
    min: 0,
    step: 0,
    decode: () => ({}),
    encode: writeNothing,
  });
}

const nx = (subtype: number): Wire => ({ vendor: NX_VENDOR_ID, subtype });
const onf = (subtype: number): Wire => ({ vendor: ONF_VENDOR_ID, subtype });

export const FLOW_MONITOR_FORMS: readonly AnyForm[] = [
  ...WHERE.map(request),
  ...WHERE.map(reply),
  cancel('NXT_FLOW_MONITOR_CANCEL', nx(21), 1, 3),
  pause('flow_monitor_paused', 'NXT_FLOW_MONITOR_PAUSED', nx(22), 1, 3),
  pause('flow_monitor_resumed', 'NXT_FLOW_MONITOR_RESUMED', nx(23), 1, 3),
  cancel('ONFT_FLOW_MONITOR_CANCEL', onf(1870), 4, 4),
  pause('flow_monitor_paused', 'ONFT_FLOW_MONITOR_PAUSED', onf(1871), 4, 4),
  pause('flow_monitor_resumed', 'ONFT_FLOW_MONITOR_RESUMED', onf(1872), 4, 4),
];
