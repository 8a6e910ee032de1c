import type { Socket } from 'node:net';
import { Queue } from './queue.ts';
import { sendEach, type Wire } from './wire.ts';

/** Clients that are told of change after change get several together, at most so much later. */
const MAX_BATCH_MS = 10;
/** How much longer than it takes to tell all clients is between one telling and the next. */
const BATCH_FACTOR = 3;
/** How long one client's long reply may keep the others waiting. */
const TURN_MS = 3;

/** What a client is sent, in order, with few system calls. */
export class Outbox {
  readonly #wire: Wire;
  readonly #socket: Socket;
  #queue = Queue.EMPTY;
  #flushing = false;
  /** What comes behind the long text that is being sent; undefined when none is. */
  #behind: string | undefined;

  constructor(wire: Wire) {
    this.#wire = wire;
    this.#socket = wire.socket;
  }

  /** Bytes that the client has not taken. */
  get backlog(): number {
    return this.#socket.writableLength + this.#queue.length + (this.#behind?.length ?? 0);
  }

  /** The client does not keep up. */
  get isFull(): boolean {
    return this.#behind !== undefined || this.#socket.writableNeedDrain;
  }

  /** Goes out at the end of the event loop's turn. */
  reply(text: string): void {
    if (this.#behind !== undefined) {
      this.#behind += text;
      return;
    }
    this.#queue = this.#queue.plusOwn(text);
    this.#flushSoon();
  }

  /** Where to send a reply past everything else: nothing is before it. */
  fdFor(text: string): number | undefined {
    const isFirst = this.#behind === undefined && this.#queue.length === 0;
    return isFirst && this.#socket.writable ? this.#wire.fdFor(text) : undefined;
  }

  /** What is left of a reply of which so much has been sent to `fdFor`; see `DirectSockets.send`. */
  sendRest(text: string, sent: number): void {
    if (this.#socket.writable) this.#wire.writeRest(text, sent);
  }

  /** As `reply`, at once. */
  replyNow(text: string): void {
    if (this.#behind !== undefined) this.#behind += text;
    else {
      this.#queue = this.#queue.plusOwn(text);
      this.flush();
    }
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
      this.flush();
      if (!over) {
        if (this.#socket.writableNeedDrain) this.#socket.once('drain', more);
        else setImmediate(more);
        return;
      }
      this.#queue = this.#queue.plusOwn(this.#behind ?? '');
      this.#behind = undefined;
      this.flush();
      if (!this.#socket.destroyed) done();
    };
    setImmediate(more);
  }

  /** Takes pieces for as long as others may wait; tells whether it has them all. */
  #take(pieces: Iterator<string>): boolean {
    const end = performance.now() + TURN_MS;
    let text = '';
    let over = false;
    do {
      const next = pieces.next();
      over = next.done === true;
      text += next.value ?? '';
    } while (!over && performance.now() < end);
    this.#queue = this.#queue.plusOwn(text);
    return over;
  }

  /** Goes out at once after a quiet time, and with others when one follows the other. */
  notify(text: string): void {
    if (this.#behind !== undefined) {
      this.#behind += text;
      return;
    }
    this.#queue = this.#queue.plus(text);
    if (!this.#flushing) batch.add(this);
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    process.nextTick(() => {
      this.#flushing = false;
      this.flush();
    });
  }

  /** Flushes all; those that have the same queue are sent it together. */
  static flushAll(outboxes: readonly Outbox[]): void {
    for (let at = 0; at < outboxes.length; ) {
      const queue = outboxes[at]!.#queue;
      const wires: Wire[] = [];
      for (; at < outboxes.length && outboxes[at]!.#queue === queue; at++) {
        const outbox = outboxes[at]!;
        outbox.#queue = Queue.EMPTY;
        if (outbox.#socket.writable) wires.push(outbox.#wire);
      }
      if (queue.length > 0) sendEach(wires, queue.bytes);
    }
  }

  flush(): void {
    const { bytes } = this.#queue;
    this.#queue = Queue.EMPTY;
    if (bytes.length > 0 && this.#socket.writable) this.#wire.write(bytes);
  }
}

/** The outboxes that have notifications: flushed together, the less often the longer that takes. */
class Batch {
  readonly #outboxes = new Set<Outbox>();
  #waiting = false;
  #nextMs = 0;

  add(outbox: Outbox): void {
    this.#outboxes.add(outbox);
    if (this.#waiting) return;
    this.#waiting = true;
    const wait = this.#nextMs - performance.now();
    if (wait > 0) setTimeout(() => this.#flush(), wait);
    else process.nextTick(() => this.#flush());
  }

  #flush(): void {
    const start = performance.now();
    const all = [...this.#outboxes];
    this.#outboxes.clear();
    this.#waiting = false;
    Outbox.flushAll(all);
    Queue.EMPTY.forget();
    const end = performance.now();
    this.#nextMs = end + Math.min((end - start) * BATCH_FACTOR, MAX_BATCH_MS);
  }
}

const batch = new Batch();
