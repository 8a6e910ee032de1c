/** ovsdb-client(1): asks a database server, changes its databases, follows them. */

import type { RpcConnection } from '@heddle/ovsdb/idl/rpc';
import { type Daemon, type DaemonConfig, daemonConfig, daemonStart } from '@heddle/runtime/daemon';
import { dirs } from '@heddle/runtime/dirs';
import { errorLine, HeddleError } from '@heddle/runtime/errors';
import { parseOptions } from '@heddle/runtime/options';
import { dieOfSignals } from '@heddle/runtime/signals';
import { print, printError } from '@heddle/runtime/stdio';
import { versionText } from '@heddle/runtime/version';
import { vlog } from '@heddle/runtime/vlog';
import { tableStyle } from '../table/options.ts';
import { noTls } from '../tls/options.ts';
import { COMMANDS, type Command } from './commands.ts';
import { Context, databases, defaultDatabase, isLeader } from './context.ts';
import { applyOptions, type MutableSettings, OPTIONS } from './options.ts';
import { adoptParentsStdout } from './parents-stdout.ts';
import { PROGRAM } from './program.ts';
import { usage } from './usage.ts';

/** How a server is named, among arguments that are none. */
const REMOTE = /^p?(unix|tcp|ssl):/;

/** Returns the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  vlog.setProgram(PROGRAM);
  try {
    return await runCommandLine(argv);
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    printError(errorLine(PROGRAM, error));
    return 1;
  }
}

async function runCommandLine(argv: readonly string[]): Promise<number> {
  const { options, args } = parseOptions(PROGRAM, OPTIONS, argv);
  const first = options.find(({ spec }) => spec.long === 'help' || spec.long === 'version');
  if (first) return print(first.spec.long === 'help' ? usage() : `${versionText(PROGRAM)}\n`);
  const settings: MutableSettings = {
    style: tableStyle('table'),
    tls: noTls(),
    leaderOnly: true,
    force: false,
    timestamp: false,
    detach: false,
    dbChangeAware: undefined,
  };
  const config = daemonConfig();
  applyOptions(options, settings, config);
  const [name, ...rest] = args;
  if (name === undefined) throw new HeddleError('missing command name; use --help for help');
  if (name === 'help') return print(usage());
  const command = COMMANDS.find((c) => c.name === name);
  if (!command) throw new HeddleError(`unknown command '${name}'; use --help for help`);
  if (rest.length < command.min) throw invalidSyntax(command);
  const named = rest.length > command.min && REMOTE.test(rest[0]!);
  const remote = named ? rest.shift()! : dirs.defaultRemote;
  const daemon = await start(config);
  if (command.name === 'wait') {
    checkArguments(command, rest);
    const { wait } = await import('./wait.ts');
    await wait(remote, settings, rest);
    return 0;
  }
  await runOn(remote, command, rest, settings, daemon);
  return 0;
}

/** Most calls are no daemons, and over before a daemon's start-up would be. */
async function start(config: DaemonConfig): Promise<Daemon> {
  if (!config.detach && !config.monitor && config.pidfile === undefined && !config.user) {
    return { ready: dieOfSignals };
  }
  adoptParentsStdout();
  return daemonStart(PROGRAM, config);
}

async function runOn(
  remote: string,
  command: Command,
  args: string[],
  settings: MutableSettings,
  daemon: Daemon,
): Promise<void> {
  const needsDatabase = command.run.needs === 'database';
  let database = '';
  const remotes = shuffle(remote.split(/,(?=p?(?:unix|tcp|ssl):)/));
  const accept = async (rpc: RpcConnection) =>
    !settings.leaderOnly || isLeader(rpc, await concerned(rpc, command, args));
  const context = await Context.open(remotes, settings, daemon, accept);
  try {
    if (settings.dbChangeAware !== undefined) {
      await context.rpc.request('set_db_change_aware', [settings.dbChangeAware]);
    }
    if (needsDatabase) {
      const named = args.length > command.min && (await databases(context.rpc)).includes(args[0]!);
      database = named ? args.shift()! : await defaultDatabase(context.rpc);
    }
    checkArguments(command, args);
    const { run } = command;
    if (run.needs === 'database') await (await run.load())(context, database, args);
    else if (run.needs === 'server') await (await run.load())(context, args);
  } finally {
    context.rpc.close();
  }
}

/** The database whose leader is looked for among the members of a cluster. */
async function concerned(
  rpc: RpcConnection,
  command: Command,
  args: readonly string[],
): Promise<string> {
  const names = await databases(rpc);
  const inTransaction = /^\s*\[\s*"(\w+)"/.exec(args.at(-1) ?? '')?.[1];
  const named = command.run.needs === 'database' ? args[0] : inTransaction;
  return named !== undefined && names.includes(named) ? named : defaultDatabase(rpc);
}

function checkArguments(command: Command, args: readonly string[]): void {
  if (args.length >= command.min && args.length <= command.max) return;
  throw invalidSyntax(command);
}

function invalidSyntax({ name }: Command): HeddleError {
  return new HeddleError(`invalid syntax for '${name}' (use --help for help)`);
}

function shuffle(remotes: readonly string[]): string[] {
  return remotes
    .map((remote) => ({ remote, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ remote }) => remote);
}
