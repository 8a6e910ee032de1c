/** What a monitor command asks for: tables, columns and kinds of changes. */

import type { ColumnType, Json } from '@heddle/ovsdb/notation/index';
import type { DatabaseSchema, TableSchema } from '@heddle/ovsdb/schema/schema';
import { HeddleError } from '@heddle/runtime/errors';
import { UUID_TYPE } from './data-commands.ts';

const SELECTS = ['initial', 'insert', 'delete', 'modify'] as const;

export interface MonitoredTable {
  readonly table: TableSchema;
  /** In the order of the command line. */
  readonly columns: readonly { readonly name: string; readonly type: ColumnType }[];
  /** The <monitor-request>s. */
  readonly requests: Json;
}

/** `where` is the <condition>s of monitor-cond, absent for a plain monitor. */
export function monitorTable(
  remote: string,
  schema: DatabaseSchema,
  [name, ...groups]: readonly string[],
  where: Json | undefined,
): MonitoredTable {
  const table = schema.tables.get(name!);
  if (!table) {
    throw new HeddleError(`${remote}: ${schema.name} does not have a table named "${name}"`);
  }
  const columns: { name: string; type: ColumnType }[] = [];
  const seen = new Set<string>();
  const requests = (groups.length > 0 ? groups : ['']).map((group) => {
    const { names, select } = parseGroup(remote, schema, table, group);
    for (const column of names) {
      if (seen.has(column)) {
        throw new HeddleError(`${remote}: column "${column}" mentioned multiple times`);
      }
      seen.add(column);
      columns.push({ name: column, type: table.columns.get(column)?.type ?? UUID_TYPE });
    }
    return { columns: names, select, ...(where === undefined ? {} : { where }) };
  });
  return { table, columns, requests };
}

/** `COLUMN,...` with `!initial` and the like among them; without a column, all are meant. */
function parseGroup(
  remote: string,
  schema: DatabaseSchema,
  table: TableSchema,
  group: string,
): { names: string[]; select: Record<string, boolean> } {
  const names: string[] = [];
  const select: Record<string, boolean> = {};
  for (const kind of SELECTS) select[kind] = true;
  for (const word of group.split(',').filter((w) => w !== '')) {
    const kind = SELECTS.find((s) => word === `!${s}`);
    if (kind) select[kind] = false;
    else if (table.columns.has(word) || word === '_version') names.push(word);
    else {
      const where = `table "${table.name}" in ${schema.name}`;
      throw new HeddleError(`${remote}: ${where} does not have a column named "${word}"`);
    }
  }
  return { names: names.length > 0 ? names : [...table.columns.keys(), '_version'], select };
}
