/** ovs-testcontroller(8): a controller that makes switches learn, for tests. */
import type { Socket } from 'node:net';
import { installDaemonServices } from '@heddle/linux/daemon-services';
import { OFP_PORT, Vconn } from '@heddle/openflow';
import {
  connectRemote,
  daemonStart,
  errnoOf,
  HeddleError,
  listenRemote,
  parseRemote,
  strerror,
  UnixctlServer,
  unixctlPath,
  versionText,
  vlog,
} from '@heddle/runtime';
import { UsageError } from '@heddle/runtime/options';
import { print } from '@heddle/runtime/stdio';
import { LearningSwitch } from './learning-switch.ts';
import { type CommandLine, PROGRAM, parseCommandLine, usage } from './options.ts';

const MAX_BACKOFF_MS = 8000;
/** A switch that says nothing for so long is asked whether it is there, and then given up. */
const PROBE_MS = 60_000;
/** A switch that lets this much pile up is not listened to. */
const READ_LIMIT = 1024 * 1024;
const log = vlog.module('controller');

async function main(): Promise<void> {
  const line = parseCommandLine(process.argv.slice(2));
  if (line.print === 'help') return void print(`${usage()}\n`);
  if (line.print === 'version') return void print(`${versionText(PROGRAM)}\n`);
  installDaemonServices();
  const daemon = await daemonStart(PROGRAM, line.daemon);
  let started = 0;
  for (const remote of line.remotes) if (await start(remote, line)) started++;
  if (started === 0) throw new HeddleError('no active or passive switch connections');
  const ctl = new UnixctlServer(PROGRAM);
  ctl.registerExit('', 0, () => {});
  await ctl.listen(unixctlPath(PROGRAM, line.unixctl));
  daemon.ready();
}

/** Whether switches may come by `remote` or are asked there. */
async function start(remote: string, line: CommandLine): Promise<boolean> {
  const refuse = (why: string): boolean => {
    log.err(`${remote}: connect: ${why}`);
    return false;
  };
  const parsed = parseRemote(remote, OFP_PORT);
  if (!parsed) return refuse(strerror('EAFNOSUPPORT'));
  if (!parsed.kind.startsWith('p')) {
    connect(remote, line, 1000);
    return true;
  }
  const accept = (socket: Socket) => serve(socket, remote, line, () => {});
  try {
    await listenRemote(remote, accept, line.tls, OFP_PORT);
    return true;
  } catch (error) {
    return refuse(error instanceof HeddleError ? error.message : strerror(errnoOf(error)));
  }
}

/** Again and again, each wait twice as long as the one before until a connection stands. */
function connect(remote: string, line: CommandLine, backoffMs: number): void {
  let wait = backoffMs;
  const retry = () => {
    setTimeout(() => connect(remote, line, Math.min(2 * wait, MAX_BACKOFF_MS)), wait);
  };
  const opened = () => {
    wait = 1000;
  };
  serve(connectRemote(remote, line.tls, OFP_PORT), remote, line, retry, opened);
}

function serve(
  socket: Socket,
  name: string,
  { versions, options }: CommandLine,
  closed: () => void,
  opened?: () => void,
): void {
  let lswitch: LearningSwitch | undefined;
  let isProbed = false;
  const vconn: Vconn = new Vconn(
    socket,
    { versions, name, readLimit: READ_LIMIT },
    {
      open: (version) => {
        opened?.();
        lswitch = new LearningSwitch(version, options, (msg) => vconn.send(msg));
      },
      message: (msg) => {
        isProbed = false;
        lswitch?.receive(msg);
      },
      bad: (error) => {
        isProbed = false;
        log.rl.warn(`${name}: ${error.message}`);
      },
      close: (why) => {
        log.info(`${name}: connection closed${why === undefined ? '' : ` (${why})`}`);
        closed();
      },
    },
  );
  socket.setTimeout(PROBE_MS, () => {
    if (isProbed || !vconn.isOpen) {
      socket.destroy(new Error('no response to inactivity probe'));
      return;
    }
    isProbed = true;
    vconn.send({ type: 'echo_request', version: vconn.version, xid: 0, data: new Uint8Array() });
  });
}

main().catch((error: unknown) => {
  if (!(error instanceof HeddleError)) throw error;
  // What is wrong with an option begins with the program's name already.
  const prefix = error instanceof UsageError ? '' : `${PROGRAM}: `;
  process.stderr.write(`${prefix}${error.message}\n`);
  process.exit(1);
});
