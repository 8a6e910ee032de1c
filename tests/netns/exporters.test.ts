/** NetFlow, sFlow and IPFIX of real packets, as collectors of the distribution (nfdump) read them. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { collect, eventually, Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

interface Site {
  readonly host: Host;
  readonly a: Host;
  readonly instance: Instance;
}

async function site(scope: Scope): Promise<Site> {
  const host = await Host.create(scope);
  const [a, b] = [await Host.create(scope), await Host.create(scope)];
  const instance = await Instance.ours(scope, { host });
  for (const [n, peer] of [a, b].entries()) {
    await peer.veth(scope, 'eth0', `p${n + 1}`, host);
    await peer.address('eth0', `10.3.0.${n + 1}/24`);
  }
  await instance.vsctl(
    'add-br',
    'br0',
    '--',
    'add-port',
    'br0',
    'p1',
    '--',
    'add-port',
    'br0',
    'p2',
  );
  assert.ok(await a.reaches('10.3.0.2', 4));
  return { host, a, instance };
}

/** A collector, and what `nfdump` says of what it has taken. */
async function capture(
  scope: Scope,
  { host, instance }: Site,
  daemon: 'nfcapd' | 'sfcapd',
  port: number,
): Promise<() => Promise<string>> {
  const directory = join(instance.directory, `${daemon}-${port}`);
  mkdirSync(directory);
  const words = [daemon, '-w', directory, '-p', String(port), '-b', '127.0.0.1', '-t', '3600'];
  const child = host.start(words);
  const ended = collect(child, { timeoutMs: 60_000 });
  scope.defer(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await eventually(`${daemon} listens`, async () => {
    const { stdout } = await host.run(['ss', '-lunH', `sport = :${port}`]);
    return stdout.includes(`:${port}`);
  });
  return async () => {
    child.kill('SIGTERM');
    await ended;
    assert.ok(readdirSync(directory).length > 0);
    return host.exec('nfdump', '-q', '-R', directory, '-o', 'fmt:%pr %sa %da %in %out %pkt %byt');
  };
}

/** Lines of ICMP from the first to the second: in, out, packets, bytes. */
function pings(text: string): number[][] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([proto, from, to]) => /ICMP/.test(proto!) && from === '10.3.0.1' && to === '10.3.0.2')
    .map((words) => words.slice(3).map(Number));
}

const sum = (rows: number[][], i: number): number => rows.reduce((n, row) => n + row[i]!, 0);

test('NetFlow: every packet is in a record', async () => {
  await using scope = new Scope();
  const s = await site(scope);
  const read = await capture(scope, s, 'nfcapd', 2055);
  const create = ['--id=@n', 'create', 'NetFlow', 'targets="127.0.0.1:2055"', 'active_timeout=1'];
  await s.instance.vsctl(...['--', ...create, '--', 'set', 'bridge', 'br0', 'netflow=@n']);
  await s.instance.appctl('revalidator/wait');
  const { received } = await s.a.ping('10.3.0.2', { count: 40, intervalSeconds: 0.02 });
  assert.equal(received, 40);
  // What is left is reported when the exporter goes.
  await eventually('counters are read', async () => {
    const flows = await s.instance.exec('ovs-ofctl', 'dump-flows', 'br0');
    return Number(/n_packets=(\d+)/.exec(flows)?.[1]) >= 80;
  });
  await s.instance.vsctl('clear', 'bridge', 'br0', 'netflow');
  const rows = pings(await read());
  assert.equal(sum(rows, 2), 40);
  assert.equal(sum(rows, 3), 40 * 98);
  assert.deepEqual([rows[0]![0], rows[0]![1]], [1, 2], 'OpenFlow ports');
});

test('sFlow and IPFIX: every packet when every packet is sampled; their own numbers for devices', async () => {
  await using scope = new Scope();
  const s = await site(scope);
  const sflow = await capture(scope, s, 'sfcapd', 6343);
  const ipfix = await capture(scope, s, 'nfcapd', 4739);
  await s.instance.vsctl(
    ...['--', '--id=@s', 'create', 'sFlow', 'targets="127.0.0.1:6343"', 'agent=lo', 'sampling=1'],
    ...['--', '--id=@i', 'create', 'IPFIX', 'targets="127.0.0.1:4739"', 'sampling=1'],
    'other_config:enable-output-sampling=false',
    ...['--', 'set', 'bridge', 'br0', 'sflow=@s', 'ipfix=@i'],
  );
  await s.instance.appctl('revalidator/wait');
  const { received } = await s.a.ping('10.3.0.2', { count: 40, intervalSeconds: 0.02 });
  assert.equal(received, 40);
  const stats = (): Promise<string> => s.instance.exec('ovs-ofctl', 'dump-ipfix-bridge', 'br0');
  await eventually('samples are counted', async () => {
    const count = Number(/ipv4 ok=(\d+)/.exec(await stats())?.[1]);
    return count >= 80;
  });
  await s.instance.vsctl('clear', 'bridge', 'br0', 'sflow', 'ipfix');
  const index = async (name: string): Promise<number> =>
    Number(await s.instance.vsctl('get', 'interface', name, 'ifindex'));
  const rows = pings(await sflow());
  assert.equal(sum(rows, 2), 40);
  assert.deepEqual([rows[0]![0], rows[0]![1]], [await index('p1'), await index('p2')]);
  // nfdump takes the exporter's totals for the record's own: the records themselves count.
  assert.equal(pings(await ipfix()).length, 40);
});

test('a sample action in the kernel: about the part that it asks for', async () => {
  await using scope = new Scope();
  const s = await site(scope);
  await s.instance.vsctl(
    ...['--', '--id=@b', 'get', 'bridge', 'br0'],
    ...['--', '--id=@i', 'create', 'IPFIX', 'targets="127.0.0.1:4739"'],
    ...['--', 'create', 'Flow_Sample_Collector_Set', 'id=5', 'bridge=@b', 'ipfix=@i'],
  );
  const half = 'sample(probability=32768,collector_set_id=5),NORMAL';
  await s.instance.exec('ovs-ofctl', 'add-flow', 'br0', `in_port=p1,icmp,actions=${half}`);
  await s.instance.appctl('revalidator/wait');
  const { received } = await s.a.ping('10.3.0.2', { count: 400, intervalSeconds: 0.002 });
  assert.equal(received, 400);
  const sampled = async (): Promise<number> => {
    const text = await s.instance.exec('ovs-ofctl', 'dump-ipfix-flow', 'br0');
    return Number(/sampled pkts=(\d+)/.exec(text)?.[1]);
  };
  await eventually('samples come up', async () => (await sampled()) > 100);
  assert.ok((await sampled()) < 300, `${await sampled()} of 400`);
  // Dropped packets are sampled, too, in the datapath.
  const dropped = 'sample(probability=65535,collector_set_id=5)';
  await s.instance.exec('ovs-ofctl', 'add-flow', 'br0', `in_port=p1,icmp,actions=${dropped}`);
  await s.instance.appctl('revalidator/wait');
  const before = await sampled();
  await s.a.ping('10.3.0.2', { count: 20, intervalSeconds: 0.01 });
  await eventually('and all of the dropped', async () => (await sampled()) >= before + 20);
  assert.match(await s.instance.appctl('dpctl/dump-flows'), /flow_sample\(.*\)\),?/);
});
