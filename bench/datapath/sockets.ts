/** A sender of raw frames at one end of a path. */
import { openNetns, PacketSocket, Rtnl, SEND_HEADER_BYTES, withNetns } from '@heddle/linux';
import { parseMac } from '@heddle/packet';
import type { Host } from '@heddle/testing';
import type { Path } from './paths.ts';

export type { Host };

export interface Sockets extends Disposable {
  readonly macA: number;
  readonly macB: number;
  batch(frames: readonly Uint8Array[]): { bytes: Uint8Array; count: number };
  send(batch: { bytes: Uint8Array; count: number }): void;
}

export async function openedSockets(path: Pick<Path, 'a' | 'b'>): Promise<Sockets> {
  using netns = openNetns({ path: path.a.netns });
  const socket = withNetns(netns, () => {
    using rtnl = new Rtnl();
    return new PacketSocket({ ifindex: rtnl.link('eth0')!.index, sendOnly: true });
  });
  return {
    macA: parseMac(await path.a.mac('eth0'))!,
    macB: parseMac(await path.b.mac('eth0'))!,
    batch: layOut,
    send: ({ bytes, count }) => void socket.sendBatch(bytes, count),
    [Symbol.dispose]: () => socket.close(),
  };
}

/** In the layout of the addon's sendBatch. */
export function layOut(frames: readonly Uint8Array[]): { bytes: Uint8Array; count: number } {
  const sizes = frames.map((frame) => SEND_HEADER_BYTES + ((frame.length + 7) & ~7));
  const bytes = Buffer.alloc(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  for (const [index, frame] of frames.entries()) {
    bytes.writeUInt32LE(frame.length, at);
    bytes.set(frame, at + SEND_HEADER_BYTES);
    at += sizes[index]!;
  }
  return { bytes, count: frames.length };
}
