/** One client of a control socket. */
import type { Socket } from 'node:net';
import { directFd, directSockets } from './direct-sockets.ts';
import { JsonStream } from './json-stream.ts';

const MAX_REQUEST_BYTES = 1 << 20;
/** Who asks so often without a rest is listened to past the stream. */
const OFTEN = 8;
const REST_MS = 20;

export interface UnixctlConnectionEvents {
  /** Takes one request, as JSON; a promise when what it asks for takes time. Throws what ends the connection. */
  answer(text: string): Promise<void> | undefined;
  failed(error: unknown): void;
  closed(): void;
}

/**
 * One request after another, reading no further than it answers. What can be answered at once is,
 * without a promise in between: several turns of the queue of microtasks cost as much as a command.
 */
export class UnixctlConnection {
  readonly #socket: Socket;
  readonly #events: UnixctlConnectionEvents;
  readonly #stream = new JsonStream(MAX_REQUEST_BYTES);
  #waiting: string[] = [];
  #isBusy = false;
  #hasEnded = false;
  /** Requests since it rested. */
  #asked = 0;
  #askedBefore = 0;
  #rest: NodeJS.Timeout | undefined;
  #unattend: (() => void) | undefined;

  constructor(socket: Socket, events: UnixctlConnectionEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('end', () => {
      this.#hasEnded = true;
      this.#work();
    });
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => {
      this.#listenAgain();
      events.closed();
    });
  }

  #take(bytes: Buffer): void {
    try {
      this.#waiting.push(...this.#stream.push(bytes));
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#asked++;
    this.#work();
    if (this.#asked >= OFTEN && this.#unattend === undefined) this.#attend();
    else if (this.#rest === undefined) this.#watch();
  }

  /** A whole request, or what its stream is to take apart. */
  #takeDirectly(data: string | Buffer): void {
    if (typeof data !== 'string' || this.#stream.pending > 0) {
      this.#take(typeof data === 'string' ? Buffer.from(data) : data);
      return;
    }
    this.#asked++;
    this.#waiting.push(data);
    this.#work();
  }

  #attend(): void {
    const fd = directFd(this.#socket);
    const direct = directSockets();
    if (!direct || fd === undefined || this.#isBusy || this.#hasEnded) return;
    if (this.#socket.destroyed || this.#stream.pending > 0) return;
    this.#unattend = direct.attend(fd, (data) => this.#takeDirectly(data));
  }

  /** Looks now and then whether it asks still. */
  #watch(): void {
    this.#rest = setInterval(() => {
      if (this.#asked === this.#askedBefore) this.#listenAgain();
      this.#askedBefore = this.#asked;
    }, REST_MS).unref();
  }

  /** By the stream alone. */
  #listenAgain(): void {
    clearInterval(this.#rest);
    this.#rest = undefined;
    this.#asked = 0;
    this.#askedBefore = 0;
    this.#unattend?.();
    this.#unattend = undefined;
  }

  #work(): void {
    if (this.#isBusy) return;
    try {
      while (this.#waiting.length > 0) {
        const done = this.#events.answer(this.#waiting.shift()!);
        if (done === undefined) continue;
        this.#isBusy = true;
        this.#listenAgain();
        this.#socket.pause();
        done.then(() => this.#goOn()).catch((error) => this.#fail(error));
        return;
      }
      if (this.#hasEnded) this.#socket.end();
    } catch (error) {
      this.#fail(error);
    }
  }

  #goOn(): void {
    this.#isBusy = false;
    this.#work();
    if (!this.#isBusy) this.#socket.resume();
  }

  #fail(error: unknown): void {
    this.#waiting = [];
    this.#listenAgain();
    if (!this.#socket.destroyed || this.#socket.errored === error) this.#events.failed(error);
    this.#socket.destroy();
  }
}

/** Resolves when a client has read what was written to it, or is gone. */
export function drained(socket: Socket): Promise<void> {
  if (socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    socket.once('drain', resolve);
    socket.once('close', resolve);
  });
}
