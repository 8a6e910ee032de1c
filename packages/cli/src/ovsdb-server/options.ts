/** The command line of ovsdb-server(1). */
import {
  applyDaemonOption,
  applyLogOption,
  DAEMON_OPTIONS,
  type DaemonConfig,
  daemonConfig,
  daemonUsage,
  dirs,
  HeddleError,
  LOG_OPTIONS,
  logUsage,
  type OptionSpec,
  type ParsedOption,
  parseOptions,
  type TlsFiles,
} from '@heddle/runtime';
import { acceptedCiphers, acceptedProtocols } from '@heddle/runtime/tls';
import { TLS_USAGE } from '../tls/usage.ts';
import type { SyncOptions } from './syncing.ts';

export const PROGRAM = 'ovsdb-server';

const OPTIONS: readonly OptionSpec[] = [
  { long: 'remote', argument: 'REMOTE' },
  { long: 'unixctl', argument: 'SOCKET' },
  { long: 'run', argument: 'COMMAND' },
  { long: 'no-dbs' },
  { long: 'config-file', argument: 'FILE' },
  { long: 'private-key', short: 'p', argument: 'FILE' },
  { long: 'certificate', short: 'c', argument: 'FILE' },
  { long: 'ca-cert', short: 'C', argument: 'FILE' },
  { long: 'bootstrap-ca-cert', argument: 'FILE' },
  { long: 'peer-ca-cert', argument: 'FILE' },
  { long: 'ssl-protocols', argument: 'PROTOS' },
  { long: 'ssl-ciphers', argument: 'CIPHERS' },
  { long: 'sync-from', argument: 'SERVER' },
  { long: 'sync-exclude-tables', argument: 'DB:TABLE,...' },
  { long: 'active' },
  { long: 'record', argument: 'DIR', optional: true },
  { long: 'replay', argument: 'DIR', optional: true },
  // Files hold whatever is smaller: a column or its difference.
  { long: 'disable-file-column-diff' },
  ...DAEMON_OPTIONS,
  ...LOG_OPTIONS,
  { long: 'help', short: 'h' },
  { long: 'version', short: 'V' },
];

export interface CommandLine {
  /** `--help` or `--version`: nothing else counts. */
  print: 'help' | 'version' | undefined;
  readonly daemon: DaemonConfig;
  databases: readonly string[];
  readonly remotes: string[];
  unixctl: string | undefined;
  run: string | undefined;
  configFile: string | undefined;
  readonly tls: TlsFiles;
  readonly sync: SyncOptions;
}

/** Throws HeddleError for what is not an option, or not supported. */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const { options, args } = parseOptions(PROGRAM, OPTIONS, argv);
  const line: CommandLine = {
    print: undefined,
    daemon: daemonConfig(),
    databases: args,
    remotes: [],
    unixctl: undefined,
    run: undefined,
    configFile: undefined,
    tls: { privateKey: undefined, certificate: undefined, caCert: undefined },
    sync: { from: undefined, exclude: '', active: false },
  };
  let noDbs = false;
  for (const option of options) {
    if (applyDaemonOption(PROGRAM, line.daemon, option) || applyLogOption(PROGRAM, option))
      continue;
    if (option.spec.long === 'no-dbs') noDbs = true;
    apply(line, option);
    if (line.print) return line;
  }
  if (line.configFile !== undefined) {
    const { from, exclude, active } = line.sync;
    const others = args.length + line.remotes.length > 0 || noDbs || active || exclude !== '';
    if (others || from !== undefined) {
      throw new HeddleError(
        '--config-file does not go with databases, --remote, --no-dbs or options of syncing',
      );
    }
  } else if (args.length === 0 && !noDbs) line.databases = [dirs.defaultDb];
  return line;
}

function apply(line: CommandLine, { spec, value }: ParsedOption): void {
  const { tls, sync } = line;
  switch (spec.long) {
    case 'help':
    case 'version':
      line.print = spec.long;
      return;
    case 'remote':
      return void line.remotes.push(value!);
    case 'unixctl':
      line.unixctl = value;
      return;
    case 'run':
      line.run = value;
      return;
    case 'config-file':
      line.configFile = value;
      return;
    case 'private-key':
      tls.privateKey = value;
      return;
    case 'certificate':
      tls.certificate = value;
      return;
    case 'ca-cert':
    case 'bootstrap-ca-cert':
      tls.caCert = value;
      tls.bootstrap = spec.long === 'bootstrap-ca-cert';
      return;
    case 'peer-ca-cert':
      tls.peerCaCert = value;
      return;
    case 'ssl-protocols':
      tls.protocols = acceptedProtocols(value);
      return;
    case 'ssl-ciphers':
      tls.ciphers = acceptedCiphers(value);
      return;
    case 'sync-from':
      sync.from = value;
      return;
    case 'sync-exclude-tables':
      sync.exclude = value!;
      return;
    case 'active':
      sync.active = true;
      return;
    case 'record':
    case 'replay':
      throw new HeddleError(`--${spec.long} is not supported`);
    default:
  }
}

export function usage(): string {
  return `${PROGRAM}: Open vSwitch database server
usage: ${PROGRAM} [OPTIONS] [DATABASE...]
where each DATABASE is a database file in ovsdb format.
The default DATABASE, if none is given, is
${dirs.defaultDb}.

JSON-RPC options (may be specified any number of times):
  --remote=REMOTE         connect or listen to REMOTE

Active JSON-RPC connection methods:
  tcp:HOST:PORT           PORT at remote HOST
  ssl:HOST:PORT           SSL PORT at remote HOST
  unix:FILE               Unix domain socket named FILE
Passive JSON-RPC connection methods:
  ptcp:PORT[:IP]          listen to TCP PORT on IP
  pssl:PORT[:IP]          listen for SSL on PORT on IP
  punix:FILE              listen on Unix domain socket FILE
${TLS_USAGE}${daemonUsage(PROGRAM)}${logUsage(PROGRAM)}
Syncing options:
  --sync-from=SERVER      sync DATABASE from active SERVER and start in
                          backup mode (except with --active)
  --sync-exclude-tables=DB:TABLE,...
                          exclude the TABLE in DB from syncing
  --active                with --sync-from, start in active mode

Other options:
  --config-file=FILE      read databases and remotes from FILE
  --run COMMAND           run COMMAND as subprocess then exit
  --unixctl=SOCKET        override default control socket name
  --disable-file-column-diff
                          don't use column diff in database file
  -h, --help              display this help message
  -V, --version           display version information`;
}
