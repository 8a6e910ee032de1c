/** Many messages as bytes, one behind the other: decoded they would take ten times the memory. */
import { ByteWriter } from '../actions/byte-writer.ts';
import type { OfpMessage } from '../messages.ts';
import { appendMessage } from './registry.ts';

const CHUNK_BYTES = 1 << 18;
const NONE = new Uint8Array(0);

export class MessageLog {
  readonly #chunks: Uint8Array[] = [];
  readonly #writer = new ByteWriter(1024);
  #last: Uint8Array = NONE;
  #used = 0;
  length = 0;
  /** Of all messages together. */
  bytes = 0;

  /**
   * Encodes a message and returns its bytes, good until the next. Throws OfpError when its version
   * cannot say it.
   */
  append(msg: OfpMessage): Uint8Array {
    this.#writer.length = 0;
    appendMessage(this.#writer, msg);
    const raw = this.#writer.u8.subarray(0, this.#writer.length);
    this.push(raw);
    return raw;
  }

  /** The message, `length` bytes at `at`, is copied. */
  push(raw: Uint8Array, at = 0, length = raw.length): void {
    let chunk = this.#last;
    if (this.#used + length > chunk.length) chunk = this.#begin(length);
    // Without a view of each.
    for (let i = 0; i < length; i++) chunk[this.#used + i] = raw[at + i]!;
    this.#used += length;
    this.length++;
    this.bytes += length;
  }

  #begin(length: number): Uint8Array {
    const { length: n } = this.#chunks;
    if (n > 0) this.#chunks[n - 1] = this.#last.subarray(0, this.#used);
    this.#last = new Uint8Array(Math.max(CHUNK_BYTES, length));
    this.#chunks.push(this.#last);
    this.#used = 0;
    return this.#last;
  }

  /** Finds messages by number, each at or behind the one before. */
  cursor(): { at(n: number): Uint8Array } {
    const messages = this[Symbol.iterator]();
    let message = new Uint8Array(0);
    let next = 0;
    return {
      at(n) {
        for (; next <= n; next++) message = messages.next().value ?? message;
        return message;
      },
    };
  }

  /** Views, not copies. */
  *[Symbol.iterator](): IterableIterator<Uint8Array> {
    const last = this.#chunks.length - 1;
    for (const [i, chunk] of this.#chunks.entries()) {
      const end = i === last ? this.#used : chunk.length;
      for (let at = 0; at < end; ) {
        const length = (chunk[at + 2]! << 8) | chunk[at + 3]!;
        yield chunk.subarray(at, at + length);
        at += length;
      }
    }
  }
}
