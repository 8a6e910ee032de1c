import type { OdpPort, Upcall } from '../dpif.ts';

const PER_PORT = 256;
const BATCH = 64;

/**
 * Upcalls wait here in one bounded queue per port, and are served in turn: a port that floods
 * misses fills its own queue only.
 */
export class UpcallQueue {
  readonly #queues = new Map<OdpPort, Upcall[]>();
  readonly lostByPort = new Map<OdpPort, number>();
  lost = 0;

  /** False when the port's queue is full: the upcall is lost and counted. */
  push(upcall: Upcall): boolean {
    const port = upcall.flow.inPort;
    let queue = this.#queues.get(port);
    if (queue === undefined) {
      queue = [];
      this.#queues.set(port, queue);
    }
    if (queue.length < PER_PORT) {
      queue.push(upcall);
      return true;
    }
    this.lost++;
    this.lostByPort.set(port, (this.lostByPort.get(port) ?? 0) + 1);
    return false;
  }

  get empty(): boolean {
    for (const queue of this.#queues.values()) if (queue.length > 0) return false;
    return true;
  }

  /** Up to 64, one of each port in turn. */
  takeBatch(): Upcall[] {
    const batch: Upcall[] = [];
    // A port that was served goes to the end of the map, which this loop still comes to.
    for (const [port, queue] of this.#queues) {
      this.#queues.delete(port);
      const upcall = queue.shift();
      if (upcall === undefined) continue;
      this.#queues.set(port, queue);
      batch.push(upcall);
      if (batch.length === BATCH) break;
    }
    return batch;
  }

  forgetPort(port: OdpPort): void {
    this.#queues.delete(port);
  }

  clear(): void {
    this.#queues.clear();
  }
}
