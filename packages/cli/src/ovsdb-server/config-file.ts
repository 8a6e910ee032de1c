/** `--config-file` of ovsdb-server(1) of Open vSwitch 3.3 and later: remotes and databases as JSON. */
import { readFileSync } from 'node:fs';
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  parseJson,
  printJson,
  type RemoteOptions,
} from '@heddle/ovsdb';
import { HeddleError, messageOf } from '@heddle/runtime';

const MODELS = ['standalone', 'clustered', 'active-backup', 'relay'] as const;

/** The server that a backup or relay copies. */
export interface SourceConfig {
  readonly remote: string;
  readonly probeMs?: number | undefined;
  readonly maxBackoffMs?: number | undefined;
}

export interface DatabaseConfig {
  /** undefined: whatever the file holds. */
  readonly model: (typeof MODELS)[number] | undefined;
  readonly source: SourceConfig | undefined;
  /** Of an active-backup database: whether this server has the backup. */
  readonly backup: boolean;
  readonly excludeTables: readonly string[];
}

export interface ConfigFile {
  /** By connection method. */
  readonly remotes: ReadonlyMap<string, RemoteOptions>;
  /** By file, those of relays by the name of their schema. */
  readonly databases: ReadonlyMap<string, DatabaseConfig>;
}

/** Throws HeddleError for what cannot be read or is no configuration. */
export function readConfigFile(path: string): ConfigFile {
  try {
    return parseConfig(parseJson(readFileSync(path, 'utf8')));
  } catch (error) {
    throw new HeddleError(`${path}: ${messageOf(error)}`);
  }
}

function parseConfig(json: Json): ConfigFile {
  const { remotes, databases } = members(json, 'configuration', ['remotes', 'databases']);
  return {
    remotes: mapOf(remotes, '"remotes"', parseRemote),
    databases: mapOf(databases, '"databases"', parseDatabase),
  };
}

function parseRemote(json: Json, what: string): RemoteOptions {
  const names = ['max-backoff', 'inactivity-probe', 'read-only', 'role'];
  const o = members(json, what, names);
  return {
    maxBackoffMs: integer(o['max-backoff'], `${what} "max-backoff"`),
    probeMs: integer(o['inactivity-probe'], `${what} "inactivity-probe"`),
    readOnly: boolean(o['read-only'], `${what} "read-only"`) ?? false,
    role: string(o['role'], `${what} "role"`),
  };
}

function parseDatabase(json: Json, what: string): DatabaseConfig {
  const o = members(json, what, ['service-model', 'source', 'backup', 'exclude-tables']);
  const name = string(o['service-model'], `${what} "service-model"`);
  const model = MODELS.find((known) => known === name);
  if (name !== undefined && !model) {
    throw new HeddleError(`${what} has unknown service model "${name}"`);
  }
  const source = parseSource(o['source'], `${what} "source"`);
  const backup = boolean(o['backup'], `${what} "backup"`) ?? false;
  if (!source && (model === 'relay' || backup)) throw new HeddleError(`${what} needs a "source"`);
  const copies = model === 'relay' || model === 'active-backup';
  const only = model === 'active-backup' ? undefined : ['backup', 'exclude-tables'];
  const stranger = only?.find((member) => (o[member] ?? null) !== null);
  if (stranger !== undefined || (source && !copies)) {
    const member = stranger ?? 'source';
    throw new HeddleError(`${what} must not have "${member}" with its service model`);
  }
  const exclude = o['exclude-tables'] ?? [];
  if (!isArray(exclude) || !exclude.every((table) => typeof table === 'string')) {
    throw new HeddleError(`${what} "exclude-tables" must be an array of strings`);
  }
  return { model, source, backup, excludeTables: exclude as string[] };
}

function parseSource(json: Json | undefined, what: string): SourceConfig | undefined {
  const found = [...mapOf(json, what, parseSourceOptions)];
  if (found.length > 1) throw new HeddleError(`${what} must have one connection method`);
  return found.map(([remote, options]) => ({ remote, ...options }))[0];
}

function parseSourceOptions(json: Json, what: string): Omit<SourceConfig, 'remote'> {
  const o = members(json, what, ['max-backoff', 'inactivity-probe']);
  return {
    maxBackoffMs: integer(o['max-backoff'], `${what} "max-backoff"`),
    probeMs: integer(o['inactivity-probe'], `${what} "inactivity-probe"`),
  };
}

/** An object with these members at most; null stands for an empty one. */
function members(json: Json | undefined, what: string, names: readonly string[]): JsonObject {
  const object = json ?? {};
  if (!isObject(object)) throw new HeddleError(`${what} must be an object`);
  const stranger = Object.keys(object).find((name) => !names.includes(name));
  if (stranger !== undefined) throw new HeddleError(`${what} has unknown member "${stranger}"`);
  return object;
}

function mapOf<T>(
  json: Json | undefined,
  what: string,
  parse: (json: Json, what: string) => T,
): Map<string, T> {
  const object = json ?? {};
  if (!isObject(object)) throw new HeddleError(`${what} must be an object`);
  return new Map(Object.entries(object).map(([k, v]) => [k, parse(v, `${what} ${printJson(k)}`)]));
}

function integer(json: Json | undefined, what: string): number | undefined {
  if ((json ?? null) === null) return undefined;
  if (typeof json === 'number' && Number.isInteger(json) && json >= 0) return json;
  throw new HeddleError(`${what} must be a number of milliseconds`);
}

function boolean(json: Json | undefined, what: string): boolean | undefined {
  if ((json ?? null) === null) return undefined;
  if (typeof json === 'boolean') return json;
  throw new HeddleError(`${what} must be true or false`);
}

function string(json: Json | undefined, what: string): string | undefined {
  if ((json ?? null) === null) return undefined;
  if (typeof json === 'string') return json;
  throw new HeddleError(`${what} must be a string`);
}
