/** ovs-ofctl(8): asks OpenFlow switches, changes their tables, listens to them. */
import { type Daemon, daemonConfig, daemonStart } from '@heddle/runtime/daemon';
import { errorLine, HeddleError } from '@heddle/runtime/errors';
import { listOptions, parseOptions } from '@heddle/runtime/options';
import { dieOfSignals } from '@heddle/runtime/signals';
import { print, printError } from '@heddle/runtime/stdio';
import { versionText } from '@heddle/runtime/version';
import { vlog } from '@heddle/runtime/vlog';
import { COMMANDS, type Command } from './commands.ts';
import { applyOptions, OPTIONS } from './options.ts';
import { PROGRAM } from './program.ts';
import { defaultSettings } from './settings.ts';
import { bundleVersions, checkFlowFormats, closeAll } from './target.ts';

/** Returns the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  vlog.setProgram(PROGRAM);
  try {
    return await runCommandLine(argv);
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    printError(errorLine(PROGRAM, error));
    return 1;
  } finally {
    closeAll();
  }
}

async function runCommandLine(argv: readonly string[]): Promise<number> {
  const { options, args } = parseOptions(PROGRAM, OPTIONS, argv);
  const first = options.find(({ spec }) => ['help', 'version', 'option'].includes(spec.long ?? ''));
  if (first?.spec.long === 'version') {
    return print(`${versionText(PROGRAM)}\nOpenFlow versions 0x1:0x6\n`);
  }
  if (first?.spec.long === 'option') return print(listOptions(OPTIONS));
  if (first?.spec.long === 'help') return (await import('./usage.ts')).help();
  const settings = defaultSettings();
  const config = daemonConfig();
  applyOptions(options, settings, config);
  if (settings.bundle) settings.versions = bundleVersions(settings.versions);
  checkFlowFormats(settings);
  const [name, ...rest] = args;
  if (name === undefined) throw new HeddleError('missing command name; use --help for help');
  const command = COMMANDS.find((c) => c.name === name);
  if (!command) throw new HeddleError(`unknown command '${name}'; use --help for help`);
  checkArguments(command, rest);
  if (settings.readOnly && command.writes) {
    throw new HeddleError(`'${name}' command does not work in read only mode`);
  }
  if (name === 'bundle') settings.versions = bundleVersions(settings.versions);
  const run = await command.load();
  const daemonize = async (): Promise<Daemon> => {
    const asked = config.detach || config.monitor || config.pidfile !== undefined || config.user;
    return asked ? daemonStart(PROGRAM, { ...config, keepsStderr: true }) : { ready: dieOfSignals };
  };
  return run({ settings, args: rest, daemonize });
}

function checkArguments({ name, min, max }: Command, args: readonly string[]): void {
  if (args.length < min) {
    throw new HeddleError(`'${name}' command requires at least ${min} arguments`);
  }
  if (args.length > max) throw new HeddleError(`'${name}' command takes at most ${max} arguments`);
}
