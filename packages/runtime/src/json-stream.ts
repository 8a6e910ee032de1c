import { HeddleError } from './errors.ts';

/** How deep upstream's parser goes. */
const MAX_DEPTH = 1000;

/**
 * Splits a stream of bytes into JSON texts (objects or arrays, one after another, with or without
 * white space between): the framing of OVSDB and of unixctl. It looks at brackets and strings only;
 * the texts are for a parser to judge. A text over the cap or nested too deeply, or anything but
 * white space between texts, is an error after which the stream is unusable.
 */
export class JsonStream {
  readonly #cap: number;
  #chunks: Uint8Array[] = [];
  #length = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(capBytes = 64 * 1024 * 1024) {
    this.#cap = capBytes;
  }

  /** The number of bytes of an unfinished text. */
  get pending(): number {
    return this.#length;
  }

  /** Takes bytes in and returns the texts that they complete. */
  push(bytes: Uint8Array): string[] {
    const texts: string[] = [];
    let start = 0;
    let depth = this.#depth;
    let inString = this.#inString;
    let escaped = this.#escaped;
    for (let i = 0; i < bytes.length; i++) {
      const b = bytes[i]!;
      if (inString) {
        if (escaped) escaped = false;
        else if (b === 0x5c) escaped = true;
        else if (b === 0x22) inString = false;
        continue;
      }
      if (depth === 0 && b !== 0x7b && b !== 0x5b) {
        if (b !== 0x20 && b !== 0x0a && b !== 0x0d && b !== 0x09) {
          throw new HeddleError(`syntax error at byte 0x${b.toString(16)} between JSON texts`);
        }
        start = i + 1;
      } else if (b === 0x22) inString = true;
      else if (b === 0x7b || b === 0x5b) {
        if (depth++ === 0) start = i;
        if (depth > MAX_DEPTH) throw new HeddleError('input exceeds maximum nesting depth');
      } else if ((b === 0x7d || b === 0x5d) && --depth === 0) {
        texts.push(this.#finish(bytes.subarray(start, i + 1)));
        start = i + 1;
      }
    }
    this.#depth = depth;
    this.#inString = inString;
    this.#escaped = escaped;
    if (depth > 0) this.#keep(bytes.subarray(start));
    return texts;
  }

  #keep(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (this.#length > this.#cap) throw new HeddleError(`message exceeds ${this.#cap} bytes`);
    this.#chunks.push(bytes.slice());
  }

  #finish(last: Uint8Array): string {
    if (this.#length + last.length > this.#cap) {
      throw new HeddleError(`message exceeds ${this.#cap} bytes`);
    }
    if (this.#chunks.length === 0) return textOf(last);
    const text = textOf(Buffer.concat([...this.#chunks, last]));
    this.#chunks = [];
    this.#length = 0;
    return text;
  }
}

function textOf({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('utf8');
}
