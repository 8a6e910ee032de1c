import { createHash } from 'node:crypto';
import { read, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { HeddleError } from '@heddle/runtime';
import type { Json } from '../notation/index.ts';
import { bodyBytes, encodeRecord, headerBytes, MAX_DIGITS, recordHeader } from './format.ts';

/** About as much as is made and written while other work waits. */
const PIECE_BYTES = 128 * 1024;
const COPY_BYTES = 1024 * 1024;
const NEWLINE = 10;

/**
 * A snapshot in the making, beside the file that it is to replace: `write` takes as long as it
 * takes and gives everything else its turns; `finish` brings over what was appended meanwhile.
 */
export class Compaction {
  readonly path: string;
  readonly #schema: Json;
  readonly #snapshot: Iterator<string>;
  readonly #source: number;
  #cancelled = false;
  /** What of the source is in the new file, as part of the snapshot or copied. */
  #copied: number;
  #file: FileHandle | undefined;
  #bytes = 0;
  #snapshotBytes = 0;

  constructor(
    path: string,
    schema: Json,
    snapshot: Iterator<string>,
    source: number,
    sourceBytes: number,
  ) {
    this.path = path;
    this.#schema = schema;
    this.#snapshot = snapshot;
    this.#source = source;
    this.#copied = sourceBytes;
  }

  /** Writes the snapshot and syncs it. */
  async write(): Promise<void> {
    this.#file = await open(this.path, 'w+', 0o640);
    // The header of a record tells its length and hash, which are known when it is written: room
    // for it is made up for by spaces at the end of the schema.
    const room = roomFor(encodeRecord(this.#schema).length);
    const hash = createHash('sha1');
    this.#bytes = room;
    for (let piece = this.#nextPiece(); piece !== undefined; piece = this.#nextPiece()) {
      hash.update(piece);
      await this.#append(piece);
    }
    const header = recordHeader(this.#bytes - room, hash.digest('hex'));
    const start = Buffer.concat([paddedRecord(this.#schema, room - header.length), header]);
    await this.#file.write(start, 0, start.length, 0);
    await this.#file.datasync();
    this.#snapshotBytes = this.#bytes;
  }

  /** Copies what the source has got since, up to `sourceBytes`, and syncs: the last step. */
  async finish(sourceBytes: number): Promise<{ bytes: number; snapshotBytes: number }> {
    await this.catchUp(sourceBytes);
    await this.#file!.sync();
    await this.#close();
    this.#check();
    return { bytes: this.#bytes, snapshotBytes: this.#snapshotBytes };
  }

  /** Copies whole records that have been appended to the source, so that little is left to do. */
  async catchUp(sourceBytes: number): Promise<void> {
    this.#check();
    while (this.#copied < sourceBytes) {
      const buffer = Buffer.allocUnsafe(Math.min(COPY_BYTES, sourceBytes - this.#copied));
      const args = [buffer, 0, buffer.length, this.#copied] as const;
      const { bytesRead } = await promisify(read)(this.#source, ...args);
      if (bytesRead === 0)
        throw new HeddleError('the database file is shorter than what was written');
      await this.#append(buffer.subarray(0, bytesRead));
      this.#copied += bytesRead;
      this.#check();
    }
  }

  /** Lets go of the new file, and removes what has not taken the old one's place. */
  async discard(): Promise<void> {
    await this.#close();
    rmSync(this.path, { force: true });
  }

  async #close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  /** Ends whatever is under way with an error. */
  cancel(): void {
    this.#cancelled = true;
  }

  #check(): void {
    if (this.#cancelled) throw new HeddleError('given up');
  }

  #nextPiece(): Buffer | undefined {
    this.#check();
    let text = '';
    while (text.length < PIECE_BYTES) {
      const next = this.#snapshot.next();
      if (next.done) break;
      text += next.value;
    }
    return text === '' ? undefined : Buffer.from(text);
  }

  async #append(data: Buffer): Promise<void> {
    for (let at = 0; at < data.length; ) {
      const { bytesWritten } = await this.#file!.write(data, at, data.length - at, this.#bytes);
      at += bytesWritten;
      this.#bytes += bytesWritten;
    }
  }
}

/** Bytes that a record of at least `least` bytes and any header can fill. */
function roomFor(least: number): number {
  let room = least + headerBytes(MAX_DIGITS);
  const fits = (digits: number) => bodyBytes(room - headerBytes(digits)) !== undefined;
  while (!Array.from({ length: MAX_DIGITS }, (_, i) => i + 1).every(fits)) room++;
  return room;
}

/** A record of exactly so many bytes: JSON may end in white space. */
function paddedRecord(record: Json, bytes: number): Buffer {
  const plain = encodeRecord(record);
  const plainBody = plain.length - (plain.indexOf(NEWLINE) + 1);
  return encodeRecord(record, 'standalone', ' '.repeat(bodyBytes(bytes)! - plainBody));
}
