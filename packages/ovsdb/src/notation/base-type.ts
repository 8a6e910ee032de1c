import { ATOMIC_TYPES, type Atom, type AtomicType, decodeAtom } from './atom.ts';
import { OvsdbError } from './errors.ts';
import { isArray, isObject, type Json, printSortedJson } from './json.ts';
import { atomToText } from './text.ts';

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
  if (!isObject(json) || typeof json['type'] !== 'string') {
    throw new OvsdbError(
      'syntax error',
      "Parsing ovsdb type failed: Required 'type' member is missing.",
      printSortedJson(json),
    );
  }
  const type = atomicType(json['type']);
  const out: Record<string, unknown> = { type };
  const number = (name: string) => {
    if (json[name] !== undefined)
      out[name] = decodeAtom(name.endsWith('Real') ? 'real' : 'integer', json[name]);
  };
  if (json['enum'] !== undefined) out['enum'] = parseEnum(type, json['enum']);
  if (type === 'integer') ['minInteger', 'maxInteger'].forEach(number);
  if (type === 'real') ['minReal', 'maxReal'].forEach(number);
  if (type === 'string') ['minLength', 'maxLength'].forEach(number);
  if (type === 'uuid' && json['refTable'] !== undefined) {
    out['refTable'] = String(json['refTable']);
    out['refType'] = json['refType'] === 'weak' ? 'weak' : 'strong';
  }
  const known = new Set([...Object.keys(out), 'refType']);
  for (const key of Object.keys(json)) {
    if (!known.has(key)) {
      throw new OvsdbError(
        'syntax error',
        `Parsing ovsdb type failed: Member '${key}' is present but not allowed here.`,
        printSortedJson(json),
      );
    }
  }
  return out as unknown as BaseType;
}

function parseEnum(type: AtomicType, json: Json): Atom[] {
  const items = isArray(json) && json[0] === 'set' && isArray(json[1]) ? json[1] : [json];
  return items.map((item) => decodeAtom(type, item)).sort((a, b) => (a < b ? -1 : 1));
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
