/**
 * Sockets of Node's streams, past those streams, for a server whose clients send one small request
 * at a time: most of what that costs is the way through a stream. Node has no such calls; the package
 * that has brings them here.
 */
import type { Socket } from 'node:net';

export interface DirectSockets {
  /** Sends what the kernel takes at once. Returns how many bytes, -1 for all of them. */
  send(fd: number, data: string | Uint8Array): number;
  /** `send` of the same to the first `count` sockets; what it returns for each is put to `sent`. */
  sendEach(fds: Int32Array, count: number, data: string | Uint8Array, sent: Int32Array): void;
  /**
   * Hands over data of a socket ahead of the event loop: a string when it is one JSON text of ASCII,
   * bytes otherwise. `dubious`: the text holds what JSON parsers do not agree about. All else than
   * data is for the socket's stream to find. Returns what ends it, to be called before the socket is
   * closed or in its 'close' event.
   */
  attend(fd: number, received: (data: string | Buffer, dubious: boolean) => void): () => void;
}

let installed: DirectSockets | undefined;

export function installDirectSockets(sockets: DirectSockets | undefined): void {
  installed = sockets;
}

/** undefined where no package has brought any. */
export function directSockets(): DirectSockets | undefined {
  return installed;
}

/** The file descriptor of a connected socket whose bytes are those of its stream; undefined for others. */
export function directFd(socket: Socket): number | undefined {
  if ('encrypted' in socket) return undefined;
  const { _handle: handle } = socket as { readonly _handle?: { readonly fd?: unknown } | null };
  const fd = handle?.fd;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}

/** UTF-16 units or bytes of what is sent past a stream: what the kernel takes at once mostly. */
const MAX_DIRECT = 20_000;

/** Writes to a socket: past its stream what is small, which gets what the kernel does not take. */
export class DirectWriter {
  readonly socket: Socket;
  #fd: number | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** As the socket's: false when the peer has to read first. */
  write(data: string | Uint8Array): boolean {
    const fd = this.fdFor(data);
    return fd === undefined
      ? this.socket.write(data)
      : this.writeRest(data, installed!.send(fd, data));
  }

  /** Where to send this at once, past the stream; undefined when it must not. */
  fdFor({ length }: string | Uint8Array): number | undefined {
    const { socket } = this;
    if (installed === undefined || length > MAX_DIRECT || socket.writableLength > 0)
      return undefined;
    if (!socket.writable || socket.connecting) return undefined;
    this.#fd ??= directFd(socket);
    return this.#fd;
  }

  /** What the kernel has not taken; `sent` as `DirectSockets.send` returns it. */
  writeRest(data: string | Uint8Array, sent: number): boolean {
    if (sent < 0) return true;
    return this.socket.write(sent === 0 ? data : Buffer.from(data as string).subarray(sent));
  }
}
