import type { Socket } from 'node:net';

/**
 * A client that is told of change after change gets them together, the less often the more clients
 * there are: so that telling them takes about a quarter of the time, at 5 µs for each.
 */
const BATCH_MS_PER_CLIENT = 0.02;
const MAX_BATCH_MS = 4;
let clients = 0;

function batchMs(): number {
  return Math.min(clients * BATCH_MS_PER_CLIENT, MAX_BATCH_MS);
}

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
    clients++;
    socket.once('close', () => clients--);
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
    if (now - this.#lastBatchMs > batchMs()) {
      this.#lastBatchMs = now;
      this.#flushSoon();
    } else {
      this.#batch = setTimeout(() => {
        this.#batch = undefined;
        this.#lastBatchMs = performance.now();
        this.#flush();
      }, batchMs());
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
