/**
 * Tunnels whose packets bridges carry (tnl_push, tnl_pop), Open vSwitch's and ours on dummy devices:
 * equal traces, equal packets out of both ends. HEDDLE_SEED repeats a round, HEDDLE_COUNT: packets.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { parsePcap, toHex } from '@heddle/packet';
import { ethernet, ipv4, ipv6, type Part, pad, raw, tcp, udp } from '@heddle/packet/build';
import { unixctlCall } from '@heddle/runtime';
import { eventually, Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 15);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const MAC = 'aa:55:aa:55:00:00';
const PEER_MAC = 'f8:bc:12:44:34:b6';
const OURS = { v4: '1.1.2.88', v6: '2001:cafe::88' };
const PEER = { v4: '1.1.2.92', v6: '2001:cafe::92' };

type Tunnels = readonly (readonly [type: string, remote: string, ...options: string[]])[];

const TUNNELS: Tunnels = [
  ['vxlan', PEER.v4, 'key=123'],
  ['gre', PEER.v4, 'key=456', 'ttl=7'],
  ['geneve', PEER.v4, 'key=flow', 'tos=inherit', 'ttl=inherit'],
  ['vxlan', PEER.v6, 'key=5', 'df_default=false'],
  ['gre', '1.1.2.93', 'csum=true', 'df_default=false'],
  ['geneve', PEER.v6, 'csum=true', 'key=flow'],
  ['gre', PEER.v6, 'key=3', 'tos=0x20'],
  ['vxlan', '1.1.2.93', 'csum=true', 'key=9', 'egress_pkt_mark=0'],
  ['geneve', '3.3.3.3', 'key=1'],
  ['gre', '1.1.2.94', 'seq=true', 'csum=true', 'key=8'],
  ['vxlan', 'flow', 'local_ip=flow', 'key=44'],
  ['geneve', 'flow', 'key=45'],
];

/** By themselves: beside a GRE tunnel, the one of the two that was opened first has all of GRE. */
const ERSPAN_TUNNELS: Tunnels = [
  ['erspan', PEER.v4, 'key=10', 'erspan_ver=1', 'erspan_idx=0x3'],
  ['erspan', PEER.v6, 'key=11', 'erspan_ver=2', 'erspan_dir=1', 'erspan_hwid=0x2a'],
  [
    'erspan',
    '1.1.2.94',
    'key=flow',
    ...['ver', 'idx', 'dir', 'hwid'].map((o) => `erspan_${o}=flow`),
  ],
  ['erspan', '1.1.2.93', 'key=2000', 'erspan_ver=1'],
  ['erspan', '1.1.2.93', 'key=5'],
];

class Subject {
  readonly instance: Instance;
  readonly tunnels: Tunnels;
  readonly #read = new Map<string, number>();

  constructor(instance: Instance, tunnels: Tunnels) {
    this.instance = instance;
    this.tunnels = tunnels;
  }

  async appctl(command: string, ...args: string[]): Promise<string> {
    const { directory } = this.instance;
    const socket = join(directory, `ovs-vswitchd.${this.instance.pid('ovs-vswitchd')}.ctl`);
    const { result, error } = await unixctlCall(socket, command, args);
    return result ?? error ?? '';
  }

  #pcap(port: string): string {
    return join(this.instance.directory, `${port}.pcap`);
  }

  async setUp(): Promise<void> {
    const dummy = ['datapath_type=dummy', 'fail_mode=secure'];
    const words = ['add-br', 'br0', '--', 'add-br', 'br1'];
    words.push('--', 'set', 'bridge', 'br0', ...dummy, `other_config:hwaddr="${MAC}"`);
    words.push('--', 'set', 'bridge', 'br1', ...dummy);
    const add = (bridge: string, port: string, ofport: number, ...more: string[]) =>
      words.push(
        ...['--', 'add-port', bridge, port, '--', 'set', 'interface', port],
        ...[`ofport_request=${ofport}`, ...more],
      );
    for (const [bridge, port, ofport] of [
      ['br0', 'p10', 1],
      ['br0', 'p11', 2],
      ['br1', 'p20', 1],
      ['br1', 'p21', 2],
    ] as const) {
      add(bridge, port, ofport, 'type=dummy', `options:tx_pcap=${this.#pcap(port)}`);
    }
    for (const [i, [type, remote, ...options]] of this.tunnels.entries()) {
      const set = options.map((o) => `options:${o}`);
      add('br1', `t${i}`, 10 + i, `type=${type}`, `options:remote_ip="${remote}"`, ...set);
    }
    await this.instance.vsctl(...words);
    await this.appctl('netdev-dummy/ip4addr', 'br0', `${OURS.v4}/24`);
    await this.appctl('netdev-dummy/ip6addr', 'br0', `${OURS.v6}/64`);
    for (const [prefix, ...more] of [
      [`${PEER.v4}/24`],
      [`${PEER.v6}/64`],
      ['3.3.3.0/24', '1.1.2.7'],
    ] as const) {
      assert.equal(await this.appctl('ovs/route/add', prefix, 'br0', ...more), 'OK\n');
    }
    for (const address of [PEER.v4, PEER.v6, '1.1.2.93', '1.1.2.94', '1.1.2.7']) {
      assert.equal(await this.appctl('tnl/neigh/set', 'br0', address, PEER_MAC), 'OK\n');
    }
    const maps = [
      '{class=0x102,type=0x80,len=4}->tun_metadata0',
      '{class=0x103,type=0x7,len=124}->tun_metadata1',
      '{class=0x103,type=0x8,len=60}->tun_metadata2',
    ];
    await this.instance.exec('ovs-ofctl', 'add-tlv-map', 'br1', maps.join(','));
  }

  async flows(bridge: string, lines: readonly string[]): Promise<void> {
    const file = join(this.instance.directory, 'flows');
    writeFileSync(file, `${lines.join('\n')}\n`);
    await this.instance.exec('ovs-ofctl', '-O', 'OpenFlow13', 'replace-flows', bridge, file);
  }

  /** Frames that left since the last call. */
  sent(port: string): Uint8Array[] {
    const path = this.#pcap(port);
    if (!existsSync(path)) return [];
    const all = parsePcap(readFileSync(path));
    const from = this.#read.get(port) ?? 0;
    this.#read.set(port, all.length);
    return all.slice(from).map(({ data }) => data);
  }
}

/** `n` is the last byte of its source. */
function innerFrame(r: Random, n: number): Uint8Array {
  const macs = { dst: '02:00:00:00:00:02', src: macOf(n) };
  const body = r.bytes(r.below(60));
  const ports = { src: 1 + r.below(9), dst: 1 + r.below(9) };
  const l4 = r.chance(50) ? udp(ports, body) : tcp(ports, body);
  const ip = { tos: r.pick([0, 1, 2, 0x28, 0xfd]), ttl: 0, hopLimit: 1 + r.below(200) };
  const l3 = r.chance(60)
    ? ipv4({ src: '10.0.0.1', dst: '10.0.0.2', tos: ip.tos, ttl: ip.hopLimit }, l4)
    : ipv6({ src: 'fd00::1', dst: 'fd00::2', ...ip }, l4);
  return pad(ethernet(macs, r.chance(85) ? l3 : raw(0x1234, body)));
}

function macOf(n: number): string {
  return `02:00:00:01:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 0xff).toString(16).padStart(2, '0')}`;
}

/** The source port is a hash of each's own; the checksum covers it, and the receiver looks at it. */
function comparable(frame: Uint8Array): string {
  const copy = Uint8Array.from(frame);
  const dv = new DataView(copy.buffer);
  const l3 = dv.getUint16(12) === 0x8100 ? 18 : 14;
  const isV6 = dv.getUint16(l3 - 2) === 0x86dd;
  const l4 = l3 + (isV6 ? 40 : 20);
  if (copy[l3 + (isV6 ? 6 : 9)] === 17) {
    dv.setUint16(l4, 0);
    if (dv.getUint16(l4 + 6) !== 0) dv.setUint16(l4 + 6, 1);
  }
  // Open vSwitch counts headers that it built and did not send; version 2 of ERSPAN tells the time.
  const isGre = copy[l3 + (isV6 ? 6 : 9)] === 47;
  const flags = isGre ? dv.getUint16(l4) : 0;
  const keyAt = flags & 0x8000 ? 8 : 4;
  if (flags & 0x1000) dv.setUint32(l4 + keyAt + (flags & 0x2000 ? 4 : 0), 0);
  if ((flags & 0x9000) === 0x9000) dv.setUint16(l4 + 4, 1);
  if (isGre && dv.getUint16(l4 + 2) === 0x22eb) dv.setUint32(l4 + 12, 0);
  return toHex(copy);
}

/** A tunnel's packet that comes to us, now and then a broken one. */
function outerFrame(r: Random, tunnels: Tunnels): Uint8Array {
  const inner = innerFrame(r, 1);
  const [type, to, ...options] = r.pick(tunnels);
  const remote = to === 'flow' ? r.pick(Object.values(PEER)) : to;
  const key = Number(/key=(\d+)/.exec(options.join())?.[1] ?? r.below(3));
  const vni = [key >> 16, (key >> 8) & 0xff, key & 0xff];
  const csum = r.chance(50);
  let l4: Part;
  if (type === 'gre') {
    const hasKey = key !== 0 && r.chance(90);
    const hasSeq = r.chance(20);
    const words = [
      [csum, 0x80, [0, 0, 0, 0]],
      [hasKey, 0x20, [0, ...vni]],
      [hasSeq, 0x10, [0, 0, 0, 7]],
    ] as const;
    const flags = words.reduce((sum, [on, bit]) => sum | (on ? bit : 0), r.chance(5) ? 0x40 : 0);
    const more = words.flatMap(([on, , bytes]) => (on ? [...bytes] : []));
    const proto = r.chance(95) ? [0x65, 0x58] : [0x88, 0xbe];
    const bytes = Buffer.concat([Uint8Array.of(flags, 0, ...proto, ...more), inner]);
    if (csum) bytes.writeUInt16BE(internetChecksum(bytes) ^ (r.chance(10) ? 1 : 0), 4);
    l4 = raw(47, bytes);
  } else if (type === 'erspan') {
    l4 = raw(47, Buffer.concat([erspanHeader(r, key), inner]));
  } else {
    const long = r.pick([60, 124]);
    // Of an option that is not there, and others are, Open vSwitch moves whatever it finds.
    const option = r.chance(50) ? [1, 2, 0x80, 1, ...r.bytes(4)] : [];
    if (option.length > 0 && r.chance(50)) {
      option.unshift(1, 3, long === 124 ? 7 : 8, long / 4, ...r.bytes(long));
    }
    const head =
      type === 'vxlan'
        ? [r.chance(90) ? 8 : r.below(256), 0, 0, 0, ...vni, r.chance(95) ? 0 : 1]
        : [option.length / 4, r.chance(20) ? 0x80 : 0, 0x65, r.chance(95) ? 0x58 : 0, ...vni, 0];
    const body = Buffer.concat([
      Uint8Array.from(head),
      Uint8Array.from(type === 'geneve' ? option : []),
      inner,
    ]);
    l4 = udp({ src: 40_000 + r.below(9), dst: type === 'vxlan' ? 4789 : 6081, csum }, body);
  }
  const isV6 = remote.includes(':');
  const tos = r.pick([0, 0, 1, 3, 0x20]);
  const l3 = isV6
    ? ipv6({ src: remote, dst: OURS.v6, tos }, l4)
    : ipv4({ src: remote, dst: OURS.v4, tos, ttl: 1 + r.below(99), df: r.chance(50) }, l4);
  const frame = ethernet({ dst: MAC, src: PEER_MAC }, l3);
  // Past the addresses: they decide which tunnel it is.
  if (r.chance(10)) frame[34 + r.below(frame.length - 34)]! ^= 1 << r.below(8);
  // Without a sequence number it is no ERSPAN for us, on purpose.
  if (type === 'erspan') frame[isV6 ? 54 : 34]! |= 0x10;
  return r.chance(5) ? frame.slice(0, 50 + r.below(frame.length - 50)) : frame;
}

function erspanHeader(r: Random, session: number): Uint8Array {
  const ver = r.pick([1, 2]);
  const proto = ver === 1 ? [0x88, 0xbe] : [0x22, 0xeb];
  const base = [
    (ver << 4) | r.below(16),
    r.below(256),
    (r.below(63) << 2) | (session >> 8),
    session,
  ];
  const index = [0, r.below(16), r.below(256), r.below(256)];
  const last = [0, 0, r.below(4), r.below(128) << 1];
  const more = ver === 1 ? index : [...r.bytes(4), ...last];
  return Uint8Array.of(0x10, 0, ...proto, 0, 0, 0, 9, ...base, ...more);
}

function internetChecksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += i + 1 < bytes.length ? bytes.readUInt16BE(i) : bytes[i]! << 8;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function randomActions(r: Random, tunnels: Tunnels): string {
  const writes = [
    'set_field:77->tun_id',
    `set_field:${r.pick([PEER.v4, '1.1.2.93', '0.0.0.0'])}->tun_dst`,
    `set_field:${r.pick([PEER.v6, '::'])}->tun_ipv6_dst`,
    `set_field:${r.pick([OURS.v4, '9.9.9.9', '0.0.0.0'])}->tun_src`,
    `set_field:${r.pick([OURS.v6, 'fd00::9', '::'])}->tun_ipv6_src`,
    'set_field:5->tun_metadata0',
    `set_field:0x${toHex(r.bytes(1 + r.below(124)))}->tun_metadata1`,
    `set_field:0x${toHex(r.bytes(60))}->tun_metadata2`,
    'set_field:02:00:00:00:00:77->eth_src',
    `set_field:${1 + r.below(3)}->tun_erspan_ver`,
    `set_field:${r.below(0x100000)}->tun_erspan_idx`,
    `set_field:${r.below(2)}->tun_erspan_dir`,
    `set_field:${r.below(64)}->tun_erspan_hwid`,
  ];
  const list = Array.from({ length: 1 + r.below(4) }, () =>
    r.chance(35) ? r.pick(writes) : `output:${r.pick([2, ...tunnels.map((_, i) => 10 + i)])}`,
  );
  return `${list.join(',')},output:${10 + r.below(tunnels.length)}`;
}

/** Addresses of both families, into the tunnel that takes what flows say. */
function mixedActions(tunnels: Tunnels): string[] {
  const at = tunnels.findIndex(([, to]) => to === 'flow');
  if (at < 0) return [];
  const ends = [
    [PEER.v4, OURS.v6],
    [PEER.v6, OURS.v4],
    [PEER.v6, OURS.v6],
    [PEER.v4, PEER.v6],
  ];
  const set = (address: string, end: string) =>
    `set_field:${address}->tun_${address.includes(':') ? 'ipv6_' : ''}${end}`;
  return [
    ...ends.map(([to, from]) => `${set(to!, 'dst')},${set(from!, 'src')},output:${10 + at}`),
    `${set(PEER.v4, 'dst')},${set(PEER.v6, 'dst')},output:${10 + at}`,
  ];
}

/** What the bridge below does with tunnels' packets. */
const BELOW = [
  'priority=9,udp,udp_dst=4789,nw_tos=0,actions=push_vlan:0x8100,set_field:4101->vlan_vid,output:1,output:2',
  'priority=8,ip,nw_proto=47,nw_ttl=7,actions=dec_ttl,output:1',
  'priority=7,ip,in_port=LOCAL,nw_dst=1.1.2.93,actions=output:2,set_field:1.1.2.99->ip_dst,output:1',
  'priority=6,ip,nw_tos=0x28,actions=drop',
  'priority=1,actions=output:2,output:1',
];

async function create(scope: Scope, tunnels: Tunnels) {
  const options = async () => ({
    switchArgs: ['--enable-dummy=system'],
    host: await Host.create(scope),
  });
  const ours = new Subject(await Instance.ours(scope, await options()), tunnels);
  const theirs = new Subject(await Instance.oracle(scope, await options()), tunnels);
  const both = [ours, theirs];
  await Promise.all(both.map((s) => s.setUp()));
  return { ours, theirs, both, tunnels };
}

function normalTrace(text: string): string {
  return (
    text
      .split('\n')
      .filter((line) => /^(Megaflow|Datapath actions| {5}(->|>>))/.test(line))
      .join('\n')
      // Its masks leave open what routes are chosen by, and flags that go on with the packet.
      .replace(/(?<=^Megaflow: .*)pkt_mark=0,/m, '')
      .replace(/(tun_flags=\S*?)([-+](oam|crit|seq))+/, '$1')
  );
}

for (const [name, tunnels] of [
  ['VXLAN, Geneve and GRE', TUNNELS],
  ['ERSPAN', ERSPAN_TUNNELS],
] as const) {
  test(`packets into tunnels and out of them, ${name}: traced alike, sent alike`, async () => {
    await using scope = new Scope();
    const pair = await create(scope, tunnels);
    await intoTunnels(pair);
    await outOfTunnels(pair);
  });
}

type Pair = Awaited<ReturnType<typeof create>>;

async function intoTunnels({ ours, theirs, both, tunnels }: Pair): Promise<void> {
  const r = new Random(SEED);
  const actions = [
    ...mixedActions(tunnels),
    ...Array.from({ length: COUNT }, () => randomActions(r, tunnels)),
  ];
  const above = actions.map((a, n) => `dl_src=${macOf(n)},actions=${a}`);
  for (const s of both) {
    await s.flows('br0', BELOW);
    await s.flows('br1', above);
  }
  for (let n = 0; n < actions.length; n++) {
    const frame = toHex(innerFrame(r, n));
    const where = `seed ${SEED}, packet ${n}: ${frame} ${above[n]}`;
    const [mine, other] = await Promise.all(
      both.map((s) => s.appctl('ofproto/trace', 'br1', 'in_port=1', frame)),
    );
    assert.equal(normalTrace(mine!), normalTrace(other!), `${where}\n${mine}\n${other}`);
    for (const s of both) await s.appctl('netdev-dummy/receive', 'p20', frame);
    await eventually(where, () => {
      for (const port of ['p10', 'p11', 'p21']) {
        const [a, b] = [waiting(ours, port), waiting(theirs, port)];
        assert.deepEqual(a, b, port);
      }
      return true;
    });
    for (const s of both) for (const port of ['p10', 'p11', 'p21']) forget(s, port);
  }
}

const kept = new Map<string, string[]>();

/** Frames that were sent and not compared yet. */
function waiting(s: Subject, port: string): string[] {
  const key = `${s.instance.directory} ${port}`;
  const all = [...(kept.get(key) ?? []), ...s.sent(port).map(comparable)];
  kept.set(key, all);
  return all;
}

function forget(s: Subject, port: string): void {
  kept.delete(`${s.instance.directory} ${port}`);
}

async function outOfTunnels({ ours, theirs, both, tunnels }: Pair): Promise<void> {
  const r = new Random(SEED + 1);
  const shown = 'move:NXM_NX_TUN_ID[0..15]->NXM_OF_ETH_DST[0..15]';
  const option = 'move:NXM_NX_TUN_METADATA0[0..15]->NXM_OF_ETH_SRC[0..15]';
  const flows = tunnels.map(
    (_, i) => `in_port=${10 + i},actions=${shown},${option},output:${1 + (i % 2)}`,
  );
  for (const s of both) {
    await s.flows('br0', ['actions=NORMAL']);
    await s.flows('br1', flows);
  }
  const end = toHex(ethernet({ dst: MAC, src: PEER_MAC }, raw(0x9999, Uint8Array.from([1]))));
  let arrived = 0;
  for (let n = 0; n < 4 * COUNT; n++) {
    const frame = toHex(outerFrame(r, tunnels));
    const where = `seed ${SEED}, packet ${n}: ${frame}`;
    for (const s of both) {
      await s.appctl('netdev-dummy/receive', 'p10', frame);
      await s.appctl('netdev-dummy/receive', 'p10', end);
    }
    await eventually(where, () => {
      for (const port of ['p20', 'p21']) {
        assert.deepEqual(waiting(ours, port), waiting(theirs, port), port);
      }
      return true;
    });
    for (const port of ['p20', 'p21']) {
      arrived += waiting(ours, port).length;
      for (const s of both) forget(s, port);
    }
  }
  assert.ok(arrived > COUNT, `${arrived} arrived`);
}
