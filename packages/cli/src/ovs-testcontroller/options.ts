/** The command line of ovs-testcontroller(8). */
import { type FlowMod, parseVersions } from '@heddle/openflow';
import {
  applyDaemonOption,
  applyLogOption,
  DAEMON_OPTIONS,
  type DaemonConfig,
  daemonConfig,
  daemonUsage,
  HeddleError,
  LOG_OPTIONS,
  logUsage,
  type OptionSpec,
  parseOptions,
  type TlsFiles,
} from '@heddle/runtime';
import { readFlowFile } from '../ovs-ofctl/flow-lines.ts';
import { PKI_USAGE } from '../tls/usage.ts';
import type { SwitchOptions } from './learning-switch.ts';

export const PROGRAM = 'ovs-testcontroller';

const OPTIONS: readonly OptionSpec[] = [
  { long: 'hub', short: 'H' },
  { long: 'noflow', short: 'n' },
  { long: 'normal', short: 'N' },
  { long: 'wildcards', short: 'w', argument: 'MASK', optional: true },
  { long: 'max-idle', argument: 'SECS' },
  { long: 'mute' },
  { long: 'queue', short: 'q', argument: 'QUEUE' },
  { long: 'port-queue', short: 'Q', argument: 'PORT:QUEUE' },
  { long: 'with-flows', argument: 'FILE' },
  { long: 'unixctl', argument: 'SOCKET' },
  { long: 'protocols', short: 'O', argument: 'VERSIONS' },
  { long: 'private-key', short: 'p', argument: 'FILE' },
  { long: 'certificate', short: 'c', argument: 'FILE' },
  { long: 'ca-cert', short: 'C', argument: 'FILE' },
  { long: 'peer-ca-cert', argument: 'FILE' },
  ...DAEMON_OPTIONS,
  ...LOG_OPTIONS,
  { long: 'help', short: 'h' },
  { long: 'version', short: 'V' },
];

const ALL_VERSIONS = 0x7e;
const DEFAULT_MAX_IDLE_SEC = 60;
/** As the man page has it, and the VLAN's priority, as upstream does. */
const L2_WILDCARDS = 0x3820f0;
const PERMANENT = 0;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export interface CommandLine {
  print: 'help' | 'version' | undefined;
  readonly daemon: DaemonConfig;
  readonly tls: TlsFiles;
  readonly options: SwitchOptions;
  unixctl: string | undefined;
  versions: number;
  readonly remotes: readonly string[];
}

export function parseCommandLine(argv: readonly string[]): CommandLine {
  const parsed = parseOptions(PROGRAM, OPTIONS, argv);
  const tls: TlsFiles = { privateKey: undefined, certificate: undefined, caCert: undefined };
  const flows: FlowMod[] = [];
  const portQueues = new Map<string, number>();
  const options: Mutable<SwitchOptions> = {
    ...{ mode: 'learn', setsUpFlows: true, maxIdleSec: DEFAULT_MAX_IDLE_SEC, wildcards: 0 },
    ...{ queue: undefined, portQueues, flows, isMute: false },
  };
  const line: CommandLine = {
    ...{ print: undefined, daemon: daemonConfig(), tls, options, unixctl: undefined },
    ...{ versions: ALL_VERSIONS, remotes: parsed.args },
  };
  for (const option of parsed.options) {
    if (applyDaemonOption(PROGRAM, line.daemon, option) || applyLogOption(PROGRAM, option))
      continue;
    const { spec, value = '' } = option;
    if (spec.long === 'help' || spec.long === 'version') line.print ??= spec.long;
    else if (spec.long === 'hub' || spec.long === 'normal') options.mode = 'hub';
    else if (spec.long === 'noflow') options.setsUpFlows = false;
    else if (spec.long === 'mute') options.isMute = true;
    else if (spec.long === 'wildcards') options.wildcards = wildcards(option.value);
    else if (spec.long === 'max-idle') options.maxIdleSec = maxIdle(value);
    else if (spec.long === 'queue') options.queue = Number.parseInt(value, 10) || 0;
    else if (spec.long === 'port-queue') addPortQueue(portQueues, value);
    else if (spec.long === 'with-flows') flows.push(...readFlowFile(value, 'add', {}).mods);
    else if (spec.long === 'unixctl') line.unixctl = value;
    else if (spec.long === 'protocols') line.versions = versions(value);
    else if (spec.long === 'private-key') tls.privateKey = value;
    else if (spec.long === 'certificate') tls.certificate = value;
    else if (spec.long === 'ca-cert') tls.caCert = value;
    else if (spec.long === 'peer-ca-cert') tls.peerCaCert = value;
  }
  if (options.queue !== undefined || portQueues.size > 0) options.mode = 'learn';
  if (line.print === undefined && line.remotes.length === 0) {
    throw new HeddleError('at least one vconn argument required; use --help for usage');
  }
  return line;
}

function wildcards(value: string | undefined): number {
  return value === undefined ? L2_WILDCARDS : Number.parseInt(value, 16) || 0;
}

function maxIdle(value: string): number {
  if (value === 'permanent') return PERMANENT;
  const seconds = Number.parseInt(value, 10);
  if (seconds >= 1 && seconds <= 65535) return seconds;
  throw new HeddleError("--max-idle argument must be between 1 and 65535 or the word 'permanent'");
}

function addPortQueue(queues: Map<string, number>, value: string): void {
  const [, name, queue] = /^([^:]+):(.+)$/.exec(value) ?? [];
  if (name === undefined) {
    throw new HeddleError(
      'argument to -Q or --port-queue should take the form "<port-name>:<queue-id>"',
    );
  }
  queues.set(name, Number.parseInt(queue ?? '', 10) || 0);
}

function versions(value: string): number {
  const bits = parseVersions(value);
  if (bits === undefined) throw new HeddleError(`${value}: unknown OpenFlow version`);
  return bits;
}

export function usage(): string {
  return `${PROGRAM}: OpenFlow controller
usage: ${PROGRAM} [OPTIONS] METHOD
where METHOD is any OpenFlow connection method.

Active OpenFlow connection methods:
  tcp:HOST[:PORT]         PORT (default: 6653) at remote HOST
  ssl:HOST[:PORT]         SSL PORT (default: 6653) at remote HOST
  unix:FILE               Unix domain socket named FILE
Passive OpenFlow connection methods:
  ptcp:[PORT][:IP]        listen to TCP PORT (default: 6653) on IP
  pssl:[PORT][:IP]        listen for SSL on PORT (default: 6653) on IP
  punix:FILE              listen on Unix domain socket FILE
${PKI_USAGE}${daemonUsage(PROGRAM)}
OpenFlow version options:
  -V, --version           display version information
  -O, --protocols         set allowed OpenFlow versions
                          (default: OpenFlow10, OpenFlow11, OpenFlow12, OpenFlow13, OpenFlow14, OpenFlow15)
${logUsage(PROGRAM)}
Other options:
  -H, --hub               act as hub instead of learning switch
  -n, --noflow            pass traffic, but don't add flows
  --max-idle=SECS         max idle time for new flows
  -N, --normal            use OFPP_NORMAL action
  -w, --wildcards[=MASK]  wildcard (specified) bits in flows
  -q, --queue=QUEUE-ID    OpenFlow queue ID to use for output
  -Q PORT-NAME:QUEUE-ID   use QUEUE-ID for frames from PORT-NAME
  --with-flows FILE       use the flows from FILE
  --unixctl=SOCKET        override default control socket name
  -h, --help              display this help message
  -V, --version           display version information`;
}
