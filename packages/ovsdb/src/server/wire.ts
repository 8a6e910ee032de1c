import type { Socket } from 'node:net';
import { directFd, directSockets } from '@heddle/runtime';

/** UTF-16 units of what is sent past the socket's stream: what the kernel takes at once mostly. */
const MAX_DIRECT = 20_000;

/** So many sockets are sent the same at once. */
const MAX_TOGETHER = 128;
const fds = new Int32Array(MAX_TOGETHER);
const sent = new Int32Array(MAX_TOGETHER);

/** Sends the same to each. */
export function sendEach(wires: readonly Wire[], data: string | Buffer): void {
  let together: Wire[] = [];
  const flush = () => {
    if (together.length > 0) directSockets()!.sendEach(fds, together.length, data, sent);
    for (let i = 0; i < together.length; i++) together[i]!.sendRest(data, sent[i]!);
    together = [];
  };
  for (const wire of wires) {
    const fd = wire.fdFor(data);
    if (fd === undefined) {
      wire.send(data);
      continue;
    }
    fds[together.length] = fd;
    if (together.push(wire) === MAX_TOGETHER) flush();
  }
  flush();
}

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
    const fd = this.fdFor(data);
    if (fd === undefined) this.socket.write(data);
    else this.sendRest(data, this.#direct!.send(fd, data));
  }

  /** Where to send this past the stream; undefined when it must not. */
  fdFor({ length }: string | Buffer): number | undefined {
    return length <= MAX_DIRECT && this.socket.writableLength === 0 ? this.#fd : undefined;
  }

  /** What the kernel has not taken; `sent` as `DirectSockets.send` returns it. */
  sendRest(data: string | Buffer, sent: number): void {
    if (sent < 0) return;
    this.socket.write(sent > 0 ? Buffer.from(data as string).subarray(sent) : data);
  }

  /** See `DirectSockets.attend`; undefined where that is not possible. */
  attend(received: (data: string | Buffer, dubious: boolean) => void): (() => void) | undefined {
    return this.#fd === undefined ? undefined : this.#direct!.attend(this.#fd, received);
  }
}
