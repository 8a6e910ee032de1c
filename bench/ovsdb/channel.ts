/**
 * A client that blocks: one system call to send, one to receive, no event loop in between, so that
 * what is measured is the server.
 */
import { closeSync, readSync, writeSync } from 'node:fs';
import { check, syscall } from '@heddle/linux/native';

const CONNECT = process.arch === 'arm64' ? 203 : 42;
const SOCKET = process.arch === 'arm64' ? 198 : 41;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Shared: a channel is done with it when `receive` returns. */
const bytes = Buffer.allocUnsafe(1 << 20);

export class Channel {
  readonly #fd: number;
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(path: string) {
    const address = Buffer.alloc(110);
    address.writeUInt16LE(AF_UNIX);
    address.write(path, 2);
    this.#fd = check(syscall(SOCKET, AF_UNIX, SOCK_STREAM, 0), 'socket');
    try {
      check(syscall(CONNECT, this.#fd, address, address.length), 'connect');
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  send(message: string | Buffer): void {
    const data = typeof message === 'string' ? Buffer.from(message) : message;
    for (let at = 0; at < data.length; ) at += writeSync(this.#fd, data, at);
  }

  /** What has come, at most a buffer of it: bytes that the next call overwrites. */
  read(): Buffer {
    const n = readSync(this.#fd, bytes);
    if (n === 0) throw new Error('the server closed the connection');
    return bytes.subarray(0, n);
  }

  /** Waits for one message and returns its text; nothing may follow it unasked. */
  receive(): string {
    const first = this.read();
    if (this.#ends(first)) return first.toString();
    const parts = [Buffer.from(first)];
    for (;;) {
      const part = this.read();
      const done = this.#ends(part);
      parts.push(Buffer.from(part));
      if (done) return Buffer.concat(parts).toString();
    }
  }

  /** Waits for `n` messages without looking at them; returns their bytes. */
  skip(n: number): number {
    let total = 0;
    for (let left = n; left > 0; ) {
      const part = this.read();
      total += part.length;
      left -= this.#count(part);
    }
    return total;
  }

  request(method: string, params: unknown): unknown {
    this.send(JSON.stringify({ id: 1, method, params }));
    const { error, result } = JSON.parse(this.receive()) as { error: unknown; result: unknown };
    if (error !== null) throw new Error(JSON.stringify(error));
    return result;
  }

  #ends(part: Buffer): boolean {
    return this.#count(part) > 0;
  }

  /** Messages that end in these bytes. */
  #count(part: Buffer): number {
    let ended = 0;
    for (let i = 0; i < part.length; i++) {
      const byte = part[i]!;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
      } else if (byte === QUOTE) this.#inString = true;
      else if (byte === 0x7b || byte === 0x5b) this.#depth++;
      else if ((byte === 0x7d || byte === 0x5d) && --this.#depth === 0) ended++;
    }
    return ended;
  }
}
