import type { Session } from './session.ts';

/**
 * RFC 7047 sections 4.1.8 to 4.1.10: each lock has a queue of those who want it, its owner first.
 * Who was robbed of a lock stays in the queue, next to the thief.
 */
export class Locks {
  readonly #queues = new Map<string, Session[]>();
  readonly #thieves = new Map<string, Set<Session>>();

  owns(session: Session, name: string): boolean {
    return this.#queues.get(name)?.[0] === session;
  }

  /** Whether the session owns the lock or waits for it. */
  has(session: Session, name: string): boolean {
    return this.#queues.get(name)?.includes(session) ?? false;
  }

  /** The names of locks that the session owns, that it waits for, and that it stole and lost. */
  of(session: Session): { held: string[]; waiting: string[]; lost: string[] } {
    const out = { held: [] as string[], waiting: [] as string[], lost: [] as string[] };
    for (const [name, queue] of this.#queues) {
      const at = queue.indexOf(session);
      if (at < 0) continue;
      const stole = this.#thieves.get(name)?.has(session);
      (at === 0 ? out.held : stole ? out.lost : out.waiting).push(name);
    }
    return out;
  }

  /** Whether the lock is the session's at once; else it is told when it is. */
  acquire(session: Session, name: string, steal: boolean): boolean {
    let queue = this.#queues.get(name);
    if (!queue) {
      queue = [];
      this.#queues.set(name, queue);
    }
    if (steal) {
      this.#thieves.set(name, (this.#thieves.get(name) ?? new Set()).add(session));
      queue[0]?.notify('stolen', [name]);
      queue.unshift(session);
    } else queue.push(session);
    return queue[0] === session;
  }

  release(session: Session, name: string): void {
    const queue = this.#queues.get(name);
    const at = queue?.indexOf(session) ?? -1;
    if (!queue || at < 0) return;
    queue.splice(at, 1);
    this.#thieves.get(name)?.delete(session);
    if (queue.length === 0) {
      this.#queues.delete(name);
      this.#thieves.delete(name);
    }
    // As upstream, which tells the owner again when another stops waiting.
    else queue[0]!.notify('locked', [name]);
  }

  releaseAll(session: Session): void {
    for (const name of [...this.#queues.keys()]) this.release(session, name);
  }
}
