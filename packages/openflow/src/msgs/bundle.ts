/** Bundles and forwarded requests: messages within messages (OpenFlow 1.4.0 sections 7.3.9, 7.4.5). */
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { BundleControl, OfpMessage } from '../messages.ts';
import { type AnyForm, form, NOT_ALLOWED, NX_VENDOR_ID, ONF_VENDOR_ID, type Wire } from './form.ts';
import type { Reader } from './reader.ts';

/** By OFPBCT_*. */
const BUNDLE_CONTROLS: readonly BundleControl[] = [
  'open_request',
  'open_reply',
  'close_request',
  'close_reply',
  'commit_request',
  'commit_reply',
  'discard_request',
  'discard_reply',
];
const HEADER = 8;
const OFPT_VENDOR = 4;

const onf = (subtype: number): Wire => ({ vendor: ONF_VENDOR_ID, subtype });

function control(name: string, wire: Wire, isOnf: boolean): AnyForm {
  return form<'bundle_control'>({
    type: 'bundle_control',
    name,
    since: isOnf ? 4 : 5,
    until: isOnf ? 4 : 6,
    wire,
    min: 8,
    step: 8,
    decode: (r) => {
      const at = r.take(8);
      const number = r.dv.getUint16(at + 4);
      return {
        bundleId: r.dv.getUint32(at),
        control: BUNDLE_CONTROLS[number] ?? 'unknown',
        flags: r.dv.getUint16(at + 6),
      };
    },
    encode: (w, msg) => {
      if (msg.control === 'unknown') throw new OfpError('OFPBFC_BAD_TYPE');
      w.u32(msg.bundleId);
      w.u16(BUNDLE_CONTROLS.indexOf(msg.control));
      w.u16(msg.flags);
    },
  });
}

/** What a bundle may contain. */
const BUNDLABLE: ReadonlySet<OfpMessage['type']> = new Set([
  'flow_mod',
  'group_mod',
  'port_mod',
  'packet_out',
]);

/** The message that begins here, the properties behind it left out. */
function pullInner(r: Reader): Reader {
  if (r.left < HEADER) throw new OfpError('OFPBFC_MSG_BAD_LEN');
  const length = r.dv.getUint16(r.off + 2);
  if (length < HEADER || length > r.left) throw new OfpError('OFPBFC_MSG_BAD_LEN');
  const at = r.take(length);
  return r.within(at, r.off);
}

/** Where what is within a bundle_add_message at `at` begins. */
export function bundledOffset(bytes: Uint8Array, at: number): number {
  return at + (bytes[at + 1] === OFPT_VENDOR ? 24 : 16);
}

/** The bytes of what a bundle_add_message that was decoded has within. */
export function bundledBytes(raw: Uint8Array): Uint8Array {
  const at = bundledOffset(raw, 0);
  return raw.subarray(at, at + ((raw[at + 2]! << 8) | raw[at + 3]!));
}

function add(name: string, wire: Wire, isOnf: boolean): AnyForm {
  return form<'bundle_add_message'>({
    type: 'bundle_add_message',
    name,
    since: isOnf ? 4 : 5,
    until: isOnf ? 4 : 6,
    wire,
    min: 8,
    step: 1,
    decode: (r, h, context, codec) => {
      const at = r.take(8);
      const bundleId = r.dv.getUint32(at);
      const flags = r.dv.getUint16(at + 6);
      if (r.left >= HEADER && r.u8[r.off] !== h.version) throw new OfpError('OFPBFC_BAD_VERSION');
      const inner = pullInner(r);
      const start = inner.off;
      if (r.dv.getUint32(at + 12) !== h.xid) throw new OfpError('OFPBFC_MSG_BAD_XID');
      try {
        return { bundleId, flags, message: codec.decodeMessage(inner, context, BUNDLABLE) };
      } catch (e) {
        if (!(e instanceof OfpError)) throw e;
        if (e.ofpErr === NOT_ALLOWED) throw new OfpError('OFPBFC_MSG_UNSUP');
        e.partial = { bundleId, flags, inner: inner.u8.subarray(start, inner.end) };
        throw e;
      }
    },
    encode: (w, msg, codec) => {
      w.u32(msg.bundleId);
      w.u16(0);
      w.u16(msg.flags);
      const { version, xid, message } = msg;
      const isSame = message.version === version && message.xid === xid;
      codec.appendMessage(w, isSame ? message : { ...message, version, xid });
    },
  });
}

function requestForward(name: string, wire: Wire, since: OfpVersion, until: OfpVersion): AnyForm {
  return form<'request_forward'>({
    type: 'request_forward',
    name,
    since,
    until,
    wire,
    min: 8,
    step: 8,
    decode: (r, h, context, codec) => {
      const inner = pullInner(r);
      if (inner.u8[inner.off] !== h.version) throw new OfpError('OFPBRC_BAD_VERSION');
      const type = codec.messageType(inner);
      if (type !== undefined && type !== 'group_mod' && type !== 'meter_mod') {
        throw new OfpError('OFPBFC_MSG_UNSUP');
      }
      return { request: codec.decodeMessage(inner, context) };
    },
    encode: (w, msg, codec) => codec.appendMessage(w, { ...msg.request, version: msg.version }),
  });
}

export const BUNDLE_FORMS: readonly AnyForm[] = [
  control('OFPT_BUNDLE_CONTROL', { ofpt: 33 }, false),
  add('OFPT_BUNDLE_ADD_MESSAGE', { ofpt: 34 }, false),
  control('ONFT_BUNDLE_CONTROL', onf(2300), true),
  add('ONFT_BUNDLE_ADD_MESSAGE', onf(2301), true),
  requestForward('NXT_REQUESTFORWARD', { vendor: NX_VENDOR_ID, subtype: 132 }, 1, 3),
  requestForward('OFPT_REQUESTFORWARD', { ofpt: 32 }, 5, 6),
  requestForward('ONFT_REQUESTFORWARD', onf(2350), 4, 4),
];
