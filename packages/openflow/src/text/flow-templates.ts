/**
 * Flows of a file come in few shapes, between which some values differ. Of each shape the message
 * of one line is kept, and where in it which values lie: the lines that follow are copies with
 * their own values put in, several times faster than to parse and encode them. Where a value lies
 * is found by encoding the line with another value in its place. So a template says what parser
 * and encoder say, or there is none.
 */
import {
  hashKey,
  KEY_KINDS,
  keyHash,
  otherValue,
  putValue,
  readValue,
  VALUE_BYTES,
  value,
} from './flow-values.ts';

interface Template {
  /** The line that it was made of. */
  readonly line: Uint8Array;
  /** Of the line's values: from, to. */
  readonly holes: readonly (readonly [from: number, to: number])[];
  readonly message: Uint8Array;
  /** Where in the message the values lie. */
  readonly offsets: readonly number[];
}

const MAX_VALUES = 12;
const MAX_TEMPLATES = 1024;
/** Shapes of which one line was seen. */
const MAX_SEEN = 1 << 16;

const COMMA = 0x2c;
const COLON = 0x3a;
const EQUALS = 0x3d;
const OPEN = 0x28;
const HASH = 0x23;
/** What follows is all of one value. */
const ACTIONS = new Set([hashKey('actions'), hashKey('action')]);

export class FlowTemplates {
  /** What parser and encoder make of a line; undefined: an error, or something to tell of. */
  readonly #encode: (line: string) => Uint8Array | undefined;
  readonly #templates = new Map<number, Template | undefined>();
  readonly #seen = new Set<number>();
  // The line that was scanned last.
  #hash = 0;
  #count = 0;
  readonly #kinds = new Uint8Array(MAX_VALUES);
  readonly #from = new Uint32Array(MAX_VALUES);
  readonly #to = new Uint32Array(MAX_VALUES);
  readonly #high = new Int32Array(MAX_VALUES);
  readonly #low = new Int32Array(MAX_VALUES);

  constructor(encode: (line: string) => Uint8Array | undefined) {
    this.#encode = encode;
  }

  /** The message of the line from `from` to `to`, good until the next call; undefined: unknown. */
  find(text: Uint8Array, from: number, to: number): Uint8Array | undefined {
    this.#scan(text, from, to);
    const template = this.#templates.get(this.#hash);
    if (template === undefined || !this.#fits(template, text, from, to)) return undefined;
    const { message, offsets } = template;
    for (let i = 0; i < offsets.length; i++) {
      const size = VALUE_BYTES[this.#kinds[i]!]!;
      putValue(message, offsets[i]!, size, this.#high[i]!, this.#low[i]!);
    }
    return message;
  }

  /** Takes the line that `find` did not know for others of its shape. */
  learn(text: Uint8Array, from: number, to: number, message: Uint8Array): void {
    const hash = this.#hash;
    if (this.#count === 0 || this.#templates.has(hash)) return;
    if (!this.#seen.has(hash)) {
      // A shape of one line is not worth the trouble.
      if (this.#seen.size === MAX_SEEN) this.#seen.clear();
      this.#seen.add(hash);
      return;
    }
    if (this.#templates.size < MAX_TEMPLATES) {
      this.#templates.set(hash, this.#make(copyOf(text.subarray(from, to)), from, copyOf(message)));
    }
  }

  #make(line: Uint8Array, from: number, message: Uint8Array): Template | undefined {
    const holes: [number, number][] = [];
    const offsets: number[] = [];
    for (let i = 0; i < this.#count; i++) {
      const hole: [number, number] = [this.#from[i]! - from, this.#to[i]! - from];
      const at = this.#place(line, hole, i, message);
      if (at === undefined) return undefined;
      holes.push(hole);
      offsets.push(at);
    }
    return { line, holes, message, offsets };
  }

  /** Where the message differs when value `i` does. */
  #place(
    line: Uint8Array,
    [from, to]: readonly [number, number],
    i: number,
    message: Uint8Array,
  ): number | undefined {
    const other = otherValue(this.#kinds[i]!, this.#high[i]!, this.#low[i]!);
    const text = `${decode(line.subarray(0, from))}${other}${decode(line.subarray(to))}`;
    const encoded = this.#encode(text);
    if (encoded?.length !== message.length) return undefined;
    const at = encoded.findIndex((byte, n) => byte !== message[n]);
    const size = VALUE_BYTES[this.#kinds[i]!]!;
    if (at < 0 || at + size > message.length) return undefined;
    const expected = copyOf(message);
    putValue(expected, at, size, this.#high[i]!, this.#low[i]!);
    if (Buffer.compare(expected, message) !== 0) return undefined;
    for (let n = at; n < at + size; n++) expected[n]! ^= 0x55;
    return Buffer.compare(expected, encoded) === 0 ? at : undefined;
  }

  /** Whether the line is the template's but for its values. */
  #fits({ line, holes }: Template, text: Uint8Array, from: number, to: number): boolean {
    if (holes.length !== this.#count) return false;
    let at = from;
    let n = 0;
    for (let i = 0; i <= holes.length; i++) {
      const end = i < holes.length ? holes[i]![0] : line.length;
      const length = end - n;
      if (at + length !== (i < holes.length ? this.#from[i] : to)) return false;
      for (; n < end; n++, at++) if (text[at] !== line[n]) return false;
      if (i === holes.length) return true;
      n = holes[i]![1];
      at = this.#to[i]!;
    }
    return true;
  }

  /** Finds the values of a line, and a hash of all else. */
  #scan(text: Uint8Array, from: number, to: number): void {
    let hash = 0x811c9dc5 | 0;
    let at = from;
    this.#count = 0;
    while (at < to) {
      let c = text[at]!;
      let key = 0;
      while (at < to) {
        c = text[at]!;
        if (c === COMMA || c === 0x20 || c === 0x09 || c === EQUALS || c === COLON || c === OPEN) {
          break;
        }
        key = keyHash(key, c);
        hash = mix(hash, c);
        at++;
      }
      if (at === to) break;
      hash = mix(hash, c);
      at++;
      if (ACTIONS.has(key)) {
        for (; at < to; at++) hash = mix(hash, text[at]!);
        break;
      }
      if (c !== EQUALS) continue;
      const end = this.#value(key, text, at, to);
      if (end < 0) continue;
      hash = mix(hash, 0x100);
      at = end;
    }
    this.#hash = hash;
  }

  /** Takes a value that may differ; returns where it ends, -1: it is none. */
  #value(key: number, text: Uint8Array, at: number, to: number): number {
    const kind = KEY_KINDS.get(key);
    if (kind === undefined || this.#count === MAX_VALUES) return -1;
    const end = readValue(kind, text, at, to);
    if (end < 0 || end > to) return -1;
    if (end < to) {
      const c = text[end]!;
      if (c !== COMMA && c !== 0x20 && c !== 0x09 && c !== HASH) return -1;
    }
    const i = this.#count++;
    this.#kinds[i] = kind;
    this.#from[i] = at;
    this.#to[i] = end;
    this.#high[i] = value.high;
    this.#low[i] = value.low;
    return end;
  }
}

/** FNV-1a. */
function mix(hash: number, c: number): number {
  return Math.imul(hash ^ c, 0x01000193);
}

/** A Buffer's `slice` is a view. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes);
}

function decode(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
