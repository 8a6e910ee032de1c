/** ovs-vsctl(8): configures ovs-vswitchd through its database. */
import { HeddleError } from '@heddle/runtime/errors';
import { UsageError } from '@heddle/runtime/options';
import { dieOfSignals } from '@heddle/runtime/signals';
import { print, printError } from '@heddle/runtime/stdio';
import { versionText } from '@heddle/runtime/version';
import { vlog } from '@heddle/runtime/vlog';
import { type CommandLine, parseLine } from './command-line.ts';
import { VsctlError } from './errors.ts';
import { PROGRAM } from './program.ts';
import { SCHEMA } from './schema.ts';

const MAX_TIMER_MS = 2 ** 31 - 1;

/** Returns the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  vlog.setProgram(PROGRAM);
  vlog.setLevel(undefined, 'console', 'warn');
  try {
    return await runLine(parseLine(argv, true), argv);
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    const { message } = error;
    const text = error instanceof UsageError ? message : `${PROGRAM}: ${message}`;
    if (message !== '') printError(`${text}\n`);
    return error instanceof VsctlError ? error.status : 1;
  }
}

async function runLine(line: CommandLine, argv: readonly string[]): Promise<number> {
  const { action, timeoutSecs } = line.settings;
  if (action === 'version')
    return print(`${versionText(PROGRAM, `DB Schema ${SCHEMA.version}`)}\n`);
  if (action !== 'run') {
    const texts = await import('./help.ts');
    return print(texts[action]());
  }
  const writes = line.commands.some(({ command }) => command.writes);
  const called = `Called as ${[PROGRAM, ...argv].join(' ')}`;
  vlog.module('vsctl')[writes ? 'info' : 'dbg'](called);
  dieOfSignals();
  if (timeoutSecs > 0) startAlarm(timeoutSecs);
  const { execute } = await import('./vsctl.ts');
  await execute(line, [PROGRAM, ...argv], {
    print,
    printError,
    warn: (module, text) => vlog.module(module).warn(text),
    err: (module, text) => vlog.module(module).err(text),
  });
  return 0;
}

/** The process ends by SIGALRM, as alarm(2) would have it. */
function startAlarm(seconds: number): void {
  const end = () => process.kill(process.pid, 'SIGALRM');
  setTimeout(end, Math.min(seconds * 1000, MAX_TIMER_MS)).unref();
}
