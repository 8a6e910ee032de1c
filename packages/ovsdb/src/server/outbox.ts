import type { Socket } from 'node:net';

/** A client that is told of change after change gets them together, about so often. */
const BATCH_MS = 1;

/**
 * What a client is sent, in order, with few system calls: replies at the end of the event loop's
 * turn, notifications at once after a quiet time and in batches when one follows the other.
 */
export class Outbox {
  readonly #socket: Socket;
  #text = '';
  #flushing = false;
  #batch: NodeJS.Timeout | undefined;
  #lastBatchMs = -Infinity;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Bytes that the client has not taken. */
  get backlog(): number {
    return this.#socket.writableLength + this.#text.length;
  }

  /** The client does not keep up. */
  get isFull(): boolean {
    return this.#socket.writableNeedDrain;
  }

  reply(text: string): void {
    this.#text += text;
    this.#flushSoon();
  }

  notify(text: string): void {
    this.#text += text;
    if (this.#flushing || this.#batch) return;
    const now = performance.now();
    if (now - this.#lastBatchMs > BATCH_MS) {
      this.#lastBatchMs = now;
      this.#flushSoon();
    } else {
      this.#batch = setTimeout(() => {
        this.#batch = undefined;
        this.#lastBatchMs = performance.now();
        this.#flush();
      }, BATCH_MS);
    }
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    process.nextTick(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const text = this.#text;
    this.#text = '';
    if (text !== '' && this.#socket.writable) this.#socket.write(text);
  }
}
