/** ofproto/trace: the way of an imaginary packet (ovs-vswitchd(8)). */
import { formatOdpActions } from '@heddle/datapath';
import type { Flow } from '@heddle/packet';
import { formatUserdata } from '../ofproto/userdata.ts';
import type { XlateConfig } from '../ofproto.ts';
import { XlateMemory } from '../xlate/context.ts';
import { portNamesOf } from '../xlate/text.ts';
import {
  type TraceNode,
  type XlateEffects,
  type XlateFork,
  type XlateOptions,
  type XlateResult,
  xlateActions,
} from '../xlate/xlate.ts';
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
export function parseCtState(text: string, separator = /[,|+\s]+/): number | undefined {
  let bits = 0;
  for (const word of text.split(separator).filter(Boolean)) {
    const i = CT_STATE_NAMES.indexOf(word);
    if (i < 0) return undefined;
    bits |= 1 << i;
  }
  return bits;
}

export function ctStateText(state: number): string {
  return CT_STATE_NAMES.filter((_, i) => (state & (1 << i)) !== 0).join('|');
}

/**
 * A packet's whole way, recirculations included; `ctNext` are the states that tracking gives, `done`
 * is told what each pass brings about.
 */
export function traceAll(
  config: XlateConfig,
  flow: Flow,
  ofport: number,
  options: TraceOptions = {},
  ctNext: readonly number[] = [],
  done: (effects: XlateEffects) => void = () => {},
): string {
  const first = trace(config, flow, ofport, { ...options, memory });
  done(first.result.effects);
  const states = [...ctNext];
  const waiting = [...first.result.forks];
  let { text } = first;
  for (let n = 0; n < MAX_RECIRCULATIONS && waiting.length > 0; n++) {
    const fork = waiting.shift()!;
    const state = fork.zone === undefined ? undefined : states.shift();
    const next = resumed(fork, flow.inPort, state);
    const head = [forkTitle(fork, state), ...(fork.nat ? simulateNat(next, fork.nat) : [])];
    text += `\n${RULE}\n${head.join('\n')}\n${RULE}\n\n`;
    const { withPacket = false, pick, portName } = options;
    const also = { ...(pick && { pick }), ...(portName && { portName }) };
    const more = trace(config, next, ofport, { withPacket, ...also });
    done(more.result.effects);
    text += more.text;
    waiting.push(...more.result.forks);
  }
  return text;
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
    : `${head} - resume conntrack with ct_state=${ctStateText(state) || 0}`;
}

interface TraceOptions
  extends Pick<XlateOptions, 'withPacket' | 'entry' | 'actions' | 'pick' | 'frame' | 'memory'> {
  /** Names of the datapath's ports: with it ports are told by their names everywhere. */
  readonly portName?: (odpPort: number) => string | undefined;
}

/** One pass. `ofport` is the OpenFlow number of the port that the packet enters by. */
export function trace(
  config: XlateConfig,
  flow: Flow,
  ofport: number,
  { portName, ...options }: TraceOptions = {},
): Trace {
  const portNames = portName !== undefined;
  const how = { withPacket: false, ...options, trace: true, portNames };
  const result = xlateActions(config, flow, how);
  const bridge = options.entry?.bridge ?? config.portOf(flow.inPort)?.bundle.bridge;
  const names = portNames && bridge ? portNamesOf(bridge) : undefined;
  // What comes back from a recirculation is where it was before.
  const enteredBy = flow.recircId === 0 ? ofport : result.seen.flow.inPort;
  const { seen, final, actions } = result;
  let text = `Flow: ${formatOpenFlowFlow(seen.flow, enteredBy, names)}\n`;
  for (const root of result.trace) text += linesOf(root, 0, false);
  text += `
Final flow: ${final ? formatOpenFlowFlow(final, final.inPort, names) : 'unchanged'}
Megaflow: ${formatMegaflow(seen.flow, seen.wildcards, enteredBy, names)}
Datapath actions: ${formatOdpActions(actions, { ...ODP_FORMAT, ...(portName && { portName }) })}
`;
  if (result.failure !== undefined) {
    text += `Translation failed (${result.failure}), packet is dropped.\n`;
    if (result.forks.length > 0) text += '\n';
  }
  return { text: text + slowPathText(result), result };
}

const ODP_FORMAT = { userdata: formatUserdata };

function slowPathText({ protocols, slow }: XlateResult): string {
  if (protocols.length === 0 && slow.length === 0) return '';
  const names = new Set(protocols.map(({ protocol }) => protocol.toUpperCase()));
  const why = [...names].map((name) => `  - Consists of ${name} packets.\n`);
  if (slow.includes('action')) why.push('  - Uses action(s) not supported by datapath.\n');
  if (why.length === 0) return '';
  return `This flow is handled by the userspace slow path because it:\n${why.join('')}`;
}

/** Headings of bridges and tables, and what stands below them. */
function isSection(kind: TraceNode['kind']): boolean {
  switch (kind) {
    case 'bridge':
    case 'table':
    case 'bucket':
    case 'set':
    case 'thaw':
      return true;
    default:
      return false;
  }
}

/** A section is indented only when more follows after it in the one that it was reached from. */
function linesOf({ kind, text, children }: TraceNode, level: number, more: boolean): string {
  const indent = indentation(more ? level + 1 : level);
  const inner = more ? level + 2 : level;
  const innerIndent = indentation(inner);
  let lines = `${indent}${text}\n`;
  if (kind === 'bridge') lines = `\n${lines}${indent}${'-'.repeat(text.length)}\n`;
  for (let i = 0; i < children.length; i++) {
    const child = children[i]!;
    if (isSection(child.kind)) lines += linesOf(child, inner, hasMore(children, i));
    else lines += `${innerIndent}${lineText(child)}\n`;
  }
  return lines;
}

function indentation(level: number): string {
  return level === 0 ? '' : ' '.repeat(4 * level);
}

/** Buckets are always indented. */
function hasMore(nodes: readonly TraceNode[], i: number): boolean {
  if (nodes[i]!.kind === 'bucket') return true;
  for (let n = i + 1; n < nodes.length; n++) if (nodes[n]!.kind !== 'closing') return true;
  return false;
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
