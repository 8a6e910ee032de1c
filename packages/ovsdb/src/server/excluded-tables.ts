/** `--sync-exclude-tables=DB:TABLE,...`: what a backup keeps for itself. */
export class ExcludedTables {
  readonly #databases = new Map<string, Set<string>>();

  constructor(text: string) {
    for (const word of text.split(',')) {
      const [db, table] = word.trim().split(':') as [string, string?];
      if (db === '') continue;
      const tables = this.#databases.get(db) ?? new Set();
      this.#databases.set(db, tables);
      tables.add(table ?? '');
    }
  }

  get isEmpty(): boolean {
    return this.#databases.size === 0;
  }

  has(db: string, table: string): boolean {
    return this.#databases.get(db)?.has(table) ?? false;
  }

  toString(): string {
    return [...this.#databases]
      .flatMap(([db, tables]) => [...tables].map((table) => `${db}:${table}`))
      .sort()
      .join(',');
  }
}
