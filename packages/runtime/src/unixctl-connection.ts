/** One client of a control socket. */
import type { Socket } from 'node:net';
import { FrequentSocket } from './frequent-socket.ts';
import { JsonStream } from './json-stream.ts';

const MAX_REQUEST_BYTES = 1 << 20;

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
  readonly #frequent: FrequentSocket;

  constructor(socket: Socket, events: UnixctlConnectionEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#frequent = new FrequentSocket(socket, (data) => this.#takeDirectly(data));
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('end', () => {
      this.#hasEnded = true;
      this.#work();
    });
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => events.closed());
  }

  #take(bytes: Buffer): void {
    try {
      this.#waiting.push(...this.#stream.push(bytes));
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#work();
    const isIdle = !this.#isBusy && !this.#hasEnded && this.#stream.pending === 0;
    this.#frequent.asked(isIdle);
  }

  /** A whole request, or what its stream is to take apart. */
  #takeDirectly(data: string | Buffer): void {
    if (typeof data !== 'string' || this.#stream.pending > 0) {
      this.#take(typeof data === 'string' ? Buffer.from(data) : data);
      return;
    }
    this.#waiting.push(data);
    this.#work();
  }

  #work(): void {
    if (this.#isBusy) return;
    try {
      while (this.#waiting.length > 0) {
        const done = this.#events.answer(this.#waiting.shift()!);
        if (done === undefined) continue;
        this.#isBusy = true;
        this.#frequent.rest();
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
    this.#frequent.rest();
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
