import { OvsdbError } from './errors.ts';
import { isArray, isObject, type Json, type JsonObject, printSortedJson } from './json.ts';

/** `id` is RFC 7047's <id>. */
export type MemberType =
  | 'any'
  | 'array'
  | 'boolean'
  | 'id'
  | 'integer'
  | 'number'
  | 'object'
  | 'string';

const ID = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

const IS: Readonly<Record<MemberType, (json: Json) => boolean>> = {
  any: () => true,
  array: isArray,
  boolean: (json) => typeof json === 'boolean',
  id: (json) => typeof json === 'string' && ID.test(json),
  integer: (json) => typeof json === 'bigint' || Number.isSafeInteger(json),
  number: (json) => typeof json === 'bigint' || typeof json === 'number',
  object: (json) => isObject(json),
  string: (json) => typeof json === 'string',
};

/**
 * Takes the members of a JSON object one after the other. What is wrong first, in the order of
 * taking, is what `finish` throws; then comes a member that nobody has taken.
 */
export class Members {
  readonly #json: JsonObject | undefined;
  readonly #what: string;
  readonly #taken = new Set<string>();
  #error: OvsdbError | undefined;

  constructor(json: Json, what: string) {
    this.#what = what;
    if (isObject(json)) this.#json = json;
    else this.#error = new OvsdbError('syntax error', `Parsing ${what} failed: Object expected.`);
  }

  optional(name: string, ...types: MemberType[]): Json | undefined {
    this.#taken.add(name);
    const value = this.#json?.[name];
    if (value === undefined) return undefined;
    if (types.some((type) => IS[type](value))) return value;
    this.#fail(`Type mismatch for member '${name}'.`);
    return undefined;
  }

  required(name: string, ...types: MemberType[]): Json | undefined {
    if (this.#json && this.#json[name] === undefined) {
      this.#fail(`Required '${name}' member is missing.`);
    }
    return this.optional(name, ...types);
  }

  finish(): void {
    const strangers = Object.keys(this.#json ?? {}).filter((name) => !this.#taken.has(name));
    const others = strangers.length - 1;
    if (others === 0) this.#fail(`Member '${strangers[0]}' is present but not allowed here.`);
    else if (others > 0) {
      const more = `${others} other member${others > 1 ? 's' : ''}`;
      this.#fail(`Member '${strangers[0]}' and ${more} are present but not allowed here.`);
    }
    if (this.#error) throw this.#error;
  }

  #fail(why: string): void {
    const syntax = this.#json && printSortedJson(this.#json);
    this.#error ??= new OvsdbError('syntax error', `Parsing ${this.#what} failed: ${why}`, syntax);
  }
}
