/** ovs-save: what init scripts keep over a restart of the switch. */
import { HeddleError } from '@heddle/runtime/errors';
import { print, printError } from '@heddle/runtime/stdio';
import { runCommand, saveFlows } from './save-flows.ts';

const PROGRAM = 'ovs-save';
const USAGE = `${PROGRAM}: Provides helper functions to save Open vSwitch's configuration.
usage: ${PROGRAM} COMMAND

Commands:
 save-flows             Outputs a shell script on stdout that will restore
                        OpenFlow flows of each Open vSwitch bridge.
This script is meant as a helper for the Open vSwitch init script commands.
`;

/** Returns the exit status. */
export function main([command, ...bridges]: readonly string[]): number {
  if (command === '--help' || command === '-h') return print(USAGE);
  if (command !== 'save-flows') {
    const what = command === undefined ? 'missing command' : `unknown command "${command}"`;
    printError(`${PROGRAM}: ${what} (use --help for help)\n`);
    return 1;
  }
  try {
    for (const bridge of bridges) runCommand('ovs-vsctl', ['br-exists', bridge]);
    const { directory, restore } = saveFlows(bridges);
    const lines = restore.map((words) => ['ovs-ofctl', ...words.map(quoted)].join(' '));
    return print(`${[...lines, `rm -rf ${quoted(directory)}`].join('\n')}\n`);
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    printError(`${PROGRAM}: ${error.message}\n`);
    return 1;
  }
}

function quoted(word: string): string {
  return /^[\w./=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
