/** `COLUMN[:KEY]OPERATOR VALUE`, as `find` and `wait-until` ask for. */
import { type ColumnType, compareAtoms, type Datum, findKey } from '@heddle/ovsdb/notation/index';
import type { Invocation } from '../command.ts';
import { VsctlError } from '../errors.ts';
import { OPERATORS, parseSetting } from '../setting.ts';
import type { Row } from '../store.ts';
import { parseAtom, parseDatum } from '../value.ts';

/** Whether a row meets all of the conditions. */
export function meets({ symbols }: Invocation, row: Row, conditions: readonly string[]): boolean {
  return conditions.every((text) => {
    const { column, key, operator, value } = parseSetting(row.table, text, OPERATORS);
    const { type } = column;
    if (key === undefined) {
      return holds(operator, row.get(column.name), parseDatum(type, value, symbols.refer));
    }
    if (!type.value) {
      throw new VsctlError(`cannot specify key to check for non-map column ${column.name}`);
    }
    const atom = parseAtom(type.key, key, symbols.refer);
    const valueType: ColumnType = { key: type.value, min: 0, max: Infinity };
    const wanted = parseDatum(valueType, value, symbols.refer);
    const datum = row.get(column.name);
    const at = findKey(datum, atom);
    if (at < 0 && !operator.startsWith('{')) return false;
    return holds(operator, { keys: at < 0 ? [] : [datum.values![at]!] }, wanted);
  });
}

function holds(operator: string, datum: Datum, wanted: Datum): boolean {
  const fewer = () => datum.keys.length < wanted.keys.length;
  switch (operator) {
    case '{in}':
    case '{<=}':
      return within(datum, wanted);
    case '{<}':
      return fewer() && within(datum, wanted);
    case '{>=}':
      return within(wanted, datum);
    case '{>}':
      return datum.keys.length > wanted.keys.length && within(wanted, datum);
    case '{not-in}':
      return apart(datum, wanted);
  }
  const order = compare(datum, wanted);
  switch (operator.replace(/[{}]/g, '')) {
    case '=':
      return order === 0;
    case '!=':
      return order !== 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    default:
      return order >= 0;
  }
}

function has({ keys, values }: Datum, key: Datum['keys'][number], value: unknown): boolean {
  const at = findKey(values ? { keys, values } : { keys }, key);
  return at >= 0 && (!values || values[at] === value);
}

const within = (a: Datum, b: Datum) => a.keys.every((k, i) => has(b, k, a.values?.[i]));
const apart = (a: Datum, b: Datum) => !a.keys.some((k, i) => has(b, k, a.values?.[i]));

/** The larger set is greater; else the first element that differs decides, keys before values. */
function compare(a: Datum, b: Datum): number {
  if (a.keys.length !== b.keys.length) return a.keys.length - b.keys.length;
  for (const [x, y] of [
    [a.keys, b.keys],
    [a.values ?? [], b.values ?? []],
  ] as const) {
    for (const [i, atom] of x.entries()) {
      const order = compareAtoms(atom, y[i]!);
      if (order !== 0) return order;
    }
  }
  return 0;
}
