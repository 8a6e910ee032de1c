/**
 * Text that waits to be sent, grown at its end and never changed. Clients that are sent the same
 * texts one after the other have the same queue, which is put together and encoded once.
 */
export class Queue {
  static readonly EMPTY = new Queue('');
  readonly #text: string;
  /** What someone else has made of this queue last, and of which text. */
  #next: { readonly text: string; readonly queue: Queue } | undefined;
  #isShared = false;
  #bytes: Buffer | undefined;

  private constructor(text: string) {
    this.#text = text;
  }

  get length(): number {
    return this.#text.length;
  }

  /** To be written to a socket. */
  get bytes(): Buffer | string {
    if (!this.#isShared) return this.#text;
    this.#bytes ??= Buffer.from(this.#text);
    return this.#bytes;
  }

  /** With a text that other clients are sent, too. */
  plus(text: string): Queue {
    if (this.#next?.text === text) {
      this.#next.queue.#isShared = true;
      return this.#next.queue;
    }
    const queue = this.plusOwn(text);
    this.#next = { text, queue };
    return queue;
  }

  plusOwn(text: string): Queue {
    return text === '' ? this : new Queue(this.#text + text);
  }

  /** Lets go of what has been made of this queue. */
  forget(): void {
    this.#next = undefined;
  }
}
