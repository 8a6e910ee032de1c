/** How this process was started, for what must run itself again: Node cannot fork. */

let script: readonly string[] = process.argv.slice(1, 2);

/** For an entry point that took words of its own out of process.argv. */
export function setScript(words: readonly string[]): void {
  script = words;
}

/** The arguments of process.execPath that start this command again. */
export function selfCommand(): string[] {
  return [...process.execArgv, ...script, ...process.argv.slice(2)];
}
