/** Words of the syntax of database values (ovs-vsctl(8), "Database Values"). */
import { VsctlError } from './errors.ts';

const DELIMITERS = ':=, []{}!<>';

export interface Cursor {
  readonly text: string;
  at: number;
}

export function skipSpaces(c: Cursor): void {
  while (c.text[c.at] === ' ') c.at++;
}

/** Up to the next delimiter outside of quotes; may be empty. The quotes are kept. */
export function takeToken(c: Cursor): string {
  const { text } = c;
  const start = c.at;
  let quoted = false;
  for (; c.at < text.length; c.at++) {
    const char = text[c.at]!;
    if (quoted && char === '\\') {
      c.at++;
      if (c.at >= text.length) {
        throw new VsctlError(`${text.slice(start)}: backslash at end of argument`);
      }
    } else if (char === '"') quoted = !quoted;
    else if (!quoted && DELIMITERS.includes(char)) break;
  }
  if (quoted)
    throw new VsctlError(`${text.slice(start)}: quoted string extends past end of argument`);
  return text.slice(start, c.at);
}

/** What stands where something else was expected; a message ends where the argument does. */
export function unexpected(c: Cursor, before: string, after: string): VsctlError {
  const char = c.text[c.at];
  return new VsctlError(char === undefined ? before : `${before}${char}${after}`);
}
