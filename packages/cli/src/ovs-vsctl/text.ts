/** Words and numbers of the command line. */

/** The integer that a word begins with, as atoi(3) reads it; 0 when there is none. */
export function leadingInteger(text: string): number {
  return Number(/^\s*([-+]?\d+)/.exec(text)?.[1] ?? 0);
}

/** One line each, in order. */
export function sortedLines(words: Iterable<string>): string {
  return [...words]
    .sort()
    .map((w) => `${w}\n`)
    .join('');
}

/** A word as it may be typed again: in quotes if it has blanks, quotes or backslashes. */
export function quoteBlank(word: string): string {
  return /^[^\s"'\\]+$/.test(word) ? word : `"${word.replaceAll(/["\\]/g, '\\$&')}"`;
}
