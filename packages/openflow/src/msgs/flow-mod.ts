/** Flow mods: OpenFlow 1.0's, Nicira's with NXM, and that of 1.1 and later. */
import { ETH_P_IP, ETH_P_IPV6 } from '@heddle/packet';
import { vlog } from '@heddle/runtime';
import type { ByteWriter } from '../actions/byte-writer.ts';
import { parseInstructions, putInstructions } from '../actions/index.ts';
import { OFPG_ANY, OFPTT_ALL, type OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import { type FieldPlan, fieldPlan } from '../match/field-plan.ts';
import {
  emitNxMatch,
  emitOfp10Match,
  normalizeMatchLogged,
  OFP10_MATCH_LENGTH,
  ofp11PortToOfp10,
  parseOfp10Match,
} from '../match/index.ts';
import { isFieldWild, named } from '../match/match-field.ts';
import type { Match } from '../match.ts';
import type { FlowMod, FlowModCommand, FlowModFlags } from '../messages.ts';
import { refusal } from '../refuse.ts';
import { flowFlagsFromWire, flowFlagsToWire } from './flow-flags.ts';
import { type AnyForm, type DecodeContext, form, NX_VENDOR_ID } from './form.ts';
import { pullMatch11, pullNxMatch, putMatch11, putPadded } from './match-bytes.ts';
import { putPort11 } from './port-number.ts';
import type { Reader } from './reader.ts';

const log = vlog.module('ofp_flow');

const COMMANDS: readonly FlowModCommand[] = [
  'add',
  'modify',
  'modify_strict',
  'delete',
  'delete_strict',
];
const KEEP_COOKIE = 0xffff_ffff_ffff_ffffn;
const OFPFW10_ALL = 0x3f_ffff;
/** OpenFlow 1.0: what matches one flow only is of the highest priority. */
const EXACT_PRIORITY = 0xffff;

const flowMod10 = form<'flow_mod'>({
  type: 'flow_mod',
  name: 'OFPT_FLOW_MOD',
  since: 1,
  until: 1,
  wire: { ofpt: 14 },
  min: 64,
  step: 8,
  decode: (r, _, context) => {
    const at = r.take(64);
    const { dv, u8 } = r;
    const match = parseOfp10Match(u8, at, context.into);
    normalizeMatchLogged(match);
    const isExact = (dv.getUint32(at) & OFPFW10_ALL) === 0;
    const base = pullCommand10(r, at + OFP10_MATCH_LENGTH, context);
    checkTableId(dv.getUint8(at + OFP10_MATCH_LENGTH + 8), context);
    const actions = parseInstructions(r.view(), 1, context.tlv);
    const flags = flowFlagsFromWire(dv.getUint16(at + 62), 1);
    checkEmerg(flags, base.idleTimeout, base.hardTimeout);
    return {
      ...base,
      format: 'OpenFlow10',
      match,
      cookie: 0n,
      cookieMask: 0n,
      priority: isExact ? EXACT_PRIORITY : base.priority,
      flags,
      actions,
    };
  },
  encode: (w, msg) => {
    w.bytes(emitOfp10Match(msg.match));
    putCommand10(w, msg);
    w.u16(flowFlagsToWire(msg.flags, 1));
    putInstructions(w, msg.actions, msg.version);
  },
});

const flowModNx = form<'flow_mod'>({
  type: 'flow_mod',
  name: 'NXT_FLOW_MOD',
  since: 1,
  until: 6,
  wire: { vendor: NX_VENDOR_ID, subtype: 13 },
  min: 32,
  step: 8,
  fits: (msg) => msg.format === 'NXM',
  decode: (r, { version }, context) => {
    const at = r.take(32);
    const { dv } = r;
    const parsed = pullNxMatch(r, dv.getUint16(at + 24), {
      cookie: true,
      into: context.into,
      tlv: context.tlv,
    });
    checkCtTuple(parsed.match);
    const base = pullCommand10(r, at, context);
    if (base.command === 'add' && parsed.cookieMask !== 0n) {
      throw new OfpError('NXBRC_NXM_INVALID');
    }
    checkTableId(dv.getUint8(at + 8), context);
    const actions = parseInstructions(r.view(), version, context.tlv);
    const flags = flowFlagsFromWire(dv.getUint16(at + 22), version);
    checkEmerg(flags, base.idleTimeout, base.hardTimeout);
    return {
      ...base,
      format: 'NXM',
      match: parsed.match,
      cookie: parsed.cookie,
      cookieMask: parsed.cookieMask,
      flags,
      actions,
    };
  },
  encode: (w, msg) => {
    putCommand10(w, msg);
    w.u16(flowFlagsToWire(msg.flags, msg.version));
    const match = emitNxMatch(msg.match, msg.cookie, msg.cookieMask);
    w.u16(match.length);
    w.grow(6);
    putPadded(w, match);
    putInstructions(w, msg.actions, msg.version);
  },
});

/** A connection's original addresses are of the packet's own family, which a flow has to tell. */
function checkCtTuple(match: Match): void {
  const { key, mask } = match;
  if (mask.ctState === 0) return;
  const says = (plans: readonly FieldPlan[]) => plans.some((plan) => !isFieldWild(match, plan));
  if (
    (key.dlType !== ETH_P_IP && says(CT_ADDRESSES.ip)) ||
    (key.dlType !== ETH_P_IPV6 && says(CT_ADDRESSES.ipv6))
  ) {
    throw new OfpError('OFPBAC_MATCH_INCONSISTENT');
  }
}

const CT_ADDRESSES = {
  ip: ['ct_nw_src', 'ct_nw_dst'].map((name) => fieldPlan(named(name))),
  ipv6: ['ct_ipv6_src', 'ct_ipv6_dst'].map((name) => fieldPlan(named(name))),
};

/** Cookie, command, timeouts, priority, buffer and port: 22 bytes, as OpenFlow 1.0 and NXM have them. */
function pullCommand10({ dv }: Reader, at: number, { hasTableId = true }: DecodeContext) {
  const word = dv.getUint16(at + 8);
  const command = COMMANDS[word & 0xff];
  if (command === undefined) throw new OfpError('OFPFMFC_BAD_COMMAND');
  const cookie = dv.getBigUint64(at);
  return {
    command,
    hasTableId,
    tableId: hasTableId ? word >>> 8 : OFPTT_ALL,
    newCookie: cookie === KEEP_COOKIE && command !== 'add' ? undefined : cookie,
    idleTimeout: dv.getUint16(at + 10),
    hardTimeout: dv.getUint16(at + 12),
    priority: dv.getUint16(at + 14),
    bufferId: dv.getUint32(at + 16),
    outPort: dv.getUint16(at + 20),
    outGroup: OFPG_ANY,
    importance: 0,
  };
}

/** Without NXT_FLOW_MOD_TABLE_ID what would be the table is part of the command. */
function checkTableId(tableId: number, { hasTableId = true }: DecodeContext): void {
  if (hasTableId || tableId === 0) return;
  const why = 'flow_mod has explicit table_id but flow_mod_table_id extension is not enabled';
  throw refusal(log, 'OFPFMFC_BAD_COMMAND', why);
}

function putCommand10(w: ByteWriter, msg: FlowMod & { readonly hasTableId?: boolean }): void {
  const at = w.grow(22);
  const { dv } = w;
  const table = msg.hasTableId ? msg.tableId << 8 : 0;
  dv.setBigUint64(at, msg.newCookie ?? KEEP_COOKIE);
  dv.setUint16(at + 8, table | COMMANDS.indexOf(msg.command));
  dv.setUint16(at + 10, msg.idleTimeout);
  dv.setUint16(at + 12, msg.hardTimeout);
  dv.setUint16(at + 14, msg.priority);
  dv.setUint32(at + 16, msg.bufferId);
  dv.setUint16(at + 20, msg.outPort);
}

/** The switch has no emergency flow cache (OpenFlow 1.0 section 4.3). */
function checkEmerg(flags: FlowModFlags, idle: number, hard: number): void {
  if (!flags.emerg) return;
  throw new OfpError(idle || hard ? 'OFPFMFC_BAD_EMERG_TIMEOUT' : 'OFPFMFC_TABLE_FULL');
}

const flowMod11 = form<'flow_mod'>({
  type: 'flow_mod',
  name: 'OFPT_FLOW_MOD',
  since: 2,
  until: 6,
  wire: { ofpt: 14 },
  min: 40,
  step: 8,
  decode: (r, { version }, context) => {
    const at = r.take(40);
    const match = pullMatch11(r, { into: context.into, tlv: context.tlv });
    const fixed = pullFlowMod11(r, at, version, match);
    const actions = parseInstructions(r.view(), version, context.tlv);
    const flags = flowFlagsFromWire(r.dv.getUint16(at + 36), version);
    return { ...fixed, format: version === 2 ? 'OpenFlow11' : 'OXM', match, flags, actions };
  },
  encode: (w, msg) => {
    putFlowMod11(w, msg, msg.version);
    putMatch11(w, msg.match, msg.version);
    putInstructions(w, msg.actions, msg.version);
  },
});

/** What is wrong with several parts at once gets upstream's error by the order of checks. */
function pullFlowMod11({ dv, u8 }: Reader, at: number, version: OfpVersion, match: Match) {
  const tableId = u8[at + 16]!;
  const command = COMMANDS[u8[at + 17]!];
  // OpenFlow 1.1 has no "all tables".
  if (tableId === OFPTT_ALL && (version === 2 || !command?.startsWith('delete'))) {
    throw new OfpError('OFPFMFC_BAD_TABLE_ID');
  }
  const outPort = ofp11PortToOfp10(dv.getUint32(at + 28));
  if (outPort === undefined) throw new OfpError('OFPBAC_BAD_OUT_PORT');
  checkCtTuple(match);
  if (command === undefined) throw new OfpError('OFPFMFC_BAD_COMMAND');
  const isAdd = command === 'add';
  const cookie = dv.getBigUint64(at);
  return {
    command,
    cookie: isAdd ? 0n : cookie,
    cookieMask: isAdd ? 0n : dv.getBigUint64(at + 8),
    newCookie: isAdd ? cookie : undefined,
    tableId,
    idleTimeout: dv.getUint16(at + 18),
    hardTimeout: dv.getUint16(at + 20),
    priority: dv.getUint16(at + 22),
    bufferId: dv.getUint32(at + 24),
    outPort,
    outGroup: dv.getUint32(at + 32),
    importance: isAdd && version >= 5 ? dv.getUint16(at + 38) : 0,
  };
}

/** OpenFlow 1.1 has no "all tables": as upstream, table 0 goes for them. */
function putFlowMod11(w: ByteWriter, msg: FlowMod, version: OfpVersion): void {
  const at = w.grow(28);
  const { dv } = w;
  dv.setBigUint64(at, cookie11(msg, version));
  dv.setBigUint64(at + 8, msg.cookieMask);
  dv.setUint8(at + 16, version === 2 && msg.tableId === OFPTT_ALL ? 0 : msg.tableId);
  dv.setUint8(at + 17, COMMANDS.indexOf(msg.command));
  dv.setUint16(at + 18, msg.idleTimeout);
  dv.setUint16(at + 20, msg.hardTimeout);
  dv.setUint16(at + 22, msg.priority);
  dv.setUint32(at + 24, msg.bufferId);
  putPort11(w, msg.outPort);
  w.u32(msg.outGroup);
  w.u16(flowFlagsToWire(msg.flags, version));
  w.u16(version >= 5 ? msg.importance : 0);
}

function cookie11(msg: FlowMod, version: OfpVersion): bigint {
  const { command, cookie, cookieMask, newCookie = 0n } = msg;
  if (command === 'add') return newCookie;
  if (cookieMask !== 0n) return cookie & cookieMask;
  return version === 2 && command.startsWith('modify') ? newCookie || cookie : cookie;
}

export const FLOW_MOD_FORMS: readonly AnyForm[] = [flowModNx, flowMod10, flowMod11];
