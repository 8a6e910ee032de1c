import type { Session } from './session.ts';

/** RFC 7047 sections 4.1.8 to 4.1.10: each lock has an owner and a queue of those who wait. */
export class Locks {
  readonly #waiting = new Map<string, Session[]>();

  owns(session: Session, name: string): boolean {
    return this.#waiting.get(name)?.[0] === session;
  }

  /** Whether the lock is the session's at once; else it is told when it is. */
  acquire(session: Session, name: string, steal: boolean): boolean {
    const queue = this.#waiting.get(name) ?? [];
    this.#waiting.set(name, queue);
    if (steal && queue.length > 0) {
      queue[0]!.notify('stolen', [name]);
      queue[0] = session;
      return true;
    }
    if (!queue.includes(session)) queue.push(session);
    return queue[0] === session;
  }

  release(session: Session, name: string): void {
    const queue = this.#waiting.get(name);
    const at = queue?.indexOf(session) ?? -1;
    if (!queue || at < 0) return;
    queue.splice(at, 1);
    if (queue.length === 0) this.#waiting.delete(name);
    else if (at === 0) queue[0]!.notify('locked', [name]);
  }

  releaseAll(session: Session): void {
    for (const name of [...this.#waiting.keys()]) this.release(session, name);
  }
}
