/**
 * The format of a database file (ovsdb(5)): records `OVSDB JSON LENGTH SHA1\n` + LENGTH bytes of
 * JSON and a newline. Upstream reads what we write and the other way round.
 */
import { hash } from 'node:crypto';
import {
  isObject,
  type Json,
  type JsonObject,
  OvsdbError,
  parseJson,
  printJson,
} from '../notation/index.ts';

const HEADER = /^OVSDB (JSON|CLUSTER) (\d{1,15}) ([0-9a-f]{40})$/;
const MAX_HEADER = 128;
/** Of the length of a record. */
export const MAX_DIGITS = 15;
const JSON_MAGIC = 'OVSDB JSON ';
const OPEN_BRACE = 0x7b;
const SPACE = 0x20;
const NEWLINE = 0x0a;
/** The hash in a header, the space before and the newline behind it. */
const HASH_AND_ENDS = 42;
const CLUSTER_MAGIC = 'OVSDB CLUSTER ';

export type LogKind = 'standalone' | 'clustered';

/** Where the records that are whole end. */
export interface LogEnd {
  /** Bytes of whole records; beyond it lies a torn one. */
  readonly goodBytes: number;
  /** What is wrong with the last record. */
  readonly torn: OvsdbError | undefined;
}

/** What a file holds: the records that are whole, and where they end. */
export interface LogContents extends LogEnd {
  readonly records: JsonObject[];
}

/** `padding` is white space that is to follow the JSON text. */
export function encodeRecord(record: Json, kind: LogKind = 'standalone', padding = ''): Buffer {
  return encodeText(`${printJson(record)}${padding}`, kind);
}

/**
 * Records that one sync makes durable, from their JSON texts. A power cut may leave any of them
 * damaged, whatever their order: all but the first start with a space, which tells that they do not
 * prove the ones before to have been durable. White space makes each a multiple of `align` bytes.
 */
export function encodeGroup(texts: readonly string[], align = 1): Buffer {
  if (texts.length === 1) return encodeText(texts[0]!, 'standalone', align);
  const records = texts.map((text, i) =>
    encodeText(i > 0 ? ` ${text}` : text, 'standalone', align),
  );
  return Buffer.concat(records);
}

/** What `encodeGroup` makes of one text. */
export interface SingleRecord {
  readonly text: string;
  /** Of the body, with the white space behind the text. */
  readonly length: number;
  /** What comes before the hash of the body. */
  readonly head: string;
  /** In all. */
  readonly bytes: number;
}

export function singleRecord(text: string, align: number): SingleRecord {
  const length = alignedBody(Buffer.byteLength(text) + 1, align);
  const head = `${JSON_MAGIC}${length} `;
  return { text, length, head, bytes: head.length + HASH_AND_ENDS - 1 + length };
}

function encodeText(text: string, kind: LogKind, align = 1): Buffer {
  const textBytes = Buffer.byteLength(text);
  const length = alignedBody(textBytes + 1, align);
  const magic = magicOf(kind);
  const start = magic.length + String(length).length + HASH_AND_ENDS;
  const out = Buffer.allocUnsafe(start + length);
  out.write(text, start);
  out.fill(SPACE, start + textBytes, start + length - 1);
  out[start + length - 1] = NEWLINE;
  const sha1 = hash('sha1', out.subarray(start));
  out.write(`${magic}${length} ${sha1}\n`, 'latin1');
  return out;
}

/** The length of a body, not less than `least`, that makes a record a multiple of `align` bytes. */
function alignedBody(least: number, align: number): number {
  if (align === 1) return least;
  const record = headerBytes(String(least).length) + least;
  for (let bytes = Math.ceil(record / align) * align; ; bytes += align) {
    const body = bodyBytes(bytes);
    if (body !== undefined && body >= least) return body;
  }
}

/** The header of a record whose body has these bytes and this hash. */
export function recordHeader(length: number, sha1: string): Buffer {
  return Buffer.from(`${JSON_MAGIC}${length} ${sha1}\n`);
}

/** Of the header of a record whose length has so many digits. */
export function headerBytes(digits: number): number {
  return JSON_MAGIC.length + digits + HASH_AND_ENDS;
}

/** The length of the body of a record of so many bytes; undefined when there is none such. */
export function bodyBytes(bytes: number): number | undefined {
  for (let digits = 1; digits <= MAX_DIGITS; digits++) {
    const body = bytes - headerBytes(digits);
    if (String(body).length === digits) return body;
  }
  return undefined;
}

function magicOf(kind: LogKind): string {
  return kind === 'standalone' ? JSON_MAGIC : CLUSTER_MAGIC;
}

/** Tells which kind of database a file is by how it starts; throws OvsdbError if it is none. */
export function identifyLog(path: string, bytes: Buffer): LogKind {
  if (bytes.length === 0) throw new OvsdbError('ovsdb error', `${path}: cannot identify file type`);
  const newline = bytes.subarray(0, MAX_HEADER).indexOf(10);
  const header = newline < 0 ? null : HEADER.exec(bytes.toString('latin1', 0, newline));
  if (!header) throw new OvsdbError('ovsdb error', `${path}: unexpected file format`);
  return header[1] === 'JSON' ? 'standalone' : 'clustered';
}

/**
 * Parses a file. A last record that is torn, as a crash leaves it, is told of in `torn`; damage
 * anywhere else is an error that names its place.
 */
export function decodeLog(path: string, bytes: Buffer): LogContents {
  refuseCluster(path, bytes);
  return decodeRecords(path, bytes, JSON_MAGIC);
}

/** As `decodeLog`, for a reader that does not keep the records. */
export function readRecords(
  path: string,
  bytes: Buffer,
  callback: (body: Buffer, start: number) => void,
): LogEnd {
  refuseCluster(path, bytes);
  return scanLog(path, bytes, JSON_MAGIC, callback);
}

function refuseCluster(path: string, bytes: Buffer): void {
  if (identifyLog(path, bytes) === 'standalone') return;
  throw new OvsdbError(
    'ovsdb error',
    `${path}: cannot apply this operation to clustered database file`,
  );
}

/** The records of a clustered database's file, for the tools that report on one. */
export function decodeClusterLog(path: string, bytes: Buffer): LogContents {
  return decodeRecords(path, bytes, CLUSTER_MAGIC);
}

function decodeRecords(path: string, bytes: Buffer, magic: string): LogContents {
  const records: JsonObject[] = [];
  const end = scanLog(path, bytes, magic, (body, start) => {
    records.push(decodeBody(path, body, start));
  });
  return { records, ...end };
}

/**
 * Calls back with the body of each record whose hash is right. What is wrong with the last record,
 * be it that the callback throws an OvsdbError, is told of in `torn`; of an earlier one it is
 * thrown.
 */
function scanLog(
  path: string,
  bytes: Buffer,
  magic: string,
  callback: (body: Buffer, start: number) => void,
): LogEnd {
  let at = 0;
  while (at < bytes.length) {
    try {
      const body = recordAt(path, bytes, at);
      callback(body, body.byteOffset - bytes.byteOffset);
      at = body.byteOffset - bytes.byteOffset + body.length;
    } catch (error) {
      if (!(error instanceof OvsdbError)) throw error;
      if (at === 0 || hasLaterWrite(bytes, at + 1, magic)) throw error;
      return { goodBytes: at, torn: error };
    }
  }
  return { goodBytes: at, torn: undefined };
}

/**
 * Whether a record that was written after all before it had been synced starts anywhere from here
 * on: then what is wrong before is no torn write. No JSON text holds the newline of a header.
 */
function hasLaterWrite(bytes: Buffer, from: number, magic: string): boolean {
  for (let at = bytes.indexOf(magic, from); at >= 0; at = bytes.indexOf(magic, at + 1)) {
    const newline = bytes.subarray(at, at + MAX_HEADER).indexOf(10);
    if (newline < 0 || !HEADER.test(bytes.toString('latin1', at, at + newline))) continue;
    if (bytes[at + newline + 1] === OPEN_BRACE) return true;
  }
  return false;
}

/** The body of a record; throws what is wrong with it. */
function recordAt(path: string, bytes: Buffer, at: number): Buffer {
  const newline = bytes.subarray(at, at + MAX_HEADER).indexOf(10);
  const header = bytes.toString('latin1', at, newline < 0 ? at + MAX_HEADER : at + newline);
  const m = newline < 0 ? null : HEADER.exec(header);
  if (!m) {
    const text = header.split('\0', 1)[0];
    throw bad(`${path}: parse error at offset ${at} in header line "${text}"`);
  }
  const start = at + newline + 1;
  const length = Number(m[2]);
  const end = start + length;
  if (end > bytes.length) {
    const what = `${path}: error reading ${length} bytes starting at offset ${start}`;
    throw new OvsdbError('I/O error', what, undefined, 'End of file');
  }
  const body = bytes.subarray(start, end);
  const sha1 = hash('sha1', body);
  if (sha1 !== m[3]) {
    throw bad(
      `${path}: ${length} bytes starting at offset ${start} have SHA-1 hash ${sha1} but should have hash ${m[3]}`,
    );
  }
  return body;
}

/** Parses the body of a record that starts at an offset of the file. */
export function decodeBody(path: string, body: Buffer, start: number): JsonObject {
  const where = `${path}: ${body.length} bytes starting at offset ${start}`;
  let record: Json;
  try {
    record = parseJson(body.toString('utf8'));
  } catch (error) {
    throw bad(`${where} are not valid JSON (${(error as Error).message})`);
  }
  if (isObject(record)) return record;
  throw bad(`${where} are not valid JSON (not an object)`);
}

function bad(details: string): OvsdbError {
  return new OvsdbError('syntax error', details);
}
