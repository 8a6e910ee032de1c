/** `@NAME`: rows that one command makes or finds, and others refer to. */
import { randomUUID } from 'node:crypto';
import type { BaseType } from '@heddle/ovsdb/notation/index';
import { VsctlError } from './errors.ts';

interface Symbol {
  readonly uuid: string;
  created: boolean;
  /** Whether something refers to it, and how. */
  referenced: 'no' | 'weakly' | 'strongly';
}

export class Symbols {
  readonly #symbols = new Map<string, Symbol>();

  /** The uuid of a name that a value mentions, before or after the command that makes it. */
  readonly refer = (name: string, base: BaseType): string => {
    let symbol = this.#symbols.get(name);
    if (!symbol) {
      symbol = { uuid: randomUUID(), created: false, referenced: 'no' };
      this.#symbols.set(name, symbol);
    }
    if (base.refTable !== undefined && symbol.referenced !== 'strongly') {
      symbol.referenced = base.refType === 'weak' ? 'weakly' : 'strongly';
    }
    return symbol.uuid;
  };

  /** `--id=NAME create`: the uuid that the row is to have; `root` rows need no reference. */
  create(name: string, root: boolean): string {
    const known = this.#known(name);
    const symbol = known ?? { uuid: randomUUID(), created: true, referenced: 'no' };
    symbol.created = true;
    if (root) symbol.referenced = 'strongly';
    this.#symbols.set(name, symbol);
    return symbol.uuid;
  }

  /** `--id=NAME get`. */
  define(name: string, uuid: string): void {
    if (this.#known(name)) {
      throw new VsctlError(
        `row id "${name}" specified on "get" command was used before it was defined`,
      );
    }
    this.#symbols.set(name, { uuid, created: true, referenced: 'strongly' });
  }

  #known(name: string): Symbol | undefined {
    if (!name.startsWith('@')) throw new VsctlError(`row id "${name}" does not begin with "@"`);
    const symbol = this.#symbols.get(name);
    if (symbol?.created) {
      throw new VsctlError(`row id "${name}" may only be specified on one --id option`);
    }
    return symbol;
  }

  /** After all commands: a name that none made is an error, one that none uses is worth a word. */
  check(warn: (text: string) => void): void {
    for (const [name, { created }] of this.#symbols) {
      if (created) continue;
      throw new VsctlError(
        `row id "${name}" is referenced but never created (e.g. with "-- --id=${name} create ...")`,
      );
    }
    for (const [name, { referenced }] of this.#symbols) {
      if (referenced === 'strongly') continue;
      const how = referenced === 'no' ? 'no reference' : 'only a weak reference';
      warn(
        `row id "${name}" was created but ${how} to it was inserted, so it will not actually appear in the database`,
      );
    }
  }
}
