/**
 * Who may change what: read-only databases, and role-based access control as ovn-sb(5) has it in
 * tables RBAC_Role and RBAC_Permission.
 */
import type { Guard } from '../engine/execute.ts';
import type { Row, Table, Tables } from '../engine/table.ts';
import { type Datum, EMPTY_SET, findKey, OvsdbError } from '../notation/index.ts';
import type { ColumnSchema } from '../schema/schema.ts';

/** As what a client comes: the role of its remote, and who it is by its certificate. */
export interface Identity {
  /** Empty for a client that no role binds. */
  readonly role: string;
  /** The common name of its certificate, once that is verified. */
  readonly id: string | undefined;
}

/** The reason why nothing in a database may be changed: completes `OP operation not allowed`. */
export type ReadOnly = 'when database server is in read only mode' | `on table in ${string}`;

/** What the client may do to the database; undefined when it may do everything. */
export function guardFor(
  tables: Tables,
  client: Identity,
  readOnly: ReadOnly | undefined,
): Guard | undefined {
  const roles = client.role === '' ? undefined : tables.byName.get('RBAC_Role');
  if (!roles && readOnly === undefined) return undefined;
  return new ClientGuard(tables, roles, client, readOnly);
}

/** The refusal of a `convert` by a client that a role binds. */
export function convertRefused({ role, id }: Identity, db: string): OvsdbError {
  const what = `prohibit "convert" of database ${db} (only the root role may convert databases)`;
  return permissionError(role, id, what);
}

class ClientGuard implements Guard {
  readonly #tables: Tables;
  readonly #roles: Table | undefined;
  readonly #client: Identity;
  readonly #readOnly: ReadOnly | undefined;

  constructor(
    tables: Tables,
    roles: Table | undefined,
    client: Identity,
    readOnly: ReadOnly | undefined,
  ) {
    this.#tables = tables;
    this.#roles = roles;
    this.#client = client;
    this.#readOnly = readOnly;
  }

  write(op: string): void {
    if (this.#readOnly === undefined) return;
    throw new OvsdbError('not allowed', `${op} operation not allowed ${this.#readOnly}`);
  }

  insert(table: Table, row: Row): void {
    if (!this.#roles) return;
    const permission = this.#permission(table);
    if (permission?.insertDelete && this.#owns(permission, table, row)) return;
    throw this.#refusal(`prohibit row insertion into table "${table.schema.name}".`);
  }

  remove(table: Table, rows: readonly Row[]): void {
    if (!this.#roles) return;
    const permission = this.#permission(table);
    if (
      permission &&
      rows.every((r) => permission.insertDelete && this.#owns(permission, table, r))
    )
      return;
    throw this.#refusal(`prohibit row deletion from table "${table.schema.name}".`);
  }

  modify(op: string, table: Table, rows: readonly Row[], columns: Iterable<ColumnSchema>): void {
    if (!this.#roles) return;
    const permission = this.#permission(table);
    const names = [...columns].map((c) => c.name);
    const may = (row: Row) =>
      names.every((name) => permission!.update.keys.includes(name)) &&
      this.#owns(permission!, table, row);
    if (permission && rows.every(may)) return;
    const { name } = table.schema;
    throw this.#refusal(
      op === 'update'
        ? `prohibit modification of table "${name}".`
        : `prohibit mutate operation on table "${name}".`,
    );
  }

  #permission(table: Table): Permission | undefined {
    const { role } = this.#client;
    for (const row of this.#roles!.rows.values()) {
      if (text(this.#roles!, row, 'name') !== role) continue;
      const permissions = datum(this.#roles!, row, 'permissions');
      const at = permissions ? findKey(permissions, table.schema.name) : -1;
      const to = this.#tables.byName.get('RBAC_Permission');
      const found = to?.rows.get(String(permissions?.values?.[at]));
      if (at >= 0 && to && found) return readPermission(to, found);
    }
    return undefined;
  }

  /** Whether one of the permission's columns, or `COLUMN:KEY` of a map, says that the row is the client's. */
  #owns(permission: Permission, table: Table, row: Row): boolean {
    const { id } = this.#client;
    if (id === undefined) return false;
    return permission.authorization.keys.some((what) => {
      if (what === '') return true;
      const [name, key] = splitOnce(String(what));
      const value = datum(table, row, name);
      if (!value) return false;
      if (key === undefined) return value.keys.includes(id);
      const at = findKey(value, key);
      return at >= 0 && value.values?.[at] === id;
    });
  }

  #refusal(what: string): OvsdbError {
    return permissionError(this.#client.role, this.#client.id, what);
  }
}

interface Permission {
  readonly authorization: Datum;
  readonly insertDelete: boolean;
  readonly update: Datum;
}

function readPermission(table: Table, row: Row): Permission {
  return {
    authorization: datum(table, row, 'authorization') ?? EMPTY_SET,
    insertDelete: datum(table, row, 'insert_delete')?.keys[0] === true,
    update: datum(table, row, 'update') ?? EMPTY_SET,
  };
}

function datum(table: Table, row: Row, name: string): Datum | undefined {
  const column = table.schema.columns.get(name);
  return column && row.data[column.index];
}

function text(table: Table, row: Row, name: string): string | undefined {
  const value = datum(table, row, name)?.keys[0];
  return value === undefined ? undefined : String(value);
}

function splitOnce(what: string): [string, string | undefined] {
  const at = what.indexOf(':');
  return at < 0 ? [what, undefined] : [what.slice(0, at), what.slice(at + 1)];
}

function permissionError(role: string, id: string | undefined, what: string): OvsdbError {
  const who = `client "${id ?? '(null)'}" role "${role}"`;
  return new OvsdbError('permission error', `RBAC rules for ${who} ${what}`);
}
