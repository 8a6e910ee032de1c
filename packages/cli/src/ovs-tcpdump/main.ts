/** ovs-tcpdump(8): tcpdump on what passes a port of a bridge. */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { dirs } from '@heddle/runtime/dirs';
import { HeddleError } from '@heddle/runtime/errors';
import { print, printError } from '@heddle/runtime/stdio';
import { versionText } from '@heddle/runtime/version';
import { runCommand } from '../ovs-save/save-flows.ts';

const PROGRAM = 'ovs-tcpdump';
/** Bytes of a device's name (IFNAMSIZ without the last). */
const MAX_NAME = 15;
const SIGNAL_STATUS = 128;

function usage(): string {
  return `${PROGRAM}: Open vSwitch tcpdump helper.
usage: ${PROGRAM} -i interface [TCPDUMP OPTIONS]
where TCPDUMP OPTIONS represents the options normally passed to tcpdump.

The following options are available:
   -h, --help                 display this help message
   -V, --version              display version information
   --db-sock                  A connection string to reach the Open vSwitch
                              ovsdb-server.
                              Default '${dirs.defaultRemote}'
   --dump-cmd                 Command to use for tcpdump (default 'tcpdump')
   -i, --interface            Open vSwitch interface to mirror and tcpdump
   --mirror-to                The name for the mirror port to use (optional)
                              Default 'miINTERFACE'
   --span                     If specified, mirror all ports (optional)
`;
}

interface Line {
  readonly port: string;
  readonly mirror: string;
  readonly db: string;
  readonly command: string;
  readonly span: boolean;
  /** For tcpdump. */
  readonly rest: readonly string[];
}

/** Returns the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  if (argv.some((w) => w === '-h' || w === '--help')) return print(usage());
  if (argv.some((w) => w === '-V' || w === '--version')) return print(`${versionText(PROGRAM)}\n`);
  try {
    return await capture(parse(argv));
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    printError(`${error.message}\n`);
    return 1;
  }
}

function parse(argv: readonly string[]): Line {
  const found = new Map<string, string>();
  const rest: string[] = [];
  let span = false;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    const [name = '', inline] = word.startsWith('--') ? word.split(/=(.*)/s, 2) : [word];
    const option = name === '-i' ? '--interface' : name;
    if (word === '--span') span = true;
    else if (['--db-sock', '--dump-cmd', '--interface', '--mirror-to'].includes(option)) {
      const value = inline ?? argv[++i];
      if (value !== undefined) found.set(option, value);
    } else rest.push(word);
  }
  const port = found.get('--interface');
  if (port === undefined) {
    throw new HeddleError("Error: must at least specify an interface with '-i' option");
  }
  const command = found.get('--dump-cmd') ?? 'tcpdump';
  if (!isExecutable(command)) {
    throw new HeddleError(`Error: unable to execute '${command}' (check PATH)`);
  }
  const mirror = found.get('--mirror-to') ?? `mi${port}`;
  if (Buffer.byteLength(mirror) > MAX_NAME) {
    throw new HeddleError(
      `Error: "${mirror}" is too long for a device (at most ${MAX_NAME} bytes): use '--mirror-to'`,
    );
  }
  return { port, mirror, db: found.get('--db-sock') ?? dirs.defaultRemote, command, span, rest };
}

function isExecutable(command: string): boolean {
  const paths = command.includes('/')
    ? [command]
    : (process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, command));
  return paths.some((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function capture({ port, mirror, db, command, span, rest }: Line): Promise<number> {
  const vsctl = (...args: string[]) => runCommand('ovs-vsctl', [`--db=${db}`, ...args]);
  const bridge = bridgeOf(port, vsctl);
  if (vsctl('list-ports', bridge).split('\n').includes(mirror)) {
    throw new HeddleError(`ERROR: Mirror port (${mirror}) exists for port ${port}.`);
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  let child: ReturnType<typeof spawn> | undefined;
  let asked: NodeJS.Signals | undefined;
  for (const signal of signals) {
    process.on(signal, () => {
      asked = signal;
      child?.kill(signal);
    });
  }
  const name = `m_${mirror}`;
  vsctl(...makeMirror(bridge, port, mirror, name, span));
  try {
    const { status, stderr } = spawnSync('ip', ['link', 'set', 'dev', mirror, 'up'], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new HeddleError(`ERROR: ${stderr.trim()}`);
    if (asked !== undefined) return SIGNAL_STATUS;
    child = spawn(command, ['-i', mirror, ...rest], { stdio: 'inherit' });
    return await ended(child);
  } finally {
    const mirrors = ['--', '--id=@m', 'get', 'mirror', name];
    vsctl(...mirrors, '--', 'remove', 'bridge', bridge, 'mirrors', '@m', '--', 'del-port', mirror);
  }
}

/** The port may be a bridge's own, too, which ovs-vsctl takes for a bridge. */
function bridgeOf(port: string, vsctl: (...args: string[]) => string): string {
  for (const command of ['port-to-br', 'br-to-parent']) {
    try {
      return vsctl(command, port).trim();
    } catch (error) {
      if (!(error instanceof HeddleError)) throw error;
      if (!/no (port|bridge) named/.test(error.message)) throw error;
    }
  }
  throw new HeddleError(`ERROR: Port ${port} does not exist.`);
}

function makeMirror(
  bridge: string,
  port: string,
  mirror: string,
  name: string,
  span: boolean,
): string[] {
  const from = span ? ['select_all=true'] : ['select_src_port=@from', 'select_dst_port=@from'];
  return [
    ...['add-port', bridge, mirror, '--', 'set', 'interface', mirror, 'type=internal'],
    ...['--', '--id=@to', 'get', 'port', mirror],
    ...(span ? [] : ['--', '--id=@from', 'get', 'port', port]),
    ...['--', '--id=@m', 'create', 'mirror', `name=${name}`, ...from, 'output_port=@to'],
    ...['--', 'add', 'bridge', bridge, 'mirrors', '@m'],
  ];
}

function ended(child: ReturnType<typeof spawn>): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new HeddleError(`ERROR: ${error.message}`)));
    child.on('exit', (code) => resolve(code ?? SIGNAL_STATUS));
  });
}
