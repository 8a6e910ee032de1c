/** Remotes in text, and streams over each kind of them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connectRemote, listenRemote, parseRemote, type TlsFiles } from './remote.ts';

const dir = mkdtempSync(join(tmpdir(), 'remote-'));
after(() => rmSync(dir, { recursive: true }));

test('remotes as ovsdb(7) writes them', () => {
  process.env['OVS_RUNDIR'] = '/run/x';
  const cases: [string, ReturnType<typeof parseRemote>][] = [
    ['unix:db.sock', { kind: 'unix', path: '/run/x/db.sock' }],
    ['punix:/a/b', { kind: 'punix', path: '/a/b' }],
    ['tcp:10.0.0.1', { kind: 'tcp', host: '10.0.0.1', port: 6640 }],
    ['tcp:[::1]:7', { kind: 'tcp', host: '::1', port: 7 }],
    ['ssl:host:8', { kind: 'ssl', host: 'host', port: 8 }],
    ['ptcp:', { kind: 'ptcp', host: undefined, port: 6640 }],
    ['ptcp:9:127.0.0.1', { kind: 'ptcp', host: '127.0.0.1', port: 9 }],
    ['pssl:9:[::1]', { kind: 'pssl', host: '::1', port: 9 }],
    ['tcp:', undefined],
    ['tcp:h:x', undefined],
    ['udp:h:1', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parseRemote(text), expected, text);
  delete process.env['OVS_RUNDIR'];
});

/** Connects to `active`, sends a word and resolves with the answer. */
function talk(active: string, tls?: TlsFiles): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectRemote(active, tls);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed')));
    socket.on('data', (bytes) => {
      resolve(bytes.toString());
      socket.destroy();
    });
    socket.write('ping');
  });
}

function echo(socket: Socket): void {
  socket.on('error', () => {});
  socket.on('data', (bytes) => socket.write(`echo ${bytes}`));
}

test('a unix socket has mode 0660 and replaces a stale one, but no other file', async () => {
  const path = join(dir, 's');
  for (let i = 0; i < 2; i++) {
    const server = await listenRemote(`punix:${path}`, echo);
    assert.equal(statSync(path).mode & 0o777, 0o660);
    assert.equal(await talk(`unix:${path}`), 'echo ping');
    server.close();
  }
  writeFileSync(join(dir, 'file'), 'precious');
  await assert.rejects(listenRemote(`punix:${dir}/file`, echo), { code: 'EADDRINUSE' });
});

test('tcp', async () => {
  const server = await listenRemote('ptcp:0:127.0.0.1', echo);
  const { port } = server.address() as AddressInfo;
  assert.equal(await talk(`tcp:127.0.0.1:${port}`), 'echo ping');
  server.close();
});

test('ssl, both sides with certificates of one authority', async () => {
  const openssl = (...args: string[]) => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: dir, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  };
  openssl(...'req -x509 -newkey rsa:2048 -nodes -keyout k -out c -subj /CN=x -days 2'.split(' '));
  const [privateKey, certificate, caCert] = ['k', 'c', 'c'].map((f) => join(dir, f));
  const tls = { privateKey, certificate, caCert };
  const server = await listenRemote('pssl:0:127.0.0.1', echo, tls);
  const { port } = server.address() as AddressInfo;
  assert.equal(await talk(`ssl:127.0.0.1:${port}`, tls), 'echo ping');
  openssl(...'req -x509 -newkey rsa:2048 -nodes -keyout k2 -out c2 -subj /CN=y -days 2'.split(' '));
  const [otherKey, other] = [join(dir, 'k2'), join(dir, 'c2')];
  const stranger = { privateKey: otherKey, certificate: other, caCert: certificate };
  await assert.rejects(talk(`ssl:127.0.0.1:${port}`, stranger));
  server.close();
  assert.throws(() => connectRemote('ssl:127.0.0.1:1'), /Private key must be configured/);
  assert.throws(() => connectRemote('ptcp:1'), /not an active connection method/);
});
