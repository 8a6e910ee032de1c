/** Copies of a packet, as traces tell of them: what was done in each, and what behind it. */
import { splitActions } from './split-actions.ts';

export interface TracedCopy {
  readonly by: 'bucket' | 'clone';
  /** Lines, joined. */
  readonly within: string;
  /** Until the packet is done with, or comes back. */
  readonly behind: string;
}

export function copiesIn(trace: string): TracedCopy[] {
  return trace.split(/^Final flow: .*$/m).flatMap((way) => copiesOf(way.split('\n')));
}

function copiesOf(lines: readonly string[]): TracedCopy[] {
  return lines.flatMap((line, i) => {
    const by = /^ *bucket \d+$/.test(line) ? 'bucket' : isClone(line) ? 'clone' : undefined;
    if (!by) return [];
    const end = by === 'bucket' ? endOfBucket(lines, i) : endOfClone(lines, i);
    const within = lines.slice(i + 1, end).join('\n');
    return [{ by, within, behind: lines.slice(end).join('\n').trimEnd() }];
  });
}

const isClone = (line: string): boolean => /^ *clone\(.*\)$/.test(line);
const indentOf = (line: string): number => line.length - line.trimStart().length;

function endOfBucket(lines: readonly string[], at: number): number {
  const end = lines.findIndex((line, i) => i > at && indentOf(line) <= indentOf(lines[at]!));
  return end < 0 ? lines.length : end;
}

/** Its actions stand as far left as it does, among what they bring about; not all of them need be done. */
function endOfClone(lines: readonly string[], at: number): number {
  const indent = indentOf(lines[at]!);
  let left = splitActions(lines[at]!.trim().slice('clone('.length, -1)).length;
  let i = at + 1;
  while (i < lines.length) {
    const line = lines[i]!;
    if (line.trim() === '' || indentOf(line) < indent) return i;
    const isAction = indentOf(line) === indent && !/^ *bucket \d+$/.test(line);
    if (isAction && left-- === 0) return i;
    i = isAction && isClone(line) ? endOfClone(lines, i) : i + 1;
  }
  return i;
}
