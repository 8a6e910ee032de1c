/**
 * The database file (ovsdb(5)): records `OVSDB JSON LENGTH SHA1\n` + JSON + `\n`, the first one the
 * schema, each other one a transaction. Upstream reads what we write and the other way round.
 */
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
import { fileLocks, vlog } from '@heddle/runtime';
import { ioError, type Json, type JsonObject } from '../notation/index.ts';
import { decodeLog, encodeRecord, type LogContents } from './format.ts';

const log = vlog.module('ovsdb_file');
/** Reads a database file without changing it. */
export function readLog(path: string): LogContents {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw ioError(path, 'open failed', error);
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
      throw ioError(path, 'open failed', error);
    }
    if (torn !== undefined) {
      log.warn(`${torn.message}: the torn last record is cut off at offset ${goodBytes}`);
      ftruncateSync(fd, goodBytes);
      fsyncSync(fd);
    }
    return { file: new LogFile(path, fd, goodBytes), records };
  }

  /** Makes a new file from records; fails with EEXIST when there is one. */
  static create(path: string, records: Iterable<Json>): void {
    writeNewLog(path, encodeAll(records));
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
    const bytes = writeAll(tmp, encodeAll(records), 'wx');
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

/** Makes a file of encoded records, which must not be there yet, and syncs it. */
export function writeNewLog(path: string, records: Iterable<Buffer>): void {
  try {
    writeAll(path, records, 'wx');
    syncDirectory(dirname(path));
  } catch (error) {
    throw ioError(path, 'create failed', error);
  }
}

function* encodeAll(records: Iterable<Json>): Generator<Buffer> {
  for (const record of records) yield encodeRecord(record);
}

function writeAll(path: string, records: Iterable<Buffer>, flags: string): number {
  const fd = openSync(path, flags, 0o640);
  let bytes = 0;
  try {
    for (const data of records) {
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
    throw ioError(path, 'failed to lock lockfile', error);
  }
  const holder = fileLocks()?.lock(fd);
  if (holder !== undefined) {
    closeSync(fd);
    log.warn(`${lock}: cannot lock file because it is already locked by pid ${holder}`);
    throw ioError(path, 'failed to lock lockfile', { code: 'EAGAIN' });
  }
  return () => closeSync(fd);
}
