/**
 * Sessions of `ovs-ofctl monitor` and `snoop`, by hand and at random: on each of two switches that
 * have the same done to them, ours and the distribution's, run both programs. All say the same.
 * HEDDLE_SEED repeats one session; HEDDLE_COUNT sets how many there are.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { unixctlCall } from '@heddle/runtime';
import { delay, eventually, isolate, REPOSITORY, run, Scope } from '@heddle/testing';
import { Random } from '@heddle/testing/random';
import { atRest } from '@heddle/vswitch/oracle/at-rest';
import { DummySwitch } from '../dummy-switch.ts';
import { FILE, ofctl, randomSession, type Session, type Step, tell } from './random-monitor.ts';

isolate();

const OURS = join(REPOSITORY, 'bin/ovs-ofctl');
const THEIRS = '/usr/bin/ovs-ofctl';
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 3);
const FIRST = Number(process.env['HEDDLE_SEED'] ?? 0);
const PACKET = 'packet=50540000000a505400000009123401';
const VERSIONS = [0, 1, 2, 3, 4, 5].map((minor) => `OpenFlow1${minor}`).join(',');

/** A program that runs until it is told to end. */
class Client {
  readonly process: ChildProcess;
  readonly #base: string;
  #end: string | undefined;
  isBlocked = false;

  private constructor(on: DummySwitch, program: string, args: readonly string[], base: string) {
    this.#base = base;
    const [command, ...words] = on.instance.host.argv(program, ...args, `--unixctl=${base}.ctl`);
    const files = ['out', 'err'].map((suffix) => openSync(`${base}.${suffix}`, 'w'));
    const env = { ...process.env, ...on.instance.env };
    this.process = spawn(command!, words, { env, stdio: ['ignore', files[0]!, files[1]!] });
    for (const fd of files) closeSync(fd);
    this.process.on('exit', (code, signal) => {
      this.#end = signal ?? `exit ${code}`;
    });
  }

  /** Comes back when it listens to commands, or has ended. */
  static async start(
    on: DummySwitch,
    program: string,
    args: readonly string[],
    name: string,
  ): Promise<Client> {
    const base = join(on.instance.directory, name);
    const client = new Client(on, program, args, base);
    await eventually('start', () => !client.isRunning || existsSync(`${base}.ctl`));
    return client;
  }

  get isRunning(): boolean {
    return this.#end === undefined;
  }

  async tell(words: readonly string[]): Promise<string> {
    const [command = '', ...args] = words.map((w) => (w === FILE ? `${this.#base}.more` : w));
    if (!this.isRunning || (this.isBlocked && command === 'ofctl/barrier')) return '';
    if (words.length === 1 && command === 'ofctl/block') this.isBlocked = true;
    if (words.length === 1 && command === 'ofctl/unblock') this.isBlocked = false;
    return JSON.stringify(await unixctlCall(`${this.#base}.ctl`, command, args));
  }

  /** All that it has said, and how it ended. */
  async said(): Promise<string> {
    if (this.isBlocked) await this.tell(['ofctl/unblock']);
    await this.tell(['ofctl/barrier']);
    await this.tell(['exit']);
    await eventually('end', () => !this.isRunning);
    const files = ['out', 'err', 'more'].map((suffix) => `${this.#base}.${suffix}`);
    const texts = files
      .filter((file) => existsSync(file))
      .map((file) => readFileSync(file, 'utf8'));
    return `${texts.map(normalize).join('--\n')}${this.#end}`;
  }
}

/**
 * Without numbers of messages, addresses of devices, times, replies to barriers and the order of flows in a table, and
 * of the log only how the program ended.
 */
function normalize(text: string): string {
  return (
    text
      .replaceAll(/^\d{4}-\d\d-\d\d [0-9:.]+: /gm, 'TIME: ')
      .replaceAll(/\d{4}-\S+?\|\d+\|\w+\|(WARN|INFO)\|.*\n([0-9a-f]{8} {2}(?!.*\|$).*\n)*/g, '')
      .replaceAll(/^(TIME: )?OFPT_BARRIER_REPLY.*\n/gm, '')
      .replaceAll(/xid=0x[0-9a-f]+/g, 'xid=X')
      // When a megaflow's counters reach the flow depends on who looks.
      .replaceAll(/addr:\S+|continuation\.bridge=\S+|duration\S*|pkts\d+ bytes\d+/g, 'X')
      .replaceAll(/\/\S+\/(?=br0\.(mgmt|snoop))/g, '')
      .replaceAll(
        /(?: event=\w+ .*\n)+/g,
        (all) => `${all.trimEnd().split('\n').sort().join('\n')}\n`,
      )
  );
}

/** As when a switch is idle and its clients have read all. */
async function settle(on: DummySwitch, clients: readonly Client[]): Promise<void> {
  await on.say('version');
  await atRest(on.instance.pid('ovs-vswitchd')!);
  for (const client of clients) {
    if (client.isBlocked) await delay(20);
    else if (client.isRunning) await client.tell(['ofctl/barrier']);
  }
}

async function take(on: DummySwitch, clients: readonly Client[], step: Step): Promise<string> {
  if (step.kind === 'receive') {
    await on.ask('netdev-dummy/receive', ...step.words);
    return '';
  }
  if (step.kind === 'tell') return await clients[step.who]!.tell(step.words);
  const { host, env } = on.instance;
  const { code, stdout, stderr } = await run(host.argv(THEIRS, ...step.words), { env });
  return normalize(`${code} ${stdout}${stderr}`);
}

/** What one switch and its two clients say: its own kind's first. */
async function play(on: DummySwitch, { args, steps }: Session, name: string): Promise<string[]> {
  await on.setUp('br0', ['p1', 'p2'], ['--', 'set', 'bridge', 'br0', `protocols=${VERSIONS}`]);
  const programs = on.instance.kind.name === 'ours' ? [OURS, THEIRS] : [THEIRS, OURS];
  const clients: Client[] = [];
  for (const [i, program] of programs.entries()) {
    clients.push(await Client.start(on, program, args, `${name}-${i}`));
    await settle(on, clients);
  }
  const answers: string[] = [];
  for (const step of steps) {
    answers.push(`${step.words.join(' ')}: ${await take(on, clients, step)}`);
    await settle(on, clients);
  }
  const said: string[] = [];
  for (const client of clients) said.push(await client.said());
  return [...said, answers.join('\n').replaceAll(on.instance.directory, '')];
}

async function alike(
  both: readonly DummySwitch[],
  session: Session,
  name: string,
): Promise<string> {
  const [ours, theirs] = await Promise.all(both.map((on) => play(on, session, name)));
  assert.deepEqual(ours, theirs, `${name}: ${JSON.stringify(session)}`);
  return ours!.join('\n');
}

/** NXT_ROLE_REQUEST */
const NX_ROLE = '000023200000000a';
const BY_HAND: readonly (readonly [args: string, steps: readonly Step[], told: RegExp])[] = [
  [
    '-O OpenFlow13 -m --names monitor br0 watch: watch:!actions',
    [
      tell(0, 'ofctl/send', '0402000a000001230102'),
      tell(0, 'ofctl/send', '0402ffff00000001'),
      tell(1, 'ofctl/packet-out', `in_port=p1 ${PACKET} actions=controller,p2`),
      ofctl('add-flow', 'br0', 'actions=controller(pause)'),
      tell(0, 'list-commands'),
      tell(0, 'ofctl/unblock'),
      tell(0, 'ofctl/set-output-file', '/nonexistent/file'),
      tell(0, 'ofctl/send', '0402000800000001', '0402'),
    ],
    /id=0 flags=.*\n(.|\n)*id=1 flags=(.|\n)*OFPT_PACKET_OUT .* in_port=p1 /,
  ],
  [
    '--names monitor br0 65534',
    [tell(1, 'ofctl/packet-out', `in_port=p1 ${PACKET} actions=controller,p2`)],
    /NXT_PACKET_IN2 .* in_port=p1 /,
  ],
  ['-O OpenFlow13 monitor br0 invalid_ttl', [], /invalid_ttl requires one of/],
  ['-O OpenFlow11,OpenFlow13 monitor br0 watch: invalid_ttl', [], /NXST_FLOW_MONITOR.*OF1\.1/],
  [
    '-O OpenFlow12 monitor br0 5x watch:',
    [
      ofctl('add-flow', 'br0', 'ip,actions=1,dec_ttl,2'),
      tell(1, 'ofctl/send', `0304001400000123${NX_ROLE}00000000`),
    ],
    /event=ADDED table=0 cookie=0 ip actions=output:1,dec_ttl,output:2\n(.|\n)*NXT_ROLE_REPLY/,
  ],
  [
    '-O OpenFlow10 monitor br0',
    [tell(0, 'ofctl/packet-out', `in_port=1 ${PACKET} reg0=5 actions=2`)],
    /PACKET_OUT actions are incompatible/,
  ],
  [
    '-O OpenFlow14 monitor br0 watch:',
    [
      ofctl('add-flow', 'br0', 'ip,actions=1'),
      ofctl('mod-flows', 'br0', 'ip,actions=conjunction(1,1/2)'),
    ],
    /event=MODIFIED .* actions=conjunction/,
  ],
];

test('monitors say the same, whatever comes', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  for (const [i, [args, steps, told]] of BY_HAND.entries()) {
    assert.match(await alike(both, { args: args.split(' '), steps }, `by-hand-${i}`), told);
  }
  const seeds = Array.from({ length: COUNT }, (_, i) => FIRST + i);
  for (const seed of seeds) await alike(both, randomSession(new Random(seed)), `seed-${seed}`);
});

/** Answers what a switch asks for, to stay connected; `role`: as NXT_ROLE_REQUEST has it. */
function control(path: string, role: number): { ping: () => void; close: () => void } {
  let peer: Socket | undefined;
  const server = createServer((socket) => {
    peer = socket;
    socket.on('error', () => {});
    socket.on('data', () => {});
    socket.write(Buffer.from(`01000008000000010104001400000001${NX_ROLE}0000000${role}`, 'hex'));
  });
  server.listen(path);
  return {
    ping: () => peer?.write(Buffer.from(`010200080000010${role}`, 'hex')),
    close: () => {
      peer?.destroy();
      server.close();
    },
  };
}

const SECONDARY = 2;
const OTHER = 0;
const PRIMARY = 1;

test('snoop hears one controller, the primary, and without any nothing', async () => {
  await using scope = new Scope();
  const texts: string[] = [];
  for (const on of await DummySwitch.pair(scope)) {
    await on.setUp('br0', ['p1']);
    for (const [i, program] of [OURS, THEIRS].entries()) {
      const alone = await Client.start(on, program, ['snoop', 'br0'], `alone-${i}`);
      await eventually('end', () => !alone.isRunning);
      assert.match(
        await alone.said(),
        /br0.*(Connection reset by peer|Broken pipe)\)\n(.|\n)*exit 1/,
      );
    }
    const paths = [SECONDARY, OTHER, PRIMARY].map((n) => join(on.instance.directory, `c${n}`));
    const controllers = [SECONDARY, OTHER, PRIMARY].map((n, i) => control(paths[i]!, n));
    await on.vsctl('set-controller', 'br0', ...paths.map((path) => `unix:${path}`));
    const count = (role: string) =>
      on.vsctl('--bare', '--columns=role', 'find', 'controller', `role=${role}`);
    await eventually('roles', async () => {
      await on.warp(1000);
      return (await count('master')) !== '' && (await count('slave')) !== '';
    });
    const clients: Client[] = [];
    for (const [i, program] of [OURS, THEIRS].entries()) {
      clients.push(await Client.start(on, program, ['snoop', 'br0'], `snoop-${i}`));
    }
    await settle(on, []);
    for (const controller of controllers) controller.ping();
    for (const [i, client] of clients.entries()) {
      const file = join(on.instance.directory, `snoop-${i}.err`);
      const heard = () => readFileSync(file, 'utf8').match(/OFPT_ECHO_\w+ \(xid=0x10\d\)/g);
      await eventually('echoes', () => heard()?.length === 2);
      texts.push(heard()!.join());
      client.process.kill();
    }
    for (const controller of controllers) controller.close();
  }
  const one = 'OFPT_ECHO_REQUEST (xid=0x101),OFPT_ECHO_REPLY (xid=0x101)';
  assert.deepEqual(texts, [one, one, one, one]);
});
