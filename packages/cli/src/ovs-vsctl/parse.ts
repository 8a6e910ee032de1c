/** The command line: options of ovs-vsctl, then commands separated by `--`. */
import { dirs, LOG_OPTIONS, type OptionSpec, parseOptions } from '@heddle/runtime';
import type { Command, DisplayOptions } from './command.ts';
import { BRIDGE_COMMANDS } from './commands-bridge.ts';
import { CONTROL_COMMANDS } from './commands-control.ts';
import { DB_COMMANDS } from './commands-db.ts';
import { VsctlError } from './errors.ts';
import { SHOW } from './show.ts';

export const PROGRAM = 'ovs-vsctl';

export const COMMANDS: readonly Command[] = [
  ...BRIDGE_COMMANDS,
  SHOW,
  ...CONTROL_COMMANDS,
  ...DB_COMMANDS,
].sort((a, b) => (a.name < b.name ? -1 : 1));

export const OPTIONS: readonly OptionSpec[] = [
  { long: 'db', argument: 'DATABASE', help: 'connect to DATABASE' },
  { long: 'no-wait', help: 'do not wait for ovs-vswitchd to reconfigure' },
  { long: 'retry', help: 'keep trying to connect to server forever' },
  {
    long: 'timeout',
    short: 't',
    argument: 'SECS',
    help: 'wait at most SECS seconds for ovs-vswitchd',
  },
  { long: 'dry-run', help: 'do not commit changes to database' },
  { long: 'oneline', help: 'print exactly one line of output per command' },
  { long: 'no-syslog', help: 'accepted for compatibility' },
  {
    long: 'format',
    short: 'f',
    argument: 'FORMAT',
    help: 'set output formatting to FORMAT (list, table, html, csv, json)',
  },
  {
    long: 'data',
    short: 'd',
    argument: 'FORMAT',
    help: 'set table cell output formatting (string, bare, json)',
  },
  { long: 'no-headings', help: 'omit table heading row' },
  { long: 'pretty', help: 'pretty-print JSON in output' },
  { long: 'bare', help: 'equivalent to "--format=list --data=bare --no-headings"' },
  { long: 'private-key', short: 'p', argument: 'FILE', help: 'file with private key' },
  { long: 'certificate', short: 'c', argument: 'FILE', help: 'file with certificate' },
  { long: 'ca-cert', short: 'C', argument: 'FILE', help: 'file with peer CA certificate' },
  {
    long: 'bootstrap-ca-cert',
    argument: 'FILE',
    help: 'file with peer CA certificate to read or create',
  },
  { long: 'peer-ca-cert', argument: 'FILE', help: 'accepted for compatibility' },
  { long: 'unixctl', argument: 'SOCKET', help: 'accepted for compatibility' },
  ...LOG_OPTIONS,
  { long: 'commands', help: 'print the commands, for completion' },
  { long: 'options', help: 'print the options, for completion' },
  { long: 'help', short: 'h', help: 'display this help message' },
  { long: 'version', short: 'V', help: 'display version information' },
];

export interface Settings {
  db: string;
  wait: boolean;
  retry: boolean;
  timeoutSecs: number;
  dryRun: boolean;
  oneline: boolean;
  display: DisplayOptions;
  format: DisplayOptions['format'] | undefined;
  tls: {
    privateKey: string | undefined;
    certificate: string | undefined;
    caCert: string | undefined;
  };
  action: 'run' | 'help' | 'version' | 'commands' | 'options';
}

export interface ParsedCommand {
  readonly command: Command;
  readonly args: readonly string[];
  readonly options: ReadonlyMap<string, string>;
  readonly text: string;
}

/** Options before the first command are ours, or that command's own. */
export function parseLine(argv: readonly string[]): {
  settings: Settings;
  commands: ParsedCommand[];
} {
  const { own, rest } = splitGlobal(argv);
  const settings = parseSettings(own);
  if (settings.action !== 'run') return { settings, commands: [] };
  return { settings, commands: splitCommands(rest).map(parseCommand) };
}

/** Words up to the first command; `--may-exist` and the like go with the command. */
function splitGlobal(argv: readonly string[]): { own: string[]; rest: string[] } {
  const own: string[] = [];
  const local: string[] = [];
  let i = 0;
  for (; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === '--') break;
    if (!word.startsWith('-') || word === '-') break;
    const name = word.replace(/^--/, '').replace(/=.*$/s, '');
    const spec = word.startsWith('--')
      ? (OPTIONS.find((o) => o.long === name) ?? uniquePrefix(name))
      : OPTIONS.find((o) => o.short === word[1]);
    if (!spec && word.startsWith('--') && isCommandOption(name)) {
      local.push(word);
      continue;
    }
    own.push(word);
    const separate = word.startsWith('--') ? !word.includes('=') : word.length === 2;
    if (spec?.argument !== undefined && !spec.optional && separate && i + 1 < argv.length)
      own.push(argv[++i]!);
  }
  return { own, rest: [...local, ...argv.slice(i)] };
}

function uniquePrefix(name: string): OptionSpec | undefined {
  if (isCommandOption(name)) return undefined;
  const found = OPTIONS.filter((o) => o.long?.startsWith(name));
  return found.length === 1 ? found[0] : undefined;
}

function isCommandOption(name: string): boolean {
  return COMMANDS.some((c) => c.options?.includes(name) || c.valueOptions?.includes(name));
}

function parseSettings(words: readonly string[]): Settings {
  const settings: Settings = {
    db: dirs.defaultRemote,
    wait: true,
    retry: false,
    timeoutSecs: 0,
    dryRun: false,
    oneline: false,
    display: { format: 'table', data: 'string', headings: true, pretty: false },
    format: undefined,
    tls: { privateKey: undefined, certificate: undefined, caCert: undefined },
    action: 'run',
  };
  const env = process.env['OVS_CTL_TIMEOUT'];
  if (env !== undefined && Number(env) > 0) settings.timeoutSecs = Number(env);
  for (const { spec, value } of parseOptions(PROGRAM, OPTIONS, words).options)
    apply(settings, spec.long!, value);
  return settings;
}

function apply(s: Settings, name: string, value: string | undefined): void {
  switch (name) {
    case 'db':
      s.db = value!;
      return;
    case 'no-wait':
      s.wait = false;
      return;
    case 'retry':
      s.retry = true;
      return;
    case 'timeout':
      if (!/^\d+$/.test(value!) || Number(value) === 0)
        throw new VsctlError(`value ${value} on -t or --timeout is invalid`);
      s.timeoutSecs = Number(value);
      return;
    case 'dry-run':
      s.dryRun = true;
      return;
    case 'oneline':
      s.oneline = true;
      return;
    case 'format':
      if (!['table', 'list', 'html', 'csv', 'json'].includes(value!))
        throw new VsctlError(`unknown output format "${value}"`);
      s.format = value as DisplayOptions['format'];
      return;
    case 'data':
      if (!['string', 'bare', 'json'].includes(value!))
        throw new VsctlError(`unknown data format "${value}"`);
      s.display.data = value as DisplayOptions['data'];
      return;
    case 'no-headings':
      s.display.headings = false;
      return;
    case 'pretty':
      s.display.pretty = true;
      return;
    case 'bare':
      s.format = 'list';
      s.display.data = 'bare';
      s.display.headings = false;
      return;
    case 'private-key':
      s.tls.privateKey = value;
      return;
    case 'certificate':
      s.tls.certificate = value;
      return;
    case 'ca-cert':
    case 'bootstrap-ca-cert':
      s.tls.caCert = value;
      return;
    case 'help':
    case 'version':
    case 'commands':
    case 'options':
      s.action = name;
      return;
  }
}

function splitCommands(words: readonly string[]): string[][] {
  const out: string[][] = [];
  let current: string[] = [];
  for (const word of words) {
    if (word !== '--') current.push(word);
    else {
      if (current.length > 0) out.push(current);
      current = [];
    }
  }
  if (current.length > 0) out.push(current);
  if (out.length === 0) throw new VsctlError('missing command name (use --help for help)');
  return out;
}

function parseCommand(words: readonly string[]): ParsedCommand {
  const options = new Map<string, string>();
  let i = 0;
  for (; words[i]?.startsWith('--'); i++) {
    const word = words[i]!.slice(2);
    const eq = word.indexOf('=');
    const name = eq < 0 ? word : word.slice(0, eq);
    if (options.has(name)) throw new VsctlError(`'--${word}' option specified multiple times`);
    options.set(name, eq < 0 ? '' : word.slice(eq + 1));
  }
  const name = words[i];
  if (name === undefined) throw new VsctlError('missing command name (use --help for help)');
  const command = COMMANDS.find((c) => c.name === name);
  if (!command) throw new VsctlError(`unknown command '${name}'; use --help for help`);
  const args = words.slice(i + 1);
  checkCommand(command, options, args);
  return { command, args, options, text: words.join(' ') };
}

function checkCommand(
  command: Command,
  options: ReadonlyMap<string, string>,
  args: readonly string[],
): void {
  const { name, min, max } = command;
  for (const [option, value] of options) {
    const takes = command.valueOptions?.includes(option);
    if (!takes && !command.options?.includes(option)) {
      throw new VsctlError(`'${name}' command has no '--${option}' option`);
    }
    if (takes && value === '')
      throw new VsctlError(`missing argument to '--${option}' option on '${name}' command`);
    if (!takes && value !== '')
      throw new VsctlError(`'--${option}' option on '${name}' does not accept an argument`);
  }
  if (args.length < min)
    throw new VsctlError(`'${name}' command requires at least ${min} arguments`);
  if (args.length <= max) return;
  const extra = args.findIndex((a) => a.startsWith('--'));
  throw new VsctlError(
    extra >= 0
      ? `'${name}' command takes at most ${max} arguments (note that options must precede command names and follow a "--" argument)`
      : `'${name}' command takes at most ${max} arguments`,
  );
}
