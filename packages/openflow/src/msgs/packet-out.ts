/** Packets from the controller. */
import { vlog } from '@heddle/runtime';
import type { ByteWriter } from '../actions/byte-writer.ts';
import { emitActions, pullActions } from '../actions/index.ts';
import {
  OFP_NO_BUFFER,
  OFPP_CONTROLLER,
  OFPP_LOCAL,
  OFPP_MAX,
  OFPP_NONE,
  type OfpVersion,
} from '../constants.ts';
import { OfpError } from '../errors.ts';
import { hexOr0 } from '../match/value-text.ts';
import type { Match } from '../match.ts';
import type { PacketOut } from '../messages.ts';
import { refusal } from '../refuse.ts';
import { type AnyForm, form } from './form.ts';
import { pullOxmMatch, putMatch11 } from './match-bytes.ts';
import { inPortMatch } from './packet-in.ts';
import { pullPort11, putPort11 } from './port-number.ts';
import type { Reader } from './reader.ts';

const log = vlog.module('ofp_packet');

const packetOut10 = form<'packet_out'>({
  type: 'packet_out',
  name: 'OFPT_PACKET_OUT',
  since: 1,
  until: 1,
  wire: { ofpt: 13 },
  min: 8,
  step: 1,
  decode: (r) => {
    const bufferId = r.u32();
    const metadata = inPortMatch(r.u16());
    return { bufferId, metadata, ...pullRest(r, r.u16(), metadata, bufferId, 1) };
  },
  encode: (w, msg) => {
    const actions = emitActions(msg.actions, 1);
    w.u32(msg.bufferId);
    w.u16(msg.metadata.key.inPort);
    w.u16(actions.length);
    putRest(w, actions, msg);
  },
});

const packetOut11 = form<'packet_out'>({
  type: 'packet_out',
  name: 'OFPT_PACKET_OUT',
  since: 2,
  until: 5,
  wire: { ofpt: 13 },
  min: 16,
  step: 1,
  decode: (r, { version }) => {
    const bufferId = r.u32();
    const metadata = inPortMatch(pullPort11(r));
    const length = r.u16();
    r.take(6);
    return { bufferId, metadata, ...pullRest(r, length, metadata, bufferId, version) };
  },
  encode: (w, msg) => {
    const actions = emitActions(msg.actions, msg.version);
    w.u32(msg.bufferId);
    putPort11(w, msg.metadata.key.inPort);
    w.u16(actions.length);
    w.grow(6);
    putRest(w, actions, msg);
  },
});

const packetOut15 = form<'packet_out'>({
  type: 'packet_out',
  name: 'OFPT_PACKET_OUT',
  since: 6,
  until: 6,
  wire: { ofpt: 13 },
  min: 8,
  step: 1,
  decode: (r, _, { tlv }) => {
    const bufferId = r.u32();
    const length = r.u16();
    r.take(2);
    const metadata = pullOxmMatch(r, { loose: true, isPipelineOnly: true, tlv });
    if (metadata.mask.inPort === 0) {
      throw new OfpError('OFPBRC_BAD_PORT', 'packet-out needs an input port');
    }
    return { bufferId, metadata, ...pullRest(r, length, metadata, bufferId, 6) };
  },
  encode: (w, msg) => {
    const actions = emitActions(msg.actions, 6);
    w.u32(msg.bufferId);
    w.u16(actions.length);
    w.grow(2);
    putMatch11(w, msg.metadata, 6);
    putRest(w, actions, msg);
  },
});

function pullRest(
  r: Reader,
  actionsLength: number,
  { key }: Match,
  bufferId: number,
  version: OfpVersion,
): Pick<PacketOut, 'actions' | 'packet'> {
  const port = key.inPort;
  const actions = pullActions(r, actionsLength, version);
  if (port >= OFPP_MAX && port !== OFPP_LOCAL && port !== OFPP_NONE && port !== OFPP_CONTROLLER) {
    throw refusal(log, 'OFPBRC_BAD_PORT', `packet-out has bad input port ${hexOr0(port)}`);
  }
  const packet = bufferId === OFP_NO_BUFFER ? r.bytes() : new Uint8Array();
  return { actions, packet };
}

function putRest(w: ByteWriter, actions: Uint8Array, msg: PacketOut): void {
  w.bytes(actions);
  if (msg.bufferId === OFP_NO_BUFFER) w.bytes(msg.packet);
}

export const PACKET_OUT_FORMS: readonly AnyForm[] = [packetOut10, packetOut11, packetOut15];
