import { absoluteIn, dirs } from './dirs.ts';
import { HeddleError } from './errors.ts';
import type { OptionSpec, ParsedOption } from './options.ts';
import { ROLE } from './role.ts';
import { setSyslogMethod } from './syslog.ts';
import { vlog } from './vlog.ts';

/** The logging options of every command (ovs-appctl(8), "Logging Options"). */
export const LOG_OPTIONS: readonly OptionSpec[] = [
  { long: 'verbose', short: 'v', argument: 'SPEC', optional: true, help: 'set logging levels' },
  { long: 'log-file', argument: 'FILE', optional: true, help: 'enable logging to FILE' },
  { long: 'syslog-method', argument: 'METHOD', help: '(libc|unix:FILE|udp:IP:PORT|null)' },
  { long: 'syslog-target', argument: 'HOST:PORT', help: 'also send syslog messages there' },
];

/** The same for --help, in upstream's words. */
export function logUsage(program: string): string {
  return `
Logging options:
  -vSPEC, --verbose=SPEC   set logging levels
  -v, --verbose            set maximum verbosity level
  --log-file[=FILE]        enable logging to specified FILE
                           (default: ${absoluteIn(dirs.logdir, `${program}.log`)})
  --syslog-method=(libc|unix:file|udp:ip:port)
                           specify how to send messages to syslog daemon
  --syslog-target=HOST:PORT  also send syslog msgs to HOST:PORT via UDP
`;
}

/** Applies a logging option; returns whether it was one. Throws HeddleError on a bad argument. */
export function applyLogOption(program: string, { spec, value }: ParsedOption): boolean {
  switch (spec.long) {
    case 'verbose': {
      if (value === undefined) {
        vlog.setLevel(undefined, undefined, 'dbg');
        return true;
      }
      const wrong = vlog.apply(value);
      if (wrong !== undefined) {
        throw new HeddleError(`${program}: processing "${value}": ${wrong}`);
      }
      return true;
    }
    case 'log-file':
      if (!openLog(absoluteIn(dirs.logdir, value ?? `${program}.log`))) process.exit(1);
      return true;
    case 'syslog-method':
      setSyslogMethod(program, value!);
      return true;
    case 'syslog-target':
      setSyslogMethod(program, `udp:${value}`);
      return true;
    default:
      return false;
  }
}

/** What the process that starts a daemon has said already, the daemon does not say again. */
function openLog(path: string): boolean {
  return vlog.openFile(path, process.env[ROLE] === undefined);
}
