/** Between datums and the plain values that programs work with (see schema/typed.ts). */
import {
  type Atom,
  type ColumnType,
  type Datum,
  datumEquals,
  encodeAtom,
  isMap,
  isOptionalScalar,
  isScalar,
  type Json,
  makeDatum,
} from '../notation/index.ts';

/** A row that this transaction inserts, to refer to before it has a uuid. */
export class NewRow {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

export type IdlValue =
  | Atom
  | undefined
  | NewRow
  | readonly (Atom | NewRow)[]
  | ReadonlyMap<Atom, Atom | NewRow>;

export function valueOfDatum(type: ColumnType, datum: Datum): IdlValue {
  if (isScalar(type)) return datum.keys[0]!;
  if (isOptionalScalar(type)) return datum.keys[0];
  if (isMap(type)) return new Map(datum.keys.map((k, i) => [k, datum.values![i]!]));
  return datum.keys;
}

export function encodeValue(type: ColumnType, value: IdlValue): Json {
  const key = (atom: Atom | NewRow): Json =>
    atom instanceof NewRow ? ['named-uuid', atom.name] : encodeAtom(type.key.type, atom);
  if (type.value) {
    const valueType = type.value.type;
    const pairs = [...(value as ReadonlyMap<Atom, Atom | NewRow>)];
    return [
      'map',
      pairs.map(([k, v]) => [
        key(k),
        v instanceof NewRow ? ['named-uuid', v.name] : encodeAtom(valueType, v),
      ]),
    ];
  }
  if (value === undefined) return ['set', []];
  if (Array.isArray(value)) return ['set', value.map(key)];
  return key(value as Atom | NewRow);
}

/** Whether a column holds that value already; a reference to a new row never does. */
export function valueEquals(type: ColumnType, datum: Datum, value: IdlValue): boolean {
  const wanted = toDatum(type, value);
  return wanted !== undefined && datumEquals(wanted, datum);
}

function toDatum(type: ColumnType, value: IdlValue): Datum | undefined {
  if (type.value) {
    const map = value as ReadonlyMap<Atom, Atom | NewRow>;
    const values = [...map.values()];
    if (values.some((v) => v instanceof NewRow)) return undefined;
    return makeDatum([...map.keys()], values as Atom[]);
  }
  const atoms = value === undefined ? [] : Array.isArray(value) ? value : [value as Atom];
  if (atoms.some((a) => a instanceof NewRow)) return undefined;
  return makeDatum(atoms as Atom[]);
}
