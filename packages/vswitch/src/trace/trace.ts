/** ofproto/trace: the way of an imaginary packet (ovs-vswitchd(8)). */
import { formatOdpActions } from '@heddle/datapath';
import type { Flow } from '@heddle/packet';
import { formatUserdata } from '../ofproto/userdata.ts';
import type { XlateConfig } from '../ofproto.ts';
import { type TraceNode, type XlateOptions, type XlateResult, xlateActions } from '../xlate.ts';
import { formatMegaflow, formatOpenFlowFlow } from './flow-text.ts';

export interface Trace {
  readonly text: string;
  readonly result: XlateResult;
}

/** `ofport` is the OpenFlow number of the port that the packet enters by. */
export function trace(
  config: XlateConfig,
  flow: Flow,
  ofport: number,
  options: Pick<XlateOptions, 'withPacket' | 'entry'> = {},
): Trace {
  const result = xlateActions(config, flow, { withPacket: false, ...options, trace: true });
  const text = [
    `Flow: ${formatOpenFlowFlow(result.seen.flow, ofport)}`,
    ...result.trace.flatMap((root) => nodeLines(root, 0, false)),
    '',
    `Final flow: ${result.final ? formatOpenFlowFlow(result.final, ofport) : 'unchanged'}`,
    `Megaflow: ${formatMegaflow(result.seen.flow, result.seen.wildcards, ofport)}`,
    `Datapath actions: ${formatOdpActions(result.actions, { userdata: formatUserdata })}`,
    ...failureLines(result),
  ];
  return { text: `${text.join('\n')}\n`, result };
}

function failureLines({ failure }: XlateResult): string[] {
  if (failure === undefined) return [];
  return [`Translation failed (${failure}), packet is dropped.`];
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
function nodeLines(node: TraceNode, level: number, more: boolean): string[] {
  const indent = ' '.repeat(4 * (more ? level + 1 : level));
  const inner = more ? level + 2 : level;
  const heading =
    node.kind === 'bridge'
      ? ['', indent + node.text, indent + '-'.repeat(node.text.length)]
      : [indent + node.text];
  return [
    ...heading,
    ...node.children.flatMap((child, i) =>
      SECTIONS.has(child.kind)
        ? nodeLines(child, inner, hasMore(node.children, i))
        : ' '.repeat(4 * inner) + lineText(child),
    ),
  ];
}

/** Buckets are always indented. */
function hasMore(nodes: readonly TraceNode[], i: number): boolean {
  if (nodes[i]!.kind === 'bucket') return true;
  return i < nodes.length - 1;
}

function lineText({ kind, text }: TraceNode): string {
  switch (kind) {
    case 'action':
      return `    ${text}`;
    case 'detail':
      return `     -> ${text}`;
    case 'warn':
      return `     >> ${text}`;
    case 'error':
      return `     >>>> ${text} <<<<`;
    default:
      return text;
  }
}
