/**
 * The database file (ovsdb(5)): records `OVSDB JSON LENGTH SHA1\n` + JSON + `\n`, the first one the
 * schema, each other one a transaction. Upstream reads what we write and the other way round.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  fdatasync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  write,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, fileLocks, HeddleError, strerror, vlog } from '@heddle/runtime';
import { type Json, type JsonObject, parseJson, printJson } from '../notation/index.ts';

const log = vlog.module('ovsdb_file');
const HEADER = /^OVSDB JSON (\d+) ([0-9a-f]{40})$/;
const MAX_HEADER = 100;

/** What a file holds: the records that are whole, and where they end. */
export interface LogContents {
  readonly records: JsonObject[];
  /** Bytes of whole records; beyond it lies a torn one. */
  readonly goodBytes: number;
  readonly torn: string | undefined;
}

export function encodeRecord(record: Json): Buffer {
  const body = Buffer.from(`${printJson(record)}\n`);
  const sha1 = createHash('sha1').update(body).digest('hex');
  return Buffer.concat([Buffer.from(`OVSDB JSON ${body.length} ${sha1}\n`), body]);
}

/** Parses a file; damage anywhere but in the last record is an error that names its place. */
export function decodeLog(path: string, bytes: Buffer): LogContents {
  const records: JsonObject[] = [];
  let at = 0;
  while (at < bytes.length) {
    const result = decodeRecord(bytes, at);
    if (typeof result === 'string') {
      if (records.length === 0 || bytes.indexOf('\nOVSDB JSON ', at) >= 0) {
        throw new HeddleError(`${path}: ${result} at offset ${at}`);
      }
      return { records, goodBytes: at, torn: `${result} at offset ${at}` };
    }
    records.push(result.record);
    at = result.end;
  }
  return { records, goodBytes: at, torn: undefined };
}

function decodeRecord(bytes: Buffer, at: number): { record: JsonObject; end: number } | string {
  const newline = bytes.indexOf(10, at);
  if (newline < 0 || newline - at > MAX_HEADER) return 'parse error in header';
  const m = HEADER.exec(bytes.toString('latin1', at, newline));
  if (!m) return 'parse error in header';
  const start = newline + 1;
  const end = start + Number(m[1]);
  if (end > bytes.length) return 'unexpected end of file';
  const body = bytes.subarray(start, end);
  if (createHash('sha1').update(body).digest('hex') !== m[2]) return 'checksum mismatch';
  try {
    const record = parseJson(body.toString('utf8'));
    if (typeof record !== 'object' || record === null || Array.isArray(record))
      return 'record is not an object';
    return { record: record as JsonObject, end };
  } catch {
    return 'invalid JSON';
  }
}

/** Reads a database file without changing it. */
export function readLog(path: string): LogContents {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new HeddleError(`${path}: open failed (${strerror(errnoOf(error))})`);
  }
  if (bytes.length === 0) throw new HeddleError(`${path}: file is empty: not a database`);
  if (bytes.subarray(0, 14).toString('latin1').startsWith('OVSDB CLUSTER')) {
    throw new HeddleError(`${path}: cannot apply this operation to clustered database file`);
  }
  return decodeLog(path, bytes);
}

/** An open database file that transactions are appended to. */
export class LogFile {
  readonly path: string;
  #fd: number;
  #bytes: number;
  #snapshotBytes: number;

  private constructor(path: string, fd: number, bytes: number) {
    this.path = path;
    this.#fd = fd;
    this.#bytes = bytes;
    this.#snapshotBytes = bytes;
  }

  /** Opens an existing file; a torn last record is cut off with a warning. */
  static open(path: string): { file: LogFile; records: JsonObject[] } {
    const { records, goodBytes, torn } = readLog(path);
    let fd: number;
    try {
      fd = openSync(path, 'r+');
    } catch (error) {
      throw new HeddleError(`${path}: open failed (${strerror(errnoOf(error))})`);
    }
    if (torn !== undefined) {
      log.warn(`${path}: ${torn}: truncated transaction is discarded`);
      ftruncateSync(fd, goodBytes);
      fsyncSync(fd);
    }
    return { file: new LogFile(path, fd, goodBytes), records };
  }

  /** Makes a new file from records; fails with EEXIST when there is one. */
  static create(path: string, records: Iterable<Json>): void {
    try {
      writeAll(path, records, 'wx');
    } catch (error) {
      throw new HeddleError(`${path}: create failed (${strerror(errnoOf(error))})`);
    }
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the file has grown enough beyond its last snapshot to be worth compacting. */
  get wantsCompaction(): boolean {
    return this.#bytes > 10 * 1024 * 1024 && this.#bytes > 4 * this.#snapshotBytes;
  }

  /** Appends and syncs; on failure the file is as before and the error is thrown. */
  async append(records: readonly Buffer[]): Promise<void> {
    const data = records.length === 1 ? records[0]! : Buffer.concat(records);
    try {
      await writeAt(this.#fd, data, this.#bytes);
      await sync(this.#fd);
    } catch (error) {
      try {
        ftruncateSync(this.#fd, this.#bytes);
      } catch {
        // The torn record is cut off when the file is next opened.
      }
      throw error;
    }
    this.#bytes += data.length;
  }

  /** Replaces the file by a snapshot, atomically. */
  compact(records: Iterable<Json>): void {
    const tmp = `${this.path}.tmp`;
    rmSync(tmp, { force: true });
    const bytes = writeAll(tmp, records, 'wx');
    renameSync(tmp, this.path);
    syncDirectory(dirname(this.path));
    const fd = openSync(this.path, 'r+');
    closeSync(this.#fd);
    this.#fd = fd;
    this.#bytes = bytes;
    this.#snapshotBytes = bytes;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function writeAll(path: string, records: Iterable<Json>, flags: string): number {
  const fd = openSync(path, flags, 0o640);
  let bytes = 0;
  try {
    for (const record of records) {
      const data = encodeRecord(record);
      for (let at = 0; at < data.length; ) at += writeSync(fd, data, at);
      bytes += data.length;
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return bytes;
}

function syncDirectory(path: string): void {
  try {
    const fd = openSync(path, 'r');
    fsyncSync(fd);
    closeSync(fd);
  } catch {
    // Some file systems cannot sync a directory.
  }
}

function writeAt(fd: number, data: Buffer, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const step = (at: number) => {
      if (at >= data.length) return resolve();
      write(fd, data, at, data.length - at, position + at, (error, n) =>
        error ? reject(error) : step(at + n),
      );
    };
    step(0);
  });
}

function sync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fdatasync(fd, (e) => (e ? reject(e) : resolve())));
}

/**
 * One server per file: `.NAME.~lock~` beside it is locked (fcntl(2)) for as long as the database is
 * open, as upstream does. Returns what gives it back; throws when another process holds it.
 */
export function lockFile(path: string): () => void {
  const lock = path.replace(/([^/]*)$/, '.$1.~lock~');
  let fd: number;
  try {
    fd = openSync(lock, 'a', 0o600);
  } catch (error) {
    throw new HeddleError(`${path}: failed to lock lockfile (${strerror(errnoOf(error))})`);
  }
  const holder = fileLocks()?.lock(fd);
  if (holder !== undefined) {
    closeSync(fd);
    throw new HeddleError(
      `${path}: failed to lock lockfile (${strerror('EAGAIN')}): held by pid ${holder}`,
    );
  }
  return () => closeSync(fd);
}
