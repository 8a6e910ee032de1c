/** `show-log` of a clustered database's file. */
import { type DatabaseSchema, type JsonObject, OvsdbError } from '@heddle/ovsdb';
import { print } from '@heddle/runtime/stdio';
import {
  type ClusterRecord,
  type ClusterTxn,
  parseClusterHeader,
  parseClusterRecord,
  shortId,
} from './cluster-log.ts';
import { type RowNames, showRecord, showSchema } from './show-log.ts';

export function showClusterLog(records: readonly JsonObject[], verbosity: number): void {
  const shown = new ShownData(verbosity);
  records.forEach((record, i) => {
    let text: string;
    try {
      text = i === 0 ? showHeader(record, shown) : showEvent(parseClusterRecord(record), shown);
    } catch (error) {
      if (!(error instanceof OvsdbError)) throw error;
      text = `${error.message}\n`;
    }
    print(`record ${i}:\n${text}\n`);
  });
}

/** The contents of records: what the names of rows and the schema are, so far. */
class ShownData {
  readonly #verbosity: number;
  #schema: DatabaseSchema | undefined;
  #names: RowNames = new Map();

  constructor(verbosity: number) {
    this.#verbosity = verbosity;
  }

  show({ schema, data }: ClusterTxn, label: string): string {
    let out = '';
    if (schema) {
      const shown = showSchema(schema);
      this.#schema = shown.schema;
      this.#names = new Map();
      out += ` ${label}: ${shown.text}`;
    }
    if (!data || Object.keys(data).length === 0 || !this.#schema) return out;
    // A blank line ends what is shown of rows; the record has its own.
    const text = showRecord(this.#schema, this.#names, data, this.#verbosity);
    return out + text.replace(/\n+$/, this.#verbosity === 0 ? '' : '\n');
  }
}

function showHeader(json: JsonObject, shown: ShownData): string {
  const { name, localAddress, serverId, clusterId, remotes, previous } = parseClusterHeader(json);
  const lines = [
    ` name: "${name}'\n`,
    ` local address: "${localAddress}"\n`,
    ` server_id: ${shortId(serverId)}\n`,
  ];
  if (clusterId !== undefined) lines.push(` cluster_id: ${shortId(clusterId)}\n`);
  if (remotes) lines.push(` remote_addresses: ${remotes.join(' ')}\n`);
  if (previous) {
    lines.push(` prev_index: ${previous.index}\n`, ` prev_term: ${previous.term}\n`);
    lines.push(` prev_servers: ${servers(previous.servers)}\n`);
    lines.push(` prev_eid: ${shortId(previous.eid)}\n`, shown.show(previous.data, 'prev_schema'));
  }
  return lines.join('');
}

function showEvent(record: ClusterRecord, shown: ShownData): string {
  const { kind, comment, term, index } = record;
  const lines = comment === undefined ? [] : [` comment: "${comment}"\n`];
  if (kind === 'note') lines.push(` note: "${record.note}"\n`);
  else if (kind === 'commit') lines.push(` commit_index: ${record.commitIndex}\n`);
  else lines.push(` term: ${term}\n`);
  if (kind === 'entry') lines.push(` index: ${index}\n`);
  if (kind === 'vote') lines.push(` vote: ${shortId(record.vote)}\n`);
  if (kind === 'leader') lines.push(` leader: ${shortId(record.leader)}\n`);
  if (record.servers) lines.push(` servers: ${servers(record.servers)}\n`);
  if (record.eid !== undefined) lines.push(` eid: ${shortId(record.eid)}\n`);
  if (record.txn) lines.push(shown.show(record.txn, 'schema'));
  return lines.join('');
}

function servers(json: JsonObject): string {
  return Object.entries(json)
    .map(([id, address]) => `${shortId(id)}("${String(address)}")`)
    .sort()
    .join(', ');
}
