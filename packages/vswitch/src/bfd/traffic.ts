/** What an interface receives besides the protocol's own packets. */

/** The datapath's counters are looked at no more often. */
const MIN_WINDOW_MS = 2000;

/** Whether an interface is idle, window by window (`decay_min_rx`). */
export class IdleWatch {
  isIdle = false;
  #endMs = 0;
  #packets = 0;
  #own = 0;

  /** Counts anew, as of an interface with traffic. */
  restart(): void {
    this.isIdle = false;
    this.#endMs = 0;
  }

  /** One of the protocol's own packets has come. */
  countOwn(): void {
    this.#own++;
  }

  /** At the end of a window: idle when no more data than packets of the protocol has come. */
  judge(nowMs: number, windowMs: number, rxPackets: () => number): void {
    if (this.#endMs !== 0 && nowMs <= this.#endMs) return;
    const packets = rxPackets();
    if (this.#endMs !== 0) this.isIdle = packets - this.#packets <= 2 * this.#own;
    this.#packets = packets;
    this.#own = 0;
    this.#endMs = nowMs + Math.max(windowMs, MIN_WINDOW_MS);
  }
}

/** Until when traffic shows that an interface forwards (`forwarding_if_rx`, `cfm_demand`). */
export class DataWatch {
  untilMs = 0;
  #packets: number | undefined;
  #own = 0;

  restart(): void {
    this.untilMs = 0;
    this.#packets = undefined;
  }

  /** One of the protocol's own packets has come, which is no traffic. */
  countOwn(): void {
    this.#own++;
  }

  /** Whether traffic has come since the last look. */
  look(nowMs: number, patienceMs: number, rxPackets: () => number): boolean {
    const packets = rxPackets();
    const data = this.#packets === undefined ? 0 : packets - this.#packets - this.#own;
    this.#packets = packets;
    this.#own = 0;
    if (data > 0) this.untilMs = nowMs + patienceMs;
    return data > 0;
  }
}
