import { ATOMIC_TYPES, type Atom, type AtomicType, decodeAtom } from './atom.ts';
import { OvsdbError } from './errors.ts';
import { isArray, type Json, printSortedJson } from './json.ts';
import { Members, type MemberType } from './members.ts';
import { atomToText } from './text.ts';

const UINT_MAX = 4294967295;

/** RFC 7047 section 3.2, <base-type>. */
export interface BaseType {
  readonly type: AtomicType;
  readonly enum?: readonly Atom[];
  readonly minInteger?: Atom;
  readonly maxInteger?: Atom;
  readonly minReal?: number;
  readonly maxReal?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly refTable?: string;
  readonly refType?: 'strong' | 'weak';
}

export function parseBaseType(json: Json): BaseType {
  if (typeof json === 'string') return { type: atomicType(json) };
  const members = new Members(json, 'ovsdb type');
  const type = members.required('type', 'string');
  if (type === undefined) members.finish();
  const base: Record<string, unknown> = { type: atomicType(type as string) };
  const values = members.optional('enum', 'any');
  const take = (name: string, kind: MemberType) => {
    const value = members.optional(name, kind);
    if (value !== undefined) base[name] = value;
  };
  if (values !== undefined) base['enum'] = parseEnum(base['type'] as AtomicType, values);
  else if (type === 'integer')
    for (const name of ['minInteger', 'maxInteger']) take(name, 'integer');
  else if (type === 'real') for (const name of ['minReal', 'maxReal']) take(name, 'number');
  else if (type === 'string') for (const name of ['minLength', 'maxLength']) take(name, 'integer');
  else if (type === 'uuid') {
    take('refTable', 'id');
    if (base['refTable'] !== undefined) take('refType', 'id');
  }
  members.finish();
  return checkBase(base as unknown as BaseType, json);
}

function checkBase(base: BaseType, json: Json): BaseType {
  const fail = (what: string) => new OvsdbError('syntax error', what, printSortedJson(json));
  for (const name of ['minLength', 'maxLength'] as const) {
    const n = base[name];
    if (n === undefined || (n >= 0 && n <= UINT_MAX)) continue;
    const what = `${name} out of valid range 0 to ${UINT_MAX}`;
    throw new OvsdbError('syntax error', what, printSortedJson(n));
  }
  for (const kind of ['Integer', 'Real', 'Length'] as const) {
    const { [`min${kind}` as const]: min, [`max${kind}` as const]: max } = base;
    if (min !== undefined && max !== undefined && min > max) {
      throw fail(`min${kind} exceeds max${kind}`);
    }
  }
  if (base.refTable === undefined) return base;
  const { refType = 'strong' } = base;
  if (refType === 'strong' || refType === 'weak') return { ...base, refType };
  throw fail(`refType must be "strong" or "weak" (not "${String(refType)}")`);
}

function parseEnum(type: AtomicType, json: Json): Atom[] {
  const fail = (what: string) => new OvsdbError('syntax error', what, printSortedJson(json));
  const isSet = isArray(json) && json.length === 2 && json[0] === 'set';
  const items: Json | undefined = isSet ? json[1] : [json];
  if (!isArray(items)) throw fail('expected ["set", <array>]');
  if (items.length === 0) {
    throw fail(`set must have 1 to ${UINT_MAX} members but 0 are present`);
  }
  const atoms = items.map((item) => decodeAtom(type, item)).sort((a, b) => (a < b ? -1 : 1));
  if (new Set(atoms).size < atoms.length) {
    throw new OvsdbError('ovsdb error', 'set contains duplicate');
  }
  return atoms;
}

function atomicType(text: string): AtomicType {
  if ((ATOMIC_TYPES as readonly string[]).includes(text)) return text as AtomicType;
  throw new OvsdbError('syntax error', `"${text}" is not an atomic-type`, printSortedJson(text));
}

export function baseTypeToJson(base: BaseType): Json {
  const { type, enum: values, ...rest } = base;
  const constrained = values !== undefined || Object.keys(rest).length > 0;
  if (!constrained) return type;
  const out: Record<string, Json> = { ...(rest as Record<string, Json>), type };
  if (values) out['enum'] = ['set', [...values]];
  if (out['refType'] === 'strong') delete out['refType'];
  return out;
}

/** Throws the constraint violation that an atom is, in upstream's words. */
export function checkAtom(base: BaseType, atom: Atom): void {
  if (base.enum) {
    if (!base.enum.includes(atom)) {
      const list = base.enum.map((a) => atomToText(base.type, a)).join(', ');
      throw new OvsdbError(
        'constraint violation',
        `${atomToText(base.type, atom)} is not one of the allowed values ([${list}])`,
      );
    }
    return;
  }
  if (base.type === 'integer') checkRange(atom, base.minInteger, base.maxInteger);
  else if (base.type === 'real') checkRange(atom, base.minReal, base.maxReal);
  else if (base.type === 'string') checkLength(atom as string, base);
}

function checkRange(atom: Atom, min: Atom | undefined, max: Atom | undefined): void {
  if ((min === undefined || atom >= min) && (max === undefined || atom <= max)) return;
  const text = printSortedJson(atom);
  if (min !== undefined && max !== undefined) {
    throw new OvsdbError(
      'constraint violation',
      `${text} is not in the valid range ${min} to ${max} (inclusive)`,
    );
  }
  throw new OvsdbError(
    'constraint violation',
    min !== undefined
      ? `${text} is less than minimum allowed value ${min}`
      : `${text} is greater than maximum allowed value ${max}`,
  );
}

function checkLength(text: string, { minLength = 0, maxLength = Infinity }: BaseType): void {
  // A character is one code unit or two.
  if (text.length <= maxLength && text.length >= 2 * minLength) return;
  const n = [...text].length;
  if (n < minLength) {
    throw new OvsdbError(
      'constraint violation',
      `${printSortedJson(text)} length ${n} is less than minimum allowed length ${minLength}`,
    );
  }
  if (n > maxLength) {
    throw new OvsdbError(
      'constraint violation',
      `${printSortedJson(text)} length ${n} is greater than maximum allowed length ${maxLength}`,
    );
  }
}
