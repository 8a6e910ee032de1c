/** What a translation tells, step by step, to whoever asks why it came out as it did. */
import type { Flow } from '@heddle/packet';
import type { Rule } from '../ofproto/rule.ts';
import type { OfPort, Ofproto } from '../ofproto.ts';

export type XlateEvent =
  /** A table was asked. `flow` is the packet as it was looked up: in `ctx`'s hands, to be cloned. */
  | {
      readonly type: 'lookup';
      readonly bridge: Ofproto;
      readonly tableId: number;
      readonly flow: Flow;
      readonly rule: Rule | undefined;
    }
  /** It leaves by a port of the datapath, as `flow` is by now. */
  | {
      readonly type: 'output';
      readonly port: OfPort;
      readonly flow: Flow;
      /** The mirror whose copy it is. */
      readonly mirror: string | undefined;
    }
  | { readonly type: 'patch'; readonly from: OfPort; readonly to: OfPort }
  | { readonly type: 'controller'; readonly bridge: Ofproto; readonly reason: number }
  | { readonly type: 'meter'; readonly bridge: Ofproto; readonly meter: number }
  /** A way that it did not go; the packet as a whole is dropped when it goes no other. */
  | {
      readonly type: 'drop';
      readonly reason: DropReason;
      readonly bridge: Ofproto | undefined;
      readonly tableId: number;
      readonly rule: Rule | undefined;
      readonly flow: Flow;
      /** The port that was in the way. */
      readonly port: OfPort | undefined;
      /** The group that had nothing for it. */
      readonly group?: number;
    };

/** Why a packet, or a copy of it, went no further; a short sentence for people. */
export type DropReason = string;

/** A packet that goes nowhere, for the counters of its bridge. */
export interface DropEffect {
  readonly bridge: Ofproto;
  readonly reason: DropReason;
  readonly tableId: number;
  readonly rule: Rule | undefined;
}
