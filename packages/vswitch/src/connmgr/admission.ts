/**
 * Whether a controller controls its switch: one that is connected may have been let in by nobody
 * yet, or be a program that hangs. Until it has said more than what every peer says, a bridge whose
 * fail_mode is standalone goes on by itself.
 */
import type { OfpMessage } from '@heddle/openflow';

type MessageType = OfpMessage['type'];

/** What a peer says that does not mean to control. */
const TRIVIAL = new Set<MessageType | undefined>([
  // What could not be read.
  undefined,
  'hello',
  'error',
  'echo_request',
  'echo_reply',
  'features_request',
  'get_config_request',
  'set_config',
  'get_async_request',
  'queue_get_config_request',
]);
/** Who has been connected for so long is taken for a controller that has nothing to do. */
const PATIENCE_MS = 30_000;

export class Admission {
  /** When the peer last controlled; at first when it was made. */
  #lastMs: number;
  #connectedMs: number | undefined;
  #isAdmitted = false;

  constructor(nowMs: number) {
    this.#lastMs = nowMs;
  }

  connected(nowMs: number): void {
    this.#connectedMs = nowMs;
    this.#isAdmitted = false;
  }

  disconnected(nowMs: number): void {
    if (this.#isAdmitted) this.#lastMs = nowMs;
    this.#connectedMs = undefined;
    this.#isAdmitted = false;
  }

  /** Whether the peer is admitted by this message, and was not before. */
  heard(type: MessageType | undefined, nowMs: number): boolean {
    if (this.#connectedMs === undefined) return false;
    const isLong = nowMs - this.#connectedMs >= PATIENCE_MS;
    if (!this.#isAdmitted && !isLong && TRIVIAL.has(type)) return false;
    this.#lastMs = nowMs;
    if (this.#isAdmitted) return false;
    this.#isAdmitted = true;
    return true;
  }

  /** Since when nobody controls; 0 while somebody does. */
  failedMs(nowMs: number): number {
    return this.#isAdmitted ? 0 : Math.max(0, nowMs - this.#lastMs);
  }
}
