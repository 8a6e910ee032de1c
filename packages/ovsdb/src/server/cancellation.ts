/** Lets what waits be given up. An AbortController costs more than a small transaction does. */
export class Cancellation {
  #cancelled = false;
  #callback: (() => void) | undefined;

  get cancelled(): boolean {
    return this.#cancelled;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#callback?.();
  }

  /** Whom to call; the one before is forgotten. */
  onCancel(callback: (() => void) | undefined): void {
    this.#callback = callback;
  }
}
