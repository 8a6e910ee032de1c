/** What is told of a packet, fit for JSON. */

export interface Explanation {
  readonly bridge: string;
  /** The packet in OpenFlow's words. */
  readonly flow: string;
  readonly verdict: 'forwarded' | 'controller' | 'dropped';
  readonly outputs: readonly OutputFact[];
  readonly steps: readonly StepFact[];
  /** Why it went nowhere, or not to the port that was asked for. */
  readonly reason?: ReasonFact;
  readonly nearMisses: readonly NearMissFact[];
  /** Each was tried: with it the packet comes out as `outcome` says. */
  readonly edits: readonly EditFact[];
  readonly notes: readonly string[];
  /** What decided: packets alike in this go the same way. */
  readonly megaflow: string;
}

export interface OutputFact {
  readonly bridge: string;
  readonly port: string;
  readonly ofport: number;
  /** Outer first; empty: untagged. */
  readonly vlans: readonly number[];
  /** A copy that this mirror makes: all that came out of a packet may be that. */
  readonly mirror?: string;
  /** Why the device there will not take it. */
  readonly obstacle?: string;
}

export interface FlowFact {
  readonly table: number;
  readonly priority: number;
  readonly match: string;
  readonly actions: string;
  readonly cookie: string;
  readonly ageSeconds: number;
  readonly origin: string;
  readonly packets: number;
}

export type StepFact =
  | { readonly type: 'flow'; readonly bridge: string; readonly flow: FlowFact }
  | { readonly type: 'miss'; readonly bridge: string; readonly table: number }
  | { readonly type: 'patch'; readonly from: string; readonly to: string; readonly bridge: string }
  | { readonly type: 'again'; readonly recircId: number; readonly ctState?: string }
  | { readonly type: 'controller'; readonly bridge: string }
  | { readonly type: 'stop'; readonly bridge?: string; readonly text: string };

export interface ReasonFact {
  readonly code: string;
  readonly text: string;
  readonly bridge?: string;
  readonly port?: string;
}

export interface NearMissFact {
  readonly flow: FlowFact;
  readonly bridge: string;
  readonly differences: readonly {
    readonly field: string;
    readonly wants: string;
    readonly has: string;
  }[];
}

export interface EditFact {
  readonly command: string;
  readonly outcome: string;
}
