/** Packets to the controller: the standard message of each version and Nicira's first extension. */
import type { OfpVersion } from '../constants.ts';
import { emitNxMatch } from '../match/index.ts';
import { Match } from '../match.ts';
import { type AnyForm, form, NX_VENDOR_ID } from './form.ts';
import { pullNxMatch, pullOxmMatch, putMatch11, putPadded } from './match-bytes.ts';
import { packetInReason } from './packet-in-reason.ts';
import { pullPort11, putPort11 } from './port-number.ts';

/** What OpenFlow 1.0 and 1.1 know of a packet. */
export function inPortMatch(port: number): Match {
  const match = new Match();
  match.key.inPort = port;
  match.mask.inPort = 0xffff;
  return match;
}

const NO_TABLE = { tableId: 0, cookie: 0xffff_ffff_ffff_ffffn };

const packetIn10 = form<'packet_in'>({
  type: 'packet_in',
  name: 'OFPT_PACKET_IN',
  since: 1,
  until: 1,
  wire: { ofpt: 10 },
  min: 10,
  step: 1,
  decode: (r) => {
    const bufferId = r.u32();
    const totalLen = r.u16();
    const metadata = inPortMatch(r.u16());
    const reason = r.byte();
    r.take(1);
    const packet = r.bytes();
    return { format: 'standard', ...NO_TABLE, bufferId, totalLen, metadata, reason, packet };
  },
  encode: (w, msg) => {
    w.u32(msg.bufferId);
    w.u16(msg.totalLen);
    w.u16(msg.metadata.key.inPort);
    w.byte(packetInReason(msg.reason, 1));
    w.grow(1);
    w.bytes(msg.packet);
  },
});

const packetIn11 = form<'packet_in'>({
  type: 'packet_in',
  name: 'OFPT_PACKET_IN',
  since: 2,
  until: 2,
  wire: { ofpt: 10 },
  min: 16,
  step: 1,
  decode: (r) => {
    const bufferId = r.u32();
    const metadata = inPortMatch(pullPort11(r));
    r.take(4);
    const totalLen = r.u16();
    const reason = r.byte();
    const tableId = r.byte();
    const { cookie } = NO_TABLE;
    const packet = r.bytes();
    return { format: 'standard', bufferId, totalLen, metadata, reason, tableId, cookie, packet };
  },
  encode: (w, msg) => {
    const { inPort } = msg.metadata.key;
    w.u32(msg.bufferId);
    putPort11(w, inPort);
    // The physical port is the same: tunnels' ports are ports of their own.
    putPort11(w, inPort);
    w.u16(msg.totalLen);
    w.byte(packetInReason(msg.reason, 2));
    w.byte(msg.tableId);
    w.bytes(msg.packet);
  },
});

function packetIn12(since: OfpVersion, until: OfpVersion): AnyForm {
  return form<'packet_in'>({
    type: 'packet_in',
    name: 'OFPT_PACKET_IN',
    since,
    until,
    wire: { ofpt: 10 },
    min: since === 3 ? 8 : 16,
    step: 1,
    decode: (r, { version }) => {
      const bufferId = r.u32();
      const totalLen = r.u16();
      const reason = r.byte();
      const tableId = r.byte();
      const cookie = version === 3 ? NO_TABLE.cookie : r.u64();
      const metadata = pullOxmMatch(r, { loose: true });
      r.take(2);
      const packet = r.bytes();
      return { format: 'standard', bufferId, totalLen, reason, tableId, cookie, metadata, packet };
    },
    encode: (w, msg) => {
      w.u32(msg.bufferId);
      w.u16(msg.totalLen);
      w.byte(packetInReason(msg.reason, msg.version));
      w.byte(msg.tableId);
      if (msg.version > 3) w.u64(msg.cookie);
      putMatch11(w, msg.metadata, msg.version);
      w.grow(2);
      w.bytes(msg.packet);
    },
  });
}

const packetInNx = form<'packet_in'>({
  type: 'packet_in',
  name: 'NXT_PACKET_IN',
  since: 1,
  until: 6,
  wire: { vendor: NX_VENDOR_ID, subtype: 17 },
  min: 24,
  step: 1,
  fits: (msg) => msg.format === 'nxt_packet_in',
  decode: (r) => {
    const bufferId = r.u32();
    const totalLen = r.u16();
    const reason = r.byte();
    const tableId = r.byte();
    const cookie = r.u64();
    const matchLength = r.u16();
    r.take(6);
    const metadata = pullNxMatch(r, matchLength, { loose: true }).match;
    r.take(2);
    const packet = r.bytes();
    const format = 'nxt_packet_in';
    return { format, bufferId, totalLen, reason, tableId, cookie, metadata, packet };
  },
  encode: (w, msg) => {
    const match = emitNxMatch(msg.metadata);
    w.u32(msg.bufferId);
    w.u16(msg.totalLen);
    w.byte(packetInReason(msg.reason, msg.version));
    w.byte(msg.tableId);
    w.u64(msg.cookie);
    w.u16(match.length);
    w.grow(6);
    putPadded(w, match);
    w.grow(2);
    w.bytes(msg.packet);
  },
});

export const PACKET_IN_FORMS: readonly AnyForm[] = [
  packetInNx,
  packetIn10,
  packetIn11,
  packetIn12(3, 3),
  packetIn12(4, 6),
];
