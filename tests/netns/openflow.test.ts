/** OpenFlow on real packets: hosts behind a bridge that flows, groups, meters and controllers rule. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

/** Four hosts, 10.0.0.1 to 10.0.0.4, on ports 1 to 4 of a bridge without flows. */
async function world(scope: Scope, failMode = 'secure') {
  const instance = await Instance.ours(scope);
  await instance.vsctl('add-br', 'br0', '--', 'set-fail-mode', 'br0', failMode);
  const hosts: Host[] = [];
  for (let i = 1; i <= 4; i++) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', `p${i}`, instance.host);
    await host.address('eth0', `10.0.0.${i}/24`);
    await instance.vsctl(
      'add-port',
      'br0',
      `p${i}`,
      '--',
      'set',
      'interface',
      `p${i}`,
      `ofport_request=${i}`,
    );
    hosts.push(host);
  }
  const ofctl = (...args: string[]) => instance.exec('ovs-ofctl', '-O', 'OpenFlow13', ...args);
  const flows = async (...lines: string[]): Promise<void> => {
    const file = join(instance.directory, 'flows');
    writeFileSync(file, `${lines.join('\n')}\n`);
    await ofctl('--bundle', 'add-flows', 'br0', file);
  };
  const reaches = (from: number, to: number) => hosts[from - 1]!.reaches(`10.0.0.${to}`, 4);
  /** A neighbour that was given up a moment ago takes its time to be asked for again. */
  const comes = (from: number, to: number) =>
    eventually(`a packet from ${from} to ${to}`, () => reaches(from, to));
  return { instance, hosts, ofctl, flows, reaches, comes };
}

const ARP = 'table=0,priority=1,arp actions=FLOOD';

test('several tables decide, by registers and metadata', async () => {
  await using scope = new Scope();
  const { flows, reaches, comes, ofctl } = await world(scope);
  assert.equal(await reaches(1, 2), false);
  await flows(
    ARP,
    'table=0,priority=5,ip actions=load:0->NXM_NX_REG1[],resubmit(,1),write_metadata:7,goto_table:2',
    'table=1,ip,nw_dst=10.0.0.1 actions=load:1->NXM_NX_REG1[]',
    'table=1,ip,nw_dst=10.0.0.2 actions=load:2->NXM_NX_REG1[]',
    'table=1,ip,nw_dst=10.0.0.3 actions=load:3->NXM_NX_REG1[]',
    'table=2,priority=9,metadata=7,ip,nw_src=10.0.0.3 actions=drop',
    'table=2,priority=5,metadata=7,ip actions=output:NXM_NX_REG1[]',
  );
  await comes(1, 2);
  assert.equal(await reaches(1, 3), false);
  assert.match(await ofctl('dump-flows', 'br0', 'table=2,ip,nw_src=10.0.0.3'), /n_packets=[1-9]/);
  await ofctl('--strict', 'del-flows', 'br0', 'table=2,priority=9,metadata=7,ip,nw_src=10.0.0.3');
  await comes(1, 3);
});

test('headers are rewritten: one host stands for another', async () => {
  await using scope = new Scope();
  const { flows, hosts } = await world(scope);
  const mac = await hosts[1]!.mac('eth0');
  const front = '02:00:00:00:00:99';
  await hosts[0]!.exec('ip', 'neigh', 'add', '10.0.0.99', 'lladdr', front, 'dev', 'eth0');
  await flows(
    ARP,
    `table=0,priority=5,in_port=1,ip,nw_dst=10.0.0.99 actions=mod_nw_dst:10.0.0.2,mod_dl_dst:${mac},output:2`,
    `table=0,priority=5,in_port=2,ip,nw_src=10.0.0.2 actions=mod_nw_src:10.0.0.99,mod_dl_src:${front},dec_ttl,output:1`,
  );
  await eventually('an answer', () => hosts[0]!.reaches('10.0.0.99', 4));
});

test('learned flows carry the way back, and expire', async () => {
  await using scope = new Scope();
  const { flows, comes, ofctl } = await world(scope);
  await flows(
    ARP,
    'table=0,priority=5,in_port=1,ip actions=learn(table=5,hard_timeout=2,dl_type=0x800,NXM_OF_IP_DST[]=NXM_OF_IP_SRC[],output:NXM_OF_IN_PORT[]),output:2',
    'table=0,priority=5,in_port=2,ip actions=resubmit(,5)',
  );
  await comes(1, 2);
  assert.match(await ofctl('dump-flows', 'br0', 'table=5'), /nw_dst=10\.0\.0\.1 actions=output:1/);
  await eventually(
    'the learned flow expires',
    async () => !/actions/.test(await ofctl('dump-flows', 'br0', 'table=5')),
  );
});

test('a fast failover group follows its ports; an all group copies', async () => {
  await using scope = new Scope();
  const { instance, flows, ofctl, hosts, reaches, comes } = await world(scope);
  await ofctl('add-group', 'br0', 'group_id=1,type=all,bucket=output:2,bucket=output:3');
  await ofctl(
    'add-group',
    'br0',
    'group_id=2,type=ff,bucket=watch_port:4,output:4,bucket=watch_port:2,output:2',
  );
  await flows(ARP, 'priority=5,in_port=1,ip actions=group:1', 'priority=4,ip actions=output:1');
  const count = async (host: Host): Promise<number> => {
    const [link] = JSON.parse(await host.exec('ip', '-s', '-j', 'link', 'show', 'eth0')) as {
      stats64: { rx: { packets: number } };
    }[];
    return link!.stats64.rx.packets;
  };
  const before = await count(hosts[2]!);
  await comes(1, 2);
  assert.ok((await count(hosts[2]!)) > before, 'the copy');
  assert.match(await ofctl('dump-group-stats', 'br0', 'group_id=1'), /packet_count=[1-9]/);
  await flows('priority=5,in_port=1,ip actions=group:2');
  assert.equal(await reaches(1, 2), false);
  await instance.exec('ip', 'link', 'set', 'p4', 'down');
  await eventually('the next bucket takes over', () => reaches(1, 2));
});

test('a port that is down gets nothing across, though the other end of its link is up', async () => {
  await using scope = new Scope();
  const { flows, hosts, comes, ofctl } = await world(scope);
  await flows('in_port=1 actions=output:2', 'in_port=2 actions=output:1');
  await comes(1, 2);
  // From here on nothing needs to come back: who is asked for is known.
  await hosts[0]!.neighbour('eth0', '10.0.0.2', await hosts[1]!.mac('eth0'));
  const received = async (): Promise<number> => {
    const snmp = await hosts[1]!.exec('cat', '/proc/net/snmp');
    return Number(/^Ip: (?:\d+ ){2}(\d+)/m.exec(snmp)![1]);
  };
  await ofctl('mod-port', 'br0', '2', 'down');
  const before = await received();
  assert.equal(await hosts[0]!.reaches('10.0.0.2', 4), false);
  assert.equal(await received(), before);
  await ofctl('mod-port', 'br0', '2', 'up');
  await comes(1, 2);
  assert.ok((await received()) > before);
});

test('a meter lets so many packets through, and no more', async () => {
  await using scope = new Scope();
  const { flows, ofctl, hosts } = await world(scope);
  await ofctl('add-meter', 'br0', 'meter=1,pktps,burst,stats,band=type=drop,rate=5,burst_size=5');
  await flows(
    ARP,
    'priority=5,in_port=1,ip actions=meter:1,output:2',
    'priority=5,in_port=2,ip actions=output:1',
  );
  const result = await hosts[0]!.ping('10.0.0.2', { count: 60, intervalSeconds: 0.02 });
  assert.ok(result.received >= 3 && result.received <= 40, `${result.received} of 60`);
  assert.match(await ofctl('meter-stats', 'br0'), /packet_in_count:[5-9]\d/);
  // What the kernel's table holds.
  assert.match(await ofctl('meter-features', 'br0'), /max_meter:65536 /);
});

test('idle flows expire, with a word to who asked', async () => {
  await using scope = new Scope();
  const { ofctl } = await world(scope);
  await ofctl('add-flow', 'br0', 'idle_timeout=1,ip,actions=output:2');
  assert.match(await ofctl('dump-flows', 'br0'), /idle_timeout=1/);
  await eventually('the flow expires', async () => !/idle/.test(await ofctl('dump-flows', 'br0')));
});

test('packets of a controller leave by the ports that it names', async () => {
  await using scope = new Scope();
  const { hosts, ofctl } = await world(scope);
  const arrived = hosts[2]!.start([
    'timeout',
    '20',
    'tcpdump',
    '-c1',
    '-nei',
    'eth0',
    'ether',
    'proto',
    '0x88b5',
  ]);
  const ended = new Promise<number | null>((resolve) => arrived.on('exit', resolve));
  const frame = `ffffffffffff020000000001 88b5 ${'00'.repeat(46)}`.replaceAll(' ', '');
  const timer = setInterval(() => {
    void ofctl('packet-out', 'br0', `in_port=controller packet=${frame} actions=output:3`).catch(
      () => {},
    );
  }, 400);
  try {
    assert.equal(await ended, 0);
  } finally {
    clearInterval(timer);
  }
});
