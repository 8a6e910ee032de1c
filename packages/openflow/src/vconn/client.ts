/** A connection for one who asks and waits: messages come out of a queue, replies are found by xid. */
import { HeddleError, type TlsFiles } from '@heddle/runtime';
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { OfpBody, OfpMessage } from '../messages.ts';
import { decodeMessage } from '../msgs/index.ts';
import { Vconn } from './vconn.ts';

/** A message of the peer; `msg` is undefined when it makes no sense, `error` says why. */
export interface Received {
  readonly raw: Uint8Array;
  readonly msg: OfpMessage | undefined;
  readonly error: OfpError | undefined;
}

/** Decoded when somebody asks for more than the bytes. */
class Undecoded implements Received {
  readonly raw: Uint8Array;
  #msg: OfpMessage | undefined;
  #error: OfpError | undefined;
  #isDecoded = false;

  constructor(raw: Uint8Array) {
    this.raw = raw;
  }

  get msg(): OfpMessage | undefined {
    this.#decode();
    return this.#msg;
  }

  get error(): OfpError | undefined {
    this.#decode();
    return this.#error;
  }

  #decode(): void {
    if (this.#isDecoded) return;
    this.#isDecoded = true;
    try {
      this.#msg = decodeMessage(this.raw, { hasTableId: false });
    } catch (error) {
      if (!(error instanceof OfpError)) throw error;
      this.#error = error;
    }
  }
}

export interface VconnClientOptions {
  /** Bit v: version v may be spoken. */
  readonly versions: number;
  readonly name: string;
  /** The next transaction id; one count may serve several connections. */
  nextXid(): number;
  readonly tls?: TlsFiles | undefined;
}

/** The connection has ended; the message is the reason alone, such as `End of file`. */
export class VconnError extends HeddleError {}

/** What a peer sends before it is read is bounded by pausing the connection. */
const HIGH_WATER_BYTES = 4 << 20;

export class VconnClient {
  readonly name: string;
  readonly #vconn: Vconn;
  readonly #options: VconnClientOptions;
  #queue: Received[] = [];
  /** How much of the queue has been read. */
  #read = 0;
  #queuedBytes = 0;
  #waiting: Deferred | undefined;
  #failure: string | undefined;
  #isOpen = false;

  private constructor(remote: string, options: VconnClientOptions) {
    this.name = options.name;
    this.#options = options;
    const { versions, name, tls } = options;
    const connection = { versions, name, helloXid: options.nextXid() };
    const events = {
      open: () => {
        this.#isOpen = true;
        this.#wake();
      },
      message: (msg: OfpMessage, raw: Uint8Array) => this.#push({ raw, msg, error: undefined }),
      undecoded: (raw: Uint8Array) => this.#push(new Undecoded(raw)),
      bad: (error: OfpError, raw: Uint8Array) => this.#push({ raw, msg: undefined, error }),
      close: (why: string | undefined) => {
        this.#failure ??= why ?? 'End of file';
        this.#wake();
      },
    };
    this.#vconn = Vconn.connect(remote, connection, events, tls);
  }

  /** Connects and agrees on a version; fails with the reason alone, such as `Connection refused`. */
  static async connect(remote: string, options: VconnClientOptions): Promise<VconnClient> {
    const client = new VconnClient(remote, options);
    while (!client.#isOpen && client.#failure === undefined) await client.#wait();
    if (!client.#isOpen) throw new HeddleError(client.#failure!);
    return client;
  }

  get version(): OfpVersion {
    return this.#vconn.version;
  }

  close(): void {
    this.#vconn.close();
  }

  /** With this connection's version and a new xid, which is returned. */
  send(body: OfpBody, xid = this.#options.nextXid()): number {
    this.#vconn.send({ ...body, version: this.version, xid } as OfpMessage);
    return xid;
  }

  sendRaw(bytes: Uint8Array): void {
    this.#vconn.sendRaw(bytes);
  }

  /** Resolves when less than `bytes` wait for the peer to take them. */
  async drain(bytes = 1 << 20): Promise<void> {
    while (this.#vconn.backlog > bytes && this.#failure === undefined) await this.#vconn.drained();
  }

  /** What is there already. */
  takeReceived(): Received[] {
    const all = this.#queue.slice(this.#read);
    this.#queue = [];
    this.#read = 0;
    this.#queuedBytes = 0;
    this.#vconn.resume();
    return all;
  }

  /** The next message; fails when the connection ended. */
  async receive(): Promise<Received> {
    while (this.#queue.length === this.#read) {
      if (this.#failure !== undefined) throw new VconnError(this.#failure);
      await this.#wait();
    }
    const first = this.#queue[this.#read++]!;
    this.#queuedBytes -= first.raw.length;
    if (this.#read * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#read);
      this.#read = 0;
    }
    if (this.#queuedBytes < HIGH_WATER_BYTES) this.#vconn.resume();
    return first;
  }

  /** The reply to a request of this xid; others are dropped. */
  async receiveReply(xid: number): Promise<Received> {
    for (;;) {
      const received = await this.receive();
      if (xidOf(received.raw) === xid) return received;
    }
  }

  async transact(body: OfpBody): Promise<Received> {
    return this.receiveReply(this.send(body));
  }

  /** Each part of a multipart reply; an error is the last part. */
  async *multipart(body: OfpBody): AsyncIterableIterator<Received> {
    const xid = this.send(body);
    for (;;) {
      const part = await this.receiveReply(xid);
      yield part;
      if (!saysMore(part.raw)) return;
    }
  }

  /** Errors that came before the reply to a barrier, of requests that have no reply. */
  async barrier(): Promise<Received[]> {
    const xid = this.send({ type: 'barrier_request' });
    const errors: Received[] = [];
    for (;;) {
      const received = await this.receive();
      if (xidOf(received.raw) === xid) return errors;
      if (received.msg?.type === 'error') errors.push(received);
    }
  }

  #push(received: Received): void {
    this.#queue.push(received);
    this.#queuedBytes += received.raw.length;
    if (this.#queuedBytes >= HIGH_WATER_BYTES) this.#vconn.pause();
    this.#wake();
  }

  async #wait(): Promise<void> {
    this.#waiting ??= deferred();
    await this.#waiting.promise;
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}

/** Whether it is a part of a multipart reply that others follow. */
function saysMore(raw: Uint8Array): boolean {
  const reply = raw[0] === 1 ? OFPT10_STATS_REPLY : OFPT11_MULTIPART_REPLY;
  return raw[1] === reply && raw.length >= 12 && (raw[11]! & OFPSF_REPLY_MORE) !== 0;
}

const OFPT10_STATS_REPLY = 17;
const OFPT11_MULTIPART_REPLY = 19;
const OFPSF_REPLY_MORE = 1;

function xidOf(raw: Uint8Array): number {
  return ((raw[4]! << 24) | (raw[5]! << 16) | (raw[6]! << 8) | raw[7]!) >>> 0;
}

interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function deferred(): Deferred {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
