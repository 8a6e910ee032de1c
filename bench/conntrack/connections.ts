/** Raw frames through a path: small packets of one connection, and SYNs of many. */
import { openNetns, PacketSocket, Rtnl, withNetns } from '@heddle/linux';
import { parseMac } from '@heddle/packet';
import { ethernet, ipv4, pad, tcp, udp } from '@heddle/packet/build';
import { delay } from '@heddle/testing';
import { layOut } from '../datapath/sockets.ts';
import { type TrackedPath, UNTRACKED_PORT } from './paths.ts';

const BATCH = 64;
const SYN = 2;

interface Sender extends Disposable {
  readonly macs: { readonly src: number; readonly dst: number };
  readonly src: string;
  send(frames: { bytes: Uint8Array; count: number }): void;
}

async function openSender({ path, nextHop }: TrackedPath): Promise<Sender> {
  using netns = openNetns({ path: path.a.netns });
  const socket = withNetns(netns, () => {
    using rtnl = new Rtnl();
    return new PacketSocket({ ifindex: rtnl.link('eth0')!.index, sendOnly: true });
  });
  const [address] = JSON.parse(await path.a.exec('ip', '-j', '-4', 'addr', 'show', 'eth0'));
  return {
    macs: { src: parseMac(await path.a.mac('eth0'))!, dst: parseMac(await nextHop())! },
    src: address.addr_info[0].local,
    send: ({ bytes, count }) => void socket.sendBatch(bytes, count),
    [Symbol.dispose]: () => socket.close(),
  };
}

async function received({ path }: TrackedPath): Promise<number> {
  const [link] = JSON.parse(await path.b.exec('ip', '-j', '-s', 'link', 'show', 'eth0'));
  return link.stats64.rx.packets;
}

/** UDP datagrams of 18 bytes of one connection that arrive per second, tracked or exempt from it. */
export async function smallPackets(
  path: TrackedPath,
  seconds: number,
  tracked: boolean,
): Promise<number> {
  using sender = await openSender(path);
  const part = udp(
    { src: 1000, dst: tracked ? UNTRACKED_PORT + 1 : UNTRACKED_PORT },
    new Uint8Array(18),
  );
  const frame = pad(ethernet(sender.macs, ipv4({ src: sender.src, dst: path.path.address }, part)));
  const batch = layOut(Array.from({ length: BATCH }, () => frame));
  sender.send(batch);
  await delay(20);
  const before = await received(path);
  const start = performance.now();
  while (performance.now() - start < seconds * 1000) sender.send(batch);
  const elapsed = (performance.now() - start) / 1000;
  await delay(20);
  return ((await received(path)) - before) / elapsed;
}

/** SYNs that arrive per second, each of another connection, and how many connections are known then. */
export async function newConnections(
  path: TrackedPath,
  count: number,
): Promise<{ rate: number; entered: number }> {
  using sender = await openSender(path);
  await path.flush();
  const syn = (n: number) => {
    const part = tcp({ src: 1024 + (n & 0x7fff), dst: 1 + (n >>> 15), flags: SYN });
    return ethernet(sender.macs, ipv4({ src: sender.src, dst: path.sink }, part));
  };
  const batches = Array.from({ length: Math.ceil(count / BATCH) }, (_, k) =>
    layOut(Array.from({ length: BATCH }, (_, i) => syn(k * BATCH + i))),
  );
  const idle = await received(path);
  while ((await received(path)) < idle + 5) sender.send(layOut([syn(count)]));
  const known = await path.count();
  const before = await received(path);
  const start = performance.now();
  for (const [k, batch] of batches.entries()) {
    sender.send(batch);
    if (k % 16 === 15) await delay(0);
  }
  let arrived = 0;
  let last = performance.now();
  while (performance.now() - last < 300) {
    const now = (await received(path)) - before;
    if (now > arrived) last = performance.now();
    arrived = now;
    if (arrived >= count) break;
  }
  return { rate: arrived / ((last - start) / 1000), entered: (await path.count()) - known };
}
