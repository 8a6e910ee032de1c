/** What a command of ovs-vsctl is, and what it runs with. */
import type { Table } from '../table/table.ts';
import type { Model } from './model.ts';
import type { Row, Store } from './store.ts';
import type { Symbols } from './symbols.ts';

export interface Command {
  readonly name: string;
  /** As --commands prints them: `!ONE ?OPTIONAL +MANY *ANY`. */
  readonly args: string;
  /** Where `args` does not tell: how many there must and may be. */
  readonly min?: number;
  readonly max?: number;
  /** `name`, or `name=` for one that takes a value. */
  readonly options?: readonly string[];
  /** Whether it may change the database. */
  readonly writes: boolean;
  /** Checks what can be checked without a server, and says what to fetch from it. */
  prepare(preparation: Preparation): unknown;
  run(cmd: Invocation): void;
}

/** One command as it was given. */
export interface Given {
  readonly command: Command;
  readonly args: readonly string[];
  readonly options: ReadonlyMap<string, string>;
}

export interface Preparation extends Given {
  /** Columns to fetch; all of them when none are named. */
  want(table: string, columns?: readonly string[]): void;
  /** A line of the log. */
  warn(module: string, text: string): void;
}

export interface Invocation extends Given {
  readonly store: Store;
  readonly model: Model;
  readonly symbols: Symbols;
  /** Interfaces whose set-up is to be looked at after the switch has followed. */
  readonly added: Set<string>;
  /** Whether no command follows. */
  readonly isLast: boolean;
  has(option: string): boolean;
  print(text: string): void;
  printTable(table: Table): void;
  /** What was printed is the uuid of a new row, until the server chooses another. */
  created(row: Row): void;
  warn(module: string, text: string): void;
}

/** A condition of `wait-until` does not hold yet. */
export class NotYet extends Error {}

export function bounds({ args, min, max }: Command): { min: number; max: number } {
  const words = args.split(' ').filter((w) => w !== '');
  const required = words.filter((w) => /^[!+]/.test(w)).length;
  const unlimited = words.some((w) => /^[+*]/.test(w));
  return { min: min ?? required, max: max ?? (unlimited ? Infinity : words.length) };
}
