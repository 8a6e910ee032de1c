/** ovs-vswitchd(8): the switch. */
import { resolve } from 'node:path';
import { installDaemonServices } from '@heddle/linux/daemon-services';
import {
  applyDaemonOption,
  applyLogOption,
  coverage,
  DAEMON_OPTIONS,
  daemonConfig,
  daemonStart,
  daemonUsage,
  dieOfSignals,
  dirs,
  errorLine,
  HeddleError,
  LOG_OPTIONS,
  logUsage,
  messageOf,
  type OptionSpec,
  parseOptions,
  UnixctlServer,
  unixctlPath,
  versionText,
  vlog,
} from '@heddle/runtime';
import { print, printError } from '@heddle/runtime/stdio';
import { registerSwitchCommands, rehearse, Switch } from '@heddle/vswitch';
import { Collector } from '../attach/collector.ts';
import { applyTlsOption, noTls, TLS_OPTIONS } from '../tls/options.ts';
import { TLS_USAGE } from '../tls/usage.ts';
import { type DummyLevel, dummyLevel, dummyPlatform, kernelPlatform } from './platform.ts';

const PROGRAM = 'ovs-vswitchd';

const OPTIONS: readonly OptionSpec[] = [
  ...DAEMON_OPTIONS,
  ...LOG_OPTIONS,
  { long: 'mlockall', help: 'accepted for compatibility' },
  { long: 'unixctl', argument: 'SOCKET', help: 'override default control socket name' },
  { long: 'enable-dummy', argument: 'LEVEL', optional: true, help: 'dummy devices, for tests' },
  { long: 'disable-system', help: 'accepted for compatibility' },
  { long: 'disable-system-route', help: 'accepted for compatibility' },
  ...TLS_OPTIONS,
  { long: 'help', short: 'h', help: 'display this help message' },
  { long: 'version', short: 'V', help: 'display version information' },
];

function usage(): string {
  return `${PROGRAM}: Open vSwitch daemon
usage: ${PROGRAM} [OPTIONS] [DATABASE]
where DATABASE is a socket on which ovsdb-server is listening
      (default: "${dirs.defaultRemote}").
Active DATABASE connection methods:
  tcp:HOST:PORT           PORT at remote HOST
  ssl:HOST:PORT           SSL PORT at remote HOST
  unix:FILE               Unix domain socket named FILE
${TLS_USAGE}${daemonUsage(PROGRAM, { keepsUser: true })}${logUsage(PROGRAM)}
Other options:
  --unixctl=SOCKET          override default control socket name
  -h, --help                display this help message
  -V, --version             display version information`;
}

async function main(): Promise<void> {
  const { options, args } = parseOptions(PROGRAM, OPTIONS, process.argv.slice(2));
  const config = daemonConfig();
  const tls = noTls();
  let unixctl: string | undefined;
  let dummy: DummyLevel | undefined;
  for (const option of options) {
    if (applyDaemonOption(PROGRAM, config, option) || applyLogOption(PROGRAM, option)) continue;
    if (applyTlsOption(tls, option)) continue;
    if (option.spec.long === 'help') return void print(`${usage()}\n`);
    if (option.spec.long === 'version') return void print(`${versionText(PROGRAM)}\n`);
    if (option.spec.long === 'unixctl') unixctl = option.value;
    if (option.spec.long === 'enable-dummy') dummy = dummyLevel(option.value);
  }
  if (config.user) {
    throw new HeddleError(
      `${PROGRAM}: --user is not supported: another user may not load what runs in the kernel`,
    );
  }
  if (args.length > 1) {
    throw new HeddleError('at most one non-option argument accepted; use --help for usage');
  }
  // A daemon leaves the directory that its files were named from.
  for (const key of ['privateKey', 'certificate', 'caCert'] as const) {
    const file = tls[key];
    if (file !== undefined && file !== 'none') tls[key] = resolve(file);
  }
  installDaemonServices();
  const daemon = await daemonStart(PROGRAM, config);
  const ctl = new UnixctlServer(PROGRAM);
  const platform = dummy === undefined ? kernelPlatform() : dummyPlatform(dummy);
  const sw = new Switch({ remote: args[0] ?? dirs.defaultRemote, tls, ...platform });
  registerSwitchCommands(ctl, sw);
  const stop = (cleanup: boolean): Promise<void> =>
    sw
      .stop(cleanup)
      .catch((error: unknown) => vlog.module('bridge').err(messageOf(error)))
      .then(() => ctl.close());
  ctl.register('exit', '[--cleanup]', 0, 1, ([option]) => {
    setImmediate(() => void stop(option === '--cleanup').then(() => process.exit(0)));
    return '';
  });
  await ctl.listen(unixctlPath(PROGRAM, unixctl));
  dieOfSignals(() => stop(false));
  setInterval(() => coverage.sample(), 5000).unref();
  sw.start();
  new Collector();
  // As upstream: --detach returns when what the database says is in force.
  void sw.ready.then(() => {
    daemon.ready();
    void rehearse(() => [...sw.backers.values()][0]?.dpif.rehearsal?.());
  });
}

main().catch((error: unknown) => {
  if (!(error instanceof HeddleError)) throw error;
  printError(errorLine(PROGRAM, error));
  process.exit(1);
});
