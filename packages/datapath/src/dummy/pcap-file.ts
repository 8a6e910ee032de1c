import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { emitPcapHeader, emitPcapRecord } from '@heddle/packet';
import { messageOf, vlog } from '@heddle/runtime';

const log = vlog.module('netdev_dummy');

/** Frames as they pass, each in the file when `write` returns. What cannot be written is left out. */
export class PcapFile {
  readonly path: string;
  #fd: number | undefined;

  /** Goes on behind what is in the file already. */
  constructor(path: string) {
    this.path = path;
    try {
      this.#fd = openSync(path, 'a', 0o644);
      if (fstatSync(this.#fd).size === 0) writeSync(this.#fd, emitPcapHeader());
    } catch (error) {
      this.#fail(error);
    }
  }

  write(frame: Uint8Array, timeMs: number): void {
    if (this.#fd === undefined) return;
    try {
      writeSync(this.#fd, emitPcapRecord({ timeUs: Math.floor(timeMs * 1000), data: frame }));
    } catch (error) {
      this.#fail(error);
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #fail(error: unknown): void {
    log.warn(`${this.path}: ${messageOf(error)}`);
    this.close();
  }
}
