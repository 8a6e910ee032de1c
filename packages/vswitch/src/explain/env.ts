/** What is asked of the switch besides what translation reads. */
import type { Ofproto, XlateConfig } from '../ofproto.ts';

export interface BridgeFacts {
  readonly isSecure: boolean;
  readonly controllers: readonly { readonly target: string; readonly isConnected: boolean }[];
  /** Interfaces that could not be opened, and why. */
  readonly broken: readonly { readonly name: string; readonly error: string }[];
}

export interface LinkFacts {
  readonly mtu: number;
  readonly carrier: boolean;
}

export interface ExplainEnv {
  readonly config: XlateConfig;
  nowMs(): number;
  facts(bridge: Ofproto): BridgeFacts;
  /** The device of a port; undefined where there is none to be seen. */
  link(name: string): LinkFacts | undefined;
}
