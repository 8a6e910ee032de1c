/**
 * Headers that each segment has its own of: checksums, sequence numbers, ERSPAN. Containers talk TCP in
 * super-packets; what is on the wire is looked at.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checksum, csumAdd, csumFinish, csumPseudo } from '@heddle/packet';
import { eventually, isolate, Scope, Wire } from '@heddle/testing';
import { connect, createNetwork, createSite, ethtool } from './tunnel-world.ts';

isolate();

const IPPROTO_GRE = 47;
const IPPROTO_UDP = 17;

interface Outer {
  readonly dv: DataView;
  readonly l4: number;
  readonly proto: number;
  readonly v6: boolean;
}

/** Of a packet from 10.1.0.1 or fd01::1 that is a tunnel's. */
function parseOuter(frame: Uint8Array): Outer | undefined {
  const dv = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const v6 = dv.getUint16(12) === 0x86dd;
  if (!v6 && dv.getUint16(12) !== 0x0800) return undefined;
  const proto = dv.getUint8(v6 ? 20 : 23);
  const isFirst = dv.getUint8(v6 ? 37 : 29) === 1;
  const isTunnel = isFirst && (proto === IPPROTO_UDP || proto === IPPROTO_GRE);
  return isTunnel ? { dv, l4: v6 ? 54 : 34, proto, v6 } : undefined;
}

function isSummed({ dv, l4, proto, v6 }: Outer): boolean {
  const length = dv.byteLength - l4;
  if (proto === IPPROTO_GRE) {
    return (dv.getUint16(l4) & 0x8000) !== 0 && checksum(dv, l4, length) === 0;
  }
  const pseudo = csumPseudo(dv, v6 ? 22 : 26, v6 ? 16 : 4, proto, length);
  return dv.getUint16(l4 + 6) !== 0 && csumFinish(csumAdd(dv, l4, length, pseudo)) === 0;
}

/** The number of a GRE packet. */
function sequence({ dv, l4 }: Outer): number {
  const flags = dv.getUint16(l4);
  assert.ok(flags & 0x1000, 'is numbered');
  return dv.getUint32(l4 + 4 + (flags & 0x8000 ? 4 : 0) + (flags & 0x2000 ? 4 : 0));
}

/** No number twice, though processors may overtake each other on their way to the wire. */
function isNumbered(packets: readonly Outer[]): boolean {
  const numbers = packets.map(sequence);
  return new Set(numbers).size === numbers.length && numbers.at(-1)! > numbers[0]!;
}

const CASES: readonly (readonly [
  type: string,
  extra: readonly string[],
  check: (packets: readonly Outer[]) => boolean,
])[] = [
  ['vxlan', ['csum=true', 'key=7'], (packets) => packets.every(isSummed)],
  ['geneve', ['csum=true', 'key=7'], (packets) => packets.every(isSummed)],
  ['gre', ['csum=true', 'key=7'], (packets) => packets.every(isSummed)],
  ['gre', ['seq=true', 'csum=true'], (p) => p.every(isSummed) && isNumbered(p)],
  ['erspan', ['key=7', 'erspan_ver=1', 'erspan_idx=5'], isNumbered],
  ['erspan', ['key=7', 'erspan_ver=2', 'erspan_dir=1', 'erspan_hwid=0x2a'], isNumbered],
];

test('checksums and numbers of every packet, super-packets too', async () => {
  await using scope = new Scope();
  const network = await createNetwork(scope);
  const a = await createSite(scope, network, 1);
  const b = await createSite(scope, network, 2);
  await b.container.iperfServer(scope);
  // What is within is complete on the wire then, and no packet is longer than the network takes.
  await ethtool(a.host, 'eth0', 'tx', 'off');
  const wire = Wire.open(scope, network, 'to1');
  for (const [n, [type, extra, check]] of CASES.entries()) {
    const what = `${type} ${extra}`;
    const v6 = n % 2 === 1;
    await connect(a, b, type, { extra, v6 });
    await eventually(what, () => a.container.reaches('10.2.0.2', 1));
    await eventually(`${what}: IPv6`, () => a.container.reaches('fd02::2', 1));
    wire.received();
    assert.ok((await a.container.iperf('10.2.0.2', 1)) > 0, `${what}: TCP`);
    const packets = wire
      .received()
      .map(parseOuter)
      .filter((p) => p !== undefined);
    assert.ok(packets.length > 10, `${what}: ${packets.length} packets`);
    assert.ok(
      packets.every(({ dv }) => dv.byteLength <= 1514),
      `${what}: lengths`,
    );
    assert.ok(check(packets), what);
    await a.instance.vsctl('del-port', 'br0', 't2');
    await b.instance.vsctl('del-port', 'br0', 't1');
  }
});
