import type { OvsdbServer } from '@heddle/ovsdb';

/** What `memory/show` says of the databases, counted as upstream does. */
export function memoryUse(server: OvsdbServer): Record<string, number> {
  const use: Record<string, number> = {
    atoms: 0,
    cells: 0,
    monitors: server.monitorCount,
    'n-weak-refs': 0,
  };
  for (const db of server.databases.values()) {
    for (const table of db.tables.byName.values()) {
      // _uuid and _version are columns, too.
      use['cells']! += table.rows.size * (table.schema.columnList.length + 2);
      for (const row of table.rows.values()) {
        use['atoms']! += 2;
        for (const { keys, values } of row.data) {
          use['atoms']! += keys.length + (values?.length ?? 0);
        }
      }
      for (const sources of table.weak.values()) {
        use['n-weak-refs']! += sources instanceof Map ? sources.size : 1;
      }
    }
  }
  if (server.sessionCount > 0) use['sessions'] = server.sessionCount;
  return use;
}
