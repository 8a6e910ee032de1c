/**
 * Flow mods that add flows as others before them have, which need not be decoded: what such a message
 * comes to is known but for its values.
 */
import { AddLayouts, type FlowMod, type OfpMessage } from '@heddle/openflow';
import { addedState } from '../ofproto/flow-mod.ts';
import type { RuleState } from '../ofproto/rule.ts';
import { sharedState } from '../ofproto/rule-state.ts';
import type { Ofproto } from '../ofproto.ts';

export class KnownAdds {
  readonly layouts = new AddLayouts<RuleState>();
  readonly #ofproto: Ofproto;
  #bytes: Uint8Array | undefined;
  #view: DataView = new DataView(new ArrayBuffer(0));

  constructor(ofproto: Ofproto) {
    this.#ofproto = ofproto;
  }

  /** Many messages lie in the same bytes. */
  viewOf(bytes: Uint8Array): DataView {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    return this.#view;
  }

  /** `mod`, checked, is what `message`, which are `length` bytes at `at`, comes to. */
  learn(bytes: Uint8Array, at: number, length: number, mod: FlowMod, message: OfpMessage): void {
    // What options stand for may change.
    if (mod !== message || this.#ofproto.tlv.used > 0) return;
    this.layouts.learn(this.viewOf(bytes), at, length, mod, addedState(mod, message.version));
  }

  /** Lets go of what was received. */
  forget(): void {
    this.#bytes = undefined;
  }
}

/** The state of a flow that differs from a known one in its cookie at most. */
export function stateOf(known: RuleState, cookie: bigint): RuleState {
  return cookie === known.cookie ? known : sharedState({ ...known, cookie });
}
