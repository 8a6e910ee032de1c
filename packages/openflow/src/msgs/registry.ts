/**
 * Messages in bytes. Which numbers of which version are which message, the forms say; this file
 * reads and writes headers and multiparts (OpenFlow 1.0 section 5.1, 1.3.5 sections 7.1 and 7.3.5).
 */
import { vlog } from '@heddle/runtime';
import { ByteWriter } from '../actions/byte-writer.ts';
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { OfpMessage, OfpMessageType } from '../messages.ts';
import { refusal } from '../refuse.ts';
import {
  type AnyForm,
  type Codec,
  type DecodeContext,
  NOT_ALLOWED,
  NX_VENDOR_ID,
  ONF_VENDOR_ID,
  type Wire,
} from './form.ts';
import { FORMS } from './forms.ts';
import { Reader } from './reader.ts';

const LAST_VERSION = 6;
/** Hello, error and echo are the same in all versions, those to come included. */
const LAST_IMMUTABLE = 3;
const OFPT_VENDOR = 4;
/** Of OpenFlow 1.0, and of later versions: replies have the number after it. */
const OFPT_STATS_REQUEST = 16;
const OFPT_MULTIPART_REQUEST = 18;
const OFPST_VENDOR = 0xffff;
const OFPSF_REPLY_MORE = 1;
const MAX_LENGTH = 0xffff;

/** By version and numbers; by version, and type. */
const byNumbers = new Map<string | number, AnyForm>();
const byType: Map<OfpMessageType, AnyForm[]>[] = Array.from(
  { length: LAST_VERSION + 1 },
  () => new Map(),
);

for (const form of FORMS) {
  for (let version = form.since; version <= form.until; version++) {
    const key = wireKey(version, form.wire);
    const other = byNumbers.get(key);
    if (other) throw new Error(`${form.name} and ${other.name} look the same`);
    byNumbers.set(key, form);
    const list = byType[version]!.get(form.type);
    if (list) list.push(form);
    else byType[version]!.set(form.type, [form]);
  }
}

/** A number for what is frequent. */
function wireKey(version: number, wire: Wire): string | number {
  if ('ofpt' in wire) return version * 256 + wire.ofpt;
  if ('vendor' in wire) return vendorKey(version, wire.vendor, wire.subtype);
  if ('ofpst' in wire) return (wire.reply ? 1 : 2) * 2 ** 20 + wire.ofpst * 8 + version;
  return `${version}:${wire.reply}:${wire.ofpstVendor}:${wire.subtype}`;
}

/** Bundles are of the ONF's in OpenFlow 1.3, and have one for each of their flows. */
function vendorKey(version: number, vendor: number, subtype: number): string | number {
  if (subtype > 0xffff) return `${version}:${vendor}:${subtype}`;
  return (vendor === ONF_VENDOR_ID ? 4 : 5) * 2 ** 20 + subtype * 8 + version;
}

const log = vlog.module('ofp_msgs');
const bundleLog = vlog.module('ofp_bundle');
const BUNDLE = 'OFPT14_BUNDLE_ADD_MESSAGE';

/** What a message is, before its body is looked at. */
interface Header {
  readonly version: OfpVersion;
  readonly wire: Wire;
  /** Bytes of all headers. */
  readonly length: number;
  /** OFPSF_*, 0 when no multipart. */
  readonly flags: number;
}

/** Throws OfpError with the error that a switch replies to such a message. */
export function decodeMessage(bytes: Uint8Array, context: DecodeContext = {}): OfpMessage {
  return decodeFrom(new Reader(bytes), context);
}

function decodeFrom(
  r: Reader,
  context: DecodeContext = {},
  allowed?: ReadonlySet<OfpMessageType>,
): OfpMessage {
  const start = r.off;
  if (allowed === undefined) return decodeBody(r, start, pullLogged(r), context);
  let form: AnyForm;
  try {
    form = pullForm(r);
  } catch (e) {
    if (!(e instanceof OfpError)) throw e;
    const why = `${BUNDLE} contained message is unparsable (${e.ofpErr})`;
    throw refusal(bundleLog, NOT_ALLOWED, why);
  }
  if (!allowed.has(form.type)) {
    const name = fullName(form.name, form.wire);
    throw refusal(bundleLog, NOT_ALLOWED, `${name} message not allowed inside ${BUNDLE}`);
  }
  return decodeBody(r, start, form, context);
}

/** The message begins at `start`; the reader is behind its headers. */
function decodeBody(r: Reader, start: number, form: AnyForm, context: DecodeContext): OfpMessage {
  const version = r.u8[start] as OfpVersion;
  const xid = r.dv.getUint32(start + 4);
  const { type } = form;
  const more = isMultipart(form.wire) && (r.dv.getUint16(start + 10) & OFPSF_REPLY_MORE) !== 0;
  const head = more ? { version, xid, type, more } : { version, xid, type };
  try {
    const body = form.decode(r, head, context, codec);
    if (more) return Object.assign(body, head) as OfpMessage;
    // `Object.assign` takes as long as a small body's decoding.
    const msg = body as { version?: OfpVersion; xid?: number; type?: OfpMessageType };
    msg.version = version;
    msg.xid = xid;
    msg.type = type;
    return msg as OfpMessage;
  } catch (e) {
    if (e instanceof OfpError && e.partial) e.partial = { ...e.partial, ...head };
    throw e;
  }
}

/**
 * What `ofp-print` calls the message: `OFPT_HELLO`, `OFPST_FLOW reply`. Throws OfpError. `isPartial`:
 * the headers are all that need be there.
 */
export function messageName(bytes: Uint8Array, isPartial = false): string {
  const { name, wire } = pullForm(new Reader(bytes), isPartial);
  return fullName(name, wire);
}

function fullName(name: string, wire: Wire): string {
  if (!isMultipart(wire)) return name;
  return `${name} ${'reply' in wire && wire.reply ? 'reply' : 'request'}`;
}

/** What a message is by its headers and its length; undefined: none. */
export function messageType(bytes: Uint8Array): OfpMessageType | undefined {
  return typeOf(new Reader(bytes));
}

function typeOf(r: Reader): OfpMessageType | undefined {
  const start = r.off;
  try {
    return pullForm(r).type;
  } catch {
    return undefined;
  } finally {
    r.off = start;
  }
}

/** Tells the log of headers or a length that are wrong. */
export function logHeaders(error: unknown): void {
  if (error instanceof OfpError && error.logged !== undefined) log.rl.warn(error.logged);
}

function pullLogged(r: Reader): AnyForm {
  try {
    return pullForm(r);
  } catch (error) {
    logHeaders(error);
    throw error;
  }
}

/** Leaves the reader behind the headers. */
function pullForm(r: Reader, isPartial = false): AnyForm {
  const at = r.off;
  const header = readHeader(r, isPartial);
  const form = byNumbers.get(wireKey(header.version, header.wire));
  if (form === undefined) {
    const [version, type] = [r.u8[at]!, r.u8[at + 1]!];
    throw telling(unknownNumber(header.wire), unknownText(version, type, header.wire));
  }
  if (isPartial) return form;
  r.off += header.length;
  const extra = r.left - form.min;
  if (extra < 0 || (form.step === 0 ? extra !== 0 : extra % form.step !== 0)) {
    throw telling('OFPBRC_BAD_LEN', lengthText(form, header.length, header.length + r.left));
  }
  return form;
}

function telling(ofpErr: string, logged: string): OfpError {
  const error = new OfpError(ofpErr);
  error.logged = logged;
  return error;
}

function unknownText(version: number, type: number, wire: Wire): string {
  const parts = [`version ${version}`, `type ${type}`];
  if ('ofpst' in wire) parts.push(`stat ${wire.ofpst}`);
  if ('ofpstVendor' in wire) parts.push(`stat ${OFPST_VENDOR}`);
  if ('subtype' in wire) {
    const vendor = 'vendor' in wire ? wire.vendor : wire.ofpstVendor;
    parts.push(`vendor 0x${vendor.toString(16)}`, `subtype ${wire.subtype}`);
  }
  return `unknown OpenFlow message (${parts.join(', ')})`;
}

/** `headers`, `length`: in bytes. */
function lengthText({ name, wire, min, step }: AnyForm, headers: number, length: number): string {
  const least = headers + min;
  const expected =
    step === 0
      ? `expected length ${least}`
      : step === 1
        ? `expected length at least ${least} bytes`
        : `must be exactly ${least} bytes or longer by an integer multiple of ${step} bytes`;
  return `received ${fullName(name, wire)} with incorrect length ${length} (${expected})`;
}

function isMultipart(wire: Wire): boolean {
  return 'reply' in wire;
}

function unknownNumber(wire: Wire): string {
  if ('ofpt' in wire) return 'OFPBRC_BAD_TYPE';
  return 'ofpst' in wire ? 'OFPBRC_BAD_STAT' : 'OFPBRC_BAD_SUBTYPE';
}

function readHeader(r: Reader, isPartial: boolean): Header {
  const { dv, off: at } = r;
  if (r.left < 8 || (dv.getUint16(at + 2) !== r.left && !isPartial))
    throw new OfpError('OFPBRC_BAD_LEN');
  const version = r.u8[at] as OfpVersion;
  const ofpt = r.u8[at + 1]!;
  if (ofpt === OFPT_VENDOR) {
    if (r.left < 16) throw new OfpError('OFPBRC_BAD_LEN');
    checkVendor(dv.getUint32(at + 8));
    const wire = { vendor: dv.getUint32(at + 8), subtype: dv.getUint32(at + 12) };
    return { version, flags: 0, wire, length: 16 };
  }
  if (version > LAST_VERSION && ofpt <= LAST_IMMUTABLE) {
    return { version: LAST_VERSION, flags: 0, wire: { ofpt }, length: 8 };
  }
  if (version < 1 || version > LAST_VERSION) {
    const isMultipart = ofpt === OFPT_MULTIPART_REQUEST || ofpt === OFPT_MULTIPART_REQUEST + 1;
    throw new OfpError(isMultipart && r.left < 16 ? 'OFPBRC_BAD_LEN' : 'OFPBRC_BAD_TYPE');
  }
  const first = version === 1 ? OFPT_STATS_REQUEST : OFPT_MULTIPART_REQUEST;
  if (ofpt !== first && ofpt !== first + 1) {
    return { version, flags: 0, wire: { ofpt }, length: 8 };
  }
  return readMultipart(r, version, ofpt === first + 1);
}

function readMultipart(r: Reader, version: OfpVersion, reply: boolean): Header {
  const { dv, off: at } = r;
  const length = version === 1 ? 12 : 16;
  if (r.left < length) throw new OfpError('OFPBRC_BAD_LEN');
  const ofpst = dv.getUint16(at + 8);
  const flags = dv.getUint16(at + 10);
  if (ofpst !== OFPST_VENDOR) return { version, flags, wire: { ofpst, reply }, length };
  if (r.left < (version === 1 ? 16 : 24)) throw new OfpError('OFPBRC_BAD_LEN');
  const ofpstVendor = dv.getUint32(at + length);
  // No statistics of the ONF's are in OpenFlow 1.0.
  if (version === 1 && ofpstVendor === ONF_VENDOR_ID) throw unknownVendor(ofpstVendor);
  checkVendor(ofpstVendor);
  if (r.left < 24) throw new OfpError('OFPBRC_BAD_LEN');
  const subtype = dv.getUint32(at + length + 4);
  return { version, flags, wire: { ofpstVendor, subtype, reply }, length: 24 };
}

function checkVendor(vendor: number): void {
  if (vendor !== NX_VENDOR_ID && vendor !== ONF_VENDOR_ID) throw unknownVendor(vendor);
}

function unknownVendor(vendor: number): OfpError {
  return telling(
    'OFPBRC_BAD_VENDOR',
    `OpenFlow message has unknown vendor 0x${vendor.toString(16)}`,
  );
}

const codec: Codec = { decodeMessage: decodeFrom, appendMessage, messageType: typeOf };

/** Long-lived: a message costs one copy of its bytes. */
const writer = new ByteWriter(4096);

/**
 * Messages that the version cannot say, or that are too long for one, are refused with an
 * OfpError: lists too long for one message are `encodeMultipart`'s business.
 */
export function encodeMessage(msg: OfpMessage): Uint8Array {
  writer.length = 0;
  appendMessage(writer, msg);
  return writer.take();
}

/** As `encodeMessage`, behind what the writer has. */
export function appendMessage(w: ByteWriter, msg: OfpMessage): void {
  const form = formFor(msg);
  const start = w.length;
  try {
    putHeader(w, msg, form);
    form.encode(w, msg, codec);
    if (form.entries) for (const entry of form.entries.of(msg)) form.entries.put(w, entry, msg);
    finish(w, start, 'more' in msg && msg.more === true);
  } catch (error) {
    w.length = start;
    throw error;
  }
}

/** As many messages as a list needs, all but the last with OFPSF_REPLY_MORE. */
export function encodeMultipart(msg: OfpMessage): Uint8Array[] {
  const form = formFor(msg);
  if (form.entries === undefined) return [encodeMessage(msg)];
  const w = writer;
  const parts: Uint8Array[] = [];
  const begin = (): void => {
    w.length = 0;
    putHeader(w, msg, form);
    form.encode(w, msg, codec);
  };
  begin();
  let inPart = 0;
  for (const entry of form.entries.of(msg)) {
    const before = w.length;
    form.entries.put(w, entry, msg);
    inPart++;
    if (w.length <= MAX_LENGTH || inPart === 1) continue;
    w.length = before;
    finish(w, 0, true);
    parts.push(w.take());
    begin();
    form.entries.put(w, entry, msg);
    inPart = 1;
  }
  finish(w, 0, 'more' in msg && msg.more === true);
  parts.push(w.take());
  return parts;
}

function formFor(msg: OfpMessage): AnyForm {
  const forms = byType[msg.version]?.get(msg.type);
  if (forms) for (const form of forms) if (form.fits?.(msg) ?? true) return form;
  throw new OfpError('OFPBRC_BAD_TYPE', `OpenFlow version ${msg.version} has no ${msg.type}`);
}

function finish(w: ByteWriter, start: number, more: boolean): void {
  const length = w.length - start;
  if (length > MAX_LENGTH) throw new OfpError('OFPBRC_BAD_LEN', 'message is too long');
  w.dv.setUint16(start + 2, length);
  if (more) w.dv.setUint16(start + 10, OFPSF_REPLY_MORE);
}

function putHeader(w: ByteWriter, { version, xid }: OfpMessage, { wire }: AnyForm): void {
  const at = w.grow(8);
  w.u8[at] = version;
  w.dv.setUint32(at + 4, xid);
  if ('ofpt' in wire) {
    w.u8[at + 1] = wire.ofpt;
  } else if ('vendor' in wire) {
    w.u8[at + 1] = OFPT_VENDOR;
    w.u32(wire.vendor);
    w.u32(wire.subtype);
  } else {
    w.u8[at + 1] = (version === 1 ? 16 : 18) + (wire.reply ? 1 : 0);
    w.u16('ofpst' in wire ? wire.ofpst : OFPST_VENDOR);
    w.grow(version === 1 ? 2 : 6);
    if ('ofpst' in wire) return;
    w.u32(wire.ofpstVendor);
    w.u32(wire.subtype);
    if (version === 1) w.grow(4);
  }
}
