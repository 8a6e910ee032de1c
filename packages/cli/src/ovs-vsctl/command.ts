import type { Model } from './model.ts';
import type { Store, StoredRow } from './store.ts';

/** Columns that a command reads, by table; 'all' of them for a table whose every column it shows. */
export type Wants = { readonly [table: string]: readonly string[] | 'all' };

export interface Command {
  readonly name: string;
  readonly usage: string;
  readonly min: number;
  readonly max: number;
  readonly options?: readonly string[];
  /** Options that take a value. */
  readonly valueOptions?: readonly string[];
  /** Where the words with `=` go. */
  readonly settings?: string;
  wants(args: readonly string[]): Wants;
  run(cmd: Invocation): void;
}

export interface DisplayOptions {
  format: 'table' | 'list' | 'html' | 'csv' | 'json';
  data: 'string' | 'bare' | 'json';
  headings: boolean;
  pretty: boolean;
}

/** One command of a command line, as it runs. */
export interface Invocation {
  readonly args: readonly string[];
  /** The words as they were given, for messages. */
  readonly text: string;
  readonly store: Store;
  readonly model: Model;
  readonly display: DisplayOptions;
  /** Rows that `--id=@NAME` names. */
  readonly symbols: Map<string, StoredRow>;
  /** Interfaces whose set-up is to be looked at after the switch has followed. */
  readonly checkErrors: Set<string>;
  has(option: string): boolean;
  value(option: string): string | undefined;
  print(text: string): void;
  /** A line of the log on standard error. */
  warn(text: string): void;
}

/** A condition of `wait-until` does not hold yet. */
export class NotYet extends Error {}
