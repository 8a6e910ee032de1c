/** How this process was started, for what must run itself again: Node cannot fork. */

import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

let script: readonly string[] = process.argv.slice(1, 2);

/** For an entry point that took words of its own out of process.argv. */
export function setScript(words: readonly string[]): void {
  script = words;
}

/** The arguments of process.execPath that start another command of this installation. */
export function siblingCommand(name: string, args: readonly string[]): string[] {
  const [path = ''] = script;
  const isSource = script.length > 1;
  return [...process.execArgv, ...(isSource ? [path, name] : [join(dirname(path), name)]), ...args];
}

/** The arguments of process.execPath that start this command again. */
export function selfCommand(): string[] {
  return [...process.execArgv, ...script, ...process.argv.slice(2)];
}

/**
 * Gives the process a command's name, by which pgrep and killall look for it and init scripts
 * compare it (proc(5), `/proc/PID/comm`). Node has the name of its thread there.
 */
export function nameProcess(program: string): void {
  try {
    writeFileSync('/proc/self/comm', program.slice(0, 15));
  } catch {
    // Only a name.
  }
}
