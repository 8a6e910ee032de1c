/** Messages for people: names, colors and details as the options say. */
import {
  type Colors,
  FlowReplyText,
  type FlowStats,
  formatBytes,
  formatFlowStats,
  type OfpVersion,
  type PrintNames,
  parseColors,
  type Received,
  type TableFeatures,
} from '@heddle/openflow';
import { printTableFeatures } from '@heddle/openflow/print/print-tables';
import type { Settings } from './settings.ts';
import { portsToShow, type SwitchPorts, type SwitchTables, tablesToShow } from './switch-names.ts';

export class Printer {
  readonly ports: SwitchPorts | undefined;
  readonly tables: SwitchTables | undefined;
  readonly colors: Colors | undefined;
  readonly #verbosity: number;
  readonly #names: PrintNames;
  readonly #showStats: boolean;
  readonly #flows: FlowReplyText;

  readonly #settings: Settings;

  /** `verbosity`: without what `-m` adds. */
  constructor(
    settings: Settings,
    verbosity: number,
    ports?: SwitchPorts | undefined,
    tables?: SwitchTables | undefined,
  ) {
    this.#settings = settings;
    this.ports = ports;
    this.tables = tables;
    this.colors = hasColors(settings) ? parseColors(process.env['OVS_COLORS']) : undefined;
    this.#verbosity = settings.verbosity + verbosity;
    this.#names = { ports, tables, colors: this.colors };
    this.#showStats = settings.stats;
    this.#flows = new FlowReplyText(this.#names);
  }

  /** Asks the target for the names that are to be shown. */
  static async of(settings: Settings, target: string, verbosity = 1): Promise<Printer> {
    const ports = await portsToShow(settings, target);
    return new Printer(settings, verbosity, ports, await tablesToShow(settings, target));
  }

  /** The same names, of `verbosity` in all. */
  withVerbosity(verbosity: number): Printer {
    const own = verbosity - this.#settings.verbosity;
    return new Printer(this.#settings, own, this.ports, this.tables);
  }

  message({ raw }: Received): string {
    return this.raw(raw);
  }

  raw(bytes: Uint8Array): string {
    return formatBytes(bytes, this.#verbosity, this.#names, this.#flows);
  }

  tableFeatures(tables: readonly TableFeatures[], version: OfpVersion): string {
    return `${printTableFeatures(tables, version).replace(/^\n/, '')}\n`;
  }

  flowStats(stats: FlowStats): string {
    return `${formatFlowStats(stats, { names: this.#names, showStats: this.#showStats })}\n`;
  }
}

function hasColors({ color }: Settings): boolean {
  return color === 'always' || (color === 'auto' && process.stdout.isTTY);
}
