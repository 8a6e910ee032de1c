/** OpenFlow messages in files: streams of them, captures, hexadecimal. */
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { parsePcap } from '@heddle/packet';
import { errnoOf, HeddleError, messageOf, SystemError, strerror } from '@heddle/runtime/errors';
import { print, printError } from '@heddle/runtime/stdio';
import { vlog } from '@heddle/runtime/vlog';
import type { Context } from './context.ts';
import { timestamp } from './monitor-time.ts';
import { Printer } from './printer.ts';

const DEFAULT_PORTS = [6633, 6653];
const PCAP_RECORD_BYTES = 16;
const PCAP_HEADER_BYTES = 24;
const pcapLog = vlog.module('pcap');

function readInput(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new SystemError(errnoOf(error), `${file}: open`);
  }
}

export function ofpParse(ctx: Context): number {
  const [file = ''] = ctx.args;
  const bytes = readInput(file);
  const printer = new Printer(ctx.settings, 1);
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < 8) {
      throw new HeddleError(`${file}: unexpected end of file mid-message`);
    }
    const length = bytes.readUInt16BE(at + 2);
    if (length < 8)
      throw new HeddleError(`${file}: ${length}-byte message is too short for OpenFlow`);
    if (at + length > bytes.length) {
      throw new HeddleError(`${file}: unexpected end of file mid-message`);
    }
    print(printer.raw(bytes.subarray(at, at + length)));
    at += length;
  }
  return 0;
}

/** The second argument: how much is told. */
export function ofpPrint(ctx: Context): number {
  const [text = '', verbosity] = ctx.args;
  const digits = text.replace(/\s/g, '');
  if (!/^([0-9a-fA-F]{2})*$/.test(digits)) {
    throw new HeddleError('trailing garbage following hex bytes');
  }
  const level = verbosity === undefined ? ctx.settings.verbosity : Number.parseInt(verbosity, 10);
  const settings = { ...ctx.settings, verbosity: level };
  return print(new Printer(settings, 1).raw(Buffer.from(digits, 'hex')));
}

interface Flow {
  /** What came and makes no whole message yet. */
  pending: Buffer;
  nextSeq: number;
}

export function ofpParsePcap(ctx: Context): number {
  const [file = '', ...ports] = ctx.args;
  const wanted = new Set(ports.length > 0 ? ports.map(Number) : DEFAULT_PORTS);
  const printer = new Printer(ctx.settings, 1);
  const flows = new Map<string, Flow>();
  let count = 0;
  for (const { data, timeUs } of readPcap(file)) {
    const segment = tcpSegment(data);
    if (!segment || !(wanted.has(segment.srcPort) || wanted.has(segment.dstPort))) continue;
    count++;
    for (const message of messages(flows, segment)) {
      const time = ctx.settings.timestamp ? `${timestamp(new Date(timeUs / 1000))}: ` : '';
      print(`${time}${segment.from} > ${segment.to}:\n${printer.raw(message)}`);
    }
  }
  if (count === 0) {
    const list = [...wanted].join(',');
    printError(`warning: no OpenFlow messages (on ports ${list}) found in ${file}\n`);
  }
  return 0;
}

/** No capture, or none that can be read. */
export class CaptureError extends HeddleError {
  /** A number of errno(3), -1 at the end of the file. */
  readonly errno: number;

  constructor(file: string, why: string, errno: number) {
    super(`${file}: open failed (${why})`);
    this.errno = errno;
  }
}

/** The packets of a capture. Throws `CaptureError`. */
export function readPcap(file: string): ReturnType<typeof parsePcap> {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const code = errnoOf(error);
    const why = strerror(code);
    const what = `${file}: failed to open pcap file for reading (${why})`;
    pcapLog.warn(code === 'EISDIR' ? `failed to read pcap header: ${why}` : what);
    throw new CaptureError(file, why, constants.errno[code as keyof typeof constants.errno]);
  }
  if (bytes.length < PCAP_HEADER_BYTES) {
    pcapLog.warn('failed to read pcap header: End of file');
    throw new CaptureError(file, 'End of file', -1);
  }
  try {
    const packets = parsePcap(bytes);
    if (isCut(bytes)) pcapLog.warn('failed to read pcap packet: End of file');
    return packets;
  } catch (error) {
    pcapLog.warn(messageOf(error));
    throw new CaptureError(file, 'Protocol error', constants.errno.EPROTO);
  }
}

/** The last packet of a capture is not whole. */
function isCut(capture: Buffer): boolean {
  const isLittle = capture[0] !== 0xa1;
  let off = PCAP_HEADER_BYTES;
  while (off + PCAP_RECORD_BYTES <= capture.length) {
    const length = isLittle ? capture.readUInt32LE(off + 8) : capture.readUInt32BE(off + 8);
    off += PCAP_RECORD_BYTES + length;
  }
  return off !== capture.length;
}

interface Segment {
  readonly from: string;
  readonly to: string;
  readonly srcPort: number;
  readonly dstPort: number;
  readonly seq: number;
  readonly isSyn: boolean;
  readonly payload: Buffer;
}

/** IPv4 alone, as the manual page says. */
function tcpSegment(data: Uint8Array): Segment | undefined {
  const b = Buffer.from(data.buffer, data.byteOffset, data.length);
  if (b.length < 34) return undefined;
  let l3 = 14;
  if (b.readUInt16BE(12) === 0x8100) l3 += 4;
  if (b.readUInt16BE(l3 - 2) !== 0x0800 || b[l3 + 9] !== 6) return undefined;
  const l4 = l3 + (b[l3]! & 15) * 4;
  if (b.length < l4 + 20) return undefined;
  const end = Math.min(b.length, l3 + b.readUInt16BE(l3 + 2));
  const ip = (at: number) => [...b.subarray(at, at + 4)].join('.');
  const srcPort = b.readUInt16BE(l4);
  const dstPort = b.readUInt16BE(l4 + 2);
  return {
    from: `${ip(l3 + 12)}.${srcPort}`,
    to: `${ip(l3 + 16)}.${dstPort}`,
    srcPort,
    dstPort,
    seq: b.readUInt32BE(l4 + 4),
    isSyn: (b[l4 + 13]! & 2) !== 0,
    payload: b.subarray(l4 + (b[l4 + 12]! >> 4) * 4, end),
  };
}

/** Whole messages of a stream; segments that come twice count once. */
function* messages(flows: Map<string, Flow>, s: Segment): IterableIterator<Buffer> {
  const key = `${s.from}>${s.to}`;
  const flow = flows.get(key) ?? { pending: Buffer.alloc(0), nextSeq: s.seq };
  flows.set(key, flow);
  if (s.isSyn) {
    flow.pending = Buffer.alloc(0);
    flow.nextSeq = (s.seq + 1) >>> 0;
    return;
  }
  const ahead = (flow.nextSeq - s.seq) >>> 0;
  if (ahead > s.payload.length) {
    if (ahead < 2 ** 31) return;
    // Bytes are missing: start anew.
    flow.pending = Buffer.alloc(0);
    flow.nextSeq = s.seq;
  }
  const fresh = s.payload.subarray(ahead <= s.payload.length ? ahead : 0);
  flow.nextSeq = (flow.nextSeq + fresh.length) >>> 0;
  flow.pending = Buffer.concat([flow.pending, fresh]);
  while (flow.pending.length >= 8) {
    const length = flow.pending.readUInt16BE(2);
    if (length < 8 || flow.pending.length < length) return;
    yield flow.pending.subarray(0, length);
    flow.pending = flow.pending.subarray(length);
  }
}
