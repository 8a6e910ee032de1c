/**
 * Frames over a stream socket: each follows its length in two octets, the higher one first. That is what a dummy port with
 * the options `stream` or `pstream` sends and reads in ovs-vswitchd 3.1, and what joins two of them.
 */
import type { Socket } from 'node:net';
import { ETH_HEADER_LEN } from '@heddle/packet';

const LENGTH_BYTES = 2;
/** What a peer that does not read may have waiting; frames beyond that are lost. */
const MAX_WAITING = 256 * 1024;

export class FrameSocket {
  readonly #socket: Socket;
  readonly #receive: (frame: Uint8Array) => void;
  #rest: Buffer = Buffer.alloc(0);

  /** `closed` is called once; `why` is undefined when the peer closed it. */
  constructor(
    socket: Socket,
    receive: (frame: Uint8Array) => void,
    closed: (why: string | undefined) => void,
  ) {
    this.#socket = socket;
    this.#receive = receive;
    let why: string | undefined;
    socket.on('data', (bytes: Buffer) => {
      if (this.#push(bytes)) return;
      why = 'Protocol error';
      socket.destroy();
    });
    socket.on('error', (error) => {
      why = error.message;
    });
    socket.on('end', () => socket.destroy());
    socket.once('close', () => closed(why));
  }

  send(frame: Uint8Array): void {
    if (this.#socket.writableLength > MAX_WAITING || frame.length > 0xffff) return;
    const bytes = Buffer.allocUnsafe(LENGTH_BYTES + frame.length);
    bytes.writeUInt16BE(frame.length);
    bytes.set(frame, LENGTH_BYTES);
    this.#socket.write(bytes);
  }

  close(): void {
    this.#socket.destroy();
  }

  /** False when there is a frame without an Ethernet header. */
  #push(bytes: Buffer): boolean {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (rest.length >= LENGTH_BYTES) {
      const length = rest.readUInt16BE();
      if (length < ETH_HEADER_LEN) return false;
      if (rest.length < LENGTH_BYTES + length) break;
      this.#receive(rest.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
      rest = rest.subarray(LENGTH_BYTES + length);
    }
    this.#rest = rest;
    return true;
  }
}
