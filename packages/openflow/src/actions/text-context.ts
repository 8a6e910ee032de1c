/** What parsers of actions in text share. */
import type { PortNames } from '../match/ofp-port.ts';
import { OFPUTIL_P_ANY, type Protocols } from '../match/protocols.ts';
import type { OfpAct } from '../ofp-actions.ts';
import type { TableNames } from './table-names.ts';

export interface ActionTextOptions {
  readonly ports?: PortNames | undefined;
  readonly tables?: TableNames | undefined;
}

/** Where a list of actions stands: what is allowed in it differs. */
export type Outer = 'flow' | 'actions' | 'write_actions' | 'clone' | 'ct';

export class TextContext {
  readonly options: ActionTextOptions;
  readonly outer: Outer;
  readonly acts: OfpAct[] = [];
  /** Which flow formats can carry the actions so far. */
  protocols: Protocols = OFPUTIL_P_ANY;

  constructor(options: ActionTextOptions, outer: Outer) {
    this.options = options;
    this.outer = outer;
  }

  push(act: OfpAct): void {
    this.acts.push(act);
  }

  allow(protocols: Protocols): void {
    this.protocols &= protocols;
  }
}

/** Parses the words of `text` into a context. */
export type ParseNested = (text: string, outer: Outer) => readonly OfpAct[];

/** One action by its name: its argument, and what stands behind the parenthesis. */
export type ParseAct = (c: TextContext, value: string, nested: ParseNested, tail: string) => void;
