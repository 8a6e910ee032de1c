/**
 * Collects dead ports as long as the switch runs: at its start, and whenever a device goes, since a
 * port dies with its device.
 */
import { LinkMonitor } from '@heddle/linux/rtnetlink/monitor';
import { messageOf } from '@heddle/runtime/errors';
import { vlog } from '@heddle/runtime/vlog';
import { type Collected, collectGarbage } from './gc.ts';

/** A namespace dies link by link, and its process may outlive the first of them a little. */
const SETTLE_MS = 1000;
/** Tried again after: the owner may be on its way out still. */
const AGAIN_MS = 10_000;

const log = vlog.module('gc');

export interface CollectorOptions {
  /** In place of `collectGarbage`, for tests. */
  readonly collect?: () => Promise<Collected>;
  readonly settleMs?: number;
  readonly againMs?: number;
}

/** In the switch's network namespace. Does not keep the process running. */
export class Collector implements Disposable {
  readonly #monitor: LinkMonitor;
  readonly #collect: () => Promise<Collected>;
  readonly #settleMs: number;
  readonly #againMs: number;
  #timer: NodeJS.Timeout | undefined;
  #busy = false;

  constructor(options: CollectorOptions = {}) {
    this.#collect = options.collect ?? collectGarbage;
    this.#settleMs = options.settleMs ?? SETTLE_MS;
    this.#againMs = options.againMs ?? AGAIN_MS;
    this.#monitor = new LinkMonitor(({ type }) => {
      if (type !== 'new') this.#schedule(this.#settleMs, 1);
    });
    this.#monitor.keepAlive(false);
    this.#schedule(this.#settleMs, 1);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#monitor.close();
  }

  #schedule(ms: number, retries: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#run(retries);
    }, ms).unref();
  }

  async #run(retries: number): Promise<void> {
    if (this.#busy) return this.#schedule(this.#settleMs, retries);
    this.#busy = true;
    try {
      const { ports, devices } = await this.#collect();
      for (const port of ports) log.info(`port ${port} deleted: its owner is gone`);
      for (const device of devices)
        log.info(`device ${device} deleted: its attach was interrupted`);
    } catch (error) {
      log.warn(`dead ports are not collected: ${messageOf(error)}`);
    } finally {
      this.#busy = false;
    }
    if (retries > 0) this.#schedule(this.#againMs, retries - 1);
  }
}
