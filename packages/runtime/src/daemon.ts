/** Start-up of a daemon as ovs-vswitchd(8), "Daemon Options", has it. */
import { join } from 'node:path';
import { coverage } from './coverage.ts';
import { absoluteIn, dirs } from './dirs.ts';
import { HeddleError } from './errors.ts';
import { detach, tellReady, watchOver } from './monitor.ts';
import type { OptionSpec, ParsedOption } from './options.ts';
import { claimPidfile, runningPid } from './pidfile.ts';
import { ROLE } from './role.ts';
import { crashOnBugs, dieOfSignals } from './signals.ts';
import { startSyslog } from './syslog.ts';
import { becomeUser, type DaemonUser, findUser } from './user.ts';
import { vlog } from './vlog.ts';

export { applyLogOption, LOG_OPTIONS } from './log-options.ts';

export const DAEMON_OPTIONS: readonly OptionSpec[] = [
  { long: 'detach', help: 'run in background as daemon' },
  { long: 'no-chdir', help: "do not chdir to '/'" },
  { long: 'pidfile', argument: 'FILE', optional: true, help: 'create pidfile' },
  { long: 'overwrite-pidfile', help: 'with --pidfile, start even if already running' },
  { long: 'monitor', help: 'restart the daemon when it crashes' },
  { long: 'no-self-confinement' },
  { long: 'user', argument: 'USER[:GROUP]', help: 'change user' },
];

/** The same for --help, in upstream's words; a daemon that needs root's privileges keeps its user. */
export function daemonUsage(program: string, { keepsUser = false } = {}): string {
  const user = keepsUser
    ? 'refused: the daemon keeps root'
    : 'changes the effective daemon user:group';
  return `
Daemon options:
  --detach                run in background as daemon
  --monitor               creates a process to monitor this daemon
  --user=username[:group] ${user}
  --no-chdir              do not chdir to '/'
  --pidfile[=FILE]        create pidfile (default: ${join(dirs.rundir, `${program}.pid`)})
  --overwrite-pidfile     with --pidfile, start even if already running
`;
}

export interface DaemonConfig {
  detach: boolean;
  chdir: boolean;
  monitor: boolean;
  pidfile: string | undefined;
  overwritePidfile: boolean;
  /** Whom to become before anything else is opened than the log file. */
  user?: DaemonUser;
  /** Its work is what it writes to standard error, in the background, too. */
  keepsStderr?: boolean;
}

export function daemonConfig(): DaemonConfig {
  return {
    detach: false,
    chdir: true,
    monitor: false,
    pidfile: undefined,
    overwritePidfile: false,
  };
}

/** Applies a daemon option to `config`; returns whether it was one. */
export function applyDaemonOption(
  program: string,
  config: DaemonConfig,
  { spec, value }: ParsedOption,
): boolean {
  switch (spec.long) {
    case 'detach':
      config.detach = true;
      return true;
    case 'no-chdir':
      config.chdir = false;
      return true;
    case 'pidfile':
      config.pidfile = absoluteIn(dirs.rundir, value ?? `${program}.pid`);
      return true;
    case 'overwrite-pidfile':
      config.overwritePidfile = true;
      return true;
    case 'monitor':
      config.monitor = true;
      return true;
    case 'no-self-confinement':
      return true;
    case 'user':
      config.user = findUser(program, config.pidfile, value!);
      return true;
    default:
      return false;
  }
}

export interface Daemon {
  /** To be called once when the daemon serves: a parent that waits for it returns. */
  ready(): void;
}

/**
 * Becomes the daemon that `config` asks for. In a process that only starts another, this does not
 * return: it ends with the other's exit status when the other is ready or has failed.
 */
export async function daemonStart(program: string, config: DaemonConfig): Promise<Daemon> {
  vlog.setProgram(program);
  const role = process.env[ROLE];
  delete process.env[ROLE];
  if (role === undefined && config.detach) {
    refuseSecond(program, config);
    process.exit(await detach(config.monitor ? 'monitor' : 'daemon', config.keepsStderr === true));
  }
  if (config.monitor && role !== 'daemon') {
    process.exit(await watchOver(program, role === 'monitor'));
  }
  startSyslog();
  if (config.user) {
    vlog.giveFileTo(config.user);
    becomeUser(config.user);
  }
  if (config.pidfile !== undefined) {
    claimPidfile(program, config.pidfile, config.overwritePidfile);
  }
  if (config.detach && config.chdir) process.chdir('/');
  crashOnBugs();
  return {
    ready() {
      dieOfSignals();
      coverage.startSampling();
      if (role === undefined) return;
      // Under a monitor in the foreground the terminal stays ours.
      tellReady(config.detach, config.keepsStderr);
    },
  };
}

function refuseSecond(program: string, { pidfile, overwritePidfile }: DaemonConfig): void {
  const pid = pidfile === undefined || overwritePidfile ? undefined : runningPid(pidfile);
  if (pid === undefined) return;
  throw new HeddleError(`${program}: ${pidfile}: already running as pid ${pid}, aborting`);
}

/** The control socket's path: `--unixctl`, else RUNDIR/PROGRAM.PID.ctl. */
export function unixctlPath(program: string, option: string | undefined): string {
  if (option === 'none') return option;
  return option === undefined
    ? join(dirs.rundir, `${program}.${process.pid}.ctl`)
    : absoluteIn(dirs.rundir, option);
}
