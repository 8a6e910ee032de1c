/** What was found, line by line: medians beside each other, and of the ratios of what was found in turn. */
import { formatValue, median, table } from '../datapath/statistics.ts';
import { type Kind, OURS, THEIRS } from './servers.ts';

/** `better` says which of two numbers wins. */
export interface Measure {
  readonly title: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
}

interface Line extends Measure {
  readonly found: Map<Kind, number[]>;
  /** Milliseconds of processor time, where they were counted. */
  readonly cpuMs: Map<Kind, number[]>;
}

export class Lines {
  readonly #lines = new Map<string, Line>();

  note(kind: Kind, measure: Measure, value: number, cpuMs?: number): void {
    let line = this.#lines.get(measure.title);
    if (!line) {
      line = { ...measure, found: new Map(), cpuMs: new Map() };
      this.#lines.set(measure.title, line);
    }
    add(line.found, kind, value);
    if (cpuMs !== undefined) add(line.cpuMs, kind, cpuMs);
    const cpu = cpuMs === undefined ? '' : `, CPU ${formatValue(cpuMs)} ms`;
    process.stderr.write(
      `  ... ${kind.name}: ${measure.title}: ${formatValue(value)} ${measure.unit}${cpu}\n`,
    );
  }

  toString(): string {
    const head = ['', 'unit', OURS.name, THEIRS.name, 'times better'];
    const cpuHead = [`CPU ms ${OURS.name}`, THEIRS.name, 'times better'];
    const rows = [...this.#lines.values()].map(({ title, unit, better, found, cpuMs }) => [
      title,
      unit,
      ...compare(found, better),
      ...(cpuMs.size > 0 ? compare(cpuMs, 'less') : ['', '', '']),
    ]);
    return table([[...head, ...cpuHead], ...rows]);
  }
}

function add(to: Map<Kind, number[]>, kind: Kind, value: number): void {
  to.set(kind, [...(to.get(kind) ?? []), value]);
}

function compare(found: Map<Kind, number[]>, better: Measure['better']): string[] {
  const [ours, theirs] = [found.get(OURS) ?? [], found.get(THEIRS) ?? []];
  const ratios = ours.map((mine, i) => (better === 'more' ? mine / theirs[i]! : theirs[i]! / mine));
  return [formatValue(median(ours)), formatValue(median(theirs)), median(ratios).toFixed(2)];
}
