/** What two hosts see: TCP, ping -f, small packets, first packets, new flows. */

import { ethernet, ipv4, pad, udp } from '@heddle/packet/build';
import { delay } from '@heddle/testing';
import type { Path } from './paths.ts';
import { type Host, openedSockets } from './sockets.ts';
import { percentile } from './statistics.ts';

/** TCP Gbit/s. */
export function tcp(path: Path, seconds: number): Promise<number> {
  return path.a.iperf(path.address, seconds);
}

/** Microseconds between the packets of `ping -f`, each sent when the last came back. */
export async function floodPing(path: Path, count: number): Promise<number> {
  const result = await path.a.ping(path.address, { count, flood: true });
  const interval = /ipg\/ewma ([\d.]+)\//.exec(result.text)?.[1];
  if (interval === undefined || result.received < count) {
    throw new Error(`ping -f lost ${result.sent - result.received} of ${result.sent}`);
  }
  return Number(interval) * 1000;
}

/** UDP datagrams of 18 bytes that arrive per second, sent in batches from one core. */
export async function smallPackets(path: Pick<Path, 'a' | 'b'>, seconds: number): Promise<number> {
  using sockets = await openedSockets(path);
  const frame = frameFor(sockets.macA, sockets.macB, 1);
  const before = await counter(path.b, 'rx_packets');
  const start = performance.now();
  const batch = sockets.batch(Array.from({ length: 64 }, () => frame));
  while (performance.now() - start < seconds * 1000) sockets.send(batch);
  const elapsed = (performance.now() - start) / 1000;
  await delay(100);
  return ((await counter(path.b, 'rx_packets')) - before) / elapsed;
}

export interface FirstPacket {
  medianMs: number;
  worstMs: number;
}

/** Round trips of single pings, each after every flow was forgotten. */
export async function firstPacket(path: Path, samples: number): Promise<FirstPacket> {
  const times: number[] = [];
  await path.a.ping(path.address);
  for (let n = 0; n < samples; n++) {
    await path.forget?.();
    const { averageMs } = await path.a.ping(path.address);
    if (averageMs !== undefined) times.push(averageMs);
  }
  return { medianMs: percentile(times, 0.5), worstMs: percentile(times, 1) };
}

export interface NewFlows {
  /** Per second, while the frames were sent. */
  rate: number;
  /** Share of the first packets that arrived. */
  delivered: number;
}

/** Frames of which each comes from an address never seen: each needs a flow of its own. */
export async function newFlows(path: Path, count: number): Promise<NewFlows> {
  using sockets = await openedSockets(path);
  await path.a.ping(path.address);
  const before = await counter(path.b, 'rx_packets');
  const frames = Array.from({ length: count }, (_, n) => {
    return frameFor(0x0400_0000_0000 + n, sockets.macB, n);
  });
  const start = performance.now();
  for (let at = 0; at < count; at += 64) {
    sockets.send(sockets.batch(frames.slice(at, at + 64)));
    await delay(0);
  }
  let arrived = 0;
  let last = performance.now();
  while (performance.now() - last < 500) {
    const now = (await counter(path.b, 'rx_packets')) - before;
    if (now > arrived) last = performance.now();
    arrived = now;
    if (arrived >= count) break;
    await delay(10);
  }
  return { rate: arrived / ((last - start) / 1000), delivered: Math.min(1, arrived / count) };
}

function frameFor(src: number, dst: number, n: number): Uint8Array {
  const datagram = udp({ src: 1000 + (n % 60_000), dst: 9 }, new Uint8Array(18));
  return pad(ethernet({ dst, src }, ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, datagram)));
}

async function counter(host: Host, name: string): Promise<number> {
  const [link] = JSON.parse(await host.exec('ip', '-j', '-s', 'link', 'show', 'eth0'));
  return name === 'rx_packets' ? link.stats64.rx.packets : link.stats64.tx.packets;
}
