/**
 * One bridge twice, as Open vSwitch has it and as translation sees it: the same flows, and what
 * either makes of a packet in the form in which they can be compared.
 */
import { spawnSync } from 'node:child_process';
import { formatOdpFlow, parseOdpFlow } from '@heddle/datapath';
import type { Random } from '@heddle/datapath/oracle/random-frame';
import { type FlowMod, OfpError, parseTlvMap } from '@heddle/openflow';
import { extractFlow, type Flow } from '@heddle/packet';
import * as b from '@heddle/packet/build';
import { HeddleError, realClock } from '@heddle/runtime';
import { MacLearning } from '../mac-learning.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import { Meter } from '../ofproto/meter.ts';
import { RecircIds } from '../ofproto/recirc.ts';
import { changeTlvTable } from '../ofproto/tlv.ts';
import { Bundle, OfPort, Ofproto, type XlateConfig } from '../ofproto.ts';
import { parseOpenFlowFlow } from '../trace/flow-parse.ts';
import { ctStateText, traceAll } from '../trace/trace.ts';
import type { XlateEffects } from '../xlate/xlate.ts';
import { comparableTrace, hasStatefulCopies, isBeyondCompare, picksOf } from './compare-trace.ts';
import { TestController } from './controller.ts';
import { parseFlowLine, parseGroupLine } from './parse-lines.ts';
import { GROUP_LINES, randomGroupLines } from './random-actions.ts';
import { N_PORTS, randomFlowLine, randomLastLines, TLV_MAP } from './random-flows.ts';
import { randomFlowText } from './random-match.ts';
import { randomPacket } from './random-packet.ts';
import { type OraclePort, SwitchOracle } from './switch-oracle.ts';

const METERS = [1, 2];

/** What a packet is to `ofproto/trace`: its last word begins a flow of the datapath or OpenFlow's. */
export type PacketWords = readonly string[];

/** Options of `ofproto/trace`. */
export interface TraceHow {
  /** `-generate`: flows and addresses are learned. */
  readonly generates?: boolean;
  /** `--ct-next`, for each recirculation. */
  readonly ctNext?: readonly number[];
}

export interface Comparison {
  readonly ours: string;
  readonly theirs: string;
}

export class FlowTables implements Disposable {
  readonly #oracle = new SwitchOracle();
  #controller!: TestController;
  #ports: readonly OraclePort[] = [];
  #groups: readonly string[] = [];
  #bridge!: Ofproto;
  #config!: XlateConfig;

  static async open(): Promise<FlowTables> {
    const tables = new FlowTables();
    try {
      await tables.#setUp();
      return tables;
    } catch (error) {
      tables[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#controller?.[Symbol.dispose]();
    this.#oracle[Symbol.dispose]();
  }

  async #setUp(): Promise<void> {
    const add = ['add-br', 'br0', '--', 'set', 'bridge', 'br0'];
    add.push('datapath_type=dummy', 'fail-mode=secure');
    for (let i = 1; i <= N_PORTS; i++) {
      add.push('--', 'add-port', 'br0', `p${i}`, '--', 'set', 'interface', `p${i}`);
      add.push('type=dummy', `ofport_request=${i}`);
    }
    this.#oracle.vsctl(...add);
    this.#ports = await this.#oracle.ports();
    this.#ofctl('OpenFlow13', 'add-tlv-map', 'br0', TLV_MAP);
    for (const id of METERS)
      this.#ofctl('OpenFlow13', 'add-meter', 'br0', `meter=${id},kbps,band=type=drop,rate=10`);
    for (const line of GROUP_LINES) this.#ofctl('OpenFlow15', 'add-group', 'br0', line);
    this.#controller = await TestController.open(`unix:${this.#oracle.dir}/br0.mgmt`, 4);
    this.#buildBridge();
  }

  #ofctl(version: string, ...args: string[]): void {
    const problem = this.#tryOfctl(version, ...args);
    if (problem !== undefined) throw new Error(`ovs-ofctl ${args.join(' ')}: ${problem}`);
  }

  #tryOfctl(version: string, ...args: string[]): string | undefined {
    const env = { ...process.env, OVS_RUNDIR: this.#oracle.dir };
    const all = ['-O', version, ...args];
    const { status, stderr } = spawnSync('/usr/bin/ovs-ofctl', all, { env, timeout: 10_000 });
    return status === 0 ? undefined : stderr.toString();
  }

  /** Other random groups in place of the former ones; those that Open vSwitch takes. */
  setGroups(r: Random): readonly string[] {
    this.#groups = randomGroupLines(r).map((line) => {
      const problem = this.#tryOfctl('OpenFlow15', '--may-create', 'mod-group', 'br0', line);
      if (problem === undefined) return line;
      const none = `${line.split(',')[0]},type=all`;
      this.#ofctl('OpenFlow15', '--may-create', 'mod-group', 'br0', none);
      return none;
    });
    return this.#groups;
  }

  #buildBridge(): void {
    const bridge = new Ofproto('br0', new MacLearning<Bundle>(realClock));
    const byOdp = new Map<number, OfPort>();
    for (const { name, ofport, odpPort } of this.#ports) {
      const bundle = new Bundle(name, bridge);
      const port = new OfPort(name, ofport, bundle);
      port.odpPort = odpPort;
      bundle.ports.push(port);
      bridge.bundles.set(name, bundle);
      bridge.ports.set(ofport, port);
      if (odpPort !== undefined) byOdp.set(odpPort, port);
    }
    changeTlvTable(bridge, 'add', parseTlvMap(TLV_MAP));
    const bands = [{ type: 'drop' as const, rate: 10, burstSize: 0, precLevel: 0 }];
    for (const meterId of METERS)
      bridge.meters.set(meterId, new Meter({ meterId, flags: 1, bands }, 0));
    for (const line of [...GROUP_LINES, ...this.#groups]) {
      bridge.groups.set(...parseGroupLine(line));
    }
    const portOf = (odp: number) => byOdp.get(odp);
    const recirc = new RecircIds(() => 0);
    this.#bridge = bridge;
    this.#config = { vlanLimit: 1, portOf, recirc, hashAlgorithm: 'sym_l4' };
  }

  /** Flows in place of the former ones. Returns which one of the two refuses, and why. */
  async setFlows(lines: readonly string[]): Promise<string[]> {
    this.#buildBridge();
    const all = { ...parseFlowLine('table=0,actions=drop'), tableId: 255 };
    const mods = lines.map(parseFlowLine);
    const [, ...taken] = await this.#controller.flowMods([{ ...all, command: 'delete' }, ...mods]);
    const odd: string[] = [];
    for (const [i, mod] of mods.entries()) {
      const mine = refusal(this.#bridge, mod);
      if ((mine === undefined) !== taken[i]) {
        odd.push(`${lines[i]}: ${mine ?? 'refused by Open vSwitch alone'}`);
      }
    }
    return odd;
  }

  /** Words in the datapath's language or, with registers and tunnels, in OpenFlow's. */
  randomPacket(r: Random): PacketWords {
    if (!r.chance(40)) return ['br0', randomFlowText(r)];
    const port = r.pick(this.#ports);
    return [formatOdpFlow(extractFlow(randomPacket(r), { inPort: port.odpPort! }))];
  }

  /** What both make of packets; undefined where Open vSwitch is no example. */
  compare(packets: readonly PacketWords[]): Promise<(Comparison | undefined)[]> {
    return Promise.all(packets.map((words) => this.#compare(words)));
  }

  /** As `compare`, with what the packet teaches; `lines` are the flows, as they are again afterwards. */
  async compareTaught(
    words: PacketWords,
    lines: readonly string[],
    ctNext: readonly number[],
  ): Promise<Comparison | undefined> {
    const found = await this.#compare(words, { generates: true, ctNext });
    await this.#oracle.appctl('fdb/flush');
    await this.setFlows(lines);
    return found;
  }

  async #compare(words: PacketWords, how: TraceHow = {}): Promise<Comparison | undefined> {
    const states = (how.ctNext ?? []).flatMap((state) => [
      '--ct-next',
      ctStateText(state).replaceAll('|', ','),
    ]);
    const generate = how.generates ? ['-generate'] : [];
    const reply = await this.#oracle.trace(...states, ...words, ...generate);
    if (isBeyondCompare(reply)) return undefined;
    const { key, ofport, entry } = this.#parse(words);
    const first = this.#both(reply, key, ofport, entry, how);
    if (first.ours !== first.theirs || how.generates) return first;
    return (await this.#resumed(reply, first.text, key)) ?? first;
  }

  #both(
    reply: string,
    key: Flow,
    ofport: number,
    entry?: { bridge: Ofproto; ofport: number },
    how: TraceHow = {},
  ) {
    const picks = picksOf(reply);
    const pick = () => picks.shift();
    const options = { pick, withPacket: how.generates === true, ...(entry && { entry }) };
    const done = how.generates ? learnAll : undefined;
    const text = traceAll(this.#config, key, ofport, options, how.ctNext, done);
    const [ours, theirs] = [comparableTrace(text, key), comparableTrace(reply, key)];
    if (ours === theirs || !hasStatefulCopies(reply)) return { text, ours, theirs };
    return {
      text,
      ours: comparableTrace(text, key, true),
      theirs: comparableTrace(reply, key, true),
    };
  }

  /** A packet that comes back with what it was given to go on with; undefined: nothing differs. */
  async #resumed(theirs: string, ours: string, first: Flow): Promise<Comparison | undefined> {
    const ids = recirculations(ours);
    const isForgotten = FORGETS.test(ours);
    for (const [i, id] of recirculations(theirs).entries()) {
      const key = extractFlow(RESUMED_FRAME, { inPort: this.#ports[1]!.odpPort! });
      // Another copy's hash is none to us.
      if (this.#config.recirc.get(ids[i]!)?.isHashed) key.dpHash = 0x1234_5670 + i;
      key.recircId = id;
      // What tracking has found stays with the packet until it is forgotten.
      key.ctState = isForgotten ? 0 : first.ctState;
      const reply = await this.#oracle.trace(formatOdpFlow(key));
      // It is kept for a short while only.
      if (!reply.includes('thaw') || isBeyondCompare(reply)) return undefined;
      key.recircId = ids[i]!;
      const found = this.#both(reply, key, this.#ports[1]!.ofport);
      // Registers that are restored count as the packet's own in one of the two.
      const [ours, theirs] = [found.ours, found.theirs].map((t) => t.replaceAll(FLOW_LINES, ''));
      if (ours !== theirs) return found;
    }
    return undefined;
  }

  #parse(words: PacketWords): {
    key: Flow;
    ofport: number;
    entry?: { bridge: Ofproto; ofport: number };
  } {
    const bridge = this.#bridge;
    const text = words.at(-1)!;
    if (words.length === 1) {
      const { key } = parseOdpFlow(text);
      return { key, ofport: this.#ports.find((p) => p.odpPort === key.inPort)!.ofport };
    }
    const { flow: key, ofport } = parseOpenFlowFlow(text, () => undefined, bridge.tlv);
    key.inPort = bridge.ports.get(ofport)!.odpPort!;
    return { key, ofport, entry: { bridge, ofport } };
  }
}

const RESUMED_FRAME = b.ethernet(
  { dst: 0x505400000001, src: 0x505400000002 },
  b.ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, b.tcp({ src: 1, dst: 2, flags: 0x12 })),
);

const FORGETS = /^ *ct(_clear$|\()/m;

const FLOW_LINES = /^(Final flow|Flow): .*$/gm;

/** Ids that packets come back with but for those that are traced at once, which `ct` gives. */
function recirculations(text: string): number[] {
  const last = /^Datapath actions: (.*)$/m.exec(text)?.[1] ?? '';
  const traced = new Set(Array.from(text.matchAll(/^recirc\((\w+)\)/gm), ([, id]) => id));
  return Array.from(last.matchAll(/\brecirc\((\w+)\)/g), ([, id]) => id!)
    .filter((id) => !traced.has(id))
    .map(Number);
}

/** What a packet teaches. */
function learnAll({ learn, flows }: XlateEffects): void {
  for (const { bridge, vlan, mac, bundle } of learn) bridge.macs.learn(vlan, mac, bundle);
  for (const { bridge, flowMod, isLearned } of flows) if (isLearned) refusal(bridge, flowMod);
}

/** Why a flow mod is refused. */
function refusal(bridge: Ofproto, mod: FlowMod): string | undefined {
  const changes = new FlowChanges(bridge);
  try {
    applyFlowMod(changes, mod, 0, 4);
  } catch (error) {
    changes.revert();
    if (error instanceof OfpError) return error.ofpErr;
    throw error;
  }
  return undefined;
}

export function randomFlowLines(r: Random, count: number): string[] {
  const lines = randomLastLines(r);
  while (lines.length < count) {
    const line = randomFlowLine(r);
    try {
      parseFlowLine(line);
      lines.push(line);
    } catch (error) {
      // Instructions in an order that they cannot have, for one.
      if (!(error instanceof HeddleError)) throw error;
    }
  }
  return lines;
}
