/** Where frames of a device come from and go to: an AF_PACKET socket or a tap queue. */
import { Tap } from '@heddle/linux';
import { recvBatch, sendBatch, tapRecv, tapSend } from '@heddle/linux/native';
import { bind, type Fd, SOCK_RAW, setOption, socket } from '@heddle/linux/socket';

const AF_PACKET = 17;
const ETH_P_ALL = 3;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_AUXDATA = 8;
const PACKET_VNET_HDR = 15;
const PACKET_IGNORE_OUTGOING = 23;
const PACKET_MR_PROMISC = 1;
const SOCKET_BUFFER_BYTES = 16 << 20;
/** TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6, TUN_F_TSO_ECN. */
const TUN_OFFLOADS = 0xf;

export interface Channel {
  readonly fd: number;
  /** Records of `recvBatch`; returns how many, throws what the device reports. */
  receive(out: Uint8Array, max: number, snap: number): number;
  send(batch: Uint8Array, count: number, result: Int32Array): void;
  close(): void;
}

/** A device that exists: its traffic comes here, what it would send by itself does not. */
export class PacketChannel implements Channel {
  readonly #fd: Fd;

  constructor(ifindex: number) {
    // Protocol 0 until bound: nothing of other links slips in.
    this.#fd = socket(AF_PACKET, SOCK_RAW, 0);
    try {
      this.#configure(ifindex);
    } catch (error) {
      this.#fd.close();
      throw error;
    }
  }

  get fd(): number {
    return this.#fd.number;
  }

  receive(out: Uint8Array, max: number, snap: number): number {
    return recvBatch(this.#fd.number, out, max, snap, true);
  }

  send(batch: Uint8Array, count: number, result: Int32Array): void {
    sendBatch(this.#fd.number, batch, count, result);
  }

  close(): void {
    this.#fd.close();
  }

  #configure(ifindex: number): void {
    setOption(this.#fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER_BYTES);
    setOption(this.#fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER_BYTES);
    setOption(this.#fd, SOL_PACKET, PACKET_AUXDATA, 1);
    setOption(this.#fd, SOL_PACKET, PACKET_VNET_HDR, 1);
    setOption(this.#fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    const membership = Buffer.alloc(16);
    membership.writeInt32LE(ifindex, 0);
    membership.writeUInt16LE(PACKET_MR_PROMISC, 4);
    setOption(this.#fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership);
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16BE(ETH_P_ALL, 2);
    address.writeInt32LE(ifindex, 4);
    bind(this.#fd, address);
  }
}

/** The inner side of a tap: what the host sends by it comes here. */
export class TapChannel implements Channel {
  readonly #tap: Tap;

  /** Makes the device, or takes hold of a persistent one; it stays when this process ends. */
  constructor(name: string) {
    this.#tap = new Tap(name, { vnetHdr: true });
    this.#tap.offload(TUN_OFFLOADS);
    this.#tap.persist(true);
  }

  get fd(): number {
    return this.#tap.fd.number;
  }

  receive(out: Uint8Array, max: number, snap: number): number {
    return tapRecv(this.#tap.fd.number, out, max, snap);
  }

  send(batch: Uint8Array, count: number, result: Int32Array): void {
    tapSend(this.#tap.fd.number, batch, count, result);
  }

  /** The device goes, too. */
  remove(): void {
    this.#tap.persist(false);
  }

  close(): void {
    this.#tap.close();
  }
}
