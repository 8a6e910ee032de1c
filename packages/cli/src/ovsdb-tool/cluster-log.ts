/** The log of a server in a cluster (ovsdb(5), "Clustered Format"). */
import { isObject, type Json, type JsonObject, OvsdbError, printSortedJson } from '@heddle/ovsdb';

/** A join-cluster file has `remotes` and no `previous`. */
export interface ClusterHeader {
  readonly name: string;
  readonly localAddress: string;
  readonly serverId: string;
  readonly clusterId: string | undefined;
  readonly remotes: readonly string[] | undefined;
  readonly previous:
    | {
        readonly index: number;
        readonly term: number;
        readonly servers: JsonObject;
        readonly eid: string;
        readonly data: ClusterTxn;
      }
    | undefined;
}

export interface ClusterTxn {
  readonly schema: JsonObject | undefined;
  readonly data: JsonObject | undefined;
}

export interface ClusterRecord {
  readonly kind: 'entry' | 'term' | 'vote' | 'leader' | 'commit' | 'note';
  readonly comment: string | undefined;
  readonly term: number;
  readonly index: number;
  readonly servers: JsonObject | undefined;
  readonly electionTimer: number | undefined;
  readonly txn: ClusterTxn | undefined;
  readonly eid: string | undefined;
  readonly vote: string;
  readonly leader: string;
  readonly commitIndex: number;
  readonly note: string;
}

const WHAT_HEADER = 'raft header';
const WHAT_RECORD = 'raft log record';

export function parseClusterHeader(json: JsonObject): ClusterHeader {
  const member = (name: string) => required(json, name, WHAT_HEADER);
  const common = ['name', 'local_address', 'server_id', 'cluster_id'];
  const header = {
    name: String(member('name')),
    localAddress: String(member('local_address')),
    serverId: String(member('server_id')),
  };
  const remotes = json['remote_addresses'];
  if (remotes !== undefined) {
    onlyMembers(json, [...common, 'remote_addresses'], WHAT_HEADER);
    const clusterId = json['cluster_id'] === undefined ? undefined : String(json['cluster_id']);
    return { ...header, clusterId, remotes: (remotes as Json[]).map(String), previous: undefined };
  }
  const previous = ['prev_term', 'prev_index', 'prev_servers', 'prev_data', 'prev_eid'];
  onlyMembers(json, [...common, ...previous, 'prev_election_timer'], WHAT_HEADER);
  return {
    ...header,
    clusterId: String(member('cluster_id')),
    remotes: undefined,
    previous: {
      index: Number(member('prev_index')),
      term: Number(member('prev_term')),
      servers: member('prev_servers') as JsonObject,
      eid: String(member('prev_eid')),
      data: parseTxn(member('prev_data')),
    },
  };
}

/** What a record of each kind may hold besides a comment and its own member. */
const MEMBERS: Readonly<Record<ClusterRecord['kind'], readonly string[]>> = {
  entry: ['term', 'index', 'servers', 'election_timer'],
  term: ['term'],
  vote: ['term', 'vote'],
  leader: ['term', 'leader'],
  commit: ['commit_index'],
  note: ['note'],
};

export function parseClusterRecord(json: JsonObject): ClusterRecord {
  const kind = kindOf(json);
  if (kind !== 'note' && kind !== 'commit') required(json, 'term', WHAT_RECORD);
  const data = kind === 'entry' ? json['data'] : undefined;
  const more = data === undefined ? [] : ['data', 'eid'];
  onlyMembers(json, ['comment', ...MEMBERS[kind], ...more], WHAT_RECORD);
  if (data !== undefined) required(json, 'eid', WHAT_RECORD);
  const text = (name: string) => String(json[name] ?? '');
  return {
    kind,
    comment: json['comment'] === undefined ? undefined : text('comment'),
    term: Number(json['term'] ?? 0),
    index: Number(json['index'] ?? 0),
    servers: isObject(json['servers']) ? json['servers'] : undefined,
    electionTimer:
      json['election_timer'] === undefined ? undefined : Number(json['election_timer']),
    txn: data === undefined ? undefined : parseTxn(data),
    eid: json['eid'] === undefined ? undefined : text('eid'),
    vote: text('vote'),
    leader: text('leader'),
    commitIndex: Number(json['commit_index'] ?? 0),
    note: text('note'),
  };
}

function kindOf(json: JsonObject): ClusterRecord['kind'] {
  if (json['note'] !== undefined) return 'note';
  if (json['commit_index'] !== undefined) return 'commit';
  if (json['index'] !== undefined) return 'entry';
  if (json['vote'] !== undefined) return 'vote';
  return json['leader'] !== undefined ? 'leader' : 'term';
}

function parseTxn(json: Json): ClusterTxn {
  const [schema, data] = Array.isArray(json) ? (json as Json[]) : [];
  return {
    schema: isObject(schema) ? schema : undefined,
    data: isObject(data) ? data : undefined,
  };
}

function required(json: JsonObject, name: string, what: string): Json {
  const value = json[name];
  if (value !== undefined) return value;
  throw parseError(json, what, `Required '${name}' member is missing.`);
}

function onlyMembers(json: JsonObject, names: readonly string[], what: string): void {
  for (const name of Object.keys(json)) {
    if (names.includes(name)) continue;
    throw parseError(json, what, `Member '${name}' is present but not allowed here.`);
  }
}

function parseError(json: JsonObject, what: string, why: string): OvsdbError {
  return new OvsdbError('syntax error', `Parsing ${what} failed: ${why}`, printSortedJson(json));
}

/** A server's or an entry's id as the tools show it. */
export function shortId(uuid: string): string {
  return uuid.slice(0, 4);
}
