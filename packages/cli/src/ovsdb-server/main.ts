/** ovsdb-server(1): serves database files over JSON-RPC. */
import { resolve } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { installDaemonServices } from '@heddle/linux/daemon-services';
import { rehearse } from '@heddle/ovsdb';
import {
  coverage,
  daemonStart,
  dieOfSignals,
  errorLine,
  HeddleError,
  type TlsFiles,
  UnixctlServer,
  unixctlPath,
  versionText,
  vlog,
} from '@heddle/runtime';
import { print, printError } from '@heddle/runtime/stdio';
import { OvsdbDaemon } from './daemon.ts';
import { type CommandLine, PROGRAM, parseCommandLine, usage } from './options.ts';

async function main(): Promise<void> {
  const line = parseCommandLine(process.argv.slice(2));
  if (line.print === 'help') return void print(`${usage()}\n`);
  if (line.print === 'version') return void print(`${versionText(PROGRAM)}\n`);
  const config = line.daemon;
  if (config.detach && config.chdir) makeAbsolute(line);
  installDaemonServices();
  const daemon = await daemonStart(PROGRAM, config);
  const ctl = new UnixctlServer(PROGRAM);
  coverage.register(ctl);
  const server = new OvsdbDaemon(ctl, line.tls, line.sync, line.configFile);
  await server.start(line.databases, line.remotes);
  await ctl.listen(unixctlPath(PROGRAM, line.unixctl));
  if (line.run === undefined) {
    vlog.module('ovsdb_server').info(versionText(PROGRAM).replace('\n', ', '));
  }
  setInterval(() => coverage.sample(), 5000).unref();
  dieOfSignals(() => server.stop());
  optimizeSooner();
  daemon.ready();
  void rehearse(server.server);
  if (line.run !== undefined) process.exit(await server.runCommand(line.run));
}

/**
 * V8 compiles what has run often: by default too late for a server that has thousands of
 * transactions in all its life. Only from now on: what starts a server runs once. Measured with
 * `bench/ovsdb`: 3,000 add-ports after 2,000 others take two thirds of the processor time. Functions
 * that take fewer others in are compiled in a third less, and run as fast.
 */
function optimizeSooner(): void {
  setFlagsFromString('--always-sparkplug');
  setFlagsFromString('--invocation-count-for-maglev=30');
  setFlagsFromString('--invocation-count-for-turbofan=1000');
  setFlagsFromString('--minimum-invocations-after-ic-update=50');
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=200');
}

/** The daemon leaves the directory that the names are relative to. */
function makeAbsolute(line: CommandLine): void {
  line.databases = line.databases.map((file) => (file.startsWith('relay:') ? file : resolve(file)));
  if (line.configFile !== undefined) line.configFile = resolve(line.configFile);
  const files: TlsFiles = line.tls;
  for (const name of ['privateKey', 'certificate', 'caCert', 'peerCaCert'] as const) {
    const file = files[name];
    if (file !== undefined && file !== 'none' && !file.startsWith('db:'))
      files[name] = resolve(file);
  }
}

main().catch((error: unknown) => {
  if (!(error instanceof HeddleError)) throw error;
  printError(errorLine(PROGRAM, error));
  process.exit(1);
});
