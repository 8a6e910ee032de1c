/**
 * Flow tables that track prefixes of some addresses or of none (Flow_Table's `prefixes`), ours and
 * Open vSwitch's: the same traces, with the same megaflows. HEDDLE_SEED repeats one round;
 * HEDDLE_COUNT sets how many there are.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { isolate, runOk, Scope } from '@heddle/testing';
import { agree, DummySwitch } from './dummy-switch.ts';

isolate();

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 2);
const SEEDS =
  process.env['HEDDLE_SEED'] === undefined
    ? Array.from({ length: COUNT }, (_, seed) => seed)
    : [Number(process.env['HEDDLE_SEED'])];
const NAMES = ['ip_src', 'nw_dst', 'ipv6_src', 'ipv6_dst', 'tun_id', 'none', 'tcp_src', 'zork'];
const PACKETS = 12;

const ipv4 = (r: Random) => `10.${r.below(2)}.${r.pick([0, 1, 128])}.${r.below(3)}`;
const ipv6 = (r: Random) => `2001:db8:${r.below(2)}:${r.pick(['0', '1', '8000'])}::${r.below(3)}`;

/**
 * Every flow has a priority of its own: which of equals is found is nobody's promise. Neither is
 * which of two addresses rules a table out, so there is one; and of two protocols addresses of ours
 * are in one place.
 */
function flow(r: Random, isIpv6: boolean, way: string, priority: number): string {
  const length = isIpv6 ? r.pick([32, 48, 64, 128]) : r.pick([8, 16, 24, 32]);
  const address = isIpv6 ? `ipv6,ipv6_${way}=${ipv6(r)}` : `ip,nw_${way}=${ipv4(r)}`;
  return `priority=${priority},${address}/${length},actions=${r.pick(['drop', 'local'])}`;
}

function packet(r: Random, isIpv6: boolean): string {
  if (isIpv6) return `in_port=p1,ipv6,ipv6_src=${ipv6(r)},ipv6_dst=${ipv6(r)}`;
  return `in_port=p1,ip,nw_src=${ipv4(r)},nw_dst=${ipv4(r)}`;
}

/** What the daemon has said of prefixes. */
function complaints(subject: DummySwitch): string[] {
  const log = readFileSync(join(subject.instance.directory, 'ovs-vswitchd.log'), 'utf8');
  return log
    .split('\n')
    .filter((line) => /prefixes|Prefix/.test(line))
    .map((line) => line.split('|').slice(3).join('|'));
}

test('tables track the prefixes that they are told to', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  for (const seed of SEEDS) {
    const r = new Random(seed);
    const names = Array.from({ length: r.below(4) }, () => r.pick(NAMES));
    const known = names.filter((name) => name !== 'tcp_src' && name !== 'zork');
    const prefixes = `prefixes=[${[...new Set(names)].join()}]`;
    const way = r.pick(['src', 'dst']);
    // Where nothing is asked for ours tracks IPv6, too.
    const isIpv6 = known.length > 0 && r.chance(50);
    const flows = Array.from({ length: 12 }, (_, i) => flow(r, isIpv6, way, i));
    const told = `seed ${seed}: ${prefixes}\n${flows.join('\n')}`;
    for (const subject of both) {
      const table = ['--', '--id=@t', 'create', 'Flow_Table', prefixes];
      await subject.setUp(
        'br0',
        ['p1'],
        [...table, '--', 'set', 'Bridge', 'br0', 'flow_tables:0=@t'],
      );
      const { host, directory } = subject.instance;
      const argv = host.argv('/usr/bin/ovs-ofctl', 'add-flows', `unix:${directory}/br0.mgmt`, '-');
      await runOk(argv, { input: flows.join('\n') });
    }
    for (let i = 0; i < PACKETS; i++) {
      const what = packet(r, isIpv6);
      await agree(both, `${told}\n${what}`, (s) => s.appctl('ofproto/trace', 'br0', what));
    }
    assert.deepEqual(complaints(both[0]), complaints(both[1]), told);
  }
});

const PORTS = [80, 81, 443, 1000, 8080, 40_000];

function portFlow(r: Random, priority: number): string {
  const ends = r.pick([['tp_src'], ['tp_dst'], ['tp_dst'], ['tp_src', 'tp_dst']]);
  const terms = ends.map((end) => `${end}=${r.pick(PORTS)}${r.pick(['', '', '/0xfff0', '/0xff'])}`);
  if (r.chance(20)) terms.push('nw_src=10.0.0.1');
  if (r.chance(10)) return `priority=${priority},icmp,icmp_type=${r.below(12)},actions=drop`;
  const proto = r.pick(['tcp', 'tcp', 'udp']);
  if (proto === 'tcp' && r.chance(10)) terms.push('tcp_flags=+syn');
  const match = terms.map((term) => masked(term)).join();
  return `priority=${priority},${proto},${match},actions=${r.pick(['drop', 'local'])}`;
}

/** `tp_dst=81/0xfff0` without what the mask leaves out. */
function masked(term: string): string {
  const found = /^(\w+)=(\d+)\/(0x\w+)$/.exec(term);
  if (!found) return term;
  const [, name, value, mask] = found;
  return `${name}=${Number(value) & Number(mask)}/${mask}`;
}

function portPacket(r: Random): string {
  const port = () => (r.chance(50) ? r.pick(PORTS) : r.below(65_536));
  const address = `nw_src=10.0.0.${r.below(3)}`;
  if (r.chance(20)) return `in_port=p1,icmp,${address},icmp_type=${r.below(12)}`;
  const proto = r.pick(['tcp', 'udp']);
  return `in_port=p1,${proto},${address},${proto}_src=${port()},${proto}_dst=${port()}`;
}

test('a packet that has the ports of no flow is told from them by their first bits', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  for (const seed of SEEDS) {
    const r = new Random(seed);
    const flows = Array.from({ length: 1 + r.below(6) }, (_, i) => portFlow(r, i));
    for (const subject of both) {
      await subject.setUp('br0', ['p1'], []);
      const { host, directory } = subject.instance;
      const argv = host.argv('/usr/bin/ovs-ofctl', 'add-flows', `unix:${directory}/br0.mgmt`, '-');
      await runOk(argv, { input: flows.join('\n') });
    }
    for (let i = 0; i < PACKETS; i++) {
      const what = portPacket(r);
      const told = `seed ${seed}\n${flows.join('\n')}\n${what}`;
      await agree(both, told, (s) => s.appctl('ofproto/trace', 'br0', what));
    }
  }
});
