import type { OvsdbServer } from '@heddle/ovsdb';
import { HeddleError } from '@heddle/runtime';

/** `db:DATABASE,TABLE,COLUMN`: configuration that a column of a database holds. */
export interface DbSource {
  readonly spec: string;
  readonly db: string;
  readonly table: string;
  readonly column: string;
}

/** Throws HeddleError where the databases have no such column, or it is not of strings but must be. */
export function parseDbSource(server: OvsdbServer, spec: string, strings = false): DbSource {
  const [db, table, column] = spec.slice('db:'.length).split(',');
  if (!db || !table || !column) throw new HeddleError(`"${spec}": invalid syntax`);
  const database = server.databases.get(db);
  if (!database) throw new HeddleError(`"${spec}": no database named ${db}`);
  const schema = database.schema.tables.get(table);
  if (!schema) throw new HeddleError(`"${spec}": no table named ${table}`);
  const type = schema.columns.get(column)?.type;
  if (!type) throw new HeddleError(`"${spec}": table "${table}" has no column "${column}"`);
  if (strings && (type.key.type !== 'string' || type.value)) {
    const where = `table "${table}" column "${column}"`;
    throw new HeddleError(`"${spec}": ${where} is not string or set of strings`);
  }
  return { spec, db, table, column };
}

/** The strings of the column in all rows; none while there is no such database. */
export function* sourceStrings(server: OvsdbServer, source: DbSource): Generator<string> {
  const table = server.databases.get(source.db)?.tables.byName.get(source.table);
  const column = table?.schema.columns.get(source.column);
  if (!table || column?.type.key.type !== 'string') return;
  for (const row of table.rows.values()) yield* row.data[column.index]!.keys.map(String);
}
