/**
 * ovs-dpctl(8): the kernel datapath from outside. While ovs-vswitchd runs it answers; without it
 * the pinned datapath is read by itself.
 */
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { linuxFileLocks } from '@heddle/linux/file-lock';
import {
  dirs,
  HeddleError,
  installFileLocks,
  LOG_OPTIONS,
  type OptionSpec,
  parseOptions,
  runningPid,
  unixctlCall,
  versionText,
} from '@heddle/runtime';
import { print, printError } from '@heddle/runtime/stdio';
import type { DpctlCommand } from '@heddle/vswitch/dpctl/command';
import { DPCTL_COMMANDS, runDpctl } from '@heddle/vswitch/dpctl/index';
import { startAlarm } from '../ovsdb-client/alarm.ts';
import { help } from './help.ts';

const PROGRAM = 'ovs-dpctl';

const OPTIONS: readonly OptionSpec[] = [
  { long: 'statistics', short: 's', help: 'print statistics for port or flow' },
  { long: 'more', short: 'm', help: 'increase verbosity of output' },
  { long: 'names', help: 'use port names in output' },
  { long: 'no-names', help: 'do not use port names in output' },
  { long: 'clear', help: 'reset existing stats to zero' },
  { long: 'may-create', help: 'create flow if it does not exist' },
  { long: 'read-only', help: 'do not run read/write commands' },
  { long: 'timeout', short: 't', argument: 'SECS', help: 'give up after SECS seconds' },
  ...LOG_OPTIONS,
  { long: 'help', short: 'h', help: 'display this help message' },
  { long: 'version', short: 'V', help: 'display version information' },
];

const PASSED_ON = new Set(['statistics', 'more', 'names', 'no-names', 'clear', 'may-create']);

/** Those that `--read-only` refuses (ovs-dpctl(8)). */
const READ_WRITE = new Set([
  'add-dp',
  'del-dp',
  'add-if',
  'set-if',
  'del-if',
  'add-flow',
  'mod-flow',
  'del-flow',
  'add-flows',
  'mod-flows',
  'del-flows',
  'flush-conntrack',
  'cache-set-size',
  'ct-set-maxconns',
  'ct-enable-tcp-seq-chk',
  'ct-disable-tcp-seq-chk',
  'ct-set-limits',
  'ct-del-limits',
  'ipf-set-enabled',
  'ipf-set-disabled',
  'ipf-set-min-frag',
  'ipf-set-max-nfrags',
]);

/** Runs the command line; returns the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    return await runCommandLine(argv);
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    return complain(error.message.replace(`${PROGRAM}: `, ''));
  }
}

async function runCommandLine(argv: readonly string[]): Promise<number> {
  const { options, args } = parseOptions(PROGRAM, OPTIONS, argv);
  const passed: string[] = [];
  let readOnly = false;
  for (const { spec, value } of options) {
    if (spec.long === 'help') return say(help(PROGRAM), 0);
    if (spec.long === 'version') return say(`${versionText(PROGRAM)}\n`, 0);
    if (spec.long === 'read-only') readOnly = true;
    if (spec.long === 'timeout') startAlarm(value ?? '');
    if (spec.long !== undefined && PASSED_ON.has(spec.long)) passed.push(`--${spec.long}`);
  }
  const [command, ...rest] = args;
  if (command === 'help') return say(help(PROGRAM), 0);
  if (command === 'list-commands') return listCommands();
  if (command === undefined) return complain('missing command name; use --help for help');
  if (!DPCTL_COMMANDS.some((c) => c.name === command)) {
    return complain(`unknown command '${command}'; use --help for help`);
  }
  if (readOnly && READ_WRITE.has(command)) {
    return complain(`'${command}' command does not work in read only mode`);
  }
  installFileLocks(linuxFileLocks);
  const words = [...passed, ...rest];
  return (await throughDaemon(command, words)) ?? (await byItself(command, words));
}

/** undefined when no daemon answers. */
async function throughDaemon(command: string, words: string[]): Promise<number | undefined> {
  const pidfile = join(dirs.rundir, 'ovs-vswitchd.pid');
  if (runningPid(pidfile) === undefined) return undefined;
  const pid = readFileSync(pidfile, 'utf8').trim();
  const socket = join(dirs.rundir, `ovs-vswitchd.${pid}.ctl`);
  if (!existsSync(socket)) return undefined;
  const { result, error } = await unixctlCall(socket, `dpctl/${command}`, words);
  if (error !== null) return complain(inOurName(error, command));
  const [said, complaints] = split(result ?? '');
  printError(complaints);
  return say(said, 0);
}

/** A refusal of the daemon as this program's, its name before each line but the first. */
function inOurName(error: string, command: string): string {
  return error
    .trimEnd()
    .replace(/^ovs-vswitchd: /, '')
    .replaceAll(/^ovs-vswitchd: /gm, `${PROGRAM}: `)
    .replace(`"dpctl/${command}"`, `'${command}'`);
}

/** Words of complaint come with the daemon's name before them; here they go to standard error. */
function split(text: string): [said: string, complaints: string] {
  const lines = text.split(/(?<=\n)/);
  const isComplaint = (l: string) => l.startsWith('ovs-vswitchd: ');
  return [
    lines.filter((l) => !isComplaint(l)).join(''),
    lines.filter(isComplaint).join('').replaceAll('ovs-vswitchd: ', `${PROGRAM}: `),
  ];
}

async function byItself(command: string, words: string[]): Promise<number> {
  const { instanceId, openKernelDpif, PIN_ROOT } = await import('@heddle/datapath/kernel/index');
  const instance = instanceId(dirs.rundir);
  const there = existsSync(join(PIN_ROOT, instance));
  const dpifs = there ? [await openKernelDpif({ instance })] : [];
  const env = {
    program: PROGRAM,
    dpifs: () => dpifs,
    readFile: (name: string) => readFile(name === '-' ? '/dev/stdin' : name, 'utf8'),
  };
  const { output, more = [], failed } = await runDpctl(env, command, words);
  if (failed) printError(output);
  else print(output);
  for await (const piece of more) {
    print(piece);
  }
  for (const dpif of dpifs) if (command !== 'del-dp') dpif[Symbol.dispose]();
  return failed ? 1 : 0;
}

function listCommands(): number {
  const own = ['help', 'list-commands'].map((name) => ({ name, usage: '' }));
  const rows: Pick<DpctlCommand, 'name' | 'usage'>[] = [...DPCTL_COMMANDS];
  const all = rows.toSpliced(
    rows.findIndex(({ name }) => name === 'parse-actions'),
    0,
    ...own,
  );
  const lines = all.map(({ name, usage }) => `  ${name.padEnd(23)} ${usage}\n`);
  return say(`The available commands are:\n${lines.join('')}`, 0);
}

function say(text: string, status: number): number {
  print(text);
  return status;
}

function complain(text: string): number {
  printError(`${PROGRAM}: ${text}\n`);
  return 1;
}
