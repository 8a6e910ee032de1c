/**
 * Reads the members of a JSON object one by one, without making an object of the whole. It looks at
 * brackets and strings only; the texts of the members are for a parser to judge.
 */
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN = 0x7b;
const CLOSE = 0x7d;

export class MemberReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /**
   * Enters an object and calls back with the name of each member; the callback must read its value,
   * by `value` or by `members` again.
   */
  members(callback: (name: string) => void): void {
    this.#expect(OPEN);
    if (this.#peek() === CLOSE) {
      this.#at++;
      return;
    }
    for (;;) {
      if (this.#peek() !== QUOTE) throw this.#error();
      const name = JSON.parse(this.value()) as string;
      this.#expect(COLON);
      callback(name);
      const next = this.#peek();
      this.#at++;
      if (next === CLOSE) return;
      if (next !== COMMA) throw this.#error();
    }
  }

  /** The text of the value that is next. */
  value(): string {
    this.#peek();
    const start = this.#at;
    this.#at = this.#endOfValue();
    return this.#bytes.toString('utf8', start, this.#at);
  }

  /** Nothing but white space may follow. */
  end(): void {
    if (this.#peek() !== undefined) throw this.#error();
  }

  get isObjectNext(): boolean {
    return this.#peek() === OPEN;
  }

  #endOfValue(): number {
    const bytes = this.#bytes;
    let depth = 0;
    let at = this.#at;
    for (; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte === QUOTE) {
        at = this.#endOfString(at);
        if (depth === 0) return at;
        at--;
      } else if (byte === OPEN || byte === 0x5b) depth++;
      else if (byte === CLOSE || byte === 0x5d) {
        if (depth === 0) return at;
        if (--depth === 0) return at + 1;
      } else if (depth === 0 && byte === COMMA) return at;
    }
    return at;
  }

  #endOfString(start: number): number {
    const bytes = this.#bytes;
    let at = start + 1;
    while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
    return at + 1;
  }

  /** The next byte that is no white space, which stays unread. */
  #peek(): number | undefined {
    for (; ; this.#at++) {
      const byte = this.#bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
    }
  }

  #expect(byte: number): void {
    if (this.#peek() !== byte) throw this.#error();
    this.#at++;
  }

  #error(): SyntaxError {
    return new SyntaxError(`unexpected character at byte ${this.#at} of a record`);
  }
}
