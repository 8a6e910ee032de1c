/**
 * The grammar that actions share: words separated by commas or blanks, each `key`, `key:value`,
 * `key=value` or `key(value)`, parentheses nesting within values.
 */
export class KeyValueScanner {
  key = '';
  value = '';
  /** What follows the closing parenthesis of `key(value)`, as in `(100)->reg0[0]`. */
  tail = '';
  readonly #text: string;
  #pos = 0;
  #start = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The word as it stands in the text. */
  get word(): string {
    return this.#text.slice(this.#start, this.#pos).replace(/[, \t\r\n]+$/, '');
  }

  /** Moves to the next word; false at the end. */
  next(withTail = false): boolean {
    const text = this.#text;
    const n = text.length;
    let p = this.#pos;
    while (p < n && isSeparator(text.charCodeAt(p))) p++;
    if (p >= n) {
      this.#pos = p;
      return false;
    }
    this.#start = p;
    let q = p;
    while (q < n && !isKeyEnd(text.charCodeAt(q))) q++;
    this.key = text.slice(p, q);
    this.value = '';
    this.tail = '';
    const c = q < n ? text.charCodeAt(q) : COMMA;
    if (c === COLON || c === EQUALS) {
      const end = valueEnd(text, q + 1);
      this.value = text.slice(q + 1, end);
      this.#pos = end + 1;
    } else if (c === OPEN) {
      const end = closingParen(text, q + 1);
      this.value = text.slice(q + 1, end);
      this.#pos = end + 1;
      if (withTail || text.startsWith('->', end + 1)) this.#takeTail();
    } else {
      this.#pos = q + 1;
    }
    return true;
  }

  #takeTail(): void {
    const end = valueEnd(this.#text, this.#pos);
    this.tail = this.#text.slice(this.#pos, end);
    this.#pos = end + 1;
  }
}

const COMMA = 0x2c;
const COLON = 0x3a;
const EQUALS = 0x3d;
const OPEN = 0x28;
const CLOSE = 0x29;

function isSeparator(c: number): boolean {
  return c === COMMA || c === 0x20 || c === 0x09 || c === 0x0a || c === 0x0d;
}

function isKeyEnd(c: number): boolean {
  return c === COLON || c === EQUALS || c === OPEN || isSeparator(c);
}

function valueEnd(text: string, from: number): number {
  let depth = 0;
  let p = from;
  for (; p < text.length; p++) {
    const c = text.charCodeAt(p);
    if (c === OPEN) depth++;
    else if (c === CLOSE) {
      if (depth > 0) depth--;
    } else if (depth === 0 && isSeparator(c)) break;
  }
  return p;
}

function closingParen(text: string, from: number): number {
  let depth = 1;
  let p = from;
  for (; p < text.length; p++) {
    const c = text.charCodeAt(p);
    if (c === OPEN) depth++;
    else if (c === CLOSE && --depth === 0) break;
  }
  return p;
}

/** Pieces between runs of any of `separators`, as strtok(3) finds them. */
export function tokens(text: string, separators: RegExp): string[] {
  return text.split(separators).filter((token) => token !== '');
}
