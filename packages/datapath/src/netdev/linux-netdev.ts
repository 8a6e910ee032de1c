/** A device of Linux under the userspace datapath. */
import { FdWatcher, RECV_HEADER_BYTES } from '@heddle/linux/native';
import { messageOf, vlog } from '@heddle/runtime';
import type { VnetHdr } from '../dpif.ts';
import type { Netdev, NetdevReceiver } from '../userspace/netdev.ts';
import { Batch } from './batch.ts';
import type { Channel } from './channel.ts';
import { parseVnet } from './vnet.ts';

const log = vlog.module('netdev_linux');

/** A super-packet of 64 kB with its headers. */
const SNAP_BYTES = 65_664;
const BATCH = 32;
const STEP = SNAP_BYTES + RECV_HEADER_BYTES;
/** Batches that one device may have before the others have their turn. */
const BATCHES_PER_TURN = 2;
const MAX_DIRTY = 16;
const MACS_LEN = 12;
const TAG_LEN = 4;
/** Offsets in the addon's record of a received packet. */
const AT = { captured: 0, hasVlan: 13, tci: 14, tpid: 16, vnet: 22 } as const;

/**
 * What all devices of a datapath share: one buffer for what comes in, as frames are done with
 * before the next batch, and the batches that are to go out at the end of the turn.
 */
export class NetdevLoop {
  readonly ring = new Uint8Array(BATCH * STEP);
  readonly ringView = new DataView(this.ring.buffer);
  readonly #pool: Batch[] = [];
  readonly #dirty = new Set<LinuxNetdev>();
  #isBusy = false;

  /** Runs one device's turn and sends what came of it. */
  turn(work: () => void): void {
    this.#isBusy = true;
    try {
      work();
    } finally {
      this.#isBusy = false;
      this.flush();
    }
  }

  takeBatch(device: LinuxNetdev): Batch {
    if (this.#dirty.size >= MAX_DIRTY) this.flush();
    if (this.#dirty.size === 0 && !this.#isBusy) queueMicrotask(() => this.flush());
    this.#dirty.add(device);
    return this.#pool.pop() ?? new Batch();
  }

  giveBatch(batch: Batch): void {
    batch.clear();
    this.#pool.push(batch);
  }

  flush(): void {
    for (const device of this.#dirty) device.flush();
    this.#dirty.clear();
  }
}

export interface LinuxNetdevOptions {
  readonly name: string;
  readonly channel: Channel;
  readonly loop: NetdevLoop;
  /** Asked after an error of the channel: whether the device is there. */
  readonly isThere: (error: unknown) => boolean;
  /** Called when the device is closed for good. */
  readonly remove?: () => void;
  readonly closed?: () => void;
}

export class LinuxNetdev implements Netdev {
  readonly name: string;
  readonly #options: LinuxNetdevOptions;
  readonly #result = new Int32Array(2);
  #receiver: NetdevReceiver | undefined;
  #watcher: FdWatcher | undefined;
  #batch: Batch | undefined;
  #isGone = false;
  /** Packets that the kernel did not take. */
  txDropped = 0;
  onGone: (() => void) | undefined;

  constructor(options: LinuxNetdevOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  setReceiver(receiver: NetdevReceiver | undefined): void {
    this.#receiver = receiver;
    this.#watcher?.close();
    this.#watcher = undefined;
    if (receiver === undefined) return;
    const { channel, loop } = this.#options;
    this.#watcher = new FdWatcher(channel.fd, () => loop.turn(() => this.#receive()));
    this.#watcher.keepAlive(false);
  }

  transmit(frame: Uint8Array, vnet?: VnetHdr): boolean {
    if (this.#isGone) return false;
    const { loop } = this.#options;
    this.#batch ??= loop.takeBatch(this);
    if (this.#batch.add(frame, vnet)) return true;
    this.#send(this.#batch);
    return this.#batch.add(frame, vnet);
  }

  flush(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    this.#send(batch);
    this.#options.loop.giveBatch(batch);
  }

  close(): void {
    this.flush();
    this.setReceiver(undefined);
    this.#options.channel.close();
    this.#options.closed?.();
  }

  remove(): void {
    if (!this.#isGone) this.#options.remove?.();
  }

  #send(batch: Batch): void {
    if (!this.#isGone) {
      this.#options.channel.send(batch.bytes, batch.count, this.#result);
      this.txDropped += batch.count - this.#result[0]!;
    }
    batch.clear();
  }

  #receive(): void {
    const { channel, loop } = this.#options;
    for (let i = 0; i < BATCHES_PER_TURN && this.#receiver !== undefined; i++) {
      let count: number;
      try {
        count = channel.receive(loop.ring, BATCH, SNAP_BYTES);
      } catch (error) {
        this.#failed(error);
        return;
      }
      for (let n = 0; n < count; n++) this.#packet(n * STEP);
      if (count < BATCH) return;
    }
  }

  /** The memory is the ring's: whoever keeps a frame copies it. */
  #packet(at: number): void {
    const { ring, ringView } = this.#options.loop;
    const length = Math.min(ringView.getUint32(at + AT.captured, true), SNAP_BYTES);
    const vnet = parseVnet(ringView, at + AT.vnet);
    let start = at + RECV_HEADER_BYTES;
    if (ringView.getUint8(at + AT.hasVlan) === 0 || length < MACS_LEN) {
      this.#receiver?.(ring.subarray(start, start + length), vnet);
      return;
    }
    // The tag goes back in place: the addresses move into the room before them.
    const tci = ringView.getUint16(at + AT.tci, true);
    const tpid = ringView.getUint16(at + AT.tpid, true);
    start -= TAG_LEN;
    ring.copyWithin(start, start + TAG_LEN, start + TAG_LEN + MACS_LEN);
    ringView.setUint16(start + MACS_LEN, tpid);
    ringView.setUint16(start + MACS_LEN + 2, tci);
    if (vnet !== undefined) {
      vnet.csumStart += TAG_LEN;
      vnet.hdrLen += TAG_LEN;
    }
    this.#receiver?.(ring.subarray(start, start + TAG_LEN + length), vnet);
  }

  /** A device that is set down says so once; one that is gone says so for ever. */
  #failed(error: unknown): void {
    if (!this.#options.isThere(error)) this.leave(messageOf(error));
  }

  /** The device is there no more. */
  leave(why: string): void {
    if (this.#isGone) return;
    log.info(`${this.name}: ${why}`);
    this.#isGone = true;
    this.setReceiver(undefined);
    this.onGone?.();
  }
}
