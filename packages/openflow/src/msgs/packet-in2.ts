/**
 * NXT_PACKET_IN2 and NXT_RESUME: properties (ovs-ofctl(8), `monitor`), with the state of a paused
 * packet that a controller sends back as it got it.
 */

import type { ByteWriter } from '../actions/byte-writer.ts';
import { readUint } from '../actions/byte-writer.ts';
import { emitActionList } from '../actions/emit-actions.ts';
import { parseActions } from '../actions/index.ts';
import { OFP_NO_BUFFER, type OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import { emitOxmEntries, parseNxMatch } from '../match/index.ts';
import { Match } from '../match.ts';
import type { Continuation, ContinuationFrame, PacketIn } from '../messages.ts';
import type { OfpAct } from '../ofp-actions.ts';
import { type AnyForm, type DecodeContext, form, NX_VENDOR_ID } from './form.ts';
import { packetInReason } from './packet-in-reason.ts';
import { type Property, pullProperty, putProperty, unknownProperty } from './property.ts';
import type { Reader } from './reader.ts';

const NXPINT = {
  packet: 0,
  fullLen: 1,
  bufferId: 2,
  tableId: 3,
  cookie: 4,
  reason: 5,
  metadata: 6,
  userdata: 7,
  continuation: 8,
} as const;

const NXCPT = {
  bridge: 0x8000,
  stack: 0x8001,
  mirrors: 0x8002,
  conntracked: 0x8003,
  tableId: 0x8004,
  cookie: 0x8005,
  actions: 0x8006,
  actionSet: 0x8007,
  odpPort: 0x8008,
} as const;

const NO_COOKIE = 0xffff_ffff_ffff_ffffn;
const ODPP_NONE = 0xffff_ffff;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function packetIn2(type: 'packet_in' | 'resume', name: string, subtype: number): AnyForm {
  return form<typeof type>({
    type,
    name,
    since: 1,
    until: 6,
    wire: { vendor: NX_VENDOR_ID, subtype },
    min: 0,
    step: 8,
    fits: (msg) => type === 'resume' || msg.format === 'nxt_packet_in2',
    decode: (r, { version }, context) => pullPacketIn2(r, version, context),
    encode: (w, msg) => putPacketIn2(w, msg, msg.version),
  });
}

function pullPacketIn2(r: Reader, version: OfpVersion, context: DecodeContext): PacketIn {
  const msg: Mutable<PacketIn> = {
    format: 'nxt_packet_in2',
    packet: new Uint8Array(),
    totalLen: 0,
    bufferId: OFP_NO_BUFFER,
    reason: 0,
    tableId: 0,
    cookie: NO_COOKIE,
    metadata: new Match(),
  };
  const { loose = false } = context;
  let continuation: Reader | undefined;
  while (r.left > 0) {
    const property = pullProperty(r);
    // Read last: of several, only the last one counts.
    if (property.type === NXPINT.continuation) {
      continuation = property.body;
      continuation.take(4);
    } else pullPacketProperty(property, msg, loose);
  }
  if (msg.packet.length === 0) throw new OfpError('OFPBRC_BAD_LEN', 'packet-in without packet');
  if (msg.totalLen === 0) msg.totalLen = msg.packet.length;
  if (msg.totalLen < msg.packet.length) throw new OfpError('OFPBRC_BAD_LEN');
  if (continuation) msg.continuation = pullContinuation(continuation, version, loose);
  return msg;
}

function pullPacketProperty(property: Property, msg: Mutable<PacketIn>, loose: boolean): void {
  const { body } = property;
  switch (property.type) {
    case NXPINT.packet:
      msg.packet = body.bytes();
      return;
    case NXPINT.fullLen:
      msg.totalLen = body.whole(4).u32();
      return;
    case NXPINT.bufferId:
      msg.bufferId = body.whole(4).u32();
      return;
    case NXPINT.tableId:
      msg.tableId = body.byte();
      return;
    case NXPINT.cookie:
      msg.cookie = pullU64(body);
      return;
    case NXPINT.reason:
      msg.reason = body.byte();
      return;
    case NXPINT.metadata:
      msg.metadata = parseNxMatch(body.view(), { loose: true }).match;
      return;
    case NXPINT.userdata:
      msg.userdata = body.bytes();
      return;
    default:
      if (!loose) throw unknownProperty(property);
  }
}

/** 64-bit values stand on a multiple of 8. */
function pullU64(body: Reader): bigint {
  body.whole(12).take(4);
  return body.u64();
}

interface State {
  readonly continuation: Mutable<Continuation>;
  readonly stack: bigint[];
  readonly frames: ContinuationFrame[];
  /** Of the actions that follow. */
  tableId: number;
  cookie: bigint;
}

function pullContinuation(r: Reader, version: OfpVersion, loose: boolean): Continuation {
  const stack: bigint[] = [];
  const continuation: Mutable<Continuation> = {
    bridge: new Uint8Array(16),
    stack,
    mirrors: 0,
    conntracked: false,
    tableId: 0,
    cookie: 0n,
    actions: [],
    actionSet: [],
    odpPort: ODPP_NONE,
  };
  const state: State = { continuation, stack, frames: [], tableId: 0, cookie: 0n };
  while (r.left > 0) {
    const property = pullProperty(r);
    if (!pullState(property, state, version) && !loose) throw unknownProperty(property);
  }
  // Table and cookie are of the actions that follow, if any do.
  const [first = { tableId: 0, cookie: 0n, actions: [] }, ...outer] = state.frames;
  const isTold = state.frames.length > 0 && first.actions.length === 0;
  return { ...continuation, ...first, ...((isTold || outer.length > 0) && { outer }) };
}

/** Whether the property is known. */
function pullState({ type, body }: Property, state: State, version: OfpVersion): boolean {
  const { continuation: c } = state;
  switch (type) {
    case NXCPT.bridge:
      c.bridge = body.whole(16).bytes();
      return true;
    case NXCPT.stack:
      state.stack.push(pullStackValue(body));
      return true;
    case NXCPT.mirrors:
      c.mirrors = body.whole(4).u32();
      return true;
    case NXCPT.conntracked:
      c.conntracked = true;
      return true;
    case NXCPT.tableId:
      state.tableId = body.byte();
      return true;
    case NXCPT.cookie:
      state.cookie = pullU64(body);
      return true;
    case NXCPT.actions: {
      const { tableId, cookie } = state;
      state.frames.push({ tableId, cookie, actions: pullActions(body, version) });
      return true;
    }
    case NXCPT.actionSet:
      c.actionSet = [...c.actionSet, ...pullActions(body, version)];
      return true;
    case NXCPT.odpPort:
      c.odpPort = body.whole(4).u32();
      return true;
    default:
      return false;
  }
}

function pullActions(body: Reader, version: OfpVersion): Continuation['actions'] {
  body.take(4);
  return parseActions(body.view(), version, { allowInstructions: true });
}

function pullStackValue(body: Reader): bigint {
  if (body.left > 128) throw new OfpError('OFPBPC_BAD_LEN');
  return readUint(body.u8, body.off, body.left);
}

function putPacketIn2(w: ByteWriter, msg: PacketIn, version: OfpVersion): void {
  const { continuation, userdata } = msg;
  putProperty(w, NXPINT.packet, () => w.bytes(msg.packet));
  if (msg.totalLen !== msg.packet.length) putProperty(w, NXPINT.fullLen, () => w.u32(msg.totalLen));
  if (msg.bufferId !== OFP_NO_BUFFER) putProperty(w, NXPINT.bufferId, () => w.u32(msg.bufferId));
  putProperty(w, NXPINT.tableId, () => w.byte(msg.tableId));
  if (msg.cookie !== NO_COOKIE) putU64(w, NXPINT.cookie, msg.cookie);
  putProperty(w, NXPINT.reason, () => w.byte(packetInReason(msg.reason, version)));
  putProperty(w, NXPINT.metadata, () => w.bytes(emitOxmEntries(msg.metadata, version)));
  if (continuation) {
    putProperty(w, NXPINT.continuation, () => {
      w.grow(4);
      putContinuation(w, continuation, version);
    });
  }
  if (userdata) putProperty(w, NXPINT.userdata, () => w.bytes(userdata));
}

function putU64(w: ByteWriter, type: number, value: bigint): void {
  putProperty(w, type, () => {
    w.grow(4);
    w.u64(value);
  });
}

function putContinuation(w: ByteWriter, c: Continuation, version: OfpVersion): void {
  putProperty(w, NXCPT.bridge, () => w.bytes(c.bridge));
  for (const value of c.stack) putStackValue(w, value);
  if (c.mirrors !== 0) putProperty(w, NXCPT.mirrors, () => w.u32(c.mirrors));
  if (c.conntracked) putProperty(w, NXCPT.conntracked, () => {});
  putFrames(w, [c, ...(c.outer ?? [])], version);
  putActions(w, NXCPT.actionSet, c.actionSet, version);
  if (c.odpPort !== ODPP_NONE) putProperty(w, NXCPT.odpPort, () => w.u32(c.odpPort));
}

/** Table and cookie are said in front of actions that tell of them, or go on in that table, when they change. */
function putFrames(w: ByteWriter, frames: readonly ContinuationFrame[], version: OfpVersion): void {
  let told: ContinuationFrame | undefined;
  let waiting: OfpAct[] = [];
  for (const frame of frames) {
    for (const act of frame.actions) {
      const { tableId, cookie } = frame;
      if (namesRule(act) && (tableId !== told?.tableId || cookie !== told.cookie)) {
        putActions(w, NXCPT.actions, waiting, version);
        waiting = [];
        if (tableId !== (told?.tableId ?? 0)) putProperty(w, NXCPT.tableId, () => w.byte(tableId));
        if (cookie !== (told?.cookie ?? 0n)) putU64(w, NXCPT.cookie, cookie);
        told = frame;
      }
      waiting.push(act);
    }
  }
  putActions(w, NXCPT.actions, waiting, version);
}

const OFPTT_SAME = 255;

/** Whether it may send a packet-in, which names the flow, or goes by the table that the flow is in. */
function namesRule(act: OfpAct): boolean {
  switch (act.type) {
    case 'output':
    case 'output_reg':
    case 'output_trunc':
    case 'controller':
    case 'group':
    case 'dec_ttl':
    case 'dec_mpls_ttl':
    case 'dec_nsh_ttl':
      return true;
    case 'resubmit':
      return act.table === OFPTT_SAME;
    default:
      return false;
  }
}

/** As many words as the value needs. */
function putStackValue(w: ByteWriter, value: bigint): void {
  let words = 1;
  while (value >> BigInt(32 * words) !== 0n) words++;
  putProperty(w, NXCPT.stack, () => w.uint(value, 4 * words));
}

function putActions(
  w: ByteWriter,
  type: number,
  actions: Continuation['actions'],
  version: OfpVersion,
): void {
  if (actions.length === 0) return;
  putProperty(w, type, () => {
    w.grow(4);
    emitActionList(w, actions, version);
  });
}

export const PACKET_IN2_FORMS: readonly AnyForm[] = [
  packetIn2('packet_in', 'NXT_PACKET_IN2', 30),
  packetIn2('resume', 'NXT_RESUME', 28),
];
