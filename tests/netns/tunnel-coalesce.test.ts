/** TCP segments that tunnels bring one by one are looked up and delivered as super-packets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { ETH_P_IP, toHex } from '@heddle/packet';
import { ethernet, ipv4, ipv6, type Part, tcp, udp } from '@heddle/packet/build';
import { eventually, Host, Instance, isolate, runOk, Scope, silence, Wire } from '@heddle/testing';
import { connect, createNetwork, createSite, ethtool } from './tunnel-world.ts';

isolate();

const MACS = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };
const ACK = 0x10;
const PSH = 0x08;

async function receivedBy(host: Host, device: string): Promise<number> {
  const [link] = JSON.parse(await host.exec('ip', '-j', '-s', 'link', 'show', device));
  return (link.stats64 ?? link.stats).rx.packets;
}

test('segments that cross one by one arrive in fewer packets', async () => {
  await using scope = new Scope();
  const network = await createNetwork(scope);
  const a = await createSite(scope, network, 1);
  const b = await createSite(scope, network, 2);
  for (const { host } of [a, b]) {
    await ethtool(host, 'eth0', 'tso', 'off', 'gso', 'off', 'tx-udp_tnl-segmentation', 'off');
  }
  await b.container.iperfServer(scope);
  for (const type of ['vxlan', 'gre']) {
    await connect(a, b, type);
    assert.ok(await a.container.reaches('10.2.0.2', 3), type);
    for (const address of ['10.2.0.2', 'fd02::2']) {
      const wire = await receivedBy(b.host, 'eth0');
      const inside = await receivedBy(b.container, 'eth0');
      assert.ok((await a.container.iperf(address, 1)) > 0.01, type);
      const crossed = (await receivedBy(b.host, 'eth0')) - wire;
      const arrived = (await receivedBy(b.container, 'eth0')) - inside;
      assert.ok(arrived < crossed / 2, `${type}, ${address}: ${crossed} became ${arrived}`);
    }
    await a.instance.vsctl('del-port', 'br0', 't2');
    await b.instance.vsctl('del-port', 'br0', 't1');
  }
  const devices = await b.host.exec('ip', '-o', 'link');
  assert.doesNotMatch(devices, /hdc[0-9a-f]{8}[nf]/, 'gone with the last tunnel');
});

/** What tells streams apart: all but one have the same addresses and ports inside. */
const STREAMS = [
  { remote: '10.1.0.2', key: 1, v6: false },
  { remote: '10.1.0.2', key: 2, v6: false },
  { remote: '10.1.0.2', key: 3, v6: true },
  { remote: '10.1.0.3', key: 1, v6: false },
] as const;
type Stream = (typeof STREAMS)[number];
const FAR = /(hdc[0-9a-f]{8}f)@/;

function segment({ v6 }: Stream, bytes: Uint8Array, from: number, to: number): Uint8Array {
  const flags = to === bytes.length ? ACK | PSH : ACK;
  const l4 = tcp({ src: 1000, dst: 2000, seq: 1 + from, ack: 1, flags }, bytes.slice(from, to));
  const l3 = v6
    ? ipv6({ src: 'fd02::1', dst: 'fd02::2' }, l4)
    : ipv4({ src: '10.2.0.1', dst: '10.2.0.2' }, l4);
  return ethernet(MACS, l3);
}

interface Outer {
  readonly remote: string;
  readonly key: number;
  readonly local?: string;
  readonly flags?: number;
  readonly port?: number;
  readonly mf?: boolean;
}

function wrapped(outer: Outer, inner: Uint8Array): Part {
  const { remote, key, local = '10.1.0.1', flags = 8, port = 4789, mf = false } = outer;
  const body = Buffer.concat([Uint8Array.of(flags, 0, 0, 0, 0, 0, key, 0), inner]);
  const l4 = udp({ src: 40_000, dst: port, csum: false }, body);
  return ipv4({ src: remote, dst: local, mf }, l4);
}

/** What no tunnel takes, though it differs from a stream's packets in little. */
const FORGERIES: readonly ((outer: Outer, inner: Uint8Array) => Part)[] = [
  (outer, inner) => wrapped({ ...outer, key: 9 }, inner),
  (outer, inner) => wrapped({ ...outer, remote: '10.1.0.9' }, inner),
  (outer, inner) => wrapped({ ...outer, local: '10.1.0.9' }, inner),
  (outer, inner) => wrapped({ ...outer, port: 4790 }, inner),
  (outer, inner) => wrapped({ ...outer, flags: 0 }, inner),
  (outer, inner) => wrapped({ ...outer, mf: true }, inner),
  (outer, inner) => changed(wrapped(outer, inner), 10), // the IP header's checksum
  (outer, inner) => changed(wrapped(outer, inner), 26), // a checksum of UDP's, which is wrong
];

function changed(part: Part, at: number): Part {
  part.bytes[at]! ^= 0x55;
  return part;
}

/** Where in the stream the packet's payload lies, and what it is. */
function payloadOf(frame: Uint8Array): readonly [number, Uint8Array] {
  const dv = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const isV4 = dv.getUint16(12) === ETH_P_IP;
  const l4 = isV4 ? 34 : 54;
  const end = isV4 ? 14 + dv.getUint16(16) : 54 + dv.getUint16(18);
  return [dv.getUint32(l4 + 4) - 1, frame.slice(l4 + (dv.getUint8(l4 + 12) >> 4) * 4, end)];
}

/** Segments of 1,200 bytes, some shorter. */
function cuts(r: Random, length: number): (readonly [from: number, to: number])[] {
  const segments: (readonly [number, number])[] = [];
  for (let from = 0; from < length; ) {
    const to = Math.min(length, from + (r.chance(90) ? 1200 : 1 + r.below(1200)));
    segments.push([from, to]);
    from = to;
  }
  return segments;
}

test('streams that differ in their tunnels alone are not mixed', async () => {
  await using scope = new Scope();
  const seed = Number(process.env['HEDDLE_SEED'] ?? Date.now() % 100_000);
  const r = new Random(seed);
  const host = await Host.create(scope);
  const underlay = await Host.create(scope);
  await host.veth(scope, 'eth0', 'eth0', underlay);
  await host.address('eth0', '10.1.0.1/24');
  const instance = await Instance.ours(scope, { host });
  const commands = ['add-br', 'br0', '--', 'set-fail-mode', 'br0', 'secure'];
  const wires: Wire[] = [];
  for (const [i, { remote, key }] of STREAMS.entries()) {
    const container = await Host.create(scope);
    await container.veth(scope, 'eth0', `c${i}`, host);
    await silence(container, 'eth0');
    wires.push(Wire.open(scope, container, 'eth0', 65_600));
    const options = [`options:remote_ip=${remote}`, `options:key=${key}`];
    for (const [name, ofport, more] of [
      [`c${i}`, 1 + i, []],
      [`t${i}`, 11 + i, ['type=vxlan', ...options]],
    ] as const) {
      commands.push('--', 'add-port', 'br0', name, '--', 'set', 'interface', name);
      commands.push(`ofport_request=${ofport}`, ...more);
    }
  }
  await instance.vsctl(...commands);
  for (const i of STREAMS.keys()) {
    await instance.exec('ovs-ofctl', 'add-flow', 'br0', `in_port=${11 + i},actions=${1 + i}`);
  }
  // Segments wait for each other in GRO for some milliseconds.
  const far = FAR.exec(await host.exec('ip', '-o', 'link'))?.[1];
  const knob = `echo 20000000 >/sys/class/net/${far}/gro_flush_timeout`;
  await runOk(['ip', 'netns', 'exec', host.name, 'sh', '-c', knob]);

  const wire = Wire.open(scope, underlay, 'eth0');
  const macs = { dst: await host.mac('eth0'), src: await underlay.mac('eth0') };
  const queues = STREAMS.map((s) => {
    const bytes = r.bytes(60_000);
    return { s, bytes, cuts: cuts(r, bytes.length), sent: 0 };
  });
  const arrived = STREAMS.map(() => new Map<number, Uint8Array>());
  for (const open = [...queues]; open.length > 0; ) {
    const q = r.pick(open);
    for (let burst = 1 + r.below(4); burst > 0 && q.sent < q.cuts.length; burst--) {
      const [from, to] = q.cuts[q.sent++]!;
      if (r.chance(20)) {
        const forged = segment(q.s, new Uint8Array(q.bytes.length), from, to);
        wire.send(ethernet(macs, r.pick(FORGERIES)(q.s, forged)));
      }
      wire.send(ethernet(macs, wrapped(q.s, segment(q.s, q.bytes, from, to))));
    }
    if (q.sent === q.cuts.length) open.splice(open.indexOf(q), 1);
  }
  await eventually(`all has arrived (seed ${seed})`, () => {
    for (const [i, w] of wires.entries()) {
      for (const frame of w.received()) {
        // What kernels say by themselves is to groups.
        if (frame[0] === 0x33) continue;
        assert.equal(toHex(frame.subarray(0, 12)), '020000000002020000000001');
        arrived[i]!.set(...payloadOf(frame));
      }
    }
    const bytes = (m: Map<number, Uint8Array>) => [...m.values()].reduce((n, p) => n + p.length, 0);
    return arrived.every((m, i) => bytes(m) >= queues[i]!.bytes.length);
  });
  let merged = 0;
  for (const [i, { bytes, cuts }] of queues.entries()) {
    const pieces = [...arrived[i]!].sort(([a], [b]) => a - b).map(([, payload]) => payload);
    assert.deepEqual(Buffer.concat(pieces), Buffer.from(bytes), `stream ${i}, seed ${seed}`);
    merged += cuts.length - pieces.length;
  }
  assert.ok(merged > 0, `nothing was put together, seed ${seed}`);
});
