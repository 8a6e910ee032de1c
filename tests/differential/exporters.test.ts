/**
 * NetFlow, sFlow and IPFIX of Open vSwitch and ours: the same flows and frames, the same datagrams
 * but for clocks and sequence numbers.
 */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, Host, isolate, Scope } from '@heddle/testing';
import { DummySwitch } from './dummy-switch.ts';

isolate();

const FLOWS = `priority=0,actions=NORMAL
priority=9,in_port=1,tcp,actions=output:2
in_port=1,udp,actions=drop
in_port=1,icmp,actions=mod_vlan_vid:5,output:2
in_port=2,icmp,actions=dec_ttl,output:1,output:3
in_port=2,arp,actions=sample(probability=65535,collector_set_id=7,obs_domain_id=8,obs_point_id=9),output:1
in_port=2,ip,nw_proto=50,actions=mod_nw_src:1.2.3.4,sample(probability=65535,collector_set_id=7,obs_domain_id=8,obs_point_id=9,sampling_port=1,egress),output:1
in_port=2,ip,nw_proto=51,actions=sample(probability=65535,collector_set_id=7,obs_domain_id=8,obs_point_id=9,sampling_port=1),output:1
in_port=2,ip,nw_proto=52,actions=sample(probability=65535,collector_set_id=7,obs_domain_id=8,obs_point_id=9,ingress)
in_port=3,ipv6,actions=mod_vlan_vid:9,output:1
`;

const ETH = 'eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02)';
const ip4 = (proto: number, rest: string, tos = 0) =>
  `eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=${proto},tos=${tos},ttl=64,frag=no)${rest}`;
const ip6 = (proto: number, rest: string) =>
  `eth_type(0x86dd),ipv6(src=fe80::1,dst=fe80::2,label=0x12345,proto=${proto},tclass=0,hlimit=64,frag=no),${rest}`;

/** Port, flow, bytes; 0: as many as there are by themselves. */
const FRAMES: readonly (readonly [string, string, number])[] = [
  ['p1', `in_port(1),${ETH},${ip4(6, ',tcp(src=80,dst=99),tcp_flags(0x012)')}`, 80],
  [
    'p1',
    `in_port(1),${ETH},eth_type(0x8100),vlan(vid=7,pcp=3),encap(${ip4(6, ',tcp(src=80,dst=99)')})`,
    200,
  ],
  ['p1', `in_port(1),${ETH},${ip4(17, ',udp(src=80,dst=99)', 0x20)}`, 0],
  ['p1', `in_port(1),${ETH},${ip4(1, ',icmp(type=3,code=1)')}`, 90],
  ['p2', `in_port(2),${ETH},${ip4(1, ',icmp(type=8,code=0)')}`, 80],
  [
    'p2',
    `in_port(2),${ETH},eth_type(0x0806),arp(sip=1.2.3.4,tip=2.3.4.5,op=1,sha=50:54:00:00:00:01,tha=00:00:00:00:00:00)`,
    60,
  ],
  ['p3', `in_port(3),${ETH},${ip6(58, 'icmpv6(type=128,code=0)')}`, 130],
  ['p3', `in_port(3),${ETH},${ip6(132, 'sctp(src=7,dst=8)')}`, 120],
  ['p2', `in_port(2),${ETH},${ip4(50, '')}`, 80],
  ['p2', `in_port(2),${ETH},${ip4(51, '')}`, 80],
  ['p2', `in_port(2),${ETH},${ip4(52, '')}`, 80],
];

class Collector {
  readonly #socket: Socket;
  readonly datagrams: Buffer[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (data) => this.datagrams.push(data));
  }

  static async open(scope: Scope): Promise<Collector> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    scope.defer(async () => void socket.close());
    return new Collector(socket);
  }

  get target(): string {
    return `"127.0.0.1:${this.#socket.address().port}"`;
  }
}

/** Ours and Open vSwitch's, where collectors are reached by the loopback device. */
async function pair(scope: Scope): Promise<DummySwitch[]> {
  const host = Host.ofProcess('self', process.pid);
  await host.exec('ip', 'link', 'set', 'lo', 'up');
  const both = await DummySwitch.pair(scope, host);
  for (const subject of both) {
    await subject.setUp('br0', ['p1', 'p2', 'p3'], ['--', 'set-fail-mode', 'br0', 'secure']);
    const file = join(subject.instance.directory, 'flows');
    writeFileSync(file, FLOWS);
    await subject.instance.exec('ovs-ofctl', 'add-flows', 'br0', file);
  }
  return both;
}

async function sendFrames(subject: DummySwitch): Promise<void> {
  for (const [port, flow, length] of FRAMES) {
    const cut = length === 0 ? [] : ['--len', String(length)];
    await subject.receive(port, flow, ...cut);
    await subject.warp(10);
  }
}

/** Warps second by second until `done`; datagrams take a moment to arrive. */
async function warpUntil(subject: DummySwitch, what: string, done: () => boolean): Promise<void> {
  await eventually(what, async () => {
    await subject.warp(1000, 1000);
    return done();
  });
}

/** NetFlow version 5 records without what clocks say. */
function netflowRecords(datagrams: readonly Buffer[]): string[] {
  return datagrams
    .flatMap((d) => {
      assert.equal(d.readUInt16BE(0), 5);
      const count = d.readUInt16BE(2);
      assert.equal(d.length, 24 + 48 * count);
      return Array.from({ length: count }, (_, i) => d.subarray(24 + 48 * i, 72 + 48 * i));
    })
    .map((r) => `${r.toString('hex', 0, 24)} ${r.toString('hex', 32)}`)
    .sort();
}

test('NetFlow', async () => {
  await using scope = new Scope();
  const got: string[][] = [];
  for (const subject of await pair(scope)) {
    const collector = await Collector.open(scope);
    const create = ['--', '--id=@n', 'create', 'NetFlow', `targets=${collector.target}`];
    const settings = ['engine_id=5', 'engine_type=9', 'add_id_to_interface=true'];
    await subject.vsctl(...[...create, ...settings, '--', 'set', 'bridge', 'br0', 'netflow=@n']);
    for (let i = 0; i < 3; i++) await sendFrames(subject);
    const records = () => netflowRecords(collector.datagrams);
    await warpUntil(subject, 'records of ended flows', () => records().length >= 7);
    got.push(records());
    assert.equal(collector.datagrams[0]!.readUInt16BE(20), 0x0905, 'engine');
  }
  assert.deepEqual(got[0], got[1]);
  assert.equal(got[0]!.length, 7);
});

interface Sample {
  readonly type: number;
  readonly words: readonly number[];
  readonly records: readonly (readonly [number, string])[];
}

/** The samples of sFlow datagrams; of counters those of sFlow's own use of resources are left out. */
function sflowSamples(datagrams: readonly Buffer[]): Sample[] {
  return datagrams.flatMap((d) => {
    assert.deepEqual([d.readUInt32BE(0), d.readUInt32BE(4), d.readUInt32BE(8)], [5, 1, 0x7f000001]);
    const out: Sample[] = [];
    let at = 28;
    for (let n = d.readUInt32BE(24); n > 0; n--) {
      const [type, length] = [d.readUInt32BE(at), d.readUInt32BE(at + 4)];
      const end = at + 8 + length;
      const nWords = type === 1 ? 7 : 2;
      const words = Array.from({ length: nWords }, (_, i) => d.readUInt32BE(at + 8 + 4 * i));
      let p = at + 8 + 4 * nWords;
      const count = d.readUInt32BE(p);
      p += 4;
      const records: [number, string][] = [];
      for (let i = 0; i < count; i++) {
        const [kind, bytes] = [d.readUInt32BE(p), d.readUInt32BE(p + 4)];
        const body = d.toString('hex', p + 8, p + 8 + bytes);
        if (kind === RAW_HEADER) records.push([kind, body.slice(0, 2 * COMPARED_BYTES)]);
        else if (kind === APP_RESOURCES || kind === DP_STATS) records.push([kind, String(bytes)]);
        else records.push([kind, body]);
        p += 8 + bytes;
      }
      assert.equal(p, end);
      out.push({ type, words, records });
      at = end;
    }
    assert.equal(at, d.length);
    return out;
  });
}

const RAW_HEADER = 1;
/** Of a packet's header: at times Open vSwitch's end with a byte of what it had in memory. */
const COMPARED_BYTES = 16 + 64;
const APP_RESOURCES = 2203;
const DP_STATS = 2207;

test('sFlow', async () => {
  await using scope = new Scope();
  const got: Sample[][] = [];
  for (const subject of await pair(scope)) {
    const collector = await Collector.open(scope);
    const create = ['--', '--id=@s', 'create', 'sFlow', `targets=${collector.target}`];
    const settings = ['sampling=1', 'polling=1', 'header=100', 'agent=127.0.0.1'];
    await subject.vsctl(...[...create, ...settings, '--', 'set', 'bridge', 'br0', 'sflow=@s']);
    await sendFrames(subject);
    const samples = (): Sample[] => sflowSamples(collector.datagrams);
    await warpUntil(subject, 'samples', () => samples().filter((s) => s.type === 1).length >= 11);
    await warpUntil(subject, 'counters', () => samples().some((s) => s.type === 2));
    const all = samples();
    got.push([...all.filter((s) => s.type === 1), all.find((s) => s.type === 2)!]);
  }
  assert.deepEqual(got[0], got[1]);
});

interface Message {
  readonly domain: number;
  readonly templates: Map<number, string>;
  /** Data records as element=value. */
  readonly records: string[];
}

/** What clocks say; and of dropped packets, which upstream tells by how a packet came up. */
const NOT_COMPARED = new Set(['158', '159', '133', '135', '132', '134']);

function ipfixMessages(datagrams: readonly Buffer[]): Message[] {
  const known = new Map<string, (readonly [string, number])[]>();
  return datagrams.map((d) => {
    assert.equal(d.readUInt16BE(0), 10);
    assert.equal(d.readUInt16BE(2), d.length);
    const message: Message = { domain: d.readUInt32BE(12), templates: new Map(), records: [] };
    for (let at = 16; at < d.length; ) {
      const [id, length] = [d.readUInt16BE(at), d.readUInt16BE(at + 2)];
      const set = d.subarray(at + 4, at + length);
      at += length;
      if (id === 2 || id === 3) readTemplates(set, id === 3 ? 6 : 4, message, known);
      else message.records.push(readRecord(set, known.get(`${message.domain} ${id}`) ?? []));
    }
    return message;
  });
}

function readTemplates(
  set: Buffer,
  head: number,
  { domain, templates }: Message,
  known: Map<string, (readonly [string, number])[]>,
): void {
  for (let at = 0; at < set.length; ) {
    const [id, count] = [set.readUInt16BE(at), set.readUInt16BE(at + 2)];
    const start = at;
    at += head;
    const fields: [string, number][] = [];
    for (let i = 0; i < count; i++) {
      const element = set.readUInt16BE(at);
      const isEnterprise = (element & 0x8000) !== 0;
      fields.push([`${element & 0x7fff}${isEnterprise ? 'e' : ''}`, set.readUInt16BE(at + 2)]);
      at += isEnterprise ? 8 : 4;
    }
    templates.set(id, set.toString('hex', start, at));
    known.set(`${domain} ${id}`, fields);
  }
}

function readRecord(set: Buffer, fields: readonly (readonly [string, number])[]): string {
  const out: string[] = [];
  let at = 0;
  for (const [element, bytes] of fields) {
    let length = bytes;
    if (bytes === 0xffff) length = set[at++]!;
    if (!NOT_COMPARED.has(element)) out.push(`${element}=${set.toString('hex', at, at + length)}`);
    at += length;
  }
  assert.equal(at, set.length, 'the record is as its template says');
  return out.join(' ');
}

for (const [name, cache] of [
  ['at once', []],
  ['from a cache', ['cache_active_timeout=60', 'cache_max_flows=4']],
] as const) {
  test(`IPFIX of a bridge and of sample actions, ${name}`, async () => {
    await using scope = new Scope();
    const got: { templates: unknown; records: unknown; stats: string }[] = [];
    for (const subject of await pair(scope)) {
      const { instance } = subject;
      const [bridge, set] = [await Collector.open(scope), await Collector.open(scope)];
      const own = ['--', '--id=@i', 'create', 'IPFIX', `targets=${bridge.target}`, 'sampling=1'];
      const more = ['obs_domain_id=11', 'obs_point_id=12', 'other_config:virtual_obs_id=hello'];
      const sets = ['--', '--id=@b', 'get', 'bridge', 'br0'];
      sets.push('--', '--id=@j', 'create', 'IPFIX', `targets=${set.target}`, ...cache);
      sets.push('--', 'create', 'Flow_Sample_Collector_Set', 'id=7', 'bridge=@b', 'ipfix=@j');
      await subject.vsctl(
        ...[...own, ...more, ...cache, '--', 'set', 'bridge', 'br0', 'ipfix=@i', ...sets],
      );
      await sendFrames(subject);
      await sendFrames(subject);
      await warpUntil(subject, 'records', () => {
        const sent = (c: Collector) => ipfixMessages(c.datagrams).flatMap((m) => m.records).length;
        return cache.length > 0 ? sent(bridge) >= 20 : sent(bridge) >= 41 && sent(set) >= 9;
      });
      const [ours, sampled] = [ipfixMessages(bridge.datagrams), ipfixMessages(set.datagrams)];
      const records = (messages: Message[]) =>
        messages.filter((m) => m.domain !== 0).flatMap((m) => m.records);
      const dump = await instance.exec('ovs-ofctl', 'dump-ipfix-flow', 'br0');
      got.push({
        templates: [...ours, ...sampled].flatMap((m) => [...m.templates]),
        records: [records(ours).slice(0, 20), cache.length > 0 ? [] : records(sampled)],
        // Upstream counts packets as dropped that it has sampled on their way up.
        stats: /flows=\d+, current flows=\d+, sampled pkts=\d+/.exec(dump)![0],
      });
    }
    assert.deepEqual(got[0], got[1]);
  });
}
