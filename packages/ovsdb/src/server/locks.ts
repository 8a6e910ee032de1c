import type { Session } from './session.ts';

interface Lock {
  /** Those who want it, its owner first. */
  readonly queue: Session[];
  readonly thieves: Set<Session>;
  /** Thieves who were robbed: they wait for nothing, and still must unlock before they lock. */
  readonly lost: Set<Session>;
}

/**
 * RFC 7047 sections 4.1.8 to 4.1.10. Who was robbed of a lock waits for it next to the thief, but
 * for one that had stolen it, too: that one is told of it no more.
 */
export class Locks {
  readonly #locks = new Map<string, Lock>();

  owns(session: Session, name: string): boolean {
    return this.#locks.get(name)?.queue[0] === session;
  }

  /** Whether the session owns the lock, waits for it, or stole and lost it. */
  has(session: Session, name: string): boolean {
    const lock = this.#locks.get(name);
    return lock !== undefined && (lock.queue.includes(session) || lock.lost.has(session));
  }

  /** The names of locks that the session owns, that it waits for, and that it stole and lost. */
  of(session: Session): { held: string[]; waiting: string[]; lost: string[] } {
    const out = { held: [] as string[], waiting: [] as string[], lost: [] as string[] };
    for (const [name, { queue, lost }] of this.#locks) {
      const at = queue.indexOf(session);
      if (lost.has(session)) out.lost.push(name);
      else if (at >= 0) (at === 0 ? out.held : out.waiting).push(name);
    }
    return out;
  }

  /** Whether the lock is the session's at once; else it is told when it is. */
  acquire(session: Session, name: string, steal: boolean): boolean {
    const lock = this.#lock(name);
    const { queue, thieves, lost } = lock;
    if (!steal) return queue.push(session) === 1;
    const [victim] = queue;
    if (victim) victim.notify('stolen', [name]);
    if (victim && thieves.has(victim)) {
      queue.shift();
      lost.add(victim);
    }
    thieves.add(session);
    queue.unshift(session);
    return true;
  }

  #lock(name: string): Lock {
    let lock = this.#locks.get(name);
    if (!lock) {
      lock = { queue: [], thieves: new Set(), lost: new Set() };
      this.#locks.set(name, lock);
    }
    return lock;
  }

  release(session: Session, name: string): void {
    const lock = this.#locks.get(name);
    if (!lock) return;
    const { queue, thieves, lost } = lock;
    const at = queue.indexOf(session);
    thieves.delete(session);
    lost.delete(session);
    if (at >= 0) queue.splice(at, 1);
    // As upstream, which tells the owner again when another stops waiting.
    if (at >= 0) queue[0]?.notify('locked', [name]);
    if (queue.length === 0 && lost.size === 0) this.#locks.delete(name);
  }

  releaseAll(session: Session): void {
    for (const name of [...this.#locks.keys()]) this.release(session, name);
  }
}
