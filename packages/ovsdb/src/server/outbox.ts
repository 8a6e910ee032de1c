import type { Socket } from 'node:net';

/**
 * A client that is told of change after change gets them together, the less often the more clients
 * there are: so that telling them takes about a quarter of the time, at 5 µs for each.
 */
const BATCH_MS_PER_CLIENT = 0.02;
const MAX_BATCH_MS = 4;
/** How long one client's long reply may keep the others waiting. */
const TURN_MS = 3;
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
  /** What comes behind the long text that is being sent; undefined when none is. */
  #behind: string | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    clients++;
    socket.once('close', () => clients--);
  }

  /** Bytes that the client has not taken. */
  get backlog(): number {
    return this.#socket.writableLength + this.#text.length + (this.#behind?.length ?? 0);
  }

  /** The client does not keep up. */
  get isFull(): boolean {
    return this.#behind !== undefined || this.#socket.writableNeedDrain;
  }

  reply(text: string): void {
    if (this.#behind !== undefined) {
      this.#behind += text;
      return;
    }
    this.#text += text;
    this.#flushSoon();
  }

  /**
   * A reply in pieces. One that takes long is made as the client takes it, in turns with all other
   * work; `done` is called when the outbox is no longer full of it.
   */
  stream(pieces: Iterator<string>, done: () => void): void {
    if (this.#behind !== undefined || this.#take(pieces)) {
      let rest = '';
      for (let next = pieces.next(); !next.done; next = pieces.next()) rest += next.value;
      this.reply(rest);
      return;
    }
    this.#behind = '';
    const more = () => {
      const over = this.#socket.destroyed || this.#take(pieces);
      this.#flush();
      if (!over) {
        if (this.#socket.writableNeedDrain) this.#socket.once('drain', more);
        else setImmediate(more);
        return;
      }
      this.#text = this.#behind ?? '';
      this.#behind = undefined;
      this.#flush();
      if (!this.#socket.destroyed) done();
    };
    setImmediate(more);
  }

  /** Takes pieces for as long as others may wait; tells whether it has them all. */
  #take(pieces: Iterator<string>): boolean {
    const end = performance.now() + TURN_MS;
    do {
      const next = pieces.next();
      if (next.done) return true;
      this.#text += next.value;
    } while (performance.now() < end);
    return false;
  }

  notify(text: string): void {
    if (this.#behind !== undefined) {
      this.#behind += text;
      return;
    }
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
