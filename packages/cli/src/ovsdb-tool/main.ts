/** ovsdb-tool(1): works on database files directly. */
import { linuxFileLocks } from '@heddle/linux/file-lock';
import {
  dirs,
  HeddleError,
  installFileLocks,
  messageOf,
  type OptionSpec,
  type ParsedLine,
  parseOptions,
  versionText,
} from '@heddle/runtime';
import { applyLogOption, LOG_OPTIONS } from '@heddle/runtime/log-options';
import { print } from '@heddle/runtime/stdio';
import { checkCluster } from './check-cluster.ts';
import { clusterReport, clusterToStandalone, createCluster, joinCluster } from './cluster.ts';
import {
  compact,
  compareVersions,
  convert,
  create,
  dbReport,
  isKind,
  needsConversion,
  query,
  schemaReport,
  showLog,
  transact,
} from './commands.ts';
import { defaultSchema } from './paths.ts';
import { usage } from './usage.ts';

const PROGRAM = 'ovsdb-tool';
export const OPTIONS: readonly OptionSpec[] = [
  ...LOG_OPTIONS,
  { long: 'more', short: 'm' },
  { long: 'cid', argument: 'UUID' },
  { long: 'election-timer', argument: 'MS' },
  { long: 'rbac-role', argument: 'ROLE' },
  { long: 'help', short: 'h' },
  { long: 'version', short: 'V' },
];

interface Settings {
  verbosity: number;
  cid: string | undefined;
  electionTimer: string | undefined;
  role: string | undefined;
}

interface Command {
  readonly usage: string;
  readonly min: number;
  readonly max: number;
  run(args: readonly string[], settings: Settings): number | Promise<number>;
}

function command(usageText: string, min: number, max: number, run: Command['run']): Command {
  return { usage: usageText, min, max, run };
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  create: command('[db [schema]]', 0, 2, create),
  'create-cluster': command('db contents local', 3, 3, (args, s) =>
    createCluster(args, s.electionTimer),
  ),
  'join-cluster': command('db name local remote...', 4, Infinity, (args, s) =>
    joinCluster(args, s.cid),
  ),
  compact: command('[db [dst]]', 0, 2, compact),
  convert: command('[db [schema [dst]]]', 0, 3, convert),
  'needs-conversion': command('', 0, 2, needsConversion),
  'db-name': command('[db]', 0, 1, ([db]) => databaseName(db ?? dirs.defaultDb)),
  'db-version': command('[db]', 0, 1, ([db]) => dbReport(db ?? dirs.defaultDb, 'version')),
  'db-cksum': command('[db]', 0, 1, ([db]) => dbReport(db ?? dirs.defaultDb, 'cksum')),
  'db-cid': command('db', 1, 1, ([db]) => clusterReport(db!, 'cluster_id')),
  'db-sid': command('db', 1, 1, ([db]) => clusterReport(db!, 'server_id')),
  'db-local-address': command('db', 1, 1, ([db]) => clusterReport(db!, 'local_address')),
  'db-is-clustered': command('db', 1, 1, ([db]) => isKind(db!, 'clustered')),
  'db-is-standalone': command('db', 1, 1, ([db]) => isKind(db!, 'standalone')),
  'schema-name': command('[schema]', 0, 1, ([f]) => schemaReport(f ?? defaultSchema(), 'name')),
  'schema-version': command('[schema]', 0, 1, ([f]) =>
    schemaReport(f ?? defaultSchema(), 'version'),
  ),
  'schema-cksum': command('[schema]', 0, 1, ([f]) => schemaReport(f ?? defaultSchema(), 'cksum')),
  query: command('[db] trns', 1, 2, (args, s) => query(args, s.role)),
  transact: command('[db] trns', 1, 2, (args, s) => transact(args, s.role)),
  'show-log': command('[db]', 0, 1, (args, s) => showLog(args, s.verbosity)),
  'check-cluster': command('db...', 1, Infinity, checkCluster),
  'compare-versions': command('a op b', 3, 3, compareVersions),
  help: command('', 0, Infinity, () => print(usage())),
  'list-commands': command('', 0, Infinity, () => print(listCommands())),
  'cluster-to-standalone': command('db clusterdb', 2, 2, clusterToStandalone),
};

function databaseName(db: string): number {
  return isKind(db, 'clustered') === 0 ? clusterReport(db, 'name') : dbReport(db, 'name');
}

function listCommands(): string {
  const lines = Object.entries(COMMANDS).map(([name, c]) => `  ${name.padEnd(23)} ${c.usage}`);
  return `The available commands are:\n${lines.join('\n')}\n`;
}

/** The messages of UsageError begin with the program's name, which our caller puts there too. */
function parseLine(argv: readonly string[]): ParsedLine {
  try {
    return parseOptions(PROGRAM, OPTIONS, argv);
  } catch (error) {
    throw new HeddleError(messageOf(error).replace(`${PROGRAM}: `, ''));
  }
}

export async function main(argv: readonly string[]): Promise<number> {
  const { options, args } = parseLine(argv);
  const settings: Settings = {
    verbosity: 0,
    cid: undefined,
    electionTimer: undefined,
    role: undefined,
  };
  for (const option of options) {
    if (applyLogOption(PROGRAM, option)) continue;
    const { long } = option.spec;
    if (long === 'help') return print(usage());
    if (long === 'version') return print(`${versionText(PROGRAM)}\n`);
    if (long === 'more') settings.verbosity++;
    else if (long === 'cid') settings.cid = option.value;
    else if (long === 'election-timer') settings.electionTimer = option.value;
    else if (long === 'rbac-role') settings.role = option.value;
  }
  const [name, ...rest] = args;
  if (name === undefined) throw new HeddleError('missing command name; use --help for help');
  const found = COMMANDS[name];
  if (!found) throw new HeddleError(`unknown command '${name}'; use --help for help`);
  if (rest.length < found.min) {
    throw new HeddleError(`'${name}' command requires at least ${found.min} arguments`);
  }
  if (rest.length > found.max) {
    throw new HeddleError(`'${name}' command takes at most ${found.max} arguments`);
  }
  installFileLocks(linuxFileLocks);
  return found.run(rest, settings);
}
