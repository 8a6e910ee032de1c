/** FTP and TFTP between real hosts through a stateful firewall, with and without translation. */
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually, type Host, isolate, Scope } from '@heddle/testing';
import { twoHosts } from './two-hosts.ts';

isolate();

const HERE = dirname(fileURLToPath(import.meta.url));
const SIZE = '100000';

/** `commit` of control connections, by what the client calls. */
function firewall(nat: string): string[] {
  const back = nat === '' ? '' : ',nat';
  const commit = (helper: string) => `ct(commit,alg=${helper}${nat}),normal`;
  return [
    'table=0,priority=20,arp actions=normal',
    'table=0,priority=20,icmp6 actions=normal',
    ...['tcp', 'udp', 'tcp6', 'udp6'].map(
      (p) => `table=0,priority=10,${p} actions=ct(table=1${p.endsWith('6') ? '' : back})`,
    ),
    'table=1,priority=30,ct_state=+est+trk actions=normal',
    ...['tcp', 'udp', 'tcp6', 'udp6'].map(
      (p) =>
        `table=1,priority=20,ct_state=+new+rel+trk,${p} actions=ct(commit${p.endsWith('6') ? '' : back}),normal`,
    ),
    `table=1,priority=10,ct_state=+new-rel+trk,in_port=1,tcp,tp_dst=21 actions=${commit('ftp')}`,
    `table=1,priority=10,ct_state=+new-rel+trk,in_port=1,udp,tp_dst=69 actions=${commit('tftp')}`,
    'table=1,priority=10,ct_state=+new-rel+trk,in_port=1,tcp6,tp_dst=21 actions=ct(commit,alg=ftp),normal',
    'table=1,priority=10,ct_state=+new-rel+trk,in_port=1,udp6,tp_dst=69 actions=ct(commit,alg=tftp),normal',
  ];
}

async function world(scope: Scope, nat: string) {
  const { instance, client, server, setUp } = await twoHosts(scope, firewall(nat));
  const files = server.start([process.execPath, join(HERE, 'file-servers.ts')]);
  scope.defer(async () => void files.kill('SIGKILL'));
  await eventually('servers', async () => {
    const sockets = await server.exec('ss', '-ltunH');
    return sockets.includes(':21 ') && sockets.includes(':69 ');
  });
  return { instance, client, server, setUp };
}

/** Has a client in `host` do what it is told, and tells what came of it. */
function fetcher(scope: Scope, host: Host, address: string): (what: string) => Promise<string> {
  const child = host.start(['python3', join(HERE, 'file-client.py'), address], { input: '' });
  scope.defer(async () => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return async (what) => {
    child.stdin!.write(`${what}\n`);
    return (await lines.next()).value ?? 'nothing';
  };
}

/** Addresses that are translated are the other host's for its neighbour. */
async function pretend(scope: { from: Host; address: string; to: Host }): Promise<void> {
  const mac = await scope.to.mac('eth0');
  const entry = [scope.address, 'lladdr', mac, 'dev', 'eth0', 'nud', 'permanent'];
  await scope.from.exec('ip', 'neigh', 'replace', ...entry);
}

const FTP = ['passive', 'active'] as const;

test('data connections pass a firewall, and others do not', async () => {
  await using scope = new Scope();
  const { instance, client, server } = await world(scope, '');
  for (const address of ['10.0.0.2', 'fd00::2']) {
    const fetch = fetcher(scope, client, address);
    for (const what of [...FTP, 'tftp'])
      assert.equal(await fetch(what), SIZE, `${what} ${address}`);
  }
  const dump = await instance.exec('ovs-appctl', 'dpctl/dump-conntrack');
  assert.match(dump, /dport=21\).*helper=ftp/);
  assert.match(dump, /dport=69\).*helper=tftp/);
  // Nothing that was not announced.
  const stranger = ['timeout', '0.5', 'bash', '-c', 'echo > /dev/tcp/10.0.0.1/22'];
  assert.equal((await server.run(stranger)).code, 124);
});

test('what is announced is translated, and goes on when the daemon was killed', async () => {
  await using scope = new Scope();
  const { instance, client, server, setUp } = await world(scope, ',nat(src=10.0.0.200)');
  await pretend({ from: server, address: '10.0.0.200', to: client });
  const fetch = fetcher(scope, client, '10.0.0.2');
  for (const what of [...FTP, 'tftp', 'active']) assert.equal(await fetch(what), SIZE, what);
  const dump = await instance.exec('ovs-appctl', 'dpctl/dump-conntrack');
  assert.match(dump, /src=10.0.0.2,dst=10.0.0.200,.*reply=\(src=10.0.0.1,dst=10.0.0.2/);
  process.kill(instance.pid('ovs-vswitchd')!, 'SIGKILL');
  assert.match(await fetch('noop'), /^200/);
  await instance.startSwitch();
  await setUp();
  for (const what of ['active', 'noop', ...FTP, 'tftp'])
    assert.equal(await fetch(what), what === 'noop' ? '200 fine' : SIZE, `then ${what}`);
});

test('a server behind an address of another length is found', async () => {
  await using scope = new Scope();
  const { client, server } = await world(scope, ',nat(dst=10.0.0.2)');
  await client.exec('ip', 'addr', 'add', '100.100.100.1/24', 'dev', 'eth0');
  await server.exec('ip', 'addr', 'add', '100.100.100.2/24', 'dev', 'eth0');
  await server.exec('ip', 'route', 'add', '100.100.100.1', 'dev', 'eth0');
  await pretend({ from: client, address: '100.100.100.200', to: server });
  const fetch = fetcher(scope, client, '100.100.100.200');
  for (const what of [...FTP, 'tftp', ...FTP]) assert.equal(await fetch(what), SIZE, what);
});
