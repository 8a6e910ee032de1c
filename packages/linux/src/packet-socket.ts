/** AF_PACKET sockets: whole frames, tags restored, checksum and GSO state by virtio_net_hdr. */
import { check, RECV_HEADER_BYTES, recvBatch, SEND_HEADER_BYTES, sendBatch } from './native.ts';
import { bind, type Fd, SOCK_RAW, setOption, socket } from './socket.ts';

const AF_PACKET = 17;
const SOL_PACKET = 263;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SO_SNDBUFFORCE = 32;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_AUXDATA = 8;
const PACKET_VNET_HDR = 15;
const PACKET_QDISC_BYPASS = 20;
const PACKET_MR_PROMISC = 1;
const ETH_P_ALL = 3;
export const PACKET_OUTGOING = 4;
const BATCH = 64;

export interface PacketSocketOptions {
  readonly ifindex: number;
  /** Receive nothing: for sending only. */
  readonly sendOnly?: boolean;
  readonly promisc?: boolean;
  readonly bufferBytes?: number;
  /** Bytes kept of each packet; 65,600 takes GSO packets whole. */
  readonly snap?: number;
  readonly qdiscBypass?: boolean;
}

export interface ReceivedPacket {
  /** The frame as on the wire, its outermost VLAN tag back in place. */
  readonly frame: Uint8Array;
  readonly ifindex: number;
  /** PACKET_HOST 0, BROADCAST 1, MULTICAST 2, OTHERHOST 3, OUTGOING 4. */
  readonly type: number;
  /** Length on the wire, without the restored tag. */
  readonly length: number;
  /** virtio_net_hdr; csum_start counts from the frame without the restored tag. */
  readonly vnet: Uint8Array;
}

export class PacketSocket implements Disposable {
  readonly fd: Fd;
  readonly #snap: number;
  readonly #ring: Uint8Array;
  readonly #view: DataView;
  readonly #result = new Int32Array(2);

  /** In the calling thread's namespace. */
  constructor(options: PacketSocketOptions) {
    this.#snap = ((options.snap ?? 65_600) + 7) & ~7;
    this.#ring = new Uint8Array(options.sendOnly ? 0 : BATCH * (this.#snap + RECV_HEADER_BYTES));
    this.#view = new DataView(this.#ring.buffer);
    // Protocol 0 until bound: nothing of other links slips in.
    this.fd = socket(AF_PACKET, SOCK_RAW, 0);
    try {
      this.#configure(options);
    } catch (error) {
      this.fd.close();
      throw error;
    }
  }

  /** What has arrived, at most 64 packets; empty when there is nothing. */
  receive(): ReceivedPacket[] {
    const count = recvBatch(this.fd.number, this.#ring, BATCH, this.#snap, true);
    return Array.from({ length: count }, (_, i) =>
      this.#packet(i * (this.#snap + RECV_HEADER_BYTES)),
    );
  }

  /** Sends one frame, by default as it is, without offloads. */
  send(frame: Uint8Array, options: { mark?: number; vnet?: Uint8Array } = {}): void {
    const batch = Buffer.alloc(SEND_HEADER_BYTES + ((frame.length + 7) & ~7));
    batch.writeUInt32LE(frame.length, 0);
    batch.writeUInt32LE(options.mark ?? 0, 4);
    if (options.vnet) batch.set(options.vnet, 8);
    batch.set(frame, SEND_HEADER_BYTES);
    this.sendBatch(batch, 1);
    check(-this.#result[1]!, 'send packet');
  }

  /** Sends a batch in the layout of the addon's sendBatch; returns how many went out. */
  sendBatch(batch: Uint8Array, count: number): { sent: number; errno: number } {
    sendBatch(this.fd.number, batch, count, this.#result);
    return { sent: this.#result[0]!, errno: this.#result[1]! };
  }

  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #configure(options: PacketSocketOptions): void {
    const bytes = options.bufferBytes ?? 4 << 20;
    setOption(this.fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes);
    setOption(this.fd, SOL_SOCKET, SO_SNDBUFFORCE, bytes);
    setOption(this.fd, SOL_PACKET, PACKET_AUXDATA, 1);
    setOption(this.fd, SOL_PACKET, PACKET_VNET_HDR, 1);
    if (options.qdiscBypass) setOption(this.fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
    if (options.promisc) {
      const request = Buffer.alloc(16);
      request.writeInt32LE(options.ifindex, 0);
      request.writeUInt16LE(PACKET_MR_PROMISC, 4);
      setOption(this.fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, request);
    }
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16BE(options.sendOnly ? 0 : ETH_P_ALL, 2);
    address.writeInt32LE(options.ifindex, 4);
    bind(this.fd, address);
  }

  #packet(at: number): ReceivedPacket {
    const view = this.#view;
    const captured = Math.min(view.getUint32(at, true), this.#snap);
    const start = at + RECV_HEADER_BYTES;
    const bytes = this.#ring.subarray(start, start + captured);
    const tagged = view.getUint8(at + 13) === 1 && captured >= 12;
    return {
      frame: tagged
        ? withTag(bytes, view.getUint16(at + 16, true), view.getUint16(at + 14, true))
        : bytes.slice(),
      ifindex: view.getUint32(at + 8, true),
      type: view.getUint8(at + 12),
      length: view.getUint32(at + 4, true),
      vnet: this.#ring.slice(at + 22, at + 32),
    };
  }
}

function withTag(bytes: Uint8Array, tpid: number, tci: number): Uint8Array {
  const frame = new Uint8Array(bytes.length + 4);
  frame.set(bytes.subarray(0, 12));
  frame.set([tpid >>> 8, tpid & 0xff, tci >>> 8, tci & 0xff], 12);
  frame.set(bytes.subarray(12), 16);
  return frame;
}
