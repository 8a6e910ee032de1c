/** OVN's tools on our server and on the distribution's: the same output and the same databases. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Json, type JsonObject, parseJson, printJson } from '@heddle/ovsdb';
import { Peer } from '../differential/ovsdb/peer.ts';
import { options, SIDES, type Side, TestServer } from './ovsdb-servers.ts';

const BIN = join(import.meta.dirname, '../../bin');
const REFERENCE = join(import.meta.dirname, '../reference');
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

const NB: readonly string[] = [
  'ls-add sw0 -- ls-add sw1 -- lsp-add sw0 p0 -- lsp-add sw0 p1 -- lsp-add sw1 q0',
  'ls-add sw0',
  '--may-exist ls-add sw0',
  'lsp-set-addresses p0 "00:00:00:00:00:01 10.0.0.1 fd00::1" dynamic',
  'lsp-set-port-security p0 00:00:00:00:00:01',
  'lsp-set-type q0 router -- lsp-set-options q0 router-port=r0',
  'lr-add r -- lrp-add r r0 00:00:00:00:01:00 10.0.0.254/24 -- lr-route-add r 0.0.0.0/0 10.0.0.253',
  'lr-route-add r 0.0.0.0/0 10.0.0.253',
  'lr-nat-add r snat 1.2.3.4 10.0.0.0/24',
  'acl-add sw0 to-lport 1000 "tcp.dst == 80 && ip4.src == 10.0.0.0/8" allow-related',
  'acl-add sw0 from-lport 900 ip drop -- acl-list sw0',
  'lb-add lb0 30.0.0.1:80 10.0.0.2:80,10.0.0.3:80 tcp -- ls-lb-add sw0 lb0 -- ls-lb-list sw0',
  'qos-add sw0 to-lport 10 ip4 rate=100 burst=10 -- qos-list sw0',
  'pg-add pg0 p0 p1 -- acl-add pg0 to-lport 5 1 allow',
  'dhcp-options-create 10.0.0.0/24',
  'meter-add m0 drop 100 kbps 10 -- meter-list',
  'set logical_switch sw0 other_config:subnet=10.0.0.0/24 external_ids:a="b c"',
  'get logical_switch sw0 other_config external_ids',
  'find logical_switch_port type=router -- list nb_global',
  'lsp-get-addresses p0 -- lsp-list sw0 -- lr-route-list r -- lr-nat-list r -- lb-list',
  'lsp-add sw1 p0',
  // Not with the next in one transaction: Open vSwitch 3.1 may then keep the reference to the row.
  'lb-del lb0',
  'lsp-del p1 -- lr-nat-del r snat -- acl-del sw0 to-lport',
  'set logical_switch_port p0 nothing=1',
  'create logical_switch name=x -- --all destroy meter',
  'show',
];
const SB: readonly string[] = [
  'init',
  'chassis-add ch0 geneve 1.2.3.4 -- chassis-add ch1 geneve,vxlan 1.2.3.5',
  'chassis-add ch0 geneve 1.2.3.4',
  '--id=@d create datapath_binding tunnel_key=1 external_ids:name=sw0 -- create port_binding logical_port=p0 datapath=@d tunnel_key=1 mac=unknown',
  'create port_binding logical_port=p0 tunnel_key=2',
  'lsp-bind p0 ch0',
  'lsp-bind p0 ch1',
  '--may-exist lsp-bind p0 ch1',
  'lsp-unbind p0 -- chassis-del ch1',
  'set chassis ch0 other_config:k=v nb_cfg=5 -- get chassis ch0 other_config nb_cfg encaps',
  'list encap -- find port_binding logical_port=p0',
  'lflow-list',
  'show',
];

/** Splits at blanks outside of double quotes. */
const split = (line: string) =>
  [...line.matchAll(/(?:"[^"]*"|[^\s"])+/g)].map(([word]) => word.replaceAll('"', ''));

/** Rows are told by what they hold; the order of rows is each server's. */
function plain(text: string): string[] {
  return text
    .replaceAll(UUID, 'UUID')
    .replaceAll(/syntax.*?(?="details)/g, '')
    .split('\n')
    .sort();
}

async function rows(server: TestServer, name: string, schema: JsonObject): Promise<string[]> {
  const peer = new Peer(join(server.dir, 'sock'));
  const out: string[] = [];
  for (const table of Object.keys(schema['tables'] as object)) {
    const select = { op: 'select', table, where: [] };
    const { result } = await peer.call('transact', [name, select]);
    const found = (result as { rows: Record<string, Json>[] }[])[0]!.rows;
    for (const row of found) out.push(...plain(`${table} ${printJson(sortedRow(row))}`));
  }
  peer.close();
  return out.sort();
}

function sortedRow(row: Readonly<Record<string, Json>>): Json {
  const names = Object.keys(row).sort();
  return Object.fromEntries(names.map((name) => [name, sortedSet(row[name]!)]));
}

function sortedSet(json: Json): Json {
  if (!Array.isArray(json) || (json[0] !== 'set' && json[0] !== 'map')) return json;
  const members = (json[1] as Json[]).map((m) => printJson(m).replaceAll(UUID, 'UUID'));
  return [json[0], members.sort()];
}

async function session(side: Side, tool: string, file: string, lines: readonly string[]) {
  await using server = new TestServer(side);
  await server.start(server.create('ovn.db', file));
  const said: [string, number | null, string[], string[]][] = [];
  for (const line of lines) {
    const args = [`--db=${server.remote}`, '--timeout=10', ...split(line)];
    const { status, stdout, stderr } = server.run(tool, ...args);
    said.push([line, status, plain(stdout), plain(stderr.replaceAll(/^.*\|\d+\|/gm, ''))]);
  }
  const schema = parseJson(server.tool('ovsdb-client', 'get-schema', server.remote)) as JsonObject;
  const name = String(schema['name']);
  const dumps = [join('/usr/bin', 'ovsdb-client'), join(BIN, 'ovsdb-client')].map((client) =>
    server.program(client, 'dump', server.remote, name),
  );
  assert.equal(dumps[1], dumps[0], 'our client tells what the distribution’s tells');
  return { said, rows: await rows(server, name, schema) };
}

for (const [tool, name, lines] of [
  ['ovn-nbctl', 'ovn-nb.ovsschema', NB],
  ['ovn-sbctl', 'ovn-sb.ovsschema', SB],
] as const) {
  for (const schema of [join('/usr/share/ovn', name), join(REFERENCE, name)]) {
    test(
      `${tool} with ${schema.startsWith('/usr') ? 'the installed' : 'the published'} schema`,
      options,
      async () => {
        assert.ok(existsSync(schema));
        const [theirs, ours] = await Promise.all(
          SIDES.map((side) => session(side, tool, schema, lines)),
        );
        assert.deepEqual(ours, theirs);
        const done = theirs!.said.filter(([, status]) => status === 0);
        assert.ok(done.length > lines.length / 2, 'most lines do something');
      },
    );
  }
}
