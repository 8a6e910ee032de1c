/**
 * All links of the thread's network namespace as they are now, without asking the kernel for each:
 * what changed waits in the monitor's socket and is taken in before every answer.
 */
import type { Link } from './link.ts';
import { type LinkEvent, LinkMonitor } from './monitor.ts';
import { type LinkChange, Rtnl } from './rtnl.ts';

export class LinkTable implements Disposable {
  readonly #rtnl = new Rtnl();
  readonly #monitor: LinkMonitor;
  readonly #byIndex = new Map<number, Link>();
  readonly #byName = new Map<string, Link>();
  readonly #listener: (events: readonly LinkEvent[]) => void;
  #events: LinkEvent[] = [];
  #closed = false;

  /** The listener hears of changes later, never within a call of the table. */
  constructor(listener: (events: readonly LinkEvent[]) => void) {
    this.#listener = listener;
    this.#monitor = new LinkMonitor((event) => this.#take(event));
    this.#monitor.keepAlive(false);
    this.#list();
  }

  link(which: string | number): Link | undefined {
    this.#monitor.poll();
    const known = typeof which === 'string' ? this.#byName.get(which) : this.#byIndex.get(which);
    // It may go by another name (altname).
    return known ?? this.#rtnl.link(which);
  }

  setLink(which: string | number, change: LinkChange): void {
    this.#rtnl.setLink(which, change);
  }

  close(): void {
    this.#closed = true;
    this.#monitor.close();
    this.#rtnl.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #list(): void {
    this.#byIndex.clear();
    this.#byName.clear();
    for (const link of this.#rtnl.links({ stats: false })) this.#enter(link);
  }

  #take(event: LinkEvent): void {
    if (event.type === 'overrun') this.#list();
    else this.#forget(event.link.index);
    if (event.type === 'new') this.#enter(event.link);
    if (this.#events.push(event) === 1) setImmediate(() => this.#tell());
  }

  #enter(link: Link): void {
    this.#byIndex.set(link.index, link);
    this.#byName.set(link.name, link);
  }

  /** Its name may be another's already. */
  #forget(index: number): void {
    const old = this.#byIndex.get(index);
    if (old === undefined) return;
    this.#byIndex.delete(index);
    if (this.#byName.get(old.name) === old) this.#byName.delete(old.name);
  }

  #tell(): void {
    const events = this.#events;
    this.#events = [];
    if (!this.#closed) this.#listener(events);
  }
}
