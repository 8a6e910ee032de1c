/**
 * QoS and Queue rows, garbage among them: the kernel's qdiscs and classes, `qos/show`, OpenFlow's
 * queues and translation are afterwards what the distribution's switch makes of the same rows.
 * Kinds that the kernel lacks fail in both. HEDDLE_COUNT configurations, HEDDLE_SEED.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { Instance, isolate, Scope } from '@heddle/testing';

isolate();

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 2);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const VERSIONS = ['10', '11', '12', '13', '14', '15'];

/** Nothing talks but the tests. */
async function world(scope: Scope, instance: Instance): Promise<void> {
  const { host } = instance;
  await host.exec('sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1');
  await host.exec('sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1');
  await host.veth(scope, 'peer', 'p1', host);
  await host.exec('ip', 'link', 'set', 'p1', 'mtu', '1600');
  await host.veth(scope, 'peer2', 'p2', host);
  const ports = ['add-port', 'br0', 'p1', '--', 'set', 'interface', 'p1', 'ofport_request=1'];
  const more = ['add-port', 'br0', 'p2', '--', 'set', 'interface', 'p2', 'ofport_request=2'];
  const netdev = ['set', 'bridge', 'br0', 'datapath_type=netdev'];
  await instance.vsctl('add-br', 'br0', '--', ...netdev, '--', ...ports, '--', ...more);
  const flows = ['actions=1', 'priority=40000,ip,actions=set_queue:1,1,pop_queue,2,enqueue:1:5,1'];
  for (const flow of flows) await instance.exec('ovs-ofctl', 'add-flow', 'br0', flow);
}

const GARBAGE = ['', 'abc', '-1', '0', '0x100', '5 ', ' 9000', '1e6', '99999999999999999999', '7;'];

function value(r: Random, most: number): string {
  if (r.chance(15)) return r.pick(GARBAGE.filter((text) => text !== '-1'));
  // What takes more than 32 bits of ticks wraps around in upstream's.
  return String(r.chance(50) ? r.below(most) : 24_000 + r.below(40_000));
}

function settings(r: Random, most: Readonly<Record<string, number>>): string[] {
  const chosen = Object.entries(most).filter(() => r.chance(50));
  return chosen.map(([key, max]) => `other_config:${key}="${value(r, max)}"`);
}

const QUEUE = {
  'min-rate': 30_000_000,
  'max-rate': 50_000_000,
  burst: 2_000_000,
  priority: 9,
  nonsense: 5,
};

function configuration(r: Random): string[] {
  const type = r.pick([
    ...['linux-htb', 'linux-htb', 'linux-htb', 'linux-htb', 'linux-htb', 'linux-noop'],
    ...['linux-sfq', 'linux-hfsc', 'egress-policer', 'bogus'],
  ]);
  if (r.chance(10)) return ['clear', 'port', 'p1', 'qos'];
  const ids = [0, 1, 2, 5, 9, 300, 61_439, 61_440, 70_000].filter(() => r.chance(50));
  const queues = ids.flatMap((id) => [`queues:${id}=@q${id}`]);
  const rows = ids.flatMap((id) => {
    const dscp = r.chance(30) ? [`dscp=${r.below(64)}`] : [];
    return [
      '--',
      `--id=@q${id}`,
      'create',
      'queue',
      `external_ids:id=${id}`,
      ...settings(r, QUEUE),
      ...dscp,
    ];
  });
  const rate = r.chance(20)
    ? r.pick(GARBAGE.filter((g) => g !== '-1'))
    : 24_000 + r.below(40_000_000);
  const rates = r.chance(50) ? [`other_config:max-rate="${rate}"`] : [];
  const qos = ['--id=@qos', 'create', 'qos', `type=${type}`, ...rates, ...queues];
  return ['--', ...qos, ...rows, '--', 'set', 'port', 'p1', 'qos=@qos'];
}

/** Blocks and lines in an order that does not depend on hashes. */
function inOrder(text: string, separator: string): string {
  return text.trim().split(separator).sort().join(separator);
}

/** Of all queues at once upstream's tells durations that never were. */
function withoutTimes(text: string): string {
  return text.replace(/xid=\w+/g, 'xid').replace(/duration=[\d.]+s/g, 'duration');
}

async function state(instance: Instance, version: string): Promise<Record<string, string>> {
  const tc = (...args: string[]) => instance.host.exec('tc', ...args, 'dev', 'p1');
  const ofctl = async (...args: string[]) => {
    const { stdout, stderr } = await instance.run('ovs-ofctl', '-O', `OpenFlow${version}`, ...args);
    return withoutTimes(inOrder(stdout + stderr, '\n'));
  };
  // The datapath's numbers of ports depend on the order in which they were opened.
  const numbers = new Map<string, string>();
  const shown = await instance.appctl('dpctl/show');
  for (const [, number = '', name = ''] of shown.matchAll(/port (\d+): (\S+)/g))
    numbers.set(number, name);
  const trace = async (flow: string) => {
    const text = await instance.appctl('ofproto/trace', 'br0', flow);
    const byName = text.replace(/^Datapath actions: .*$/m, (line) =>
      line.replaceAll(/(?<=[ ,])\d+(?=,|$)/g, (number) => numbers.get(number) ?? number),
    );
    // Whether there is a header to mark is decided by the protocol: our megaflows say so.
    const words: Readonly<Record<string, string>> = { tcp: 'ip', udp6: 'ipv6' };
    return byName.replace(
      /^(Megaflow: .*,)(tcp|udp6),/m,
      (_, head, word) => `${head}${words[word]},`,
    );
  };
  const since14 = Number(version) >= 14;
  return {
    show: inOrder(await instance.appctl('qos/show', 'p1'), '\n\n'),
    qdisc: inOrder(await tc('-d', 'qdisc', 'show'), '\n').replace(/qdisc ingress.*/, ''),
    classes: inOrder(await tc('-d', 'class', 'show'), '\n'),
    stats: await ofctl('queue-stats', 'br0'),
    'stats of a port': await ofctl('queue-stats', 'br0', '1'),
    'stats of a queue': await ofctl('queue-stats', 'br0', '1', '5'),
    'stats of a queue of all': await ofctl('queue-stats', 'br0', 'all', '5'),
    'stats of no port': await ofctl('queue-stats', 'br0', '9'),
    config: await ofctl('queue-get-config', 'br0', '1'),
    'config of the other port': await ofctl('queue-get-config', 'br0', '2'),
    'config of no port': await ofctl('queue-get-config', 'br0', '9'),
    ...(since14 && { 'config of a queue': await ofctl('queue-get-config', 'br0', '1', '5') }),
    ...(since14 && {
      'config of a queue of any': await ofctl('queue-get-config', 'br0', 'any', '5'),
    }),
    ...(version !== '10' && { 'config of all': await ofctl('queue-get-config', 'br0') }),
    tcp: await trace('in_port=2,tcp,nw_tos=20,nw_ttl=4'),
    udp6: await trace('in_port=2,udp6,nw_tos=7,nw_ttl=4'),
    // Upstream's looks at the DSCP of ARP, too, where there is none.
    arp: (await trace('in_port=2,arp,arp_op=1')).replace(',nw_tos=0\n', '\n'),
  };
}

test('rows become what the distribution makes of them', async (t) => {
  await using scope = new Scope();
  const [oracle, ours] = await Promise.all([Instance.oracle(scope), Instance.ours(scope)]);
  await Promise.all([world(scope, oracle), world(scope, ours)]);
  for (const args of [['p1'], ['br0'], ['nonesuch']]) {
    const answers = await Promise.all(
      [oracle, ours].map((i) => i.run('ovs-appctl', 'qos/show-types', ...args)),
    );
    assert.equal(answers[1]!.stdout + answers[1]!.stderr, answers[0]!.stdout + answers[0]!.stderr);
  }
  const r = new Random(SEED);
  const before: string[] = [];
  for (let i = 0; i < COUNT; i++) {
    const args = configuration(r);
    before.push(args.join(' '));
    const version = r.pick(VERSIONS);
    await Promise.all([oracle.vsctl(...args), ours.vsctl(...args)]);
    const [expected, actual] = await Promise.all([state(oracle, version), state(ours, version)]);
    const what = `seed ${SEED}, OpenFlow ${version}, ${i}:\n${before.slice(-3).join('\n')}\n`;
    for (const [name, text] of Object.entries(expected))
      assert.equal(actual[name], text, `${name}, ${what}`);
  }
  t.diagnostic(`${COUNT} configurations, seed ${SEED}`);
});
