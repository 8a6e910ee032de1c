/** What every command reads: database files, schemas, JSON given on the command line. */
import { readFileSync } from 'node:fs';
import {
  applyRecord,
  type DatabaseSchema,
  decodeClusterLog,
  decodeLog,
  identifyLog,
  ioError,
  type Json,
  type JsonObject,
  LogFile,
  type LogKind,
  lockFile,
  OvsdbError,
  parseJson,
  parseSchema,
  Tables,
} from '@heddle/ovsdb';
import { errnoOf, HeddleError, messageOf, strerror } from '@heddle/runtime';

/** A database read from its file, not opened for writing. */
export interface ReadDatabase {
  readonly schema: DatabaseSchema;
  readonly tables: Tables;
}

export function fileKind(path: string): LogKind {
  return identifyLog(path, readBytes(path));
}

/** The records of a standalone database and what is wrong with the last, if anything. */
export function readRecords(path: string): { records: JsonObject[]; torn: OvsdbError | undefined } {
  return decodeLog(path, readBytes(path));
}

/** The records of a clustered database's file, a torn last one left out. */
export function readClusterRecords(path: string): JsonObject[] {
  const bytes = readBytes(path);
  if (identifyLog(path, bytes) === 'standalone') {
    throw new HeddleError(`${path}: not a clustered database`);
  }
  return decodeClusterLog(path, bytes).records;
}

/** As upstream's tool, unlike its server, this takes no file whose last record is torn. */
export function readDatabase(path: string): ReadDatabase {
  const { records, torn } = readRecords(path);
  if (torn) throw torn;
  const schema = parseSchema(records[0]!);
  const tables = new Tables(schema);
  for (const record of records.slice(1)) applyRecord(tables, record);
  return { schema, tables };
}

export function readDatabaseSchema(path: string): DatabaseSchema {
  return parseSchema(readRecords(path).records[0]!);
}

/** Opens a database for writing and gives it back after `use`. */
export async function withDatabase<T>(
  path: string,
  use: (db: ReadDatabase, file: LogFile) => T | Promise<T>,
): Promise<T> {
  const unlock = lockFile(path);
  try {
    const db = readDatabase(path);
    const { file } = LogFile.open(path);
    try {
      return await use(db, file);
    } finally {
      file.close();
    }
  } finally {
    unlock();
  }
}

export function readSchema(path: string): DatabaseSchema {
  let json: Json;
  try {
    json = parseJson(readFileSync(path, 'utf8'));
  } catch (error) {
    const why =
      error instanceof SyntaxError
        ? error.message
        : `error opening "${path}": ${strerror(errnoOf(error))}`;
    throw new HeddleError(`failed to read schema: "${path}" could not be read as JSON (${why})`);
  }
  try {
    return parseSchema(json);
  } catch (error) {
    if (!(error instanceof OvsdbError)) throw error;
    const details = `failed to parse "${path}" as ovsdb schema: ${error.details}`;
    throw new OvsdbError(error.error, details, error.syntax);
  }
}

export function parseArgument(text: string): Json {
  try {
    return parseJson(text);
  } catch (error) {
    throw new HeddleError(`"${text}": ${messageOf(error)}`);
  }
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw ioError(path, 'open failed', error);
  }
}
