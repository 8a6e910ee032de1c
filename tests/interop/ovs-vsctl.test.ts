/** What of ovs-vsctl the distribution's release cannot be asked about, and TLS between both. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Pki } from './ovsdb-pki.ts';
import { options, TestServer, VSWITCH_SCHEMA } from './ovsdb-servers.ts';

const OURS = join(import.meta.dirname, '../../bin/ovs-vsctl');
const THEIRS = '/usr/bin/ovs-vsctl';
let server: TestServer;
let pki: Pki;
let remote: string;

/** A port that nobody listens on now. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => probe.once('listening', done));
  const { port } = probe.address() as { port: number };
  await new Promise((done) => probe.close(done));
  return port;
}

before(async () => {
  server = new TestServer('ours');
  pki = new Pki(server.dir);
  const port = await freePort();
  remote = `ssl:127.0.0.1:${port}`;
  const db = server.create('conf.db', VSWITCH_SCHEMA);
  await server.start(
    db,
    `--remote=p${remote.replace('127.0.0.1:', '')}:127.0.0.1`,
    ...pki.options('server'),
  );
  vsctl('init');
});
after(() => server[Symbol.asyncDispose]());

function vsctl(...args: string[]): string {
  return server.program(OURS, `--db=${server.remote}`, '--no-wait', '--timeout=10', ...args);
}

test('limits of conntrack zones are set, listed and removed', () => {
  vsctl(
    '--id=@d',
    'create',
    'Datapath',
    'datapath_version=1',
    '--',
    'set',
    'Open_vSwitch',
    '.',
    'datapaths:system=@d',
  );
  vsctl(
    'set-zone-limit',
    'system',
    'default',
    '100',
    '--',
    'set-zone-limit',
    'system',
    'zone=5',
    '7',
  );
  vsctl(
    'add-zone-tp',
    'system',
    'zone=5',
    'icmp_first=1',
    '--',
    'set-zone-limit',
    'system',
    'zone=6',
    '0',
  );
  const zones = () => vsctl('list-zone-limits', 'system');
  assert.equal(zones(), 'Default limit: 100\nZone: 5, Limit: 7\nZone: 6, Limit: 0\n');
  vsctl('set-zone-limit', 'system', '5', '8');
  vsctl('del-zone-limit', 'system', 'default', '--', 'del-zone-limit', 'system', 'zone=6');
  assert.equal(zones(), 'Zone: 5, Limit: 8\n');
  assert.equal(vsctl('--bare', '--columns=limit', 'list', 'CT_Zone'), '8\n');
  assert.throws(() => vsctl('del-zone-limit', 'system', 'zone=6'), /zone id 6 has no limit/);
  vsctl('--if-exists', 'del-zone-limit', 'system', 'zone=6');
  assert.throws(() => vsctl('set-zone-limit', 'netdev', 'default', '1'), /netdev does not exist/);
  for (const [zone, limit] of [
    ['zone=x', '1'],
    ['zone=70000', '1'],
    ['1', '-1'],
    ['1', '4294967296'],
  ]) {
    assert.throws(
      () => vsctl('set-zone-limit', 'system', zone!, limit!),
      /expected zone|a limit is/,
    );
  }
});

test('a zone stays for as long as it has a limit or a timeout policy', () => {
  assert.equal(vsctl('list-zone-tp', 'system'), 'Zone:5, Timeout Policies: icmp_first=1\n');
  vsctl('del-zone-limit', 'system', 'zone=5');
  assert.equal(vsctl('list-zone-tp', 'system'), 'Zone:5, Timeout Policies: icmp_first=1\n');
  vsctl('set-zone-limit', 'system', 'zone=5', '1', '--', 'del-zone-tp', 'system', 'zone=5');
  assert.equal(vsctl('list-zone-limits', 'system'), 'Zone: 5, Limit: 1\n');
  vsctl('del-zone-limit', 'system', 'zone=5');
  assert.equal(vsctl('get', 'Datapath', '.', 'ct_zones'), '{}\n');
});

test('options and commands are the distribution’s, and those of later releases', options, () => {
  const lines = (program: string, option: string) =>
    server.program(program, option).split('\n').sort();
  for (const option of ['--help', '--options']) {
    assert.deepEqual(lines(OURS, option), lines(THEIRS, option));
  }
  const known = lines(THEIRS, '--commands');
  assert.deepEqual(
    lines(OURS, '--commands').filter((line) => !known.includes(line)),
    [',list-zone-limits,', ',set-zone-limit,', '[--if-exists] ,del-zone-limit,'],
  );
});

for (const program of [OURS, THEIRS]) {
  test(`${program === OURS ? 'our' : 'the distribution’s'} ovs-vsctl over TLS`, options, () => {
    const line = (...args: string[]) =>
      server.program(program, `--db=${remote}`, '--no-wait', '--timeout=10', ...args);
    const [key, certificate] = [pki.key('client'), pki.certificate('client')];
    assert.equal(line(...pki.options('client'), 'get-manager'), '');
    assert.equal(line('-p', key, '-c', certificate, '-C', pki.caCert, 'list-br'), '');
    const boot = join(server.dir, `boot-${program === OURS ? 'ours' : 'theirs'}.pem`);
    const bootstrap = ['-p', key, '-c', certificate, `--bootstrap-ca-cert=${boot}`];
    // The connection that fetches the certificate is not used.
    assert.equal(line('--retry', ...bootstrap, 'list-br'), '');
    assert.ok(existsSync(boot));
    assert.match(readFileSync(boot, 'utf8'), /BEGIN CERTIFICATE/);
    assert.throws(() => line('list-br'), /Private key must be configured to use SSL/);
    const stranger = new Pki(server.dir, 'stranger');
    assert.throws(
      () => line(...stranger.options('client'), 'list-br'),
      /connection failed|certificate/,
    );
    for (const version of ['TLSv1.2', 'TLSv1.2,TLSv1.1']) {
      assert.equal(line(...pki.options('client'), `--ssl-protocols=${version}`, 'list-br'), '');
    }
    const ciphers = '--ssl-ciphers=ECDHE-RSA-AES256-GCM-SHA384';
    assert.equal(line(...pki.options('client'), ciphers, 'list-br'), '');
  });
}
