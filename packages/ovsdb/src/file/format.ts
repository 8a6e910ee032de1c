/**
 * The format of a database file (ovsdb(5)): records `OVSDB JSON LENGTH SHA1\n` + LENGTH bytes of
 * JSON and a newline. Upstream reads what we write and the other way round.
 */
import { createHash } from 'node:crypto';
import { type Json, type JsonObject, OvsdbError, parseJson, printJson } from '../notation/index.ts';

const HEADER = /^OVSDB (JSON|CLUSTER) (\d{1,15}) ([0-9a-f]{40})$/;
const MAX_HEADER = 128;
const JSON_MAGIC = 'OVSDB JSON ';
const CLUSTER_MAGIC = 'OVSDB CLUSTER ';

export type LogKind = 'standalone' | 'clustered';

/** What a file holds: the records that are whole, and where they end. */
export interface LogContents {
  readonly records: JsonObject[];
  /** Bytes of whole records; beyond it lies a torn one. */
  readonly goodBytes: number;
  /** What is wrong with the last record. */
  readonly torn: OvsdbError | undefined;
}

export function encodeRecord(record: Json, kind: LogKind = 'standalone'): Buffer {
  const body = Buffer.from(`${printJson(record)}\n`);
  const sha1 = createHash('sha1').update(body).digest('hex');
  const magic = kind === 'standalone' ? JSON_MAGIC : CLUSTER_MAGIC;
  return Buffer.concat([Buffer.from(`${magic}${body.length} ${sha1}\n`), body]);
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
  if (identifyLog(path, bytes) === 'clustered') {
    throw new OvsdbError(
      'ovsdb error',
      `${path}: cannot apply this operation to clustered database file`,
    );
  }
  return decodeRecords(path, bytes, JSON_MAGIC);
}

/** The records of a clustered database's file, for the tools that report on one. */
export function decodeClusterLog(path: string, bytes: Buffer): LogContents {
  return decodeRecords(path, bytes, CLUSTER_MAGIC);
}

function decodeRecords(path: string, bytes: Buffer, magic: string): LogContents {
  const records: JsonObject[] = [];
  let at = 0;
  while (at < bytes.length) {
    const result = decodeRecord(path, bytes, at);
    if (result instanceof OvsdbError) {
      if (records.length === 0 || hasHeader(bytes, at + 1, magic)) throw result;
      return { records, goodBytes: at, torn: result };
    }
    records.push(result.record);
    at = result.end;
  }
  return { records, goodBytes: at, torn: undefined };
}

/** Whether a record starts anywhere after: no JSON text holds the newline of a header. */
function hasHeader(bytes: Buffer, from: number, magic: string): boolean {
  for (let at = bytes.indexOf(magic, from); at >= 0; at = bytes.indexOf(magic, at + 1)) {
    const newline = bytes.subarray(at, at + MAX_HEADER).indexOf(10);
    if (newline >= 0 && HEADER.test(bytes.toString('latin1', at, at + newline))) return true;
  }
  return false;
}

function decodeRecord(
  path: string,
  bytes: Buffer,
  at: number,
): { record: JsonObject; end: number } | OvsdbError {
  const newline = bytes.subarray(at, at + MAX_HEADER).indexOf(10);
  const header = bytes.toString('latin1', at, newline < 0 ? at + MAX_HEADER : at + newline);
  const m = newline < 0 ? null : HEADER.exec(header);
  if (!m) {
    const text = header.split('\0', 1)[0];
    return bad(`${path}: parse error at offset ${at} in header line "${text}"`);
  }
  const start = at + newline + 1;
  const length = Number(m[2]);
  const end = start + length;
  if (end > bytes.length) {
    const what = `${path}: error reading ${length} bytes starting at offset ${start}`;
    return new OvsdbError('I/O error', what, undefined, 'End of file');
  }
  const body = bytes.subarray(start, end);
  const sha1 = createHash('sha1').update(body).digest('hex');
  if (sha1 !== m[3]) {
    return bad(
      `${path}: ${length} bytes starting at offset ${start} have SHA-1 hash ${sha1} but should have hash ${m[3]}`,
    );
  }
  return decodeBody(path, body, start, end);
}

function decodeBody(path: string, body: Buffer, start: number, end: number) {
  const where = `${path}: ${body.length} bytes starting at offset ${start}`;
  try {
    const record = parseJson(body.toString('utf8'));
    if (typeof record !== 'object' || record === null || Array.isArray(record)) {
      return bad(`${where} are not valid JSON (not an object)`);
    }
    return { record: record as JsonObject, end };
  } catch (error) {
    return bad(`${where} are not valid JSON (${(error as Error).message})`);
  }
}

function bad(details: string): OvsdbError {
  return new OvsdbError('syntax error', details);
}
