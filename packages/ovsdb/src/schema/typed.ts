/**
 * Row types from a schema written as a TypeScript constant: `RowOf<typeof vswitch, 'Bridge'>`.
 * A scalar column is its atom, an optional one the atom or undefined, a set a readonly array,
 * a map a ReadonlyMap. References are uuid strings. Integers are numbers (beyond +-2^53 a bigint
 * at run time, which no column that Heddle computes with holds).
 */
type AtomOf<B> = B extends { enum: readonly ['set', readonly (infer E)[]] }
  ? E
  : B extends { type: infer T }
    ? AtomOf<T>
    : B extends 'integer' | 'real'
      ? number
      : B extends 'boolean'
        ? boolean
        : string;

export type ValueOf<T> = T extends { key: infer K; value: infer V }
  ? ReadonlyMap<AtomOf<K>, AtomOf<V>>
  : T extends { key: infer K; max: 'unlimited' | 2 | 4 | 8 | 32 | 64 | 4096 }
    ? readonly AtomOf<K>[]
    : T extends { key: infer K; min: 0 }
      ? AtomOf<K> | undefined
      : T extends { key: infer K }
        ? AtomOf<K>
        : AtomOf<T>;

export interface SchemaConstant {
  readonly name: string;
  readonly version: string;
  readonly cksum?: string;
  readonly tables: {
    readonly [table: string]: {
      readonly columns: { readonly [column: string]: { readonly type: unknown } };
    };
  };
}

export type TableName<S extends SchemaConstant> = keyof S['tables'] & string;

export type RowOf<S extends SchemaConstant, T extends TableName<S>> = {
  readonly [C in keyof S['tables'][T]['columns']]: ValueOf<S['tables'][T]['columns'][C]['type']>;
};
