/**
 * A switch on dummy devices whose clock stands still, Open vSwitch's or ours, spoken to by its
 * control socket. After each step it is waited for until it has done all that it will.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parsePcap, toHex } from '@heddle/packet';
import { unixctlCall } from '@heddle/runtime';
import { eventually, Host, Instance, runOk, type Scope } from '@heddle/testing';
import { atRest, workedThrough } from '@heddle/vswitch/oracle/at-rest';

/** Open vSwitch's thread for BFD, CFM and LLDP: what is due without delay it sees by and by. */
const MONITOR = 'monitor';

/** Its vsctl is the faster one to start, and does the same. */
const VSCTL = '/usr/bin/ovs-vsctl';

export class DummySwitch {
  readonly instance: Instance;

  private constructor(instance: Instance) {
    this.instance = instance;
  }

  /** Ours and Open vSwitch's, each in a namespace of its own unless they are to share one. */
  static async pair(scope: Scope, shared?: Host): Promise<[DummySwitch, DummySwitch]> {
    const switchArgs = ['--enable-dummy=override', '--disable-system'];
    const start = async (kind: 'ours' | 'oracle') => {
      const host = shared ?? (await Host.create(scope));
      const subject = new DummySwitch(await Instance[kind](scope, { switchArgs, host }));
      await subject.appctl('time/stop');
      return subject;
    };
    return [await start('ours'), await start('oracle')];
  }

  async appctl(command: string, ...args: string[]): Promise<string> {
    const { result, error } = await this.ask(command, ...args);
    assert.equal(error ?? '', '', command);
    return result ?? '';
  }

  /** As `appctl`, where a refusal is an answer, too. */
  async ask(command: string, ...args: string[]): ReturnType<typeof unixctlCall> {
    const answer = await this.#call(command, args);
    await atRest(this.#pid);
    return answer;
  }

  /** As `ask` of a command that changes nothing. */
  say(command: string, ...args: string[]): ReturnType<typeof unixctlCall> {
    return this.#call(command, args);
  }

  #call(command: string, args: readonly string[]): ReturnType<typeof unixctlCall> {
    const socket = join(this.instance.directory, `ovs-vswitchd.${this.#pid}.ctl`);
    return unixctlCall(socket, command, args);
  }

  get isRunning(): boolean {
    return this.instance.pid('ovs-vswitchd') !== undefined;
  }

  get #pid(): number {
    const pid = this.instance.pid('ovs-vswitchd');
    assert.ok(pid, 'ovs-vswitchd runs');
    return pid;
  }

  /** ovs-vsctl(8), and what it brings about. */
  async vsctl(...words: string[]): Promise<string> {
    const { directory, host } = this.instance;
    const db = `--db=unix:${directory}/db.sock`;
    const out = await runOk(host.argv(VSCTL, db, '--timeout=60', ...words), { timeoutMs: 70_000 });
    await workedThrough(this.#pid, MONITOR);
    return out;
  }

  /** A bridge anew, whose ports write what they send: the first has number 1. */
  async setUp(
    bridge: string,
    ports: readonly string[],
    words: readonly string[] = [],
  ): Promise<void> {
    for (const port of ports) rmSync(this.pcap(port), { force: true });
    await this.vsctl('--if-exists', 'del-br', bridge);
    await this.vsctl(
      ...['add-br', bridge, '--', 'set', 'Bridge', bridge, 'datapath_type=dummy'],
      ...ports.flatMap((port, i) => [
        ...['--', 'add-port', bridge, port, '--', 'set', 'Interface', port, 'type=dummy'],
        ...[`options:tx_pcap=${this.pcap(port)}`, `ofport_request=${i + 1}`],
      ]),
      ...words,
    );
  }

  /** Frames or flows, as netdev-dummy/receive takes them. */
  async receive(port: string, ...words: string[]): Promise<void> {
    await this.appctl('netdev-dummy/receive', port, ...words);
    await workedThrough(this.#pid, MONITOR);
  }

  /** `ms` in steps: what is due is looked at after each. */
  async warp(ms: number, stepMs = 100): Promise<void> {
    for (let at = 0; at < ms; at += stepMs) {
      await this.#call('time/warp', [String(Math.min(stepMs, ms - at))]);
      // Open vSwitch looks at some timers only when something wakes it.
      await this.appctl('version');
    }
  }

  /** For `options:tx_pcap` of a port. */
  pcap(port: string): string {
    return join(this.instance.directory, `${port}.pcap`);
  }

  /** What a port has sent, as hex. */
  transmitted(port: string): string[] {
    if (!existsSync(this.pcap(port))) return [];
    return parsePcap(readFileSync(this.pcap(port))).map(({ data }) => toHex(data));
  }

  /** Counters by port, without what numbers ports have; reasons of drops are ours alone. */
  async counters(): Promise<string[]> {
    const text = await this.appctl('dpctl/show', '-s', 'dummy@ovs-dummy');
    return text
      .replaceAll(/^ {2}dropped \(.*\n/gm, '')
      .trimEnd()
      .split(/\n {2}port \d+: /)
      .slice(1)
      .sort();
  }
}

/** What both say of something, which is the same. */
export async function agree(
  both: readonly DummySwitch[],
  told: string,
  say: (subject: DummySwitch) => Promise<string>,
): Promise<string> {
  const [ours, theirs] = await Promise.all(both.map(say));
  assert.equal(ours, theirs, told);
  return ours!;
}

/** As `agree`, of what is in the database, where either writes it at a time of its own. */
export function agreeSoon(
  both: readonly DummySwitch[],
  told: string,
  say: (subject: DummySwitch) => Promise<string>,
): Promise<string> {
  return eventually(told, () => agree(both, told, say), 60_000);
}
