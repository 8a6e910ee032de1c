/**
 * Command lines as getopt_long(3) reads them: long options that may be abbreviated, bundled short
 * ones, `--`, and the C library's words for what is wrong. A table of options per command serves
 * parsing, help and completion.
 */
import { HeddleError } from './errors.ts';

export interface OptionSpec {
  /** Long name without dashes. */
  readonly long?: string;
  readonly short?: string;
  /** What the argument is called; absent when there is none. */
  readonly argument?: string;
  /** The argument may be left out (`--opt[=ARG]`). */
  readonly optional?: boolean;
  readonly help?: string;
}

export interface ParsedOption {
  readonly spec: OptionSpec;
  readonly value: string | undefined;
}

export interface ParsedLine {
  readonly options: readonly ParsedOption[];
  /** What is not an option. */
  readonly args: readonly string[];
}

/** A command line that cannot be; the message has the program's name already. */
export class UsageError extends HeddleError {
  override name = 'UsageError';
}

/**
 * `posix` stops at the first word that is not an option (`+` in getopt): what follows is the
 * command's own.
 */
export function parseOptions(
  program: string,
  table: readonly OptionSpec[],
  argv: readonly string[],
  posix = false,
): ParsedLine {
  const options: ParsedOption[] = [];
  const args: string[] = [];
  let i = 0;
  const next = () => argv[++i];
  for (; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === '--') {
      args.push(...argv.slice(i + 1));
      break;
    }
    if (word.startsWith('--')) options.push(longOption(program, table, word.slice(2), next));
    else if (word.startsWith('-') && word !== '-')
      shortOptions(program, table, word, next, options);
    else {
      args.push(word);
      if (posix) {
        args.push(...argv.slice(i + 1));
        break;
      }
    }
  }
  return { options, args };
}

function longOption(
  program: string,
  table: readonly OptionSpec[],
  text: string,
  next: () => string | undefined,
): ParsedOption {
  const eq = text.indexOf('=');
  const name = eq < 0 ? text : text.slice(0, eq);
  const given = eq < 0 ? undefined : text.slice(eq + 1);
  const spec = findLong(program, table, name, text);
  if (spec.argument === undefined) {
    if (given !== undefined) {
      throw new UsageError(`${program}: option '--${spec.long}' doesn't allow an argument`);
    }
    return { spec, value: undefined };
  }
  if (given !== undefined || spec.optional) return { spec, value: given };
  const value = next();
  if (value === undefined) {
    throw new UsageError(`${program}: option '--${spec.long}' requires an argument`);
  }
  return { spec, value };
}

/** An abbreviation may stand for one option only; complaints repeat the word as it was given. */
function findLong(
  program: string,
  table: readonly OptionSpec[],
  name: string,
  text: string,
): OptionSpec {
  const exact = table.find((o) => o.long === name);
  if (exact) return exact;
  const matches = table.filter((o) => name !== '' && o.long?.startsWith(name));
  if (matches.length === 1) return matches[0]!;
  if (matches.length === 0) throw new UsageError(`${program}: unrecognized option '--${text}'`);
  const all = matches.map((o) => `'--${o.long}'`).join(' ');
  throw new UsageError(`${program}: option '--${text}' is ambiguous; possibilities: ${all}`);
}

function shortOptions(
  program: string,
  table: readonly OptionSpec[],
  word: string,
  next: () => string | undefined,
  options: ParsedOption[],
): void {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at]!;
    const spec = table.find((o) => o.short === letter);
    if (!spec) throw new UsageError(`${program}: invalid option -- '${letter}'`);
    if (spec.argument === undefined) {
      options.push({ spec, value: undefined });
      continue;
    }
    const rest = word.slice(at + 1);
    if (rest !== '' || spec.optional) {
      options.push({ spec, value: rest === '' ? undefined : rest });
      return;
    }
    const value = next();
    if (value === undefined) {
      throw new UsageError(`${program}: option requires an argument -- '${letter}'`);
    }
    options.push({ spec, value });
    return;
  }
}

/** What the option -o of several commands prints, for completion scripts. */
export function listOptions(table: readonly OptionSpec[]): string {
  const lines: string[] = [];
  for (const { long, short, argument, optional } of table) {
    const value = argument === undefined ? '' : optional ? '[ARG]' : 'ARG';
    if (long !== undefined) lines.push(value === '' ? `--${long}` : `--${long}=${value}`);
    if (short !== undefined) lines.push(`-${short} ${value}`);
  }
  return `${lines.join('\n')}\n`;
}
