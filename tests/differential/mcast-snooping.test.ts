/**
 * Multicast snooping of Open vSwitch and ours on dummy devices: the same reports, queries and
 * packets; the same traces, tables and frames. HEDDLE_SEED repeats one round; HEDDLE_COUNT sets how
 * many there are.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { parsePcap, toHex } from '@heddle/packet';
import { unixctlCall } from '@heddle/runtime';
import { Host, Instance, isolate, Scope } from '@heddle/testing';
import { randomMembership } from '@heddle/vswitch/oracle/random-membership';

isolate();

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 1);
const FRAMES = 40;
const SEEDS =
  process.env['HEDDLE_SEED'] === undefined
    ? Array.from({ length: COUNT }, (_, seed) => seed)
    : [Number(process.env['HEDDLE_SEED'])];
const PORTS = ['p1', 'p2', 'p3', 'p4'];

/** One switch under test, spoken to by its control socket. */
class Subject {
  readonly instance: Instance;

  constructor(instance: Instance) {
    this.instance = instance;
  }

  async appctl(command: string, ...args: string[]): Promise<string> {
    const { directory } = this.instance;
    const socket = join(directory, `ovs-vswitchd.${this.instance.pid('ovs-vswitchd')}.ctl`);
    const { result, error } = await unixctlCall(socket, command, args);
    assert.equal(error ?? '', '', command);
    return result ?? '';
  }

  pcap(port: string): string {
    return join(this.instance.directory, `${port}.pcap`);
  }

  async setUp(words: readonly string[]): Promise<void> {
    await this.instance.vsctl('--if-exists', 'del-br', 'br0');
    for (const port of PORTS) rmSync(this.pcap(port), { force: true });
    await this.instance.vsctl(
      ...['add-br', 'br0', '--', 'set', 'Bridge', 'br0', 'mcast_snooping_enable=true'],
      ...PORTS.flatMap((port, i) => [
        ...['--', 'add-port', 'br0', port, '--', 'set', 'Interface', port],
        ...['type=dummy', `options:tx_pcap=${this.pcap(port)}`, `ofport_request=${i + 1}`],
      ]),
      ...words,
    );
  }

  transmitted(port: string): string[] {
    if (!existsSync(this.pcap(port))) return [];
    return parsePcap(readFileSync(this.pcap(port))).map(({ data }) => toHex(data));
  }

  /** A trace but for the numbers and order of the datapath's ports, of which there are so many. */
  async trace(port: string, frame: string): Promise<string> {
    const trace = await this.appctl('ofproto/trace', 'br0', `in_port=${port}`, frame);
    // Open vSwitch has an IGMP type where others have a port.
    // Whether a group is news to it depends on when it has forgotten a group without members.
    const table = trace.replaceAll(/^ +-> multicast snooping (learned|processed) .*\n/gm, '');
    const text = table.replace(/(nw_proto=2,.*),tp_src=\d+,tp_dst=\d+$/m, '$1');
    // A type of eight bits has a mask of as many, which need not be told.
    const types = text.replaceAll(/icmp_type=(0x[0-9a-f]+)\/0xff/g, (_, type: string) => {
      return `icmp_type=${Number(type)}`;
    });
    // Our mask may hold the code, too, where Open vSwitch's holds the type alone.
    const codes = types.replace(/^(Megaflow:.*),icmp_code=\d+/m, '$1');
    return codes.replace(/^Datapath actions: (?!drop)(.*)$/m, (_, actions: string) => {
      return `Datapath actions: ${actions.split(',').length}`;
    });
  }
}

function configuration(r: Random): string[] {
  const words: string[] = [];
  const bridge = (setting: string) => words.push('--', 'set', 'Bridge', 'br0', setting);
  if (r.chance(50)) bridge('other_config:mcast-snooping-disable-flood-unregistered=true');
  for (const port of PORTS) {
    const flood = r.chance(50) ? 'flood' : 'flood-reports';
    if (r.chance(20))
      words.push('--', 'set', 'Port', port, `other_config:mcast-snooping-${flood}=true`);
    if (r.chance(15)) words.push('--', 'set', 'Port', port, 'tag=1');
  }
  return words;
}

test('the same messages have the same consequences', async () => {
  await using scope = new Scope();
  const switchArgs = ['--enable-dummy=override', '--disable-system'];
  const start = async (make: typeof Instance.ours) =>
    new Subject(await make(scope, { switchArgs, host: await Host.create(scope) }));
  const [ours, theirs] = [await start(Instance.ours), await start(Instance.oracle)];
  const both = [ours, theirs];
  for (const subject of both) await subject.appctl('time/stop');
  let sent = 0;
  for (const seed of SEEDS) {
    const r = new Random(seed);
    const words = configuration(r);
    const told = [`seed ${seed}: ${words.join(' ')}`];
    for (const subject of both) await subject.setUp(words);
    for (let i = 0; i < FRAMES; i++) {
      const port = r.pick(PORTS);
      const frame = toHex(randomMembership(r));
      const isTraced = r.chance(40);
      const warpMs = String(1000 * (1 + r.below(3)));
      told.push(`${isTraced ? 'trace' : 'receive'} ${port} ${frame}, ${warpMs} ms`);
      if (isTraced) {
        const [a, b] = await Promise.all(both.map((s) => s.trace(port, frame)));
        assert.equal(a, b, told.join('\n'));
      }
      for (const subject of both) {
        if (!isTraced) await subject.appctl('netdev-dummy/receive', port, frame);
        await subject.appctl('time/warp', warpMs);
        // Open vSwitch acts after the answer, and before it takes another command.
        for (let n = 0; n < 3; n++) await subject.appctl('version');
      }
      const [a, b] = await Promise.all(both.map((s) => s.appctl('mdb/show', 'br0')));
      assert.equal(a, b, told.join('\n'));
    }
    for (const subject of both) {
      for (let i = 0; i < 10; i++) {
        await subject.appctl('time/warp', '40000');
        await subject.appctl('version');
      }
      assert.equal(
        (await subject.appctl('mdb/show', 'br0')).split('\n').length,
        2,
        told.join('\n'),
      );
    }
    for (const port of PORTS) {
      const [a, b] = [ours.transmitted(port), theirs.transmitted(port)];
      assert.deepEqual(a, b, `${port}\n${told.join('\n')}`);
      sent += a.length;
    }
  }
  assert.ok(sent > 0, 'frames came out');
});
