/** ovsdb-server(1): serves database files over JSON-RPC. */
import { installDaemonServices } from '@heddle/linux/daemon-services';
import {
  applyDaemonOption,
  applyLogOption,
  coverage,
  DAEMON_OPTIONS,
  daemonConfig,
  daemonStart,
  daemonUsage,
  dirs,
  HeddleError,
  LOG_OPTIONS,
  logUsage,
  type OptionSpec,
  parseOptions,
  UnixctlServer,
  unixctlPath,
  versionText,
  vlog,
} from '@heddle/runtime';
import { OvsdbDaemon } from './daemon.ts';

const PROGRAM = 'ovsdb-server';

const OPTIONS: readonly OptionSpec[] = [
  { long: 'remote', argument: 'REMOTE', help: 'connect or listen to REMOTE' },
  { long: 'unixctl', argument: 'SOCKET', help: 'override default control socket name' },
  { long: 'run', argument: 'COMMAND', help: 'run COMMAND as subprocess then exit' },
  { long: 'private-key', short: 'p', argument: 'FILE', help: 'file with private key' },
  { long: 'certificate', short: 'c', argument: 'FILE', help: 'file with certificate' },
  { long: 'ca-cert', short: 'C', argument: 'FILE', help: 'file with peer CA certificate' },
  { long: 'disable-file-column-diff', help: 'accepted: files never hold column diffs' },
  ...DAEMON_OPTIONS,
  ...LOG_OPTIONS,
  { long: 'help', short: 'h', help: 'display this help message' },
  { long: 'version', short: 'V', help: 'display version information' },
];

function usage(): string {
  return `${PROGRAM}: Open vSwitch database server
usage: ${PROGRAM} [OPTIONS] [DATABASE...]
where each DATABASE is a database file in ovsdb format.
The default DATABASE, if none is given, is
${dirs.defaultDb}

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
PKI configuration (required to use SSL):
  -p, --private-key=FILE  file with private key
  -c, --certificate=FILE  file with certificate for private key
  -C, --ca-cert=FILE      file with peer CA certificate
${daemonUsage(PROGRAM)}${logUsage(PROGRAM)}
Other options:
  --run COMMAND           run COMMAND as subprocess then exit
  --unixctl=SOCKET        override default control socket name
  -h, --help              display this help message
  -V, --version           display version information`;
}

async function main(): Promise<void> {
  const { options, args } = parseOptions(PROGRAM, OPTIONS, process.argv.slice(2));
  const config = daemonConfig();
  const remotes: string[] = [];
  let unixctl: string | undefined;
  let run: string | undefined;
  const tls: Record<string, string | undefined> = {};
  vlog.setLevel(undefined, 'console', 'warn');
  for (const option of options) {
    if (applyDaemonOption(PROGRAM, config, option) || applyLogOption(PROGRAM, option)) continue;
    const { long } = option.spec;
    if (long === 'help') return void console.log(usage());
    if (long === 'version') return void console.log(versionText(PROGRAM));
    if (long === 'remote') remotes.push(option.value!);
    else if (long === 'unixctl') unixctl = option.value;
    else if (long === 'run') run = option.value;
    else if (long !== undefined) tls[long] = option.value;
  }
  installDaemonServices();
  const daemon = await daemonStart(PROGRAM, config);
  const ctl = new UnixctlServer(PROGRAM);
  coverage.register(ctl);
  const server = new OvsdbDaemon(ctl, {
    privateKey: tls['private-key'],
    certificate: tls['certificate'],
    caCert: tls['ca-cert'],
  });
  await server.start(args.length > 0 ? args : [dirs.defaultDb], remotes);
  await ctl.listen(unixctlPath(PROGRAM, unixctl));
  vlog.module('ovsdb_server').info(versionText(PROGRAM).replace('\n', ', '));
  if (config.detach) vlog.setLevel(undefined, 'console', 'off');
  setInterval(() => coverage.sample(), 5000).unref();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => void server.stop().then(() => process.exit(0)));
  }
  daemon.ready();
  if (run !== undefined) process.exit(await server.runCommand(run));
}

main().catch((error: unknown) => {
  if (!(error instanceof HeddleError)) throw error;
  const text = error.message.startsWith(`${PROGRAM}: `)
    ? error.message
    : `${PROGRAM}: ${error.message}`;
  process.stderr.write(`${text}\n`);
  process.exit(1);
});
