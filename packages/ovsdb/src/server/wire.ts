import type { Socket } from 'node:net';
import { directFd, directSockets } from '@heddle/runtime';

/** UTF-16 units of what is sent past the socket's stream: what the kernel takes at once mostly. */
const MAX_DIRECT = 20_000;

/** A client's socket: what is small goes past its stream, which gets what the kernel does not take. */
export class Wire {
  readonly socket: Socket;
  readonly #direct = directSockets();
  readonly #fd: number | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    this.#fd = this.#direct && directFd(socket);
  }

  send(data: string | Buffer): void {
    const { socket } = this;
    if (this.#fd === undefined || data.length > MAX_DIRECT || socket.writableLength > 0) {
      socket.write(data);
      return;
    }
    const sent = this.#direct!.send(this.#fd, data);
    if (sent >= 0) socket.write(sent > 0 ? Buffer.from(data as string).subarray(sent) : data);
  }

  /** See `DirectSockets.attend`; undefined where that is not possible. */
  attend(received: (data: string | Buffer, dubious: boolean) => void): (() => void) | undefined {
    return this.#fd === undefined ? undefined : this.#direct!.attend(this.#fd, received);
  }
}
