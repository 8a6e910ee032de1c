/** Raw frames in and out of one device of a host, tags included. */
import { openNetns, PACKET_OUTGOING, PacketSocket, Rtnl, withNetns } from '@heddle/linux';
import type { Host } from './host.ts';
import { delay } from './process.ts';
import type { Scope } from './scope.ts';

export class Wire {
  readonly #socket: PacketSocket;

  constructor(socket: PacketSocket) {
    this.#socket = socket;
  }

  /** Listens from now on. The device should be quiet: `silence` it first. `snap`: bytes of each. */
  static open(scope: Scope, host: Host, device: string, snap = 2048): Wire {
    using netns = openNetns({ path: host.netns });
    const socket = withNetns(netns, () => {
      using rtnl = new Rtnl();
      const link = rtnl.link(device);
      if (link === undefined) throw new Error(`${host.name} has no ${device}`);
      return new PacketSocket({ ifindex: link.index, promisc: true, snap });
    });
    scope.defer(() => socket.close());
    return new Wire(socket);
  }

  send(frame: Uint8Array): void {
    this.#socket.send(frame);
  }

  /** Frames that came in since the last call. */
  received(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (let batch = this.#socket.receive(); batch.length > 0; batch = this.#socket.receive()) {
      for (const { type, frame } of batch) if (type !== PACKET_OUTGOING) frames.push(frame);
    }
    return frames;
  }

  /** Waits until a frame satisfies `wanted` and returns it. */
  async expect(wanted: (frame: Uint8Array) => boolean, timeoutMs = 2000): Promise<Uint8Array> {
    const end = Date.now() + timeoutMs;
    let seen = 0;
    while (true) {
      const frames = this.received();
      seen += frames.length;
      const found = frames.find(wanted);
      if (found !== undefined) return found;
      if (Date.now() > end) throw new Error(`no such frame among ${seen} received`);
      await delay(5);
    }
  }
}

/** No IPv6 chatter, no ARP: only what a test sends is on the device. */
export async function silence(host: Host, device: string): Promise<void> {
  await host.exec('sysctl', '-qw', `net.ipv6.conf.${device}.disable_ipv6=1`);
  await host.exec('ip', 'link', 'set', device, 'arp', 'off', 'multicast', 'off');
}
