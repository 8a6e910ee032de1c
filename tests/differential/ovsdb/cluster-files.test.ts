/** `show-log`, `check-cluster` and `cluster-to-standalone` on logs of clusters, good and bad. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { decodeClusterLog, encodeRecord, type JsonObject } from '@heddle/ovsdb';
import { main } from '../../../packages/cli/src/ovsdb-tool/main.ts';
import { capture } from '../capture.ts';
import { command, hasOracle } from './peer.ts';

const skip = hasOracle() ? false : 'no ovsdb-tool of the distribution';
const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema';
const [ME, OTHER] = [
  'aaaa0000-0000-4000-8000-000000000001',
  'bbbb0000-0000-4000-8000-000000000002',
];
const EID = 'cccc0000-0000-4000-8000-000000000003';
const SERVERS = { [ME]: 'tcp:127.0.0.1:6641', [OTHER]: 'tcp:127.0.0.1:6642' };
const QUEUE = { 'dddd0000-0000-4000-8000-000000000004': { dscp: 5 } };

/** What a server that has led since the beginning writes. */
const HISTORY: readonly JsonObject[] = [
  { term: 1, vote: ME },
  { term: 1, leader: ME },
  { term: 1, index: 2 },
  { commit_index: 2 },
  { term: 1, index: 3, servers: SERVERS },
  { commit_index: 3 },
  { term: 1, index: 4, eid: EID, data: [null, { Queue: QUEUE, _date: 1e12, _comment: 'first' }] },
  { commit_index: 4 },
  { term: 1, index: 5, eid: EID, data: [null, { _date: 1000, QoS: {} }], comment: 'more' },
  { commit_index: 5 },
];

let dir = '';
let header: JsonObject;

before(() => {
  if (skip) return;
  dir = mkdtempSync(join(tmpdir(), 'heddle-cluster-'));
  const path = join(dir, 'created.db');
  command('ovsdb-tool', 'create-cluster', path, SCHEMA, 'tcp:127.0.0.1:6641');
  header = decodeClusterLog(path, readFileSync(path)).records[0]!;
});

after(() => rmSync(dir, { recursive: true, force: true }));

function write(name: string, server: string, records: readonly JsonObject[]): string {
  const path = join(dir, name);
  const all = [{ ...header, server_id: server }, ...records];
  writeFileSync(path, Buffer.concat(all.map((record) => encodeRecord(record, 'clustered'))));
  return path;
}

/** What both tools say must be the same; a torn line is told on either stream. */
async function same(what: string, ...argv: string[]): Promise<void> {
  const { status, stdout, stderr } = spawnSync('ovsdb-tool', argv, { encoding: 'utf8' });
  const ours = await capture(main, argv, 'ovsdb-tool');
  const mine = { status: ours.status, text: ours.stdout + ours.stderr };
  // Upstream prints memory that nobody wrote where there is no election timer.
  const text = (stdout + stderr).replaceAll(/"election_timer":\d+,/g, '');
  assert.deepEqual(mine, { status, text }, what);
}

/** Additions to the log of one of two servers. */
const ADDITIONS: Readonly<Record<string, readonly JsonObject[]>> = {
  'nothing more': [],
  'two leaders in a term': [
    { term: 3, leader: ME },
    { term: 3, leader: OTHER },
  ],
  'a commit that goes back': [{ commit_index: 3 }],
  'a commit beyond the log': [{ commit_index: 30 }],
  'a committed entry again': [{ term: 1, index: 2 }],
  'an entry again': [
    { term: 2, index: 6 },
    { term: 2, index: 6 },
  ],
  'an entry of an older term': [
    { term: 3, index: 6 },
    { term: 2, index: 7 },
  ],
  'a record of no kind': [{ foo: 1 }],
  'an eid without data': [{ term: 1, index: 6, eid: EID }],
  'data without an eid': [{ term: 1, index: 6, data: [null, {}] }],
  'a leader that lacks entries': [{ term: 2 }, { term: 2, leader: OTHER }],
  'a leader of another log': [{ term: 2 }, { term: 2, leader: ME }],
};

for (const [what, more] of Object.entries(ADDITIONS)) {
  test(`check-cluster: ${what}`, { skip }, async () => {
    const one = write('one.db', ME, [...HISTORY, ...more]);
    const two = write(
      'two.db',
      OTHER,
      HISTORY.filter(({ vote }) => vote === undefined),
    );
    await same(what, 'check-cluster', one, two);
    await same(what, 'check-cluster', two, one);
    await same(what, 'check-cluster', one);
  });
}

test('check-cluster: logs that do not belong together', { skip }, async () => {
  const one = write('one.db', ME, HISTORY);
  const changed = HISTORY.map((r) => (r['index'] === 4 ? { ...r, eid: ME } : r));
  await same('another entry', 'check-cluster', one, write('two.db', OTHER, changed));
  await same('the same server', 'check-cluster', one, write('two.db', ME, HISTORY));
  await same('another name', 'check-cluster', one, join(dir, 'created.db'));
  const joining = join(dir, 'joining.db');
  command('ovsdb-tool', 'join-cluster', joining, 'Open_vSwitch', 'tcp:[::1]:1', 'tcp:[::1]:2');
  await same('one that has not joined', 'check-cluster', one, joining);
  await same('none that has joined', 'check-cluster', joining);
});

test('show-log of a cluster, as a standalone database, too', { skip }, async () => {
  const events = [
    { note: 'left', comment: 'x' },
    { term: 2, comment: 'y' },
  ];
  const one = write('one.db', ME, [...HISTORY, ...events]);
  for (const verbosity of [[], ['-m'], ['-m', '-m']]) {
    await same('shown', 'show-log', ...verbosity, one);
  }
  const [theirs, ours] = [join(dir, 'theirs.db'), join(dir, 'ours.db')];
  command('ovsdb-tool', 'cluster-to-standalone', theirs, one);
  await capture(main, ['cluster-to-standalone', ours, one]);
  const shown = (path: string) => command('ovsdb-tool', 'show-log', '-m', '-m', path);
  assert.equal(shown(ours), shown(theirs));
});
