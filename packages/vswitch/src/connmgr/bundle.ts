/** Bundles: messages that take effect together or not at all (OpenFlow 1.5, 7.3.9). */
import type { OfpMessageType } from '@heddle/openflow';

export interface Bundle {
  readonly id: number;
  readonly flags: number;
  isClosed: boolean;
  readonly messages: MessageLog;
  /** Which there are among the messages. */
  readonly types: Set<OfpMessageType>;
}

const CHUNK_BYTES = 1 << 18;

/** Messages as they came, one behind the other: decoded they would take ten times the memory. */
export class MessageLog {
  readonly #chunks: Uint8Array[] = [];
  #used = 0;

  /** The message is copied. */
  push(raw: Uint8Array): void {
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || this.#used + raw.length > chunk.length) {
      if (chunk !== undefined)
        this.#chunks[this.#chunks.length - 1] = chunk.subarray(0, this.#used);
      chunk = new Uint8Array(Math.max(CHUNK_BYTES, raw.length));
      this.#chunks.push(chunk);
      this.#used = 0;
    }
    chunk.set(raw, this.#used);
    this.#used += raw.length;
  }

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

export const MAX_BUNDLES = 1024;
