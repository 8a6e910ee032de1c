export type TableMiss = 'default' | 'controller' | 'continue' | 'drop';

export interface TableStats {
  readonly tableId: number;
  readonly activeCount: number;
  readonly lookupCount: bigint;
  readonly matchedCount: bigint;
  /** OpenFlow 1.0 to 1.2. */
  readonly name?: string;
  readonly features?: TableFeatures;
}

/** Field and action sets by name; absent: not told. */
export interface TableFeatures {
  readonly tableId: number;
  readonly name: string;
  readonly metadataMatch: bigint;
  readonly metadataWrite: bigint;
  readonly maxEntries: number;
  readonly miss: TableMiss;
  readonly supportsEviction: boolean;
  readonly supportsVacancyEvents: boolean;
  /** OFPTFC15_*, `replace` and so on. */
  readonly command?: number;
  readonly features?: number;
  readonly nonmiss: TableActionFeatures;
  readonly onMiss: TableActionFeatures;
  readonly match: readonly string[];
  readonly wildcard: readonly string[];
  readonly mask: readonly string[];
}

export interface TableActionFeatures {
  /** Table ids. */
  readonly next: readonly number[];
  /** goto_table, write_metadata, write_actions, apply_actions, clear_actions, meter. */
  readonly instructions: readonly string[];
  readonly write: { readonly actions: readonly string[]; readonly setFields: readonly string[] };
  readonly apply: { readonly actions: readonly string[]; readonly setFields: readonly string[] };
}

export interface TableMod {
  readonly tableId: number;
  readonly miss?: TableMiss;
  readonly eviction?: boolean;
  /** OFPTMPEF14_*. */
  readonly evictionFlags?: number;
  readonly vacancy?: { readonly up: number; readonly down: number; readonly current?: number };
  readonly isVacancyOn?: boolean;
}
