/** ofproto/trace: the way of an imaginary packet (ovs-vswitchd(8)). */
import { formatOdpActions } from '@heddle/datapath';
import type { Flow } from '@heddle/packet';
import type { XlateConfig } from '../ofproto.ts';
import { type TraceLine, type XlateOptions, type XlateResult, xlateActions } from '../xlate.ts';
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
    ...sections(result.trace).flatMap((root) => sectionLines(root, 0, false)),
    '',
    'Final flow: unchanged',
    `Megaflow: ${formatMegaflow(result.seen.flow, result.seen.wildcards, ofport)}`,
    `Datapath actions: ${formatOdpActions(result.actions)}\n`,
  ];
  return { text: text.join('\n'), result };
}

interface Section {
  readonly title: string;
  readonly items: (TraceLine | Section)[];
}

/** Lines by the bridges that they belong to: a bridge behind a patch port is an item of its own. */
function sections(lines: readonly TraceLine[]): Section[] {
  const roots: Section[] = [];
  const open: Section[] = [];
  for (const line of lines) {
    open.length = Math.min(open.length, line.depth + (line.kind === 'bridge' ? 0 : 1));
    const parent = open.at(-1);
    if (line.kind !== 'bridge') parent?.items.push(line);
    else {
      const section = { title: line.text, items: [] };
      (parent?.items ?? roots).push(section);
      open.push(section);
    }
  }
  return roots;
}

/** A bridge is indented only when more follows after it in the bridge that it was reached from. */
function sectionLines({ title, items }: Section, level: number, more: boolean): string[] {
  const indent = ' '.repeat(4 * (more ? level + 1 : level));
  const inner = more ? level + 2 : level;
  return [
    '',
    indent + title,
    indent + '-'.repeat(title.length),
    ...items.flatMap((item, i) =>
      'kind' in item
        ? ' '.repeat(4 * inner) + lineText(item)
        : sectionLines(item, inner, i < items.length - 1),
    ),
  ];
}

function lineText({ kind, text }: TraceLine): string {
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
