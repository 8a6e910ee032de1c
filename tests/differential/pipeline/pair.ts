/** Two bridges joined by a patch, on our switch and on Open vSwitch, and what can be seen of either. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatBytes } from '@heddle/openflow';
import { parsePcap, toHex } from '@heddle/packet';
import type { Scope } from '@heddle/testing';
import {
  bytes,
  hello,
  message,
  RawPeer,
  u8,
  u16,
  u32,
  u64,
  zeros,
} from '../../openflow/raw-peer.ts';
import {
  barrier,
  isBarrierReply,
  oxmMatch,
  stats,
  type Version,
} from '../../openflow/raw-requests.ts';
import type { DummySwitch } from '../dummy-switch.ts';

const PORTS = ['p1', 'p2', 'p3', 'p4', 'q1', 'q2'];
const TLV_MAP =
  '{class=0xffff,type=0,len=4}->tun_metadata0,{class=0xffff,type=1,len=8}->tun_metadata1';
const ALL_PORTS = [...PORTS, 'pa', 'pb'];
const BRIDGES = ['br0', 'br1'];

function bridgeOf(port: string): string {
  return ['q1', 'q2', 'pb'].includes(port) ? 'br1' : 'br0';
}

/**
 * Bytes that nobody can read lie in another order on each side. Flows that both take and then
 * cannot tell of: `set_field` of a part of `vlan_vid` whose value lacks the bit of a tag.
 */
function readable(text: string): string {
  return text.includes('***decode error') ? text.split('\n')[0]! : text;
}

export class Side {
  readonly subject: DummySwitch;
  readonly isOurs: boolean;
  /** OpenFlow 1.5 connections of an operator, by bridge; OpenFlow 1.3 ones behind them. */
  readonly operators: RawPeer[] = [];
  readonly #lookups = new Map<string, readonly [bigint, bigint]>();
  readonly #counters = new Map<string, readonly bigint[]>();
  readonly #read = new Map<string, number>();
  /** Ports and tables that were set otherwise. */
  readonly #touched = new Map<string, readonly string[]>();
  /** Packets in the middle of the pipeline, as controllers heard them. */
  readonly paused: Buffer[] = [];
  /** Ports, meters and rows are not as they were at first. */
  isConfigured = false;
  #xid = 0x3000_0000;

  constructor(subject: DummySwitch, isOurs: boolean) {
    this.subject = subject;
    this.isOurs = isOurs;
  }

  async setUp(scope: Scope): Promise<void> {
    const { subject } = this;
    const { instance } = subject;
    const bridge = (name: string, n: string) => [
      ...['--', 'add-br', name, '--', 'set', 'Bridge', name, 'datapath_type=dummy'],
      ...['fail_mode=secure', `other_config:hwaddr=02:00:00:00:00:${n}`],
      `other_config:datapath-id=00000000000000${n}`,
      'protocols=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15',
    ];
    await subject.vsctl(
      'show',
      ...bridge('br0', 'aa'),
      ...bridge('br1', 'bb'),
      ...ALL_PORTS.flatMap((name) => this.#port(name)),
    );
    for (const name of BRIDGES) {
      await instance.exec('/usr/bin/ovs-ofctl', 'add-tlv-map', name, TLV_MAP);
      await this.#addMeters(name);
      this.operators.push(await this.connect(scope, name, 6));
    }
    for (const name of BRIDGES) this.operators.push(await this.connect(scope, name, 4));
    if (!this.isOurs) await subject.appctl('upcall/disable-megaflows');
  }

  /** ovs-vsctl's words for a port that may be there. */
  #port(name: string): string[] {
    const bridge = bridgeOf(name);
    const add = ['--', '--may-exist', 'add-port', bridge, name, '--', 'set', 'Interface', name];
    if (name === 'pa' || name === 'pb') {
      return [
        ...add,
        'type=patch',
        'ofport_request=9',
        `options:peer=${name === 'pa' ? 'pb' : 'pa'}`,
      ];
    }
    const n = name.startsWith('p') ? PORTS.indexOf(name) + 1 : PORTS.indexOf(name) - 3;
    const options = `options:tx_pcap=${this.subject.pcap(name)}`;
    return [...add, 'type=dummy', `ofport_request=${n}`, options, `mac="02:00:00:00:00:0${n}"`];
  }

  async #addMeters(bridge: string): Promise<void> {
    for (const id of [1, 2]) {
      const meter = `meter=${id},kbps,stats,band=type=drop,rate=${id === 1 ? 1 : 100000}`;
      await this.ofctl(['-O', 'OpenFlow13', 'add-meter', bridge, meter]);
    }
  }

  /** What ovs-ofctl says, be it a refusal. */
  async ofctl(words: readonly string[], lines: readonly string[] = []): Promise<string[]> {
    const { instance } = this.subject;
    const file = join(instance.directory, 'lines.txt');
    if (lines.length > 0) writeFileSync(file, `${lines.join('\n')}\n`);
    const at = words.findIndex((word) => UNDONE[word]);
    if (at >= 0) this.#touched.set(words.slice(at, at + 3).join(' '), words.slice(at, at + 3));
    const { stdout, stderr } = await instance.run(
      '/usr/bin/ovs-ofctl',
      ...words,
      ...(lines.length > 0 ? [file] : []),
    );
    const told = `${stdout}${stderr}`.split('\n').map((line) =>
      line
        .replace(/^[\dTZ:-]+\|\d+\|/, '')
        .replace(/ \(xid=.*?\)/, '')
        .replaceAll(instance.directory, ''),
    );
    // OpenFlow 1.1's statistics of tables are in numbers of their own there, of which the client warns.
    return told.filter((line) => !line.startsWith('ofp_table|WARN|bad table miss config'));
  }

  /** Open vSwitch looks at which versions controllers speak when a port is set otherwise. */
  async noticeControllers(): Promise<void> {
    if (this.isOurs) return;
    for (const word of ['no-flood', 'flood'])
      await this.ofctl(['-O', 'OpenFlow15', 'mod-port', 'br0', 'p1', word]);
  }

  /** A port that was deleted is there again, and has a file of its own again. */
  async addPort(name: string): Promise<void> {
    await this.subject.vsctl(...this.#port(name).slice(1));
    const path = this.subject.pcap(name);
    this.#read.set(name, existsSync(path) ? parsePcap(readFileSync(path)).length : 0);
  }

  /** What the switch says to a message of OpenFlow 1.3 or 1.5. */
  operate(bridge: number, sent: Uint8Array): Promise<Buffer[]> {
    const version = sent[0] as Version;
    return this.settle(this.operators[bridge + (version === 4 ? 2 : 0)]!, version, sent);
  }

  async connect(scope: Scope, bridge: string, version: Version): Promise<RawPeer> {
    const peer = await RawPeer.connect(
      scope,
      join(this.subject.instance.directory, `${bridge}.mgmt`),
    );
    peer.send(hello(version));
    await peer.next();
    return peer;
  }

  /** All that has come, asked or not, once everything that was sent is dealt with. */
  async settle(peer: RawPeer, version: Version, ...sent: Uint8Array[]): Promise<Buffer[]> {
    const xid = ++this.#xid;
    peer.send(...sent, barrier(version, xid));
    const out: Buffer[] = [];
    for (;;) {
      const reply = await peer.next();
      if (!reply) throw new Error('the switch has closed');
      if (isBarrierReply(reply) && reply.readUInt32BE(4) === xid) return out;
      out.push(reply);
    }
  }

  /** Frames that have left ports since it was asked last. */
  transmitted(): string[] {
    return PORTS.flatMap((name) => {
      const path = this.subject.pcap(name);
      const all = existsSync(path) ? parsePcap(readFileSync(path)) : [];
      const fresh = all.slice(this.#read.get(name) ?? 0);
      this.#read.set(name, all.length);
      return fresh.map(({ data }) => `${name} ${toHex(data)}`);
    });
  }

  /** Flows, groups, ports and tables with their counters, connections, addresses. */
  async state(): Promise<string[]> {
    const out: string[] = [];
    await this.subject.appctl('revalidator/purge');
    for (const [i, bridge] of BRIDGES.entries()) {
      const replies = await this.settle(this.operators[i]!, 6, ...STATE);
      const [tables, ports, ...others] = replies.toReversed();
      out.push(...this.#lookupsOf(bridge, tables!), ...this.#countersOf(bridge, ports!));
      const lines = others.flatMap((reply) => readable(formatBytes(reply, 2)).split('\n'));
      out.push(...lines.map((line) => `${bridge} ${timeless(line)}`));
      const fdb = await this.subject.appctl('fdb/show', bridge);
      out.push(...fdb.split('\n').map((line) => `${bridge} ${line}`));
    }
    out.push(...(await this.subject.appctl('dpctl/dump-conntrack', 'dummy@ovs-dummy')).split('\n'));
    return out.sort();
  }

  /** Flows of each table, and lookups since the last round. */
  #lookupsOf(bridge: string, reply: Buffer): string[] {
    const out: string[] = [];
    for (let at = 16; at < reply.length; at += 24) {
      const counts = [reply.readBigUInt64BE(at + 8), reply.readBigUInt64BE(at + 16)] as const;
      const key = `${bridge} table ${reply[at]}`;
      const [lookups, matched] = this.#lookups.get(key) ?? [0n, 0n];
      this.#lookups.set(key, counts);
      const active = reply.readUInt32BE(at + 4);
      out.push(`${key}: ${active} ${counts[0] - lookups} ${counts[1] - matched}`);
    }
    return out;
  }

  /** What each port has received and sent since the last round (struct ofp15_port_stats). */
  #countersOf(bridge: string, reply: Buffer): string[] {
    const out: string[] = [];
    for (let at = 16; at < reply.length; at += reply.readUInt16BE(at)) {
      const key = `${bridge} port ${reply.readInt32BE(at + 4)}`;
      const counts = Array.from({ length: 8 }, (_, i) => reply.readBigUInt64BE(at + 16 + 8 * i));
      const before = this.#counters.get(key);
      this.#counters.set(key, counts);
      const names = [
        'rx',
        'tx',
        'rx bytes',
        'tx bytes',
        'rx drops',
        'tx drops',
        'rx errors',
        'tx errors',
      ];
      out.push(`${key}: ${counts.map((n, i) => `${names[i]} ${n - (before?.[i] ?? 0n)}`)}`);
    }
    return out;
  }

  async #resetConfig(): Promise<void> {
    for (const name of ALL_PORTS) await this.addPort(name);
    await this.subject.vsctl(
      'show',
      ...ALL_PORTS.flatMap((name) => ['--', 'clear', 'Port', name, ...COLUMNS]),
      ...BRIDGES.flatMap((name) => ['--', 'clear', 'Bridge', name, 'mirrors']),
    );
    for (const bridge of BRIDGES) {
      await this.ofctl(['-O', 'OpenFlow13', 'del-meters', bridge]);
      await this.#addMeters(bridge);
    }
    const touched = [...this.#touched.values()];
    for (const words of touched) for (const undo of undoing(words)) await this.ofctl(undo);
    this.#touched.clear();
  }

  /** As before the first message, whatever came. */
  async reset(): Promise<void> {
    for (const operator of this.operators.slice(0, 2)) await this.settle(operator, 6, ...RESET);
    await this.subject.appctl('dpctl/flush-conntrack');
    for (const bridge of BRIDGES) await this.subject.appctl('fdb/flush', bridge);
    this.paused.length = 0;
    if (this.isConfigured) {
      await this.#resetConfig();
      // Ports that come again count from zero.
      await this.state();
    } else await this.subject.appctl('revalidator/purge');
    this.isConfigured = false;
    this.transmitted();
  }
}

const UNDONE: Readonly<Record<string, readonly (readonly [Version, string])[]>> = {
  'mod-port': ['up', 'receive', 'forward', 'flood'].map((word) => [6, word]),
  'mod-table': [
    [6, 'noevict'],
    [6, 'novacancy'],
  ],
};

/** What sets a port or table, by command, bridge and name, to what it was at first. */
function undoing(words: readonly string[]): string[][] {
  return UNDONE[words[0]!]!.map(([version, word]) => [
    '-O',
    `OpenFlow1${version - 1}`,
    ...words,
    word,
  ]);
}

const COLUMNS = ['tag', 'trunks', 'cvlans', 'vlan_mode', 'other_config'];
const XID = 0x2000_0000;
const ALL_FLOWS = bytes(u8(255), zeros(3), u32(-1, -1), zeros(4), u64(0), u64(0), oxmMatch());
const STATE = [
  stats(6, XID, 1, ALL_FLOWS),
  stats(6, XID, 2, ALL_FLOWS),
  stats(6, XID, 6, u32(0xffff_fffc), zeros(4)),
  stats(6, XID, 7, u32(0xffff_fffc), zeros(4)),
  stats(6, XID, 4, u32(-1), zeros(4)),
  stats(6, XID, 3),
];
const RESET = [
  bytes(
    message(
      6,
      14,
      XID,
      u64(0),
      u64(0),
      u8(255),
      u8(3),
      u16(0, 0, 0x8000),
      u32(-1, -1, -1),
      u16(0, 0),
      oxmMatch(),
    ),
  ),
  message(6, 15, XID, u16(2), zeros(2), u32(0xffff_fffc), zeros(4), u32(-1)),
];

/** Durations too: each switch's clock stands still somewhere within a millisecond. */
function timeless(line: string): string {
  return line
    .replace(/\b(duration|idle_age|hard_age)[=:][\d.]+s?,? ?/g, '')
    .replace(/addr:[\da-f:]+/g, 'addr')
    .replace(/ \(xid=.*?\)/, '');
}
