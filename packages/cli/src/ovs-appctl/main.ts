/** ovs-appctl(8): sends a command to a daemon's control socket and prints the reply. */
import { errnoOf, errorLine, HeddleError, strerror } from '@heddle/runtime/errors';
import { applyLogOption, LOG_OPTIONS } from '@heddle/runtime/log-options';
import { listOptions, type OptionSpec, parseOptions } from '@heddle/runtime/options';
import { print, printError } from '@heddle/runtime/stdio';
import { ConnectError, type UnixctlReply, unixctlCall } from '@heddle/runtime/unixctl-client';
import { versionText } from '@heddle/runtime/version';
import { vlog } from '@heddle/runtime/vlog';
import { controlSocket } from './target.ts';
import { USAGE } from './usage.ts';

const PROGRAM = 'ovs-appctl';
const DEFAULT_TARGET = 'ovs-vswitchd';
/** The server refused; 1 is for what goes wrong on the way. */
const SERVER_ERROR = 2;

export const OPTIONS: readonly OptionSpec[] = [
  { long: 'target', short: 't', argument: 'TARGET' },
  // Was once to be given before COMMAND.
  { long: 'execute', short: 'e' },
  { long: 'help', short: 'h' },
  { long: 'option', short: 'o' },
  { long: 'version', short: 'V' },
  { long: 'timeout', short: 'T', argument: 'SECS' },
  ...LOG_OPTIONS,
];

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
  // What follows COMMAND is the target's, options included.
  const { options, args } = parseOptions(PROGRAM, OPTIONS, argv, true);
  let target = DEFAULT_TARGET;
  for (const option of options) {
    if (applyLogOption(PROGRAM, option)) continue;
    const { spec, value = '' } = option;
    if (spec.long === 'target') target = value;
    else if (spec.long === 'timeout') startAlarm(value);
    else if (spec.long === 'help') return print(USAGE);
    else if (spec.long === 'version') return print(`${versionText(PROGRAM)}\n`);
    else if (spec.long === 'option') return print(listOptions(OPTIONS));
  }
  const [command, ...rest] = args;
  if (command === undefined) {
    throw new HeddleError('at least one non-option argument is required (use --help for help)');
  }
  const { result, error } = await call(target, command, rest);
  if (error === null) return print(result ?? '');
  printError(error);
  printError(`${PROGRAM}: ${target}: server returned an error\n`);
  return SERVER_ERROR;
}

async function call(target: string, command: string, args: string[]): Promise<UnixctlReply> {
  const socket = controlSocket(target);
  try {
    return await unixctlCall(socket, command, args);
  } catch (error) {
    const why = strerror(errnoOf(error, 'EPROTO'));
    if (error instanceof ConnectError) {
      vlog.module('unixctl').warn(`failed to connect to ${socket}`);
      throw new HeddleError(`cannot connect to "${socket}" (${why})`);
    }
    if (error instanceof HeddleError && error.message !== '') {
      vlog.module('unixctl').warn(`unix:${socket}: ${error.message}`);
    }
    throw new HeddleError(`${target}: transaction error (${why})`);
  }
}

/** Ends the process by SIGALRM, as alarm(2) would, when `text` seconds have passed. */
function startAlarm(text: string): void {
  const seconds = Number(text);
  if (!/^\d+$/.test(text) || seconds < 1 || seconds >= 2 ** 31) {
    throw new HeddleError(`value ${text} on -T or --timeout is invalid`);
  }
  const end = () => {
    vlog.module('fatal_signal').warn('terminating with signal 14 (Alarm clock)');
    process.kill(process.pid, 'SIGALRM');
  };
  setTimeout(end, Math.min(seconds * 1000, 2 ** 31 - 1)).unref();
}
