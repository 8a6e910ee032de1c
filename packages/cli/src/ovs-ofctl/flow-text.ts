/** Flows as `diff-flows` prints and compares them. */
import { type FlowMod, formatActions, formatMatch } from '@heddle/openflow';
import type { Printer } from './printer.ts';

/** What a flow is besides what it matches. */
export interface FlowVersion {
  readonly cookie: bigint;
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly importance: number;
  readonly flags: FlowMod['flags'];
  readonly actions: FlowMod['actions'];
}

export interface FlowEntry {
  readonly tableId: number;
  readonly priority: number;
  /** As its set has packed it. */
  readonly match: string;
  /** Of the two sources. */
  readonly versions: [FlowVersion | undefined, FlowVersion | undefined];
}

export function versionOf(flow: FlowVersion): FlowVersion {
  const { cookie, idleTimeout, hardTimeout, importance, flags, actions } = flow;
  return { cookie, idleTimeout, hardTimeout, importance, flags, actions };
}

/** Flags and counters make no difference. */
export function isSameVersion(a: FlowVersion | undefined, b: FlowVersion | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.cookie === b.cookie &&
    a.idleTimeout === b.idleTimeout &&
    a.hardTimeout === b.hardTimeout &&
    a.importance === b.importance &&
    (a.actions === b.actions || textOf(a.actions) === textOf(b.actions))
  );
}

/** Texts of lists of actions, of which a set of flows has few. */
const texts = new WeakMap<FlowVersion['actions'], string>();

function textOf(actions: FlowVersion['actions']): string {
  let text = texts.get(actions);
  if (text === undefined) {
    text = formatActions(actions);
    texts.set(actions, text);
  }
  return text;
}

/** Tables go by number, whatever names there are. */
export function formatEntry(
  entry: FlowEntry,
  match: FlowMod['match'],
  v: FlowVersion,
  printer: Printer,
): string {
  const { tableId, priority } = entry;
  const { ports, colors } = printer;
  let text = '';
  if (tableId !== 0) text += `table=${tableId} `;
  text += `${formatMatch(match, { priority, names: ports, colors })} `;
  if (v.cookie !== 0n) text += `cookie=0x${v.cookie.toString(16)} `;
  if (v.idleTimeout !== 0) text += `idle_timeout=${v.idleTimeout} `;
  if (v.hardTimeout !== 0) text += `hard_timeout=${v.hardTimeout} `;
  if (v.importance !== 0) text += `importance=${v.importance} `;
  return `${text}actions=${formatActions(v.actions, { ports, colors })}`;
}
