/** Test commands read hexadecimal from standard input, a line each; `#` begins a comment. */
import { readFileSync } from 'node:fs';
import { HeddleError } from '@heddle/runtime/errors';

/** Lines as they are, without comments and what is empty. */
export function* inputLines(): IterableIterator<string> {
  for (const line of readFileSync(0, 'utf8').split('\n')) {
    const hash = line.indexOf('#');
    const text = (hash < 0 ? line : line.slice(0, hash)).trim();
    if (text !== '') yield text;
  }
}

/** Lines as they are, comments and empty ones among them. */
export function allLines(): string[] {
  return readFileSync(0, 'utf8').replace(/\n$/, '').split('\n');
}

export function hexBytes(text: string, why = 'Trailing garbage in hex data'): Uint8Array {
  const digits = text.replace(/\s/g, '');
  if (!/^([0-9a-fA-F]{2})*$/.test(digits)) throw new HeddleError(why);
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

/** `position: was -> is` for each byte that differs. */
export function differences(before: Uint8Array, after: Uint8Array, prefix = ''): string {
  let text = '';
  const byte = (b: number | undefined) =>
    b === undefined ? '(none)' : b.toString(16).padStart(2, '0');
  for (let i = 0; i < Math.max(before.length, after.length); i++) {
    if (before[i] === after[i]) continue;
    text += `${prefix}${String(i).padStart(2)}: ${byte(before[i])} -> ${byte(after[i])}\n`;
  }
  return text;
}
