/** The command line of the small filters: --help, --version and arguments. */
import { HeddleError } from '@heddle/runtime/errors';
import { print, printError } from '@heddle/runtime/stdio';
import { versionText } from '@heddle/runtime/version';

const LONG = ['help', 'version'];

/** Runs `filter` on the arguments that are no options; returns the exit status. */
export function runFilter(
  program: string,
  usage: string,
  argv: readonly string[],
  filter: (args: readonly string[]) => void,
): number {
  try {
    const { wanted, args } = parse(argv);
    if (wanted === 'version') return print(`${versionText(program).split('\n')[0]}\n`);
    if (wanted === 'help') return print(`${program}: ${usage}${COMMON}`);
    filter(args);
    return 0;
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    printError(`${program}: ${error.message}\n`);
    return 1;
  }
}

const COMMON = `
The following options are also available:
  -h, --help                  display this help message
  -V, --version               display version information
`;

/** The first of --help and --version is what is wanted. */
function parse(argv: readonly string[]): { wanted?: string; args: readonly string[] } {
  const end = argv.indexOf('--');
  const words = end < 0 ? argv : argv.slice(0, end);
  const args = [...words.filter((w) => !isOption(w)), ...(end < 0 ? [] : argv.slice(end + 1))];
  const wanted = words.filter(isOption).flatMap((w) => (w.startsWith('--') ? [long(w)] : short(w)));
  return wanted[0] === undefined ? { args } : { wanted: wanted[0], args };
}

function isOption(word: string): boolean {
  return word.length > 1 && word.startsWith('-');
}

/** A beginning that only one option has will do. */
function long(word: string): string {
  const [name = '', value] = word.slice(2).split(/=(.*)/s);
  const found = LONG.filter((option) => option.startsWith(name));
  if (found.length !== 1) throw new HeddleError(`option --${name} not recognized`);
  if (value !== undefined) throw new HeddleError(`option --${found[0]} must not have an argument`);
  return found[0]!;
}

function short(word: string): string[] {
  return Array.from(word.slice(1), (letter) => {
    if (letter === 'h') return 'help';
    if (letter === 'V') return 'version';
    throw new HeddleError(`option -${letter} not recognized`);
  });
}
