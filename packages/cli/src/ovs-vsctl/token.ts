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

/**
 * Up to the next delimiter outside of quotes; may be empty. The quotes are kept, and what is escaped
 * within them; elsewhere a backslash makes any character an ordinary one.
 */
export function takeToken(c: Cursor): string {
  const { text } = c;
  const start = c.at;
  let token = '';
  let quoted = false;
  for (; c.at < text.length; c.at++) {
    let char = text[c.at]!;
    if (char === '\\') {
      c.at++;
      if (c.at >= text.length) {
        throw new VsctlError(`${text.slice(start)}: backslash at end of argument`);
      }
      char = quoted ? `\\${text[c.at]}` : text[c.at]!;
    } else if (char === '"') quoted = !quoted;
    else if (!quoted && DELIMITERS.includes(char)) break;
    token += char;
  }
  if (quoted)
    throw new VsctlError(`${text.slice(start)}: quoted string extends past end of argument`);
  return token;
}

/** What stands where something else was expected; a message ends where the argument does. */
export function unexpected(c: Cursor, before: string, after: string): VsctlError {
  const char = c.text[c.at];
  return new VsctlError(char === undefined ? before : `${before}${char}${after}`);
}
