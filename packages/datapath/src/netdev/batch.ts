import { SEND_HEADER_BYTES } from '@heddle/linux/native';
import type { VnetHdr } from '../dpif.ts';
import { emitVnet } from './vnet.ts';

const BATCH_BYTES = 512 * 1024;
const MAX_PACKETS = 64;
const VNET_AT = 8;

/** Packets on their way out, in the layout of the addon's `sendBatch`. */
export class Batch {
  readonly bytes = new Uint8Array(BATCH_BYTES);
  readonly #dv = new DataView(this.bytes.buffer);
  #used = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** False when it does not fit: send first. */
  add(frame: Uint8Array, vnet: VnetHdr | undefined): boolean {
    const at = this.#used;
    const end = at + SEND_HEADER_BYTES + ((frame.length + 7) & ~7);
    if (this.#count === MAX_PACKETS || end > BATCH_BYTES) return false;
    this.#dv.setUint32(at, frame.length, true);
    this.#dv.setUint32(at + 4, 0, true);
    emitVnet(this.#dv, at + VNET_AT, vnet);
    this.bytes.set(frame, at + SEND_HEADER_BYTES);
    this.#used = end;
    this.#count++;
    return true;
  }

  clear(): void {
    this.#used = 0;
    this.#count = 0;
  }
}
