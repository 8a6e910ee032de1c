/** ofproto/trace: the way of an imaginary packet (ovs-vswitchd(8)). */
import { formatOdpActions } from '@heddle/datapath';
import type { Flow } from '@heddle/packet';
import { formatUserdata } from '../ofproto/userdata.ts';
import type { XlateConfig } from '../ofproto.ts';
import {
  type TraceNode,
  type XlateFork,
  type XlateOptions,
  type XlateResult,
  xlateActions,
} from '../xlate.ts';
import { XlateMemory } from '../xlate-context.ts';
import { formatMegaflow, formatOpenFlowFlow } from './flow-text.ts';
import { simulateNat } from './simulate-nat.ts';

export interface Trace {
  readonly text: string;
  readonly result: XlateResult;
}

const RULE = '='.repeat(79);
const CT_STATE_NAMES = ['new', 'est', 'rel', 'rpl', 'inv', 'trk', 'snat', 'dnat'];
const CS_NEW = 1;
const CS_TRK = 0x20;

/** `trk,est` as bits; undefined when a word is none of the states. */
export function parseCtState(text: string): number | undefined {
  let bits = 0;
  for (const word of text.split(/[,|+\s]+/).filter(Boolean)) {
    const i = CT_STATE_NAMES.indexOf(word);
    if (i < 0) return undefined;
    bits |= 1 << i;
  }
  return bits;
}

export function ctStateText(state: number): string {
  return CT_STATE_NAMES.filter((_, i) => (state & (1 << i)) !== 0).join('|');
}

/** A packet's whole way, recirculations included; `ctNext` are the states that tracking gives. */
export function traceAll(
  config: XlateConfig,
  flow: Flow,
  ofport: number,
  options: TraceOptions = {},
  ctNext: readonly number[] = [],
): Trace {
  const first = trace(config, flow, ofport, { ...options, memory });
  const states = [...ctNext];
  const waiting = [...first.result.forks];
  let { text } = first;
  for (let n = 0; n < MAX_RECIRCULATIONS && waiting.length > 0; n++) {
    const fork = waiting.shift()!;
    const state = fork.zone === undefined ? undefined : states.shift();
    const next = resumed(fork, flow.inPort, state);
    const head = [forkTitle(fork, state), ...(fork.nat ? simulateNat(next, fork.nat) : [])];
    text += `\n${RULE}\n${head.join('\n')}\n${RULE}\n\n`;
    const { withPacket = false, pick } = options;
    const more = trace(config, next, ofport, { withPacket, ...(pick && { pick }) });
    text += more.text;
    waiting.push(...more.result.forks);
  }
  return { text, result: first.result };
}

const MAX_RECIRCULATIONS = 64;
/** Of the first pass of the last one. */
const memory = new XlateMemory();

/** The packet as the datapath brings it back. */
export function resumed(
  { id, flow, zone }: XlateFork,
  inPort: number,
  state: number | undefined,
): Flow {
  const next = flow.clone();
  next.inPort = inPort;
  next.recircId = id;
  // Registers and metadata stay with the switch.
  next.u32.fill(0, 64, 82);
  if (zone === undefined) return next;
  next.ctState = state ?? CS_TRK | CS_NEW;
  next.ctZone = zone;
  return next;
}

function forkTitle({ id, zone }: XlateFork, state: number | undefined): string {
  const head = `recirc(0x${id.toString(16)})`;
  if (zone === undefined) return head;
  return state === undefined
    ? `${head} - resume conntrack with default ct_state=trk|new (use --ct-next to customize)`
    : `${head} - resume conntrack with ct_state=${ctStateText(state)}`;
}

type TraceOptions = Pick<
  XlateOptions,
  'withPacket' | 'entry' | 'actions' | 'pick' | 'frame' | 'memory'
>;

/** One pass. `ofport` is the OpenFlow number of the port that the packet enters by. */
export function trace(
  config: XlateConfig,
  flow: Flow,
  ofport: number,
  options: TraceOptions = {},
): Trace {
  const result = xlateActions(config, flow, { withPacket: false, ...options, trace: true });
  // What comes back from a recirculation is where it was before.
  const enteredBy = flow.recircId === 0 ? ofport : result.seen.flow.inPort;
  const text = [`Flow: ${formatOpenFlowFlow(result.seen.flow, enteredBy)}`];
  for (const root of result.trace) addLines(text, root, 0, false);
  text.push(
    '',
    `Final flow: ${result.final ? formatOpenFlowFlow(result.final, result.final.inPort) : 'unchanged'}`,
    `Megaflow: ${formatMegaflow(result.seen.flow, result.seen.wildcards, enteredBy)}`,
    `Datapath actions: ${formatOdpActions(result.actions, { userdata: formatUserdata })}`,
    ...failureLines(result),
    ...slowPathLines(result),
  );
  return { text: `${text.join('\n')}\n`, result };
}

function failureLines({ failure }: XlateResult): string[] {
  if (failure === undefined) return [];
  return [`Translation failed (${failure}), packet is dropped.`, ''];
}

function slowPathLines({ protocols, slow }: XlateResult): string[] {
  const names = new Set(protocols.map(({ protocol }) => protocol.toUpperCase()));
  const why = [...names].map((name) => `  - Consists of ${name} packets.`);
  if (slow.includes('action')) why.push('  - Uses action(s) not supported by datapath.');
  if (why.length === 0) return [];
  return ['This flow is handled by the userspace slow path because it:', ...why];
}

/** Headings of bridges and tables, and what stands below them. */
const SECTIONS: ReadonlySet<TraceNode['kind']> = new Set([
  'bridge',
  'table',
  'bucket',
  'set',
  'thaw',
]);

/** A section is indented only when more follows after it in the one that it was reached from. */
function addLines(lines: string[], node: TraceNode, level: number, more: boolean): void {
  const { kind, text, children } = node;
  const indent = ' '.repeat(4 * (more ? level + 1 : level));
  const inner = more ? level + 2 : level;
  if (kind === 'bridge') lines.push('');
  lines.push(indent + text);
  if (kind === 'bridge') lines.push(indent + '-'.repeat(text.length));
  const innerIndent = ' '.repeat(4 * inner);
  for (let i = 0; i < children.length; i++) {
    const child = children[i]!;
    if (SECTIONS.has(child.kind)) addLines(lines, child, inner, hasMore(children, i));
    else lines.push(innerIndent + lineText(child));
  }
}

/** Buckets are always indented. */
function hasMore(nodes: readonly TraceNode[], i: number): boolean {
  if (nodes[i]!.kind === 'bucket') return true;
  return nodes.slice(i + 1).some(({ kind }) => kind !== 'closing');
}

function lineText({ kind, text }: TraceNode): string {
  switch (kind) {
    case 'action':
    case 'note':
      return `    ${text}`;
    case 'detail':
    case 'closing':
      return `     -> ${text}`;
    case 'warn':
      return `     >> ${text}`;
    case 'error':
      return `     >>>> ${text} <<<<`;
    default:
      return text;
  }
}
