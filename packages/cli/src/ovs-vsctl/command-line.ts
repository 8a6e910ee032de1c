/** `[OPTIONS] -- [OPTIONS] COMMAND [ARG...] [-- [OPTIONS] COMMAND [ARG...]]...` */
import { type OptionSpec, parseOptions } from '@heddle/runtime/options';
import { bounds, type Command, type Given } from './command.ts';
import { COMMANDS } from './commands/index.ts';
import { VsctlError } from './errors.ts';
import { applyOption, defaultSettings, OPTIONS, type Settings } from './options.ts';
import { PROGRAM } from './program.ts';

export interface CommandLine {
  readonly settings: Settings;
  readonly commands: readonly Given[];
}

/** Before the first command, the options of any command are options, too. */
const COMMAND_OPTIONS: readonly OptionSpec[] = [
  ...new Set(COMMANDS.flatMap(({ options = [] }) => options)),
].map((text) =>
  text.endsWith('=') ? { long: text.slice(0, -1), argument: 'ARG' } : { long: text },
);

const ALL_OPTIONS = [
  ...OPTIONS,
  ...COMMAND_OPTIONS.filter(({ long }) => !OPTIONS.some((o) => o.long === long)),
];

/** `ownProcess`: whether the log is ours to set up. */
export function parseLine(argv: readonly string[], ownProcess: boolean): CommandLine {
  const settings = defaultSettings();
  const { options, args } = parseOptions(PROGRAM, ALL_OPTIONS, argv, true);
  const local = new Map<string, string | undefined>();
  for (const option of options) {
    const { spec, value } = option;
    if (OPTIONS.includes(spec)) applyOption(settings, option, ownProcess);
    else local.set(spec.long!, value);
    if (settings.action !== 'run') return { settings, commands: [] };
  }
  const commands = splitCommands(args).map((words, i) =>
    parseCommand(words, i === 0 ? local : new Map()),
  );
  if (commands.length === 0) {
    throw new VsctlError('missing command name (use --help for help)');
  }
  return { settings, commands };
}

function splitCommands(words: readonly string[]): string[][] {
  const out: string[][] = [[]];
  for (const word of words) {
    if (word === '--') out.push([]);
    else out.at(-1)!.push(word);
  }
  return out.filter((command) => command.length > 0);
}

function parseCommand(
  words: readonly string[],
  given: ReadonlyMap<string, string | undefined>,
): Given {
  const options = new Map(given);
  let i = 0;
  for (; words[i]?.startsWith('-'); i++) {
    const word = words[i]!;
    const eq = word.indexOf('=');
    const name = eq < 0 ? word : word.slice(0, eq);
    const key = name.replace(/^--/, '');
    if (options.has(key)) throw new VsctlError(`'${name}' option specified multiple times`);
    options.set(key, eq < 0 ? undefined : word.slice(eq + 1));
  }
  const name = words[i];
  if (name === undefined) throw new VsctlError('missing command name (use --help for help)');
  const command = COMMANDS.find((c) => c.name === name);
  if (!command) throw new VsctlError(`unknown command '${name}'; use --help for help`);
  const args = words.slice(i + 1);
  checkOptions(command, options);
  checkCount(command, args);
  return { command, args, options: new Map([...options].map(([k, v]) => [k, v ?? ''])) };
}

function checkOptions(
  { name, options: known = [] }: Command,
  given: ReadonlyMap<string, string | undefined>,
): void {
  for (const [option, value] of given) {
    const takesValue = known.includes(`${option}=`);
    if (!takesValue && !known.includes(option)) {
      throw new VsctlError(`'${name}' command has no '--${option.replace(/^-/, '')}' option`);
    }
    if (takesValue && value === undefined) {
      throw new VsctlError(`missing argument to '--${option}' option on '${name}' command`);
    }
    if (!takesValue && value !== undefined) {
      throw new VsctlError(`'--${option}' option on '${name}' does not accept an argument`);
    }
  }
}

function checkCount(command: Command, args: readonly string[]): void {
  const { min, max } = bounds(command);
  if (args.length < min) {
    throw new VsctlError(`'${command.name}' command requires at least ${min} arguments`);
  }
  if (args.length <= max) return;
  const hint = args.some((a) => a.startsWith('--'))
    ? ' (note that options must precede command names and follow a "--" argument)'
    : '';
  throw new VsctlError(`'${command.name}' command takes at most ${max} arguments${hint}`);
}
