import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  ftruncateSync,
  openSync,
  writeSync,
} from 'node:fs';
import { type RecordWriter, recordWriter } from '@heddle/runtime';

/** The descriptors of a database file. */
export interface OpenFile {
  readonly fd: number;
  /**
   * What is written through it is durable at once: one system call where a write and a sync are
   * two takes 25 to 60 µs less on a disk that needs 250.
   */
  readonly durableFd: number;
}

/** What a database file asks of the disk. Tests put one in between that fails. */
export interface LogStorage {
  /** Opens an existing file. */
  open(path: string): OpenFile;
  /** Writes from `offset` of the data on, at a position of the file; returns how much it took. */
  write(fd: number, data: Buffer, offset: number, position: number): number;
  /** As `write`, to `durableFd`. */
  writeDurably(fd: number, data: Buffer, offset: number, position: number): number;
  /** Encodes and writes a record to `durableFd` in one go, where that is possible. */
  readonly writeRecord?: RecordWriter | undefined;
  sync(fd: number): Promise<void>;
  syncNow(fd: number): void;
  truncate(fd: number, length: number): void;
}

export const fileStorage: LogStorage = {
  open: (path) => openFile(path, constants.O_RDWR | constants.O_DSYNC),
  write,
  writeDurably: write,
  get writeRecord() {
    return recordWriter();
  },
  sync: (fd) =>
    new Promise((resolve, reject) => fdatasync(fd, (error) => (error ? reject(error) : resolve()))),
  syncNow: fdatasyncSync,
  truncate: ftruncateSync,
};

/** For a file that nobody will miss: nothing is waited for. */
export const volatileStorage: LogStorage = {
  ...fileStorage,
  // Brought after this module has been loaded.
  get writeRecord() {
    return recordWriter();
  },
  open: (path) => openFile(path, constants.O_RDWR),
  sync: () => Promise.resolve(),
  syncNow: () => {},
};

function write(fd: number, data: Buffer, offset: number, position: number): number {
  return writeSync(fd, data, offset, data.length - offset, position);
}

function openFile(path: string, durableFlags: number): OpenFile {
  const fd = openSync(path, 'r+');
  try {
    return { fd, durableFd: openSync(path, durableFlags) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

export function closeFile({ fd, durableFd }: OpenFile): void {
  closeSync(durableFd);
  closeSync(fd);
}
