import { DirectWriter, directFd, directSockets } from '@heddle/runtime';

/** So many sockets are sent the same at once. */
const MAX_TOGETHER = 128;
const fds = new Int32Array(MAX_TOGETHER);
const sent = new Int32Array(MAX_TOGETHER);

/** Sends the same to each. */
export function sendEach(wires: readonly Wire[], data: string | Buffer): void {
  let together: Wire[] = [];
  const flush = () => {
    if (together.length > 0) directSockets()!.sendEach(fds, together.length, data, sent);
    for (let i = 0; i < together.length; i++) together[i]!.writeRest(data, sent[i]!);
    together = [];
  };
  for (const wire of wires) {
    const fd = wire.fdFor(data);
    if (fd === undefined) {
      wire.write(data);
      continue;
    }
    fds[together.length] = fd;
    if (together.push(wire) === MAX_TOGETHER) flush();
  }
  flush();
}

/** A client's socket. */
export class Wire extends DirectWriter {
  /** See `DirectSockets.attend`; undefined where that is not possible. */
  attend(received: (data: string | Buffer, dubious: boolean) => void): (() => void) | undefined {
    const fd = directFd(this.socket);
    return fd === undefined ? undefined : directSockets()?.attend(fd, received);
  }
}
