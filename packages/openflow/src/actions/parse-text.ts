/** Actions and instructions in text (ovs-actions(7)). Errors are ovs-ofctl's, as HeddleError. */
import { OFPP_CONTROLLER } from '../constants.ts';
import { parsePort } from '../match/ofp-port.ts';
import type { Protocols } from '../match/protocols.ts';
import type { OfpAct } from '../ofp-actions.ts';
import { CONTROL_PARSERS } from './parse-text-control.ts';
import { CT_PARSERS } from './parse-text-ct.ts';
import { ENCAP_PARSERS } from './parse-text-encap.ts';
import { HEADER_PARSERS } from './parse-text-header.ts';
import { LEARN_PARSERS } from './parse-text-learn.ts';
import { OUTPUT_PARSERS } from './parse-text-output.ts';
import { type ActionTextOptions, type Outer, type ParseAct, TextContext } from './text-context.ts';
import { checkTextOrder } from './text-order.ts';
import { KeyValueScanner } from './text-scan.ts';
import { fail } from './text-values.ts';

export interface ParseActionsTextOptions extends ActionTextOptions {
  /** Meter, goto_table and the like may follow the actions. Default true. */
  readonly allowInstructions?: boolean;
}

export interface ParsedActions {
  readonly actions: readonly OfpAct[];
  /** Flow formats that can carry them. */
  readonly protocols: Protocols;
}

const PARSERS = new Map<string, ParseAct>([
  ...OUTPUT_PARSERS,
  ...HEADER_PARSERS,
  ...CONTROL_PARSERS,
  ...CT_PARSERS,
  ...ENCAP_PARSERS,
  ...LEARN_PARSERS,
]);

export function parseActionsText(
  text: string,
  options: ParseActionsTextOptions = {},
): readonly OfpAct[] {
  return parseActionsAndProtocols(text, options).actions;
}

export function parseActionsAndProtocols(
  text: string,
  options: ParseActionsTextOptions = {},
): ParsedActions {
  const c = new TextContext(options, options.allowInstructions === false ? 'actions' : 'flow');
  parseInto(c, text);
  checkTextOrder(c.acts, c.outer);
  return { actions: c.acts, protocols: c.protocols };
}

function parseInto(c: TextContext, text: string): void {
  const nested = (inner: string, outer: Outer): readonly OfpAct[] => {
    const n = new TextContext(c.options, outer);
    parseInto(n, inner);
    c.allow(n.protocols);
    checkTextOrder(n.acts, outer);
    return n.acts;
  };
  const scan = new KeyValueScanner(text);
  let drop = false;
  while (scan.next()) {
    const { key, value } = scan;
    const parse = PARSERS.get(key) ?? PARSERS.get(key.toLowerCase());
    if (parse) parse(c, value, nested, scan.tail);
    else if (key.toLowerCase() === 'drop') drop = true;
    else parsePortAction(c, key);
    if (drop && c.acts.length > 0) dropAlone();
  }
}

function dropAlone(): never {
  fail('"drop" must not be accompanied by any other action or instruction');
}

function parsePortAction(c: TextContext, key: string): void {
  const port = parsePort(key, c.options.ports);
  if (port === undefined) fail(`unknown action ${key}`);
  c.push({ type: 'output', port, maxLen: port === OFPP_CONTROLLER ? 0xffff : 0 });
}
