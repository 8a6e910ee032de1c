import { fdatasync, fdatasyncSync, ftruncateSync, writeSync } from 'node:fs';

/** What a database file asks of the disk. Tests put one in between that fails. */
export interface LogStorage {
  /** Writes from `offset` of the data on, at a position of the file; returns how much it took. */
  write(fd: number, data: Buffer, offset: number, position: number): number;
  sync(fd: number): Promise<void>;
  syncNow(fd: number): void;
  truncate(fd: number, length: number): void;
}

export const fileStorage: LogStorage = {
  write: (fd, data, offset, position) =>
    writeSync(fd, data, offset, data.length - offset, position),
  sync: (fd) =>
    new Promise((resolve, reject) => fdatasync(fd, (error) => (error ? reject(error) : resolve()))),
  syncNow: fdatasyncSync,
  truncate: ftruncateSync,
};
