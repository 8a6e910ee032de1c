/** The commands of ovsdb-tool(1) on standalone databases and schemas. */
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import {
  changesToRecord,
  convertTables,
  type DatabaseSchema,
  encodeRecord,
  execute,
  guardFor,
  isArray,
  type Json,
  jsonEquals,
  LogFile,
  lockFile,
  OvsdbError,
  printSortedJson,
  schemaToJson,
  snapshotRecord,
  type Tables,
} from '@heddle/ovsdb';
import { dirs, HeddleError, OVS_VERSION } from '@heddle/runtime';
import { print } from '@heddle/runtime/stdio';
import {
  fileKind,
  parseArgument,
  type ReadDatabase,
  readClusterRecords,
  readDatabase,
  readDatabaseSchema,
  readRecords,
  readSchema,
  withDatabase,
} from './files.ts';
import { defaultSchema } from './paths.ts';
import { showClusterLog } from './show-cluster-log.ts';
import { showRecord, showSchema } from './show-log.ts';

/** Makes a database; an existing file is an error. */
export function create([db = dirs.defaultDb, schema = defaultSchema()]: readonly string[]): 0 {
  const json = schemaToJson(readSchema(schema));
  const unlock = lockFile(db);
  try {
    LogFile.create(db, [json]);
  } finally {
    unlock();
  }
  return 0;
}

export async function compact([db = dirs.defaultDb, target]: readonly string[]): Promise<0> {
  const comment = `compacted by ovsdb-tool ${OVS_VERSION}`;
  if (target === undefined) {
    await withDatabase(db, ({ schema, tables }, file) =>
      file.compact([schemaToJson(schema), snapshotRecord(tables, Date.now(), comment)]),
    );
  } else {
    const { schema, tables } = readDatabase(db);
    writeSnapshot(target, schema, tables, comment);
  }
  return 0;
}

export async function convert(args: readonly string[]): Promise<0> {
  const [db = dirs.defaultDb, schemaFile = defaultSchema(), target] = args;
  const schema = readSchema(schemaFile);
  const comment = `converted by ovsdb-tool ${OVS_VERSION}`;
  const converted = (tables: Tables) => convertTables(tables, schema, { unset: true });
  if (target === undefined) {
    await withDatabase(db, ({ tables }, file) =>
      file.compact([schemaToJson(schema), snapshotRecord(converted(tables), Date.now(), comment)]),
    );
  } else writeSnapshot(target, schema, converted(readDatabase(db).tables), comment);
  return 0;
}

/** Writes a whole database, replacing what `path` may hold only once it is all there. */
function writeSnapshot(path: string, schema: DatabaseSchema, tables: Tables, comment: string) {
  const unlock = lockFile(path);
  try {
    const tmp = `${path}.tmp`;
    rmSync(tmp, { force: true });
    LogFile.create(tmp, [schemaToJson(schema), snapshotRecord(tables, Date.now(), comment)]);
    if (existsSync(path)) chmodSync(tmp, 0o640);
    renameSync(tmp, path);
  } finally {
    unlock();
  }
}

export function needsConversion(args: readonly string[]): 0 {
  const [db = dirs.defaultDb, schemaFile = defaultSchema()] = args;
  const same = jsonEquals(
    schemaToJson(readDatabaseSchema(db)),
    schemaToJson(readSchema(schemaFile)),
  );
  return print(same ? 'no\n' : 'yes\n');
}

export function dbReport(db: string, what: 'name' | 'version' | 'cksum'): 0 {
  return print(`${readDatabaseSchema(db)[what]}\n`);
}

export function schemaReport(file: string, what: 'name' | 'version' | 'cksum'): 0 {
  return print(`${readSchema(file)[what]}\n`);
}

/** Exit status 2 says no; 1 is an error. */
export function isKind(db: string, kind: 'standalone' | 'clustered'): 0 | 2 {
  return fileKind(db) === kind ? 0 : 2;
}

const VERSION = /^(\d+)\.(\d+)\.(\d+)$/;
const RELATIONS: Readonly<Record<string, (order: number) => boolean>> = {
  '<': (o) => o < 0,
  '<=': (o) => o <= 0,
  '==': (o) => o === 0,
  '>=': (o) => o >= 0,
  '>': (o) => o > 0,
  '!=': (o) => o !== 0,
};

export function compareVersions([a, op, b]: readonly string[]): 0 | 2 {
  const parse = (text: string) => {
    const m = VERSION.exec(text);
    if (!m) throw new HeddleError(`${text}: not an OVSDB version number in format x.y.z`);
    return m.slice(1).map(Number);
  };
  const [x, y] = [parse(a!), parse(b!)];
  const relation = RELATIONS[op!];
  if (!relation) throw new HeddleError(`${op}: not a relational operator`);
  const order = x.map((n, i) => n - y[i]!).find((d) => d !== 0) ?? 0;
  return relation(order) ? 0 : 2;
}

/** `query` and `transact`: [DB] TRANSACTION. */
export function transaction(args: readonly string[]): [db: string, json: Json] {
  const [db, text] = args.length > 1 ? [args[0]!, args[1]!] : [dirs.defaultDb, args[0]!];
  return [db, parseArgument(text)];
}

export function query(args: readonly string[], role = ''): 0 {
  const [db, json] = transaction(args);
  return print(`${printSortedJson(run(readDatabase(db), json, role).reply)}\n`);
}

export async function transact(args: readonly string[], role = ''): Promise<0> {
  const [db, json] = transaction(args);
  return withDatabase(db, async (read, file) => {
    const { reply, record } = run(read, json, role);
    if (record) await file.append(encodeRecord(record));
    return print(`${printSortedJson(reply)}\n`);
  });
}

/** `role` is the RBAC role of whoever runs it, who has no certificate; empty: no role binds him. */
function run({ schema, tables }: ReadDatabase, json: Json, role: string) {
  const syntax = (details: string) =>
    new OvsdbError('syntax error', details, printSortedJson(json)).toJson();
  if (!isArray(json)) return { reply: syntax('array expected'), record: undefined };
  if (json[0] !== schema.name) {
    return { reply: syntax('database name expected as first parameter'), record: undefined };
  }
  const guard = guardFor(tables, { role, id: undefined }, undefined);
  const context = { ownsLock: () => false, noWait: true, guard };
  const outcome = execute(tables, json.slice(1), context);
  if ('blocked' in outcome) throw new Error('a wait that may not block has blocked');
  const { results, changes, comments } = outcome;
  const comment = comments.length > 0 ? comments.join('\n') : undefined;
  const record = changes.length > 0 ? changesToRecord(changes, comment, Date.now()) : undefined;
  return { reply: results as Json, record };
}

export function showLog([db = dirs.defaultDb]: readonly string[], verbosity: number): 0 {
  if (fileKind(db) === 'clustered') {
    showClusterLog(readClusterRecords(db), verbosity);
    return 0;
  }
  const { records, torn } = readRecords(db);
  const { schema, text } = showSchema(records[0]!, ' schema');
  print(`record 0: ${text}\n`);
  const names = new Map<string, string>();
  records.slice(1).forEach((record, i) => {
    print(`record ${i + 1}:${showRecord(schema, names, record, verbosity)}`);
  });
  if (torn) throw torn;
  return 0;
}
