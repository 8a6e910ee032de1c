/** Rates, queues, policing and meters on real packets, and over the deaths of the daemon. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ethernet, ipv4, pad, udp } from '@heddle/packet/build';
import { eventually, Host, Instance, isolate, Scope, silence, Wire } from '@heddle/testing';

isolate();

const MACS = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };
const IPS = { src: '10.0.0.1', dst: '10.0.0.2' };
const SENT = 100;
/** More than a slow queue sends in minutes. */
const MANY = 600;
/** With its headers a frame of 1,000 bytes; `dst` says what to do with it. */
const frame = (dst: number) =>
  pad(ethernet(MACS, ipv4(IPS, udp({ src: 7, dst }, new Uint8Array(958)))));
/** Of our frames, by destination port. */
const portOf = (f: Uint8Array) =>
  f.length >= 38 && f[12] === 8 && f[13] === 0 && f[23] === 17 ? (f[36]! << 8) | f[37]! : 0;

/** Two quiet hosts on p1 and p2; no flows. */
async function world(scope: Scope) {
  const instance = await Instance.ours(scope);
  const hosts: Host[] = [];
  const ports: string[] = [];
  for (const i of [1, 2]) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', `p${i}`, instance.host);
    await silence(host, 'eth0');
    await silence(instance.host, `p${i}`);
    const set = ['set', 'interface', `p${i}`, `ofport_request=${i}`];
    ports.push('--', 'add-port', 'br0', `p${i}`, '--', ...set);
    hosts.push(host);
  }
  await instance.vsctl('add-br', 'br0', '--', 'set-fail-mode', 'br0', 'secure', ...ports);
  const wires = hosts.map((host) => Wire.open(scope, host, 'eth0'));
  const seen = new Map<number, number>();
  /** Frames that have arrived at the second host so far. */
  const arrived = (dst: number): number => {
    for (const f of wires[1]!.received()) seen.set(portOf(f), (seen.get(portOf(f)) ?? 0) + 1);
    return seen.get(dst) ?? 0;
  };
  const send = (dst: number, count = SENT): void => {
    for (let i = 0; i < count; i++) wires[0]!.send(frame(dst));
  };
  const ofctl = (...args: string[]) => instance.exec('ovs-ofctl', '-O', 'OpenFlow13', ...args);
  return { instance, hosts, arrived, send, ofctl, tc: tcOf(instance) };
}

function tcOf({ host }: Instance) {
  return (...args: string[]) => host.exec('tc', ...args);
}

interface Queue {
  readonly bytes: number;
  readonly packets: number;
}

async function queues(ofctl: (...args: string[]) => Promise<string>): Promise<Queue[]> {
  const text = await ofctl('queue-stats', 'br0', 'p2');
  const out: Queue[] = [];
  for (const [, id, bytes, packets] of text.matchAll(/queue (\d+): bytes=(\d+), pkts=(\d+)/g))
    out[Number(id)] = { bytes: Number(bytes), packets: Number(packets) };
  return out;
}

const HTB = ['--', '--id=@qos', 'create', 'qos', 'type=linux-htb'];
const SLOW = ['--', '--id=@slow', 'create', 'queue', 'other_config:max-rate=8000'];
const ON_P2 = ['--', 'set', 'port', 'p2', 'qos=@qos'];
const ROWS = [...HTB, 'other_config:max-rate=1000000000', 'queues:1=@slow', ...SLOW, ...ON_P2];

test('a queue holds its packets back, and no others', async () => {
  await using scope = new Scope();
  const { instance, arrived, send, ofctl } = await world(scope);
  await instance.vsctl(...ROWS);
  await ofctl('add-flow', 'br0', 'udp,tp_dst=1000,actions=set_queue:1,output:p2');
  await ofctl('add-flow', 'br0', 'udp,tp_dst=2000,actions=output:p2');
  await ofctl('add-flow', 'br0', 'udp,tp_dst=3000,actions=set_queue:1,pop_queue,output:p2');
  await ofctl('add-flow', 'br0', 'udp,tp_dst=4000,actions=set_queue:1,ct(table=1)');
  await ofctl('add-flow', 'br0', 'table=1,actions=output:p2');
  // Three frames in two seconds, where the others pass at once.
  send(1000, MANY);
  assert.ok(arrived(1000) < MANY / 2, `${arrived(1000)} frames of the slow queue`);
  for (const [i, dst] of [2000, 3000].entries()) {
    send(dst);
    await eventually(`all to ${dst}`, () => arrived(dst) === SENT);
    await eventually('the default queue counts them', async () => {
      const [first] = await queues(ofctl);
      return first?.packets === SENT * (i + 1) && first.bytes === SENT * (i + 1) * 1000;
    });
  }
  // The queue stays a packet's when it is looked up again, also on its way through the daemon.
  send(4000, 20);
  await eventually('all of both in the queue', async () => {
    const text = await tcOf(instance)('-s', 'class', 'show', 'dev', 'p2', 'classid', '1:2');
    const [, sent] = /Sent \d+ bytes (\d+) pkt/.exec(text) ?? [];
    const [, waiting] = /backlog \d+b (\d+)p/.exec(text) ?? [];
    return Number(sent) + Number(waiting) === MANY + 20;
  });
  const [, slow] = await queues(ofctl);
  assert.ok(slow && slow.packets > 0 && slow.packets < MANY, JSON.stringify(slow));
  assert.ok(arrived(1000) > 0);
  assert.match(await instance.appctl('qos/show', 'p2'), /\nQueue 1:\n(.*\n)* {2}tx_packets: [1-9]/);
});

test('what an administrator does to a device is obeyed with linux-noop, and undone without', async () => {
  await using scope = new Scope();
  const { instance, arrived, send, ofctl, tc } = await world(scope);
  await instance.vsctl('--', '--id=@qos', 'create', 'qos', 'type=linux-noop', ...ON_P2);
  await ofctl('add-flow', 'br0', 'udp,actions=output:p2');
  send(1000);
  await eventually('all of them', () => arrived(1000) === SENT);
  const tbf = ['tbf', 'rate', '8kbit', 'burst', '2000', 'limit', '1000000'];
  await tc('qdisc', 'add', 'dev', 'p2', 'root', ...tbf);
  await instance.vsctl('set', 'interface', 'p2', 'external_ids:changed=yes');
  assert.match(await tc('qdisc', 'show', 'dev', 'p2'), /^qdisc tbf /);
  // That the device has a qdisc now, the datapath hears soon.
  await eventually('frames that wait', async () => {
    send(2000, 10);
    return /backlog [1-9]/.test(await tc('-s', 'qdisc', 'show', 'dev', 'p2'));
  });
  assert.equal(await instance.appctl('qos/show', 'p2'), 'QoS not configured on p2\n');
  await instance.vsctl('del-port', 'p2', '--', 'add-port', 'br0', 'p2');
  await eventually('no qdisc', async () => /noqueue/.test(await tc('qdisc', 'show', 'dev', 'p2')));
});

test('queues outlive the daemon; the next one makes them what the database says by then', async () => {
  await using scope = new Scope();
  const { instance, arrived, send, ofctl, tc } = await world(scope);
  await instance.vsctl(...ROWS);
  await ofctl('add-flow', 'br0', 'udp,actions=output:p2');
  const fast = ['--', '--id=@fast', 'create', 'queue', 'other_config:min-rate=80000000'];
  send(1000);
  await eventually('all of them', () => arrived(1000) === SENT);
  const classes = async () => (await tc('class', 'show', 'dev', 'p2')).trim().split('\n').sort();
  const before = await classes();
  await instance.kill('ovs-vswitchd');
  assert.deepEqual(await classes(), before);
  await tc(
    'class',
    'add',
    'dev',
    'p2',
    'parent',
    '1:fffe',
    'classid',
    '1:9',
    'htb',
    'rate',
    '1mbit',
  );
  await instance.startSwitch();
  assert.deepEqual(await classes(), before);
  assert.equal((await queues(ofctl))[0]?.packets, SENT);

  await instance.kill('ovs-vswitchd');
  const [qos] = (
    await instance.vsctl('--no-wait', '--bare', '--columns=_uuid', 'find', 'qos')
  ).split('\n');
  await instance.vsctl('--no-wait', 'set', 'qos', qos!, 'queues:2=@fast', ...fast);
  await instance.startSwitch();
  const after = await classes();
  assert.equal(after.length, before.length + 1);
  assert.ok(
    after.some((line) => /^class htb 1:3 .* rate 80Mbit ceil 1Gbit/.test(line)),
    String(after),
  );

  await instance.kill('ovs-vswitchd');
  await instance.vsctl('--no-wait', 'del-port', 'p2');
  await instance.startSwitch();
  await eventually('no classes', async () => (await classes())[0] === '');
  assert.equal(
    await instance.vsctl('--all', 'destroy', 'qos', '--', '--all', 'destroy', 'queue'),
    '',
  );
});

test('exit --cleanup removes what QoS has made', async () => {
  await using scope = new Scope();
  const { instance, tc } = await world(scope);
  await instance.vsctl(...ROWS);
  assert.match(await tc('qdisc', 'show', 'dev', 'p2'), /^qdisc htb 1: root/);
  await instance.appctl('exit');
  await eventually('the end', () => instance.pid('ovs-vswitchd') === undefined);
  assert.match(await tc('qdisc', 'show', 'dev', 'p2'), /^qdisc htb 1: root/);
  await instance.startSwitch();
  await instance.vsctl('clear', 'port', 'p2', 'qos');
  assert.match(await tc('qdisc', 'show', 'dev', 'p2'), /^qdisc noqueue/);
  await instance.vsctl(...ROWS);
  await instance.appctl('exit', '--cleanup');
  await eventually('the end', () => instance.pid('ovs-vswitchd') === undefined);
  assert.match(await tc('qdisc', 'show', 'dev', 'p2'), /^qdisc noqueue/);
});

test('a port is policed; what is dropped is counted', async () => {
  await using scope = new Scope();
  const { instance, arrived, send, ofctl } = await world(scope);
  await ofctl('add-flow', 'br0', 'udp,actions=output:p2');
  const police = (...columns: string[]) => instance.vsctl('set', 'interface', 'p1', ...columns);
  // Ten frames at once, and one a second.
  await police('ingress_policing_rate=8', 'ingress_policing_burst=80');
  send(1000);
  const counted = async () => {
    const text = await ofctl('dump-ports', 'br0', 'p1');
    const [, packets, dropped] = /rx pkts=(\d+), bytes=\d+, drop=(\d+)/.exec(text) ?? [];
    return { packets: Number(packets), dropped: Number(dropped) };
  };
  await eventually('all of them counted', async () => {
    const { packets, dropped } = await counted();
    return packets === SENT && arrived(1000) + dropped === SENT;
  });
  assert.ok(arrived(1000) >= 10 && arrived(1000) < SENT / 2, `${arrived(1000)} frames`);
  assert.match(
    await instance.appctl('dpctl/show', '-s'),
    /RX packets:100 errors:0 dropped:[5-9]\d/,
  );
  await instance.kill('ovs-vswitchd');
  send(2000);
  const [passed] = [arrived(2000)];
  assert.ok(passed < SENT / 2, `${passed} frames without a daemon`);
  await instance.vsctl('--no-wait', 'set', 'interface', 'p1', 'ingress_policing_rate=0');
  await instance.startSwitch();
  await ofctl('add-flow', 'br0', 'udp,actions=output:p2');
  // The adopted megaflow dropped while there was no flow.
  await instance.appctl('revalidator/wait');
  send(3000);
  await eventually('all of them', () => arrived(3000) === SENT);
});

test('meters work within the datapath, that of controllers, too', async () => {
  await using scope = new Scope();
  const { instance, arrived, send, ofctl } = await world(scope);
  await ofctl('add-meter', 'br0', 'meter=1,kbps,burst,stats,bands=type=drop,rate=8,burst_size=80');
  await ofctl('add-meter', 'br0', 'meter=controller,pktps,stats,bands=type=drop,rate=1');
  await ofctl('add-flow', 'br0', 'udp,tp_dst=1000,actions=meter:1,output:p2');
  await ofctl('add-flow', 'br0', 'udp,tp_dst=2000,actions=controller,output:p2');
  const stats = async (meter: string) => {
    const text = await ofctl('meter-stats', 'br0', `meter=${meter}`);
    const [, packets] = /packet_in_count:(\d+)/.exec(text) ?? [];
    const [, dropped] = /\n0: packet_count:(\d+)/.exec(text) ?? [];
    return { packets: Number(packets), dropped: Number(dropped) };
  };
  send(1000);
  await eventually('all of them metered', async () => {
    const { packets, dropped } = await stats('1');
    return packets === SENT && arrived(1000) + dropped === SENT;
  });
  assert.ok(arrived(1000) >= 10 && arrived(1000) < SENT / 2, `${arrived(1000)} frames`);
  assert.match(await instance.appctl('dpctl/dump-flows'), /actions:meter\(\d+\),\d+\n/);

  send(2000);
  await eventually('all of them', () => arrived(2000) === SENT);
  await eventually(
    'all of them metered',
    async () => (await stats('controller')).packets >= SENT - 1,
  );
  const { dropped } = await stats('controller');
  assert.ok(dropped > SENT / 2, `${dropped} dropped on their way to controllers`);
  await ofctl('del-meters', 'br0');
  assert.match(await ofctl('dump-flows', 'br0'), /tp_dst=2000/);
  assert.doesNotMatch(await ofctl('dump-flows', 'br0'), /tp_dst=1000/);
});
