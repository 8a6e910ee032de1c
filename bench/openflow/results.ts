/** What a run has found: lines of pairs of values, one of each switch, taken one right after the other. */
import { median, percentile, table } from '../datapath/statistics.ts';

export type Who = 'ours' | 'theirs';
export type Pair<T> = Readonly<Record<Who, T>>;

interface Line {
  readonly pairs: Pair<number>[];
  readonly kind: 'cost' | 'rate';
}

const lines = new Map<string, Line>();

/** `rate`: more is better. */
export function note(what: string, pair: Pair<number>, kind: Line['kind'] = 'cost'): void {
  let line = lines.get(what);
  if (!line) {
    line = { pairs: [], kind };
    lines.set(what, line);
  }
  line.pairs.push(pair);
}

/** Medians of each switch, and the median of the pairs' ratios with its quartiles. */
export function results(title: string): string {
  const rows = [...lines].map(([what, { pairs, kind }]) => {
    const ratios = pairs.map(({ ours, theirs }) =>
      kind === 'rate' ? ours / theirs : theirs / ours,
    );
    const quartile = (share: number) => percentile(ratios, share).toFixed(2);
    return [
      what,
      format(median(pairs.map((pair) => pair.ours))),
      format(median(pairs.map((pair) => pair.theirs))),
      median(ratios).toFixed(2),
      pairs.length > 3 ? `${quartile(0.25)}-${quartile(0.75)}` : '',
      `${pairs.length}`,
    ];
  });
  return table([[title, 'Heddle', 'Open vSwitch', 'times better', '', 'pairs'], ...rows]);
}

function format(value: number): string {
  return Math.abs(value) < 10 ? value.toFixed(2) : value.toFixed(0);
}
