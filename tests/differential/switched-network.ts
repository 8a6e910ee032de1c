/**
 * Bridges of several dummy switches, joined to one network: the frames that one port sends are what
 * the other receives. Time passes everywhere alike.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import type { End, Link } from '@heddle/vswitch/spanning-tree/network';
import type { DummySwitch } from './dummy-switch.ts';

export interface Cable {
  readonly ends: Link;
  /** Columns of the Port rows at either end, as ovs-vsctl(8) takes them. */
  readonly words: readonly [readonly string[], readonly string[]];
}

const STEP_MS = 1000;
const MAX_REST_MS = 240_000;
/** As long as nothing changes for so long, nothing will. */
const QUIET_MS = 8000;
/** What two ends of a link may say to each other within a step. */
const MAX_FRAMES = 200;

const portName = ([bridge, port]: End) => `p${bridge}_${port}`;
const bridgeName = (bridge: number) => `br${bridge}`;
const sameEnd = (a: End, b: End) => a[0] === b[0] && a[1] === b[1];

/** Open vSwitch lists ports in an order of its own. */
function portsInOrder(text: string): string {
  const lines = text.split('\n');
  const isPort = (line: string) => line.startsWith('  p');
  return [...lines.filter((line) => !isPort(line)), ...lines.filter(isPort).sort()].join('\n');
}

export class SwitchedNetwork {
  readonly #switches: readonly DummySwitch[];
  /** Which switch has each bridge. */
  readonly #owner: readonly number[];
  readonly #plugged: Set<Cable>;
  readonly #down = new Set<Cable>();
  /** Frames of each port that have been passed on. */
  readonly #taken = new Map<string, number>();

  private constructor(
    switches: readonly DummySwitch[],
    owner: readonly number[],
    wired: readonly Cable[],
  ) {
    this.#switches = switches;
    this.#owner = owner;
    this.#plugged = new Set(wired);
  }

  /** `words`: columns of each Bridge row. */
  static async create(
    switches: readonly DummySwitch[],
    owner: readonly number[],
    words: readonly (readonly string[])[],
    wired: readonly Cable[],
  ): Promise<SwitchedNetwork> {
    const network = new SwitchedNetwork(switches, owner, wired);
    for (const [i, subject] of switches.entries()) {
      const line: string[] = [];
      for (const [bridge, own] of words.entries()) {
        if (owner[bridge] !== i) continue;
        const hwaddr = `other_config:hwaddr=02:00:00:00:00:0${bridge}`;
        line.push('--', 'add-br', bridgeName(bridge), '--', 'set', 'Bridge', bridgeName(bridge));
        line.push('datapath_type=dummy', 'rstp_enable=true', hwaddr, ...own);
      }
      for (const cable of wired) line.push(...network.#plug(cable, i));
      if (line.length > 0) await subject.vsctl(...line);
    }
    return network;
  }

  get links(): Link[] {
    return [...this.#plugged].filter((cable) => !this.#down.has(cable)).map(({ ends }) => ends);
  }

  #plug(cable: Cable, owner: number): string[] {
    const line: string[] = [];
    for (const [i, end] of cable.ends.entries()) {
      if (this.#owner[end[0]] !== owner) continue;
      const name = portName(end);
      const pcap = this.#switches[owner]!.pcap(name);
      rmSync(pcap, { force: true });
      this.#taken.delete(name);
      line.push('--', 'add-port', bridgeName(end[0]), name, '--', 'set', 'Interface', name);
      line.push('type=dummy', `options:tx_pcap=${pcap}`);
      line.push('--', 'set', 'Port', name, `other_config:rstp-port-num=${end[1]}`);
      line.push(...cable.words[i]!);
    }
    return line;
  }

  /** The link of a cable fails, or is back. */
  async toggle(cable: Cable): Promise<void> {
    const isUp = !this.#down.delete(cable);
    if (isUp) this.#down.add(cable);
    for (const end of cable.ends) {
      const subject = this.#switches[this.#owner[end[0]]!]!;
      const state = isUp ? 'down' : 'up';
      await subject.appctl('netdev-dummy/set-admin-state', portName(end), state);
    }
  }

  /** Takes the ports of a cable away, or adds them. */
  async replug(cable: Cable): Promise<void> {
    this.#down.delete(cable);
    const isPlugged = this.#plugged.delete(cable);
    if (!isPlugged) this.#plugged.add(cable);
    for (const [i, subject] of this.#switches.entries()) {
      const own = cable.ends.filter(([bridge]) => this.#owner[bridge] === i);
      if (own.length === 0) continue;
      const line = isPlugged
        ? own.flatMap((end) => ['--', 'del-port', bridgeName(end[0]), portName(end)])
        : this.#plug(cable, i);
      await subject.vsctl(...line);
    }
  }

  /** Columns of a Port row, if it is there. */
  async set(end: End, words: readonly string[]): Promise<void> {
    if (words.length === 0 || !this.#hasPort(end)) return;
    await this.#switches[this.#owner[end[0]]!]!.vsctl('set', 'Port', portName(end), ...words);
  }

  #hasPort(end: End): boolean {
    return [...this.#plugged].some(({ ends }) => ends.some((own) => sameEnd(own, end)));
  }

  /** Lets time pass until roles and states stay as they are; what all bridges say then. */
  async rest(told: string): Promise<string> {
    let said = await this.#show();
    for (let passed = 0, quiet = 0; quiet < QUIET_MS; passed += STEP_MS) {
      assert.ok(passed < MAX_REST_MS, `${told}: no rest\n${said}`);
      await this.#step(told);
      const now = await this.#show();
      quiet =
        now === said && !/Learning|(Root|Designated) +Discarding/.test(now) ? quiet + STEP_MS : 0;
      said = now;
    }
    return said;
  }

  async #step(told: string): Promise<void> {
    const used = new Set(this.#owner);
    for (const i of used) await this.#switches[i]!.warp(STEP_MS, STEP_MS);
    for (let passed = 1, all = 0; passed > 0; ) {
      passed = await this.#exchange();
      all += passed;
      assert.ok(all < MAX_FRAMES, `${told}: a storm`);
    }
  }

  /** Carries what was sent between switches; how many frames. */
  async #exchange(): Promise<number> {
    let passed = 0;
    for (const cable of this.#plugged) {
      for (const [i, end] of cable.ends.entries()) {
        const name = portName(end);
        const frames = this.#switches[this.#owner[end[0]]!]!.transmitted(name);
        const fresh = frames.slice(this.#taken.get(name) ?? 0);
        this.#taken.set(name, frames.length);
        const peer = cable.ends[1 - i]!;
        if (fresh.length === 0) continue;
        const subject = this.#switches[this.#owner[peer[0]]!]!;
        await subject.appctl('netdev-dummy/receive', portName(peer), ...fresh);
        passed += fresh.length;
      }
    }
    return passed;
  }

  async #show(): Promise<string> {
    const texts = this.#owner.map((owner, bridge) =>
      this.#switches[owner]!.appctl('rstp/show', bridgeName(bridge)),
    );
    return (await Promise.all(texts)).map(portsInOrder).join('');
  }

  /** Links that forward at both ends. */
  active(said: string): Link[] {
    const forwards = (end: End) =>
      new RegExp(`^ *${portName(end)} +\\w+ +Forwarding`, 'm').test(said);
    return this.links.filter((ends) => ends.every(forwards));
  }

  isPlugged(cable: Cable): boolean {
    return this.#plugged.has(cable);
  }

  /** Whether a cable ends at the root port of a bridge. */
  hasRoot({ ends }: Cable, said: string): boolean {
    return ends.some((end) => new RegExp(`^ *${portName(end)} +Root `, 'm').test(said));
  }

  async close(): Promise<void> {
    for (const [i, subject] of this.#switches.entries()) {
      const own = this.#owner.flatMap((owner, bridge) => (owner === i ? [bridgeName(bridge)] : []));
      if (own.length > 0) await subject.vsctl(...own.flatMap((name) => ['--', 'del-br', name]));
    }
  }
}
