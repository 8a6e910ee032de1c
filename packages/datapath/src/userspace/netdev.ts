import type { PortStats, VnetHdr } from '../dpif.ts';

/** `vnet` is of the frame alone; it may be changed by whoever gets it. */
export type NetdevReceiver = (frame: Uint8Array, vnet?: VnetHdr) => void;

/** What the userspace datapath asks of a device: AF_PACKET, tap and dummy ones plug in here. */
export interface Netdev {
  readonly name: string;
  /** Sends a frame. It must be copied if it is kept: the datapath goes on to use the memory. */
  transmit(frame: Uint8Array, vnet?: VnetHdr): boolean;
  /**
   * Whom to give received frames, whose memory is the device's again when the receiver returns.
   * Undefined stops.
   */
  setReceiver(receiver: NetdevReceiver | undefined): void;
  /** What the device counts itself; without it the datapath's own counters are told. */
  stats?(): PortStats;
  /** What `dpctl/show` tells behind the type. */
  readonly config?: string | undefined;
  /** Gone for good: its port closes. */
  readonly isGone?: boolean;
  onGone?: (() => void) | undefined;
  close(): void;
  /** Before `close`: what was made for the port does not outlive it. */
  remove?(): void;
}

/** A device in memory, which tests feed and read. */
export class MemoryNetdev implements Netdev {
  readonly name: string;
  /** Frames that the datapath has sent, oldest first. */
  readonly transmitted: Uint8Array[] = [];
  #receiver: ((frame: Uint8Array) => void) | undefined;

  constructor(name: string) {
    this.name = name;
  }

  transmit(frame: Uint8Array): boolean {
    this.transmitted.push(frame.slice());
    return true;
  }

  setReceiver(receiver: ((frame: Uint8Array) => void) | undefined): void {
    this.#receiver = receiver;
  }

  /** A frame arrives from outside; lost when the device is not in a datapath. */
  receive(frame: Uint8Array): void {
    this.#receiver?.(frame);
  }

  close(): void {
    this.#receiver = undefined;
  }
}
