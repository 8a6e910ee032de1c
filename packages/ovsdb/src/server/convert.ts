import { Row, Tables } from '../engine/table.ts';
import { applyChanges, Transaction } from '../engine/transaction.ts';
import { snapshotRecord } from '../file/record.ts';
import { checkDatum, type Datum, decodeDatum, encodeDatum, OvsdbError } from '../notation/index.ts';
import { type DatabaseSchema, schemaToJson } from '../schema/schema.ts';
import { Database } from './database.ts';

/**
 * The database under another schema (ovsdb-server(7) "convert"): what both schemas have is kept,
 * the rest gets defaults or goes; data that the new schema forbids is an error. `unset`: what stands
 * at its default in the old schema is not in a file, and becomes the new schema's default.
 */
export function convertTables(
  from: Tables,
  schema: DatabaseSchema,
  { unset = false }: { readonly unset?: boolean } = {},
): Tables {
  const to = new Tables(schema);
  const txn = new Transaction(to);
  for (const table of to.byName.values()) {
    const old = from.byName.get(table.schema.name);
    for (const row of old?.rows.values() ?? []) {
      const data: Datum[] = table.defaults();
      for (const column of table.schema.columnList) {
        const source = old!.schema.columns.get(column.name);
        if (!source) continue;
        const datum = row.data[source.index]!;
        if (unset && old!.isDefault(source, datum)) continue;
        const converted = decodeDatum(column.type, encodeDatum(source.type, datum), { lax: true });
        checkDatum(column.type, converted);
        data[column.index] = table.share(column, converted);
      }
      txn.put(table, new Row(row.uuid, data));
    }
  }
  applyChanges(to, txn.prepare());
  return to;
}

export function convertDatabase(db: Database, schema: DatabaseSchema): Database {
  if (!db.file) throw new OvsdbError('not supported', 'database has no file');
  const tables = convertTables(db.tables, schema);
  db.file.compact([schemaToJson(schema), snapshotRecord(tables, Date.now())]);
  return new Database(tables, db.file);
}
