/** Messages in a stream of bytes: each says its length in its header (OpenFlow 1.0 section 5.1). */

/** struct ofp_header. */
export const HEADER_BYTES = 8;

export class Framer {
  /** What the header of the first message is in, and what follows. */
  #chunks: Uint8Array[] = [];
  #at = 0;
  #size = 0;
  /** Bytes that the first message needs; those of a header until there is one. */
  #needed = HEADER_BYTES;

  /** Bytes that nobody has taken. */
  get pending(): number {
    return this.#size;
  }

  add(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  /** The next message that is complete. Throws RangeError when a length cannot be one. */
  next(): Uint8Array | undefined {
    const length = this.find();
    if (length === 0) return undefined;
    const { bytes, at } = this;
    this.skip(length);
    return bytes.subarray(at, at + length);
  }

  /** Bytes of the next message, which begins at `at` of `bytes`; 0 while it is not complete. */
  find(): number {
    for (;;) {
      if (this.#size < this.#needed) return 0;
      const bytes = this.#joined();
      const length = (bytes[this.#at + 2]! << 8) | bytes[this.#at + 3]!;
      if (length < HEADER_BYTES) {
        throw new RangeError(`received too-short ofp_header (${length} bytes)`);
      }
      if (this.#size >= length) return length;
      this.#needed = length;
    }
  }

  get bytes(): Uint8Array {
    return this.#chunks[0]!;
  }

  get at(): number {
    return this.#at;
  }

  /** Goes behind the message that `find` has found. */
  skip(length: number): void {
    this.#at += length;
    this.#size -= length;
    this.#needed = HEADER_BYTES;
    if (this.#size > 0) return;
    this.#chunks = [];
    this.#at = 0;
  }

  #joined(): Uint8Array {
    if (this.#chunks.length === 1) return this.#chunks[0]!;
    const first = this.#chunks[0]!.subarray(this.#at);
    const all = Buffer.concat([first, ...this.#chunks.slice(1)], this.#size);
    this.#chunks = [all];
    this.#at = 0;
    return all;
  }
}
