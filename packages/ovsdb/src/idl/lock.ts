/** The lock that a replica asks for on every connection (RFC 7047 4.1.8 to 4.1.10). */
import { isObject, type Json } from '../notation/index.ts';
import type { RpcConnection } from './rpc.ts';

export class IdlLock {
  readonly name: string | undefined;
  #state: 'none' | 'waiting' | 'held' = 'none';

  constructor(name: string | undefined) {
    this.name = name;
  }

  get held(): boolean {
    return this.name === undefined || this.#state === 'held';
  }

  get contended(): boolean {
    return this.#state === 'waiting';
  }

  async request(connection: RpcConnection): Promise<void> {
    if (this.name === undefined) return;
    const reply = await connection.request('lock', [this.name]);
    const locked = isObject(reply) && reply['locked'] === true;
    // The notification may have come before we look at the reply.
    if (this.#state !== 'held') this.#state = locked ? 'held' : 'waiting';
  }

  lost(): void {
    this.#state = 'none';
  }

  /** Returns whether it was about a lock. A stolen lock is ours again when its thief lets go. */
  notified(method: string, params: readonly Json[]): boolean {
    if (method !== 'locked' && method !== 'stolen') return false;
    if (params[0] === this.name) this.#state = method === 'locked' ? 'held' : 'waiting';
    return true;
  }
}
