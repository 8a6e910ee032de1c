/** What is left of a difference when all is taken away that it does not need. */
import { HeddleError } from '@heddle/runtime';
import { parseFlowLine } from './parse-lines.ts';
import { splitActions } from './split-actions.ts';

/** The fewest flows, with the fewest actions, of which `differs` still holds. */
export async function shrink(
  lines: readonly string[],
  differs: (lines: readonly string[]) => Promise<boolean>,
): Promise<string[]> {
  let left = [...lines];
  for (let size = Math.ceil(left.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let i = 0; i < left.length; ) {
      const fewer = left.toSpliced(i, size);
      if (await differs(fewer)) left = fewer;
      else i += size;
    }
  }
  for (let i = 0; i < left.length; i++) {
    for (let changed = true; changed; ) {
      changed = false;
      for (const line of shorter(left[i]!)) {
        const fewer = left.with(i, line);
        if (!isFlow(line) || !(await differs(fewer))) continue;
        left = fewer;
        changed = true;
        break;
      }
    }
  }
  return left;
}

function isFlow(line: string): boolean {
  try {
    parseFlowLine(line);
    return true;
  } catch (error) {
    if (error instanceof HeddleError) return false;
    throw error;
  }
}

/** The line without one term of its match, without one action, or without one within another. */
function* shorter(line: string): Iterable<string> {
  const [match, actions] = line.split(' actions=') as [string, string];
  const terms = match.split(',');
  for (const [i, term] of terms.entries()) {
    if (!/^(table|priority)=/.test(term)) yield `${terms.toSpliced(i, 1)} actions=${actions}`;
  }
  for (const text of shorterList(actions)) yield `${match} actions=${text}`;
}

function* shorterList(text: string): Iterable<string> {
  const items = splitActions(text);
  if (items.length > 1) for (const i of items.keys()) yield items.toSpliced(i, 1).join(',');
  for (const [i, item] of items.entries()) {
    const inner = /^(clone|write_actions|ct)\((.*)\)$/.exec(item);
    if (!inner) continue;
    for (const less of shorterList(inner[2]!)) {
      yield items.with(i, `${inner[1]}(${less})`).join(',');
    }
    if (inner[1] === 'clone') yield items.with(i, inner[2]!).join(',');
  }
}
