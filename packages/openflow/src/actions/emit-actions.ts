/**
 * Actions to the wire, in the form that the version has: what its standard lacks goes as a
 * Nicira action, what it renamed as a set_field (ovs-actions(7), "Conformance").
 */
import type { OfpVersion } from '../constants.ts';
import { ofp10PortToOfp11 } from '../match/ofp-port.ts';
import type { OfpAct } from '../ofp-actions.ts';
import { ByteWriter } from './byte-writer.ts';
import { emitClone, emitConjunction, emitCt, emitNat } from './emit-ct.ts';
import { emitLearn } from './emit-learn.ts';
import { legacySet } from './emit-legacy-set.ts';
import { emitNicira, putNicira } from './emit-nicira.ts';
import { emitCopyField, emitSetField, emitSetOf, putSetOf } from './emit-set-field.ts';

/** Bytes of actions; instructions besides apply-actions are `emitInstructions`' business. */
export function emitActions(acts: readonly OfpAct[], version: OfpVersion): Uint8Array {
  const w = new ByteWriter();
  for (const act of acts) emitAction(w, act, version);
  return w.take();
}

export function emitActionList(w: ByteWriter, acts: readonly OfpAct[], version: OfpVersion) {
  for (const act of acts) emitAction(w, act, version);
}

/** Standard types: OpenFlow 1.0's number, and that of 1.1 and later. */
const OFPAT = {
  output: [0, 0],
  setVlanVid: [1, 1],
  setVlanPcp: [2, 2],
  stripVlan: [3, 18],
  setDlSrc: [4, 3],
  setDlDst: [5, 4],
  setNwSrc: [6, 5],
  setNwDst: [7, 6],
  setNwTos: [8, 7],
  setTpSrc: [9, 9],
  setTpDst: [10, 10],
} as const;

function emitAction(w: ByteWriter, act: OfpAct, version: OfpVersion) {
  switch (act.type) {
    case 'output':
      return emitOutput(w, act.port, act.maxLen, version);
    case 'enqueue':
      return emitEnqueue(w, act, version);
    case 'set_field': {
      const legacy = version < 3 ? legacySet(act, version) : undefined;
      return legacy ? emitActionList(w, legacy, version) : emitSetField(w, act, version);
    }
    case 'move':
      return emitCopyField(w, act, version);
    case 'learn':
      return emitLearn(w, act);
    case 'ct':
      return emitCt(w, act, (acts) => emitActionList(w, acts, version));
    case 'nat':
      return emitNat(w, act);
    case 'clone':
      return emitClone(w, act.actions, (acts) => emitActionList(w, acts, version));
    case 'conjunction':
      return emitConjunction(w, act);
    default:
      return emitHeaderChange(w, act, version);
  }
}

function putStandard(w: ByteWriter, type: number, length: number): number {
  const at = w.grow(length);
  w.dv.setUint16(at, type);
  w.dv.setUint16(at + 2, length);
  return at;
}

function emitOutput(w: ByteWriter, port: number, maxLen: number, version: OfpVersion) {
  if (version === 1) {
    const at = putStandard(w, 0, 8);
    w.dv.setUint16(at + 4, port);
    w.dv.setUint16(at + 6, maxLen);
    return;
  }
  const at = putStandard(w, 0, 16);
  w.dv.setUint32(at + 4, ofp10PortToOfp11(port));
  w.dv.setUint16(at + 8, maxLen);
}

function emitEnqueue(
  w: ByteWriter,
  { port, queue }: Extract<OfpAct, { type: 'enqueue' }>,
  version: OfpVersion,
) {
  if (version === 1) {
    const at = putStandard(w, 11, 16);
    w.dv.setUint16(at + 4, port);
    w.dv.setUint32(at + 12, queue);
    return;
  }
  emitSetQueue(w, queue, version);
  emitOutput(w, port, 0xffff, version);
  emitNicira(w, { type: 'pop_queue' });
}

function emitSetQueue(w: ByteWriter, queue: number, version: OfpVersion) {
  emitU32(w, 21, 4, queue, version);
}

/** A 32-bit argument: standard in 1.1 and later, Nicira's in 1.0. */
function emitU32(w: ByteWriter, type: number, nx: number, value: number, version: number) {
  if (version === 1) w.setU32(putNicira(w, nx, 16) + 12, value);
  else w.setU32(putStandard(w, type, 8) + 4, value);
}

function emitU16(w: ByteWriter, type: number, nx: number, value: number, version: number) {
  if (version === 1) w.setU16(putNicira(w, nx, 16) + 10, value);
  else w.setU16(putStandard(w, type, 8) + 4, value);
}

function emitU8(w: ByteWriter, type: number, nx: number, value: number, version: number) {
  if (version === 1) w.setU8(putNicira(w, nx, 16) + 10, value);
  else w.setU8(putStandard(w, type, 8) + 4, value);
}

function emitHeaderChange(w: ByteWriter, act: OfpAct, version: OfpVersion) {
  const column = version === 1 ? 0 : 1;
  switch (act.type) {
    case 'set_vlan_vid':
    case 'set_vlan_pcp':
      return emitVlan(w, act, version);
    case 'strip_vlan':
      putStandard(w, OFPAT.stripVlan[column], 8);
      return;
    case 'push_vlan':
      // In OpenFlow 1.0 the tag comes with the set_vlan_vid or set_vlan_pcp that must follow.
      if (version > 1) w.setU16(putStandard(w, 17, 8) + 4, act.ethertype);
      return;
    case 'mod_dl_src':
    case 'mod_dl_dst':
      return emitMac(w, act, version);
    case 'mod_nw_src':
    case 'mod_nw_dst': {
      const isSrc = act.type === 'mod_nw_src';
      if (version >= 3) return putSetOf(w, isSrc ? 'ip_src' : 'ip_dst', BigInt(act.ip), version);
      const type = (isSrc ? OFPAT.setNwSrc : OFPAT.setNwDst)[column];
      w.setU32(putStandard(w, type, 8) + 4, act.ip);
      return;
    }
    case 'mod_tp_src':
    case 'mod_tp_dst': {
      const type = (act.type === 'mod_tp_src' ? OFPAT.setTpSrc : OFPAT.setTpDst)[column];
      const proto = act.proto === undefined ? undefined : TRANSPORTS.get(act.proto);
      if (version >= 3 && proto) {
        const end = act.type === 'mod_tp_src' ? 'src' : 'dst';
        return putSetOf(w, `${proto}_${end}`, BigInt(act.port), version);
      }
      w.setU16(putStandard(w, type, 8) + 4, act.port);
      return;
    }
    case 'mod_nw_tos':
    case 'mod_nw_ecn':
    case 'mod_nw_ttl':
      return emitIp(w, act, version);
    default:
      return emitOther(w, act, version);
  }
}

function emitVlan(
  w: ByteWriter,
  act: Extract<OfpAct, { type: 'set_vlan_vid' | 'set_vlan_pcp' }>,
  version: OfpVersion,
) {
  if (act.push && !act.hasVlan && version > 1) w.setU16(putStandard(w, 17, 8) + 4, 0x8100);
  if (act.type === 'set_vlan_vid') {
    if (version >= 3) return putSetOf(w, 'vlan_vid', BigInt(act.vid | 0x1000), version);
    w.setU16(putStandard(w, 1, 8) + 4, act.vid);
    return;
  }
  if (version >= 3) return putSetOf(w, 'vlan_pcp', BigInt(act.pcp), version);
  w.setU8(putStandard(w, 2, 8) + 4, act.pcp);
}

function emitMac(
  w: ByteWriter,
  { type, mac }: Extract<OfpAct, { type: 'mod_dl_src' | 'mod_dl_dst' }>,
  version: OfpVersion,
) {
  const isSrc = type === 'mod_dl_src';
  if (version >= 3) return putSetOf(w, isSrc ? 'eth_src' : 'eth_dst', BigInt(mac), version);
  const column = version === 1 ? 0 : 1;
  const at = putStandard(w, (isSrc ? OFPAT.setDlSrc : OFPAT.setDlDst)[column], 16);
  w.dv.setUint16(at + 4, Math.floor(mac / 2 ** 32));
  w.dv.setUint32(at + 6, mac % 2 ** 32);
}

/** Whose ports are set by set_field; what the match does not tell goes as OFPAT_SET_TP_*. */
const TRANSPORTS: ReadonlyMap<number, string> = new Map([
  [6, 'tcp'],
  [17, 'udp'],
  [132, 'sctp'],
]);

function emitIp(
  w: ByteWriter,
  { type, value }: Extract<OfpAct, { type: 'mod_nw_tos' | 'mod_nw_ecn' | 'mod_nw_ttl' }>,
  version: OfpVersion,
) {
  if (type === 'mod_nw_tos') {
    if (version >= 3) return putSetOf(w, 'ip_dscp', BigInt(value >> 2), version);
    w.setU8(putStandard(w, OFPAT.setNwTos[version === 1 ? 0 : 1], 8) + 4, value);
  } else if (type === 'mod_nw_ecn') {
    if (version !== 2) return emitSetOf(w, 'nw_ecn', BigInt(value), version);
    w.setU8(putStandard(w, 8, 8) + 4, value);
  } else {
    if (version === 1) return emitSetOf(w, 'nw_ttl', BigInt(value), version);
    w.setU8(putStandard(w, 23, 8) + 4, value);
  }
}

function emitOther(w: ByteWriter, act: OfpAct, version: OfpVersion) {
  switch (act.type) {
    case 'dec_ttl':
      return emitDecTtl(w, act, version);
    case 'set_mpls_label':
      if (version >= 3) return putSetOf(w, 'mpls_label', BigInt(act.value), version);
      return emitU32(w, 13, 30, act.value, version);
    case 'set_mpls_tc':
      if (version >= 3) return putSetOf(w, 'mpls_tc', BigInt(act.value), version);
      return emitU8(w, 14, 31, act.value, version);
    case 'set_mpls_ttl':
      return emitU8(w, 15, 25, act.value, version);
    case 'dec_mpls_ttl':
      if (version === 1) putNicira(w, 26, 16);
      else putStandard(w, 16, 8);
      return;
    case 'push_mpls':
      return emitU16(w, 19, 23, act.ethertype, version);
    case 'pop_mpls':
      return emitU16(w, 20, 24, act.ethertype, version);
    case 'set_tunnel':
      return emitSetTunnel(w, act, version);
    case 'set_queue':
      return emitSetQueue(w, act.queue, version);
    case 'group':
      return emitU32(w, 22, 40, act.group, version);
    case 'meter':
      // An instruction before OpenFlow 1.5.
      if (version === 6) w.setU32(putStandard(w, 29, 8) + 4, act.meter);
      return;
    case 'write_metadata':
      return emitWriteMetadata(w, act, version);
    case 'goto_table':
      // OpenFlow 1.0 has no instructions.
      if (version === 1) {
        const at = putNicira(w, 14, 16);
        w.dv.setUint16(at + 10, 0xfff8);
        w.u8[at + 12] = act.table;
      }
      return;
    case 'clear_actions':
    case 'write_actions':
      return;
    default:
      return emitNicira(w, act);
  }
}

function emitWriteMetadata(
  w: ByteWriter,
  { metadata, mask }: Extract<OfpAct, { type: 'write_metadata' }>,
  version: OfpVersion,
) {
  if (version > 1) return;
  const at = putNicira(w, 22, 32);
  w.dv.setBigUint64(at + 16, metadata);
  w.dv.setBigUint64(at + 24, mask);
}

function emitSetTunnel(
  w: ByteWriter,
  { id, wide }: Extract<OfpAct, { type: 'set_tunnel' }>,
  version: OfpVersion,
) {
  if (version >= 3) return putSetOf(w, 'tun_id', id, version);
  if (wide || id > 0xffff_ffffn) w.setU64(putNicira(w, 9, 24) + 16, id);
  else w.setU32(putNicira(w, 2, 16) + 12, Number(id));
}

function emitDecTtl(
  w: ByteWriter,
  { ids, named }: Extract<OfpAct, { type: 'dec_ttl' }>,
  version: OfpVersion,
) {
  if (named) {
    const at = putNicira(w, 21, (16 + 2 * ids.length + 7) & ~7);
    w.dv.setUint16(at + 10, ids.length);
    for (const [i, id] of ids.entries()) w.dv.setUint16(at + 16 + 2 * i, id);
  } else if (version === 1) putNicira(w, 18, 16);
  else putStandard(w, 24, 8);
}
