/** Messages in a stream of bytes: each says its length in its header (OpenFlow 1.0 section 5.1). */

const HEADER_BYTES = 8;

export class Framer {
  #chunks: Uint8Array[] = [];
  #size = 0;

  /** Bytes that are no whole message yet: less than 64 kB. */
  get pending(): number {
    return this.#size;
  }

  /** Yields each message that is complete now. Throws when a length cannot be one. */
  *push(chunk: Uint8Array): IterableIterator<Uint8Array> {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size < HEADER_BYTES) return;
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#size);
    this.#chunks = [];
    this.#size = 0;
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
      if (length < HEADER_BYTES) {
        throw new RangeError(`received too-short ofp_header (${length} bytes)`);
      }
      if (bytes.length - at < length) break;
      yield bytes.subarray(at, at + length);
      at += length;
    }
    if (at === bytes.length) return;
    this.#chunks = [bytes.subarray(at)];
    this.#size = bytes.length - at;
  }
}
