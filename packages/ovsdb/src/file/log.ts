/**
 * The database file (ovsdb(5)): records `OVSDB JSON LENGTH SHA1\n` + JSON + `\n`, the first one the
 * schema, each other one a transaction. Upstream reads what we write and the other way round.
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { coverage, fileLocks, MAX_RECORD_BYTES, type RecordWriter, vlog } from '@heddle/runtime';
import { ioError, type Json, type JsonObject } from '../notation/index.ts';
import { Compaction } from './compaction.ts';
import {
  decodeLog,
  encodeGroup,
  encodeRecord,
  type LogContents,
  type LogEnd,
  type SingleRecord,
  singleRecord,
} from './format.ts';
import { ALIGN_BYTES, newPadding, startOfPadding } from './padding.ts';
import { closeFile, fileStorage, type LogStorage, type OpenFile } from './storage.ts';

const log = vlog.module('ovsdb_file');
const locked = coverage.counter('lockfile_lock');
const lockFailed = coverage.counter('lockfile_error');
const unlocked = coverage.counter('lockfile_unlock');
const syncs = coverage.counter('ovsdb_log_sync');
const slowSyncs = coverage.counter('ovsdb_log_sync_slow');
/** A disk that syncs faster than this is waited for: that costs less than to ask a thread. */
const FAST_SYNC_MS = 1;
/**
 * The same for a transaction that comes alone: to ask a thread would cost as much again as the
 * transaction, and who comes meanwhile would wait for the sync all the same.
 */
const FAST_LONE_SYNC_MS = 4;
/** What an operator may want to know of a disk. */
const SLOW_SYNC_MS = 100;
/** So many appends, each so soon after the one before, make room for more worth while. */
const BURST = 16;
const BURST_PAUSE_MS = 50;
/** A file that has been left alone for so long gets rid of its padding. */
const QUIET_MS = 1000;
/** Writes data from an offset of it on, at a position of the file; returns how much it took. */
type Write = (data: Buffer, offset: number, position: number) => number;
/** Of a record that is written with its padding in one go. */
const MAX_SINGLE = MAX_RECORD_BYTES / 2;
const MIN_COMPACTION_BYTES = 10 * 1024 * 1024;

/** What a client is to be sent as soon as its record is durable. */
interface Prompt {
  readonly text: string;
  /** Of its socket. */
  readonly fd: number | undefined;
}

const NO_ANSWER: Prompt = { text: '', fd: undefined };
const SENT = new Int32Array(1);

/** Reads a database file without changing it. */
export function readLog(path: string): LogContents {
  return decodeLog(path, readBytes(path));
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw ioError(path, 'open failed', error);
  }
}

/** An open database file that transactions are appended to. */
export class LogFile {
  readonly path: string;
  readonly #storage: LogStorage;
  readonly #writeRecord: RecordWriter | undefined;
  #file: OpenFile;
  #bytes: number;
  #snapshotBytes: number;
  /** Of the last sync. */
  #syncMs = 0;
  /** Where the padding ends; 0: there is none. */
  #paddedTo = 0;
  /** Appends of late; below zero while the disk has no room to spare. */
  #burst = 0;
  #appendedMs = 0;
  #appending = false;
  #quiet: NodeJS.Timeout | undefined;
  /** A write has failed, and what it left behind could not be removed for certain. */
  #untidy = false;

  private constructor(path: string, file: OpenFile, bytes: number, storage: LogStorage) {
    this.path = path;
    this.#storage = storage;
    this.#writeRecord = storage.writeRecord;
    this.#file = file;
    this.#bytes = bytes;
    this.#snapshotBytes = bytes;
  }

  /** Opens an existing file; a torn last record is cut off with a warning. */
  static open(path: string): { file: LogFile; records: JsonObject[] } {
    const records: JsonObject[] = [];
    const file = LogFile.load(path, (bytes) => {
      const contents = decodeLog(path, bytes);
      records.push(...contents.records);
      return contents;
    });
    return { file, records };
  }

  /** As `open`, for a reader that makes something else of the bytes than records. */
  static load(
    path: string,
    read: (bytes: Buffer) => LogEnd,
    storage: LogStorage = fileStorage,
  ): LogFile {
    const { goodBytes, torn } = read(readBytes(path));
    let file: OpenFile;
    try {
      file = storage.open(path);
    } catch (error) {
      throw ioError(path, 'open failed', error);
    }
    if (torn !== undefined) {
      log.warn(`${torn.message}: the torn last record is cut off at offset ${goodBytes}`);
      storage.truncate(file.fd, goodBytes);
      storage.syncNow(file.fd);
    }
    return new LogFile(path, file, goodBytes, storage);
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
    return this.#bytes > MIN_COMPACTION_BYTES && this.#bytes > 4 * this.#snapshotBytes;
  }

  /** Whether so many transactions had better be synced while everything else waits. */
  isFast(transactions: number): boolean {
    return this.#syncMs < (transactions === 1 ? FAST_LONE_SYNC_MS : FAST_SYNC_MS);
  }

  /** What the lengths of records that are appended should be multiples of. */
  get alignment(): number {
    return this.#paddedTo > 0 || this.#burst >= BURST - 1 ? ALIGN_BYTES : 1;
  }

  /** Appends whole records and syncs; on failure the file is as before and the error is thrown. */
  async append(data: Buffer): Promise<void> {
    this.#write(data.length, (padding) => this.#writeAll(data, padding, this.#writeSoon));
    this.#appending = true;
    const start = performance.now();
    try {
      await this.#storage.sync(this.#file.fd);
    } catch (error) {
      this.#undo();
      throw error;
    } finally {
      this.#appending = false;
    }
    this.#written(data.length, start);
  }

  /**
   * Appends records of these texts and syncs, while everything else waits; see `append`. Returns how
   * much of the answer has been sent right behind that (see `RecordWriter`); 0 for nothing.
   */
  appendNow(texts: readonly string[], answer: Prompt = NO_ANSWER): number {
    const start = performance.now();
    const { alignment } = this;
    const record =
      texts.length === 1 && this.#writeRecord ? singleRecord(texts[0]!, alignment) : undefined;
    let sent = 0;
    if (record && record.bytes < MAX_SINGLE) {
      this.#write(record.bytes, (padding) => {
        sent = this.#writeSingle(record, alignment, padding, answer);
      });
      this.#written(record.bytes, start);
    } else {
      const data = encodeGroup(texts, alignment);
      this.#write(data.length, (padding) => this.#writeAll(data, padding, this.#writeDurably));
      this.#written(data.length, start);
    }
    return sent;
  }

  #writeSingle(
    { text, length, head, bytes }: SingleRecord,
    align: number,
    padding: Buffer | undefined,
    { fd = -1, text: answer }: Prompt,
  ): number {
    const { durableFd } = this.#file;
    const at = this.#bytes;
    const tail = padding ?? null;
    const taken = this.#writeRecord!(durableFd, at, head, text, length, tail, fd, answer, SENT);
    if (taken === bytes + (padding?.length ?? 0)) return SENT[0]!;
    this.#writeAll(encodeGroup([text], align), padding, this.#writeDurably, taken);
    return 0;
  }

  readonly #writeSoon: Write = (data, offset, position) =>
    this.#storage.write(this.#file.fd, data, offset, position);

  readonly #writeDurably: Write = (data, offset, position) =>
    this.#storage.writeDurably(this.#file.durableFd, data, offset, position);

  /** `put` writes so many bytes, and padding if any behind them, to the end of the file. */
  #write(bytes: number, put: (padding?: Buffer) => void): void {
    if (this.#untidy) this.#tidy();
    const padding = this.#paddingBehind(bytes);
    try {
      if (!padding) put();
      else this.#writePadded(bytes, padding, put);
    } catch (error) {
      this.#undo();
      throw error;
    }
  }

  #writePadded(bytes: number, padding: Buffer, put: (padding?: Buffer) => void): void {
    const end = this.#bytes + bytes + padding.length;
    try {
      put(padding);
      this.#paddedTo = Math.max(this.#paddedTo, end);
    } catch {
      // The disk may still have room for the data alone.
      this.#tidy();
      this.#burst = -1000;
      put();
    }
  }

  #writeAll(data: Buffer, padding: Buffer | undefined, write: Write, from = 0): void {
    const all = padding ? Buffer.concat([data, padding]) : data;
    for (let at = from; at < all.length; ) at += write(all, at, this.#bytes + at);
  }

  /** The padding, or its start, that is to follow so many bytes of data; undefined for none. */
  #paddingBehind(bytes: number): Buffer | undefined {
    const now = performance.now();
    this.#burst =
      now - this.#appendedMs < BURST_PAUSE_MS ? this.#burst + 1 : Math.min(this.#burst, 0);
    this.#appendedMs = now;
    const room = this.#paddedTo - this.#bytes - bytes;
    const start = room > 0 ? startOfPadding(room) : undefined;
    if (start) return start;
    if (this.#burst >= BURST) {
      this.#quiet ??= setTimeout(() => this.#calm(), QUIET_MS).unref();
      return newPadding();
    }
    // Nothing of the old padding may be left behind the data.
    if (room > 0) this.#unpad();
    this.#paddedTo = 0;
    return undefined;
  }

  #calm(): void {
    this.#quiet = undefined;
    if (this.#paddedTo === 0) return;
    if (!this.#appending && performance.now() - this.#appendedMs >= QUIET_MS) {
      this.#unpad();
    } else this.#quiet = setTimeout(() => this.#calm(), QUIET_MS).unref();
  }

  #unpad(): void {
    this.#storage.truncate(this.#file.fd, this.#bytes);
    this.#paddedTo = 0;
  }

  #written(bytes: number, start: number): void {
    this.#syncMs = performance.now() - start;
    syncs.add();
    if (this.#syncMs >= SLOW_SYNC_MS) slowSyncs.add();
    this.#bytes += bytes;
  }

  /** Nothing of a failed write may come to life after a crash. */
  #undo(): void {
    this.#untidy = true;
    try {
      this.#tidy();
    } catch {
      // The next write tries again before it does anything else.
    }
  }

  #tidy(): void {
    this.#storage.truncate(this.#file.fd, this.#bytes);
    this.#storage.syncNow(this.#file.fd);
    this.#paddedTo = 0;
    this.#untidy = false;
  }

  /** Replaces the file by a snapshot, atomically. */
  compact(records: Iterable<Json>): void {
    const tmp = `${this.path}.tmp`;
    rmSync(tmp, { force: true });
    const bytes = writeAll(tmp, encodeAll(records), 'wx');
    this.#replace(tmp, bytes, bytes);
  }

  /**
   * Begins a compaction during which records may be appended. The snapshot is what the records up
   * to now say: a schema, and the text of a record in pieces.
   */
  startCompaction(schema: Json, snapshot: Iterator<string>): Compaction {
    return new Compaction(`${this.path}.compacting`, schema, snapshot, this.#file.fd, this.#bytes);
  }

  /** Puts the compacted file in this one's place. No append may be under way. */
  async finishCompaction(compaction: Compaction): Promise<void> {
    const { bytes, snapshotBytes } = await compaction.finish(this.#bytes);
    this.#replace(compaction.path, bytes, snapshotBytes);
  }

  #replace(path: string, bytes: number, snapshotBytes: number): void {
    const file = this.#storage.open(path);
    try {
      renameSync(path, this.path);
    } catch (error) {
      closeFile(file);
      throw error;
    }
    closeFile(this.#file);
    this.#file = file;
    this.#bytes = bytes;
    this.#snapshotBytes = snapshotBytes;
    this.#paddedTo = 0;
    this.#untidy = false;
    syncDirectory(dirname(this.path));
  }

  close(): void {
    clearTimeout(this.#quiet);
    try {
      if (this.#paddedTo > 0 && !this.#appending) this.#unpad();
    } catch {
      // What it leaves says nothing.
    }
    closeFile(this.#file);
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
    lockFailed.add();
    throw ioError(path, 'failed to lock lockfile', error);
  }
  const holder = fileLocks()?.lock(fd);
  if (holder !== undefined) {
    closeSync(fd);
    lockFailed.add();
    log.warn(`${lock}: cannot lock file because it is already locked by pid ${holder}`);
    throw ioError(path, 'failed to lock lockfile', { code: 'EAGAIN' });
  }
  locked.add();
  return () => {
    unlocked.add();
    closeSync(fd);
  };
}
