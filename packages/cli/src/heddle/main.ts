/** heddle: what Open vSwitch's own commands do not offer. Each subcommand is loaded when named. */
import { HeddleError } from '@heddle/runtime/errors';
import {
  type OptionSpec,
  type ParsedLine,
  parseOptions,
  UsageError,
} from '@heddle/runtime/options';
import { print, printError } from '@heddle/runtime/stdio';
import { HEDDLE_VERSION } from '@heddle/runtime/version';
import { AttachError } from '../attach/errors.ts';
import { DOWN_OPTIONS, UP_OPTIONS } from './options.ts';

interface Command {
  readonly usage: string;
  readonly help: string;
  readonly options: readonly OptionSpec[];
  readonly args: readonly [min: number, max: number];
  readonly run: (line: ParsedLine) => Promise<number>;
}

const JSON_OPTION: OptionSpec = { long: 'json', help: 'print JSON' };

const EXPLAIN_OPTIONS: readonly OptionSpec[] = [
  JSON_OPTION,
  { long: 'to', argument: 'PORT', help: 'why it does not come out there' },
  { long: 'in-port', argument: 'PORT', help: 'where the packets of a file enter the bridge' },
  { long: 'ct-next', argument: 'STATE', help: 'what connection tracking says; may be repeated' },
  { long: 'drops', help: 'what was dropped of late, counted by reason, and samples' },
];

const ATTACH_OPTIONS: readonly OptionSpec[] = [
  { long: 'interface', short: 'i', argument: 'NAME', help: 'name inside (default: eth1)' },
  { long: 'ip', argument: 'ADDRESS/LEN', help: 'IPv4 or IPv6 address; may be repeated' },
  { long: 'gateway', argument: 'ADDRESS', help: 'default gateway; one of each family' },
  { long: 'mac', argument: 'MAC', help: 'address of the interface' },
  { long: 'mtu', argument: 'BYTES', help: 'MTU of both ends' },
  { long: 'tag', argument: 'VLAN', help: 'access port of this VLAN' },
  { long: 'trunks', argument: 'VLAN,...', help: 'trunk port of these VLANs' },
  { long: 'port', argument: 'NAME', help: 'name of the port (default: made up)' },
  { long: 'create-bridge', help: 'add the bridge when it does not exist' },
  { long: 'update', help: 'change what is attached already' },
];

export const COMMANDS: Readonly<Record<string, Command>> = {
  up: {
    usage: 'up [OPTION...]',
    help: 'start database and switch in one process',
    options: UP_OPTIONS,
    args: [0, 0],
    run: async (line) => (await import('./up.ts')).up(line),
  },
  down: {
    usage: 'down [--keep-traffic]',
    help: 'stop them, and the traffic unless told to keep it',
    options: DOWN_OPTIONS,
    args: [0, 0],
    run: async (line) => (await import('./down.ts')).down(has(line, 'keep-traffic')),
  },
  restart: {
    usage: 'restart',
    help: 'start what runs anew; OpenFlow flows are kept, and traffic goes on meanwhile',
    options: [],
    args: [0, 0],
    run: async () => (await import('./restart.ts')).restart(),
  },
  status: {
    usage: 'status [--json]',
    help: 'what runs, and how it does',
    options: [JSON_OPTION],
    args: [0, 0],
    run: async (line) => (await import('./status.ts')).status({ json: has(line, 'json') }),
  },
  doctor: {
    usage: 'doctor [--json]',
    help: 'what the kernel and the machine lack, what it costs, how to mend it',
    options: [JSON_OPTION],
    args: [0, 0],
    run: async (line) => (await import('./doctor/main.ts')).doctor({ json: has(line, 'json') }),
  },
  explain: {
    usage: 'explain BRIDGE FLOW|FILE.pcap [OPTION...] | explain --drops BRIDGE',
    help: 'why a packet goes where it goes or is dropped, and which edit would change it',
    options: EXPLAIN_OPTIONS,
    args: [1, 2],
    run: async (line) => (await import('./explain.ts')).explainCommand(line),
  },
  attach: {
    usage: 'attach BRIDGE TARGET [OPTION...]',
    help: 'connect a namespace (name, pid or path) or a container to a bridge',
    options: ATTACH_OPTIONS,
    args: [2, 2],
    run: async (line) => (await import('./attach.ts')).attachCommand(line),
  },
  detach: {
    usage: 'detach [BRIDGE] TARGET [--interface=NAME]',
    help: 'undo attach; without an interface, all of them',
    options: ATTACH_OPTIONS.slice(0, 1),
    args: [1, 2],
    run: async (line) => (await import('./attach.ts')).detachCommand(line),
  },
  gc: {
    usage: 'gc [--dry-run]',
    help: 'remove ports whose container or namespace has died',
    options: [{ long: 'dry-run', help: 'only say what would go' }],
    args: [0, 0],
    run: async (line) => (await import('./attach.ts')).gcCommand(has(line, 'dry-run')),
  },
};

function has({ options }: ParsedLine, long: string): boolean {
  return options.some(({ spec }) => spec.long === long);
}

/** Returns the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  const [name, ...args] = argv;
  if (name === undefined || ['help', '-h', '--help'].includes(name)) {
    print(usage());
    return name === undefined ? 1 : 0;
  }
  if (name === '--version' || name === '-V') {
    print(`heddle ${HEDDLE_VERSION}\n`);
    return 0;
  }
  try {
    return await runCommand(name, args);
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    const prefix = error instanceof UsageError ? '' : `heddle ${name}: `;
    printError(`${prefix}${error.message}\n`);
    return error instanceof AttachError ? error.status : 1;
  }
}

async function runCommand(name: string, args: readonly string[]): Promise<number> {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    throw new UsageError(`heddle: unknown command '${name}'; use --help for help`);
  }
  if (args.includes('--help') || args.includes('-h')) {
    print(commandUsage(command));
    return 0;
  }
  const program = `heddle ${name}`;
  const line = parseOptions(program, command.options, args);
  const [min, max] = command.args;
  if (line.args.length < min || line.args.length > max) {
    throw new UsageError(`usage: heddle ${command.usage}`);
  }
  return command.run(line);
}

function usage(): string {
  const lines = Object.values(COMMANDS).map(({ usage, help }) => `  ${usage}\n      ${help}`);
  return `heddle: an Open vSwitch in eBPF\nusage: heddle COMMAND\n\n${lines.join('\n')}\n\n'heddle COMMAND --help' lists options.\n`;
}

function commandUsage({ usage, help, options }: Command): string {
  const lines = options.map(({ long, short, argument, help: text }) => {
    const name = argument === undefined ? `--${long}` : `--${long}=${argument}`;
    return `  ${short === undefined ? '    ' : `-${short}, `}${name.padEnd(24)} ${text ?? ''}`;
  });
  return `usage: heddle ${usage}\n${help}\n${lines.length === 0 ? '' : `\n${lines.join('\n')}\n`}`;
}
