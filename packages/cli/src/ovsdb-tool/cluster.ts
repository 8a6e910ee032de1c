/**
 * Files of clustered databases (ovsdb(5), "Clustered Format"): made here, served by upstream's
 * ovsdb-server, whose consensus Heddle relies on.
 */
import { randomUUID } from 'node:crypto';
import {
  encodeRecord,
  isUuid,
  type Json,
  type JsonObject,
  LogFile,
  lockFile,
  parseSchema,
  schemaToJson,
  snapshotRecord,
  writeNewLog,
} from '@heddle/ovsdb';
import { HeddleError } from '@heddle/runtime';
import { print, printError } from '@heddle/runtime/stdio';
import { type ClusterTxn, parseClusterHeader, parseClusterRecord } from './cluster-log.ts';
import { fileKind, readClusterRecords, readDatabase, readSchema } from './files.ts';

const ADDRESS = /^(tcp|ssl):(\[[^\]]+\]|[^:]+):\d+$/;

export function clusterReport(
  db: string,
  member: 'name' | 'cluster_id' | 'server_id' | 'local_address',
): number {
  const value = readClusterRecords(db)[0]![member];
  if (typeof value === 'string') return print(`${value}\n`);
  if (member !== 'cluster_id') throw new HeddleError(`${db}: no ${member} in its first record`);
  printError(`${db}: cluster ID not yet known\n`);
  return 2;
}

/** The first server of a cluster, with the data of a standalone database or of a schema alone. */
export function createCluster(args: readonly string[], electionTimer: string | undefined): 0 {
  const [db, contents, local] = args as [string, string, string];
  checkAddress(local);
  const [schema, data] = readContents(contents);
  const server = randomUUID();
  const header: Record<string, Json> = {
    cluster_id: randomUUID(),
    local_address: local,
    name: (schema as { name: string }).name,
    prev_data: [schema, data],
    prev_eid: randomUUID(),
    prev_index: 1,
    prev_servers: { [server]: local },
    prev_term: 1,
    server_id: server,
  };
  if (electionTimer !== undefined) {
    const ms = Number(electionTimer);
    if (!Number.isInteger(ms) || ms < 100 || ms > 600000) {
      throw new HeddleError('--election-timer: expected 100 to 600000 milliseconds');
    }
    header['prev_election_timer'] = ms;
  }
  writeNewLog(db, [encodeRecord(header, 'clustered')]);
  return 0;
}

export function joinCluster(args: readonly string[], cid: string | undefined): 0 {
  const [db, name, local, ...remotes] = args as [string, string, string, ...string[]];
  for (const address of [local, ...remotes]) checkAddress(address);
  if (cid !== undefined && !isUuid(cid)) throw new HeddleError(`${cid}: not a valid UUID`);
  const header: Json = {
    ...(cid === undefined ? {} : { cluster_id: cid }),
    local_address: local,
    name,
    remote_addresses: remotes,
    server_id: randomUUID(),
  };
  writeNewLog(db, [encodeRecord(header, 'clustered')]);
  return 0;
}

/** What a cluster that is beyond help had, by the log of one of its servers. */
export function clusterToStandalone([db, cluster]: readonly string[]): 0 {
  if (fileKind(cluster!) !== 'clustered') throw new HeddleError('Database is not clustered db.\n');
  const [first, ...rest] = readClusterRecords(cluster!);
  const { previous } = parseClusterHeader(first!);
  if (!previous) throw new HeddleError(`${cluster}: has not joined its cluster: there is no data`);
  const txns = [previous.data, ...committedEntries(rest)];
  const records = txns.flatMap(({ schema, data }) => [
    ...(schema ? [schemaToJson(parseSchema(schema))] : []),
    ...(data ? [data] : []),
  ]);
  const unlock = lockFile(db!);
  try {
    LogFile.create(db!, records);
  } finally {
    unlock();
  }
  return 0;
}

/** An entry may be written again, with all that follow, as long as it is not committed. */
function committedEntries(records: readonly JsonObject[]): ClusterTxn[] {
  const entries = new Map<number, ClusterTxn | undefined>();
  for (const record of records.map(parseClusterRecord)) {
    if (record.kind !== 'entry') continue;
    for (const index of entries.keys()) if (index > record.index) entries.delete(index);
    entries.set(record.index, record.txn);
  }
  const inOrder = [...entries].sort(([a], [b]) => a - b).map(([, txn]) => txn);
  return inOrder.filter((txn) => txn !== undefined);
}

/** CONTENTS is a standalone database or, if it is none, a schema. */
function readContents(path: string): [schema: Json, data: Json] {
  let isDatabase = false;
  try {
    isDatabase = fileKind(path) === 'standalone';
  } catch {
    // A schema, or nothing at all, which reading it as a schema tells.
  }
  if (!isDatabase) return [schemaToJson(readSchema(path)), {}];
  const { schema, tables } = readDatabase(path);
  const { _date, _comment, ...data } = snapshotRecord(tables, 0);
  return [schemaToJson(schema), data];
}

function checkAddress(address: string): void {
  if (ADDRESS.test(address)) return;
  throw new HeddleError(
    `${address}: cluster address must be of the form tcp:HOST:PORT or ssl:HOST:PORT`,
  );
}
