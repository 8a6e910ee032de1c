/**
 * An OpenFlow peer that knows bytes only: messages are put together by hand from the structures of
 * the specifications, so that nothing of our own codecs can hide a mistake of theirs.
 */
import { connect, createServer, type Socket } from 'node:net';
import type { Scope } from '@heddle/testing';

/** Big-endian; the width is in the name. */
export const u8 = (n: number): Buffer => Buffer.from([n]);
export function u16(...all: number[]): Buffer {
  const b = Buffer.alloc(2 * all.length);
  for (const [i, n] of all.entries()) b.writeUInt16BE(n, 2 * i);
  return b;
}
export function u32(...all: number[]): Buffer {
  const b = Buffer.alloc(4 * all.length);
  for (const [i, n] of all.entries()) b.writeUInt32BE(n >>> 0, 4 * i);
  return b;
}
export const u64 = (n: bigint | number): Buffer => {
  const b = Buffer.alloc(8);
  b.writeBigUInt64BE(BigInt(n));
  return b;
};
export const zeros = (n: number): Buffer => Buffer.alloc(n);
export const bytes = (...parts: Uint8Array[]): Buffer => Buffer.concat(parts);
export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** struct ofp_header and what follows. */
export function message(version: number, type: number, xid: number, ...body: Uint8Array[]): Buffer {
  const rest = bytes(...body);
  return bytes(u8(version), u8(type), u16(8 + rest.length), u32(xid), rest);
}

/** OFPT_HELLO with the versions of a bitmap (OpenFlow 1.3.1, A.1). */
export function hello(version: number, bitmap?: number): Buffer {
  if (bitmap === undefined) return message(version, 0, 1);
  return message(version, 0, 1, u16(1, 8), u32(bitmap));
}

const OFPT_ECHO_REQUEST = 2;
const OFPT_ECHO_REPLY = 3;

export class RawPeer {
  readonly socket: Socket;
  /** Those that nobody has taken. */
  received: Buffer[] = [];
  isClosed = false;
  /** It lives, as far as the switch can tell. */
  answersEchos = true;
  #rest: Buffer = zeros(0);
  #wake: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => this.#take(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isClosed = true;
      this.#wakeAll();
    });
  }

  static async connect(scope: Scope, path: string): Promise<RawPeer> {
    const socket = connect(path);
    await new Promise<void>((done, failed) => socket.once('connect', done).once('error', failed));
    scope.defer(() => void socket.destroy());
    return new RawPeer(socket);
  }

  send(...messages: Uint8Array[]): void {
    if (!this.socket.destroyed) this.socket.write(bytes(...messages));
  }

  /** The next message, or the next that is meant; undefined when the connection has ended. */
  async next(isMeant: (message: Buffer) => boolean = () => true): Promise<Buffer | undefined> {
    for (;;) {
      const at = this.received.findIndex(isMeant);
      if (at >= 0) return this.received.splice(at, 1)[0];
      if (this.isClosed) return undefined;
      await new Promise<void>((done) => this.#wake.push(done));
    }
  }

  /** When the peer has closed. */
  async ended(): Promise<void> {
    while (!this.isClosed) await new Promise<void>((done) => this.#wake.push(done));
  }

  #take(chunk: Buffer): void {
    this.#rest = bytes(this.#rest, chunk);
    while (this.#rest.length >= 8) {
      const length = this.#rest.readUInt16BE(2);
      if (this.#rest.length < length) break;
      const whole = this.#rest.subarray(0, length);
      if (whole[1] === OFPT_ECHO_REQUEST && this.answersEchos) this.#answer(whole);
      else this.received.push(whole);
      this.#rest = this.#rest.subarray(length);
    }
    this.#wakeAll();
  }

  #answer(request: Buffer): void {
    const reply = Buffer.from(request);
    reply[1] = OFPT_ECHO_REPLY;
    this.send(reply);
  }

  #wakeAll(): void {
    for (const done of this.#wake.splice(0)) done();
  }
}

/** Listens; each connection is a peer. */
export async function listen(scope: Scope, path: string): Promise<{ next(): Promise<RawPeer> }> {
  const waiting: RawPeer[] = [];
  let wake = (): void => {};
  const server = createServer((socket) => {
    scope.defer(() => void socket.destroy());
    waiting.push(new RawPeer(socket));
    wake();
  });
  await new Promise<void>((done, failed) => server.once('error', failed).listen(path, done));
  scope.defer(() => void server.close());
  const next = async (): Promise<RawPeer> => {
    for (;;) {
      const peer = waiting.shift();
      if (peer) return peer;
      await new Promise<void>((done) => {
        wake = done;
      });
    }
  };
  return { next };
}
