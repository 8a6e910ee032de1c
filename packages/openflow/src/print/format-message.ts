/** Messages in text: what `ovs-ofctl ofp-print`, `monitor`, `snoop` and the vconn log print. */
import { vlog } from '@heddle/runtime';
import { OfpError } from '../errors.ts';
import type { OfpMessage } from '../messages.ts';
import { helloVersions } from '../msgs/hello.ts';
import { decodeMessage, encodeMessage, errorName, messageName } from '../msgs/index.ts';
import { Reader } from '../msgs/reader.ts';
import { logHeaders } from '../msgs/registry.ts';
import type { FlowReplyText } from './flow-reply-text.ts';
import { hexDump } from './hex-dump.ts';
import { type BodyContext, printBody } from './print-body.ts';
import type { RawMatch } from './print-flows.ts';
import type { PrintNames } from './print-names.ts';
import { printBundleAdd } from './print-nicira.ts';

const log = vlog.module('ofp_protocol');

const HEADER = 8;
const OFPT_HELLO = 0;

/**
 * `verbosity` 0 is a line per message and as little as may be, 1 decodes packets and lists, 3 dumps
 * packets, 5 dumps messages. The text ends with a line feed.
 */
export function formatMessage(msg: OfpMessage, verbosity = 1, names: PrintNames = {}): string {
  return formatBytes(encodeMessage(msg), verbosity, names);
}

/**
 * As `formatMessage` for bytes, which need not be a message at all. `flows`, for many messages with
 * the same names, is quick with flows.
 */
export function formatBytes(
  bytes: Uint8Array,
  verbosity = 1,
  names: PrintNames = {},
  flows?: FlowReplyText,
): string {
  if (bytes.length < HEADER) {
    if (bytes.length === 0) return 'OpenFlow message is empty\n';
    return `OpenFlow packet too short (only ${bytes.length} bytes):\n${hexDump(bytes)}`;
  }
  const length = (bytes[2]! << 8) | bytes[3]!;
  if (length > bytes.length) {
    const name = truncatedName(bytes);
    const head = name === undefined ? '' : `${header(name, bytes)}\n`;
    return `${head}(***truncated to ${bytes.length} bytes from ${length}***)\n${hexDump(bytes)}`;
  }
  if (length < bytes.length) {
    return `(***only uses ${length} bytes out of ${bytes.length}***)\n${hexDump(bytes)}`;
  }
  return formatWhole(bytes, verbosity, names, flows);
}

function formatWhole(
  bytes: Uint8Array,
  verbosity: number,
  names: PrintNames,
  flows: FlowReplyText | undefined,
): string {
  let out = '';
  try {
    out = header(nameOf(bytes), bytes);
    out += flagsText(bytes);
    out += flows?.print(bytes) ?? printDecoded(bytes, verbosity, names);
    out = out.replace(/ $/, '');
    if (!out.endsWith('\n')) out += '\n';
    return verbosity >= 5 ? out + hexDump(bytes) : out;
  } catch (e) {
    if (!(e instanceof OfpError)) throw e;
    if (out === '') logHeaders(e);
    if (e.partial) out += printPartial(e.partial as OfpMessage, bytes, verbosity, names);
    if (verbosity < 1 && e.partial && COUNTED.has((e.partial as OfpMessage).type)) return out;
    // The message within has told its error.
    if (e.partial && 'inner' in e.partial) return out;
    // A name alone shares its line with the error.
    const gap = out === '' || out.endsWith('\n') ? '' : out.endsWith(':') ? ' ' : '\n';
    return `${out}${gap}***decode error: ${e.ofpErr}***\n${hexDump(bytes)}`;
  }
}

/** Of which only the number of entries is told where nothing is to be said in detail. */
const COUNTED: ReadonlySet<OfpMessage['type']> = new Set(['port_reply', 'queue_reply']);

/** A hello may be of any version. */
function nameOf(bytes: Uint8Array): string {
  return bytes[1] === OFPT_HELLO && bytes[0] !== 0 ? 'OFPT_HELLO' : messageName(bytes);
}

function printDecoded(bytes: Uint8Array, verbosity: number, names: PrintNames): string {
  if (bytes[1] === OFPT_HELLO) return printHello(bytes);
  if (isUnknownFlowFormat(bytes)) {
    const format = new DataView(bytes.buffer, bytes.byteOffset).getUint32(16);
    log.rl.warn(`NXT_SET_FLOW_FORMAT message specified invalid flow format ${format}`);
    return ' format=(unknown)';
  }
  return printBody(decodeMessage(bytes, { loose: true }), context(bytes, verbosity, names));
}

function printPartial(
  msg: OfpMessage,
  bytes: Uint8Array,
  verbosity: number,
  names: PrintNames,
): string {
  const out = printBody(msg, context(bytes, verbosity, names));
  if (msg.type === 'group_reply') return `${out} ***parse error***\n`;
  return out === '' || out.endsWith('\n') ? out : `${out}\n`;
}

function context(bytes: Uint8Array, verbosity: number, names: PrintNames): BodyContext {
  return {
    verbosity,
    names,
    rawMatch: rawMatchOf(bytes),
    printBytes: (msg) => printBytes(msg, bytes, verbosity, names),
  };
}

/** NXT_SET_FLOW_FORMAT has NXFF_OPENFLOW10 and NXFF_NXM. */
function isUnknownFlowFormat(bytes: Uint8Array): boolean {
  if (bytes[0] !== 1 || bytes[1] !== 4 || bytes.length !== 20) return false;
  const dv = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isSetFlowFormat = dv.getUint32(8) === 0x2320 && dv.getUint32(12) === 12;
  return isSetFlowFormat && dv.getUint32(16) !== 0 && dv.getUint32(16) !== 2;
}

const OFPT10_FLOW_MOD = 14;

/** OpenFlow 1.0's and Nicira's flow mods. */
function rawMatchOf(bytes: Uint8Array): RawMatch | undefined {
  if (bytes[0] === 1 && bytes[1] === OFPT10_FLOW_MOD) {
    return { kind: 'ofp10', bytes: bytes.subarray(8, 48) };
  }
  const dv = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[1] !== 4 || bytes.length < 48 || dv.getUint32(8) !== 0x2320) return undefined;
  if (dv.getUint32(12) !== 13) return undefined;
  const length = dv.getUint16(40);
  return { kind: 'nxm', bytes: bytes.subarray(48, 48 + length) };
}

function printBytes(
  msg: OfpMessage,
  bytes: Uint8Array,
  verbosity: number,
  names: PrintNames,
): string {
  switch (msg.type) {
    case 'echo_request':
    case 'echo_reply': {
      const dump = verbosity > 1 ? hexDump(msg.data) : '';
      return ` ${msg.data.length} bytes of payload\n${dump}`;
    }
    case 'error':
      return printError(msg, names);
    case 'bundle_add_message':
      return (
        printBundleAdd(msg.bundleId, msg.flags) + formatBytes(innerOf(bytes), verbosity, names)
      );
    default:
      return printHello(bytes);
  }
}

/** The message within a bundle_add_message. */
function innerOf(bytes: Uint8Array): Uint8Array {
  const at = (bytes[1] === 4 ? 16 : 8) + 8;
  const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
  return bytes.subarray(at, at + length);
}

function printError(msg: Extract<OfpMessage, { type: 'error' }>, names: PrintNames): string {
  const name = errorName(msg.version, msg.vendor, msg.errorType, msg.code);
  if (name === undefined) throw new OfpError('OFPBRC_BAD_LEN');
  const isHello = name.startsWith('OFPHFC_');
  return ` ${name}\n${isHello ? printable(msg.data) : formatBytes(msg.data, 1, names)}`;
}

/** Text, with what cannot be shown in octal. */
function printable(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x5c && byte !== 0x22;
    out += plain ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`;
  }
  out = out.replace(/ $/, '');
  return out === '' ? '' : `${out}\n`;
}

function printHello(bytes: Uint8Array): string {
  const { versions, complete } = helloVersions(new Reader(bytes, HEADER), bytes[0]!);
  const list: string[] = [];
  for (let v = 0; v < 32; v++) {
    if ((versions & (1 << v)) !== 0) list.push(`0x${v.toString(16).padStart(2, '0')}`);
  }
  const out = `\n version bitmap: ${list.join(', ')}\n`;
  return complete ? out : `${out} unknown data in hello:\n${hexDump(bytes)}`;
}

function header(name: string, bytes: Uint8Array): string {
  const dv = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return `${name}${versionText(bytes[0]!)} (xid=0x${dv.getUint32(4).toString(16)}):`;
}

function versionText(version: number): string {
  if (version === 1) return '';
  if (version > 1 && version <= 6) return ` (OF1.${version - 1})`;
  return ` (OF 0x${version.toString(16).padStart(2, '0')})`;
}

/** A multipart's flags. */
function flagsText(bytes: Uint8Array): string {
  const first = bytes[0] === 1 ? 16 : 18;
  if (bytes[1] !== first && bytes[1] !== first + 1) return '';
  const flags = (bytes[10]! << 8) | bytes[11]!;
  if (flags === 0) return '';
  // Requests have flags since OpenFlow 1.3.
  const known = bytes[1] === first + 1 || bytes[0]! >= 4 ? 1 : 0;
  const more = (flags & known) !== 0 ? '[more]' : '';
  const rest = flags & ~known;
  const unknown = rest === 0 ? '' : `[***unknown flags 0x${rest.toString(16).padStart(4, '0')}***]`;
  return ` flags=${more}${unknown}`;
}

/** A name for a message of which only the first bytes are there. */
function truncatedName(bytes: Uint8Array): string | undefined {
  try {
    return messageName(bytes, true);
  } catch (error) {
    logHeaders(error);
    return undefined;
  }
}
