/**
 * Flows that packets teach, and teach again: how old they are, how long they have been idle, and
 * when they go, second by second, what they hold for, and who finds them, as in the distribution's
 * switch. HEDDLE_COUNT rounds, HEDDLE_SEED.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { toHex } from '@heddle/packet';
import { ethernet, ipv4, tcp } from '@heddle/packet/build';
import { isolate, Scope } from '@heddle/testing';
import { DummySwitch } from './dummy-switch.ts';

isolate();

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 3);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const FIN = 1;
const ACK = 16;

/** From 02:…:01 to 02:…:02 by TCP, or the way back. `port`: so that no two are of one megaflow. */
function packet(isBack: boolean, flags: number, port: number): string {
  const [src, dst] = isBack ? (['2', '1'] as const) : (['1', '2'] as const);
  const macs = { src: `02:00:00:00:00:0${src}`, dst: `02:00:00:00:00:0${dst}` };
  const segment = tcp({ src: port, dst: 80, flags });
  return toHex(ethernet(macs, ipv4({ src: `10.0.0.${src}`, dst: `10.0.0.${dst}` }, segment)));
}

function learn(r: Random): string {
  const timeouts = [
    `idle_timeout=${1 + r.below(6)}`,
    ...(r.chance(50) ? [`hard_timeout=${1 + r.below(9)}`] : []),
    ...(r.chance(50) ? [`fin_idle_timeout=${1 + r.below(3)}`] : []),
    ...(r.chance(30) ? [`fin_hard_timeout=${1 + r.below(3)}`] : []),
  ].slice(r.chance(30) ? 1 : 0);
  const flow =
    'eth_type=0x800,nw_proto=6,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]';
  return `learn(${['table=1', ...timeouts, flow].join(',')}),2`;
}

test('what is learned grows old alike', async (t) => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  const each = <T>(body: (subject: DummySwitch) => Promise<T>) => Promise.all(both.map(body));
  await each((s) => s.setUp('br0', ['p1', 'p2'], ['--', 'set-fail-mode', 'br0', 'secure']));
  // When counters of megaflows are looked at, the distribution's threads decide: each packet goes up.
  await each((s) => s.appctl('upcall/disable-megaflows'));
  const r = new Random(SEED);
  let port = 1;
  for (let round = 0; round < COUNT; round++) {
    const history: string[] = [];
    const ofctl = async (...args: string[]) => {
      history.push(args.join(' '));
      const said = await each((s) => s.instance.exec('ovs-ofctl', '-O', 'OpenFlow15', ...args));
      await each((s) => s.warp(0));
      return said;
    };
    await ofctl('del-flows', 'br0');
    await ofctl('add-flow', 'br0', `in_port=1,tcp,actions=${learn(r)}`);
    await ofctl('add-flow', 'br0', 'in_port=2,actions=resubmit(,1)');
    for (let second = 0; second < 16; second++) {
      const isBack = r.chance(30);
      const flags = r.chance(20) ? FIN : ACK;
      if (r.chance(60)) {
        history.push(`packet${isBack ? ' back' : ''}, flags ${flags}`);
        const frame = packet(isBack, flags, port++);
        await each((s) => s.receive(isBack ? 'p2' : 'p1', frame));
      }
      history.push('a second');
      await each((s) => s.warp(1000, 1000));
      const [actual, expected] = await ofctl('dump-flows', 'br0', 'table=1');
      const what = `seed ${SEED}, round ${round}:\n${history.join('\n')}\n`;
      assert.equal(actual, expected, what);
    }
  }
  t.diagnostic(`${COUNT} rounds, seed ${SEED}`);
});

test('a limit holds for changes of what has been learned, too', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  const each = <T>(body: (subject: DummySwitch) => Promise<T>) => Promise.all(both.map(body));
  await each((s) => s.setUp('br0', ['p1', 'p2'], ['--', 'set-fail-mode', 'br0', 'secure']));
  await each((s) => s.appctl('upcall/disable-megaflows'));
  const ofctl = (...args: string[]) =>
    each((s) => s.instance.exec('ovs-ofctl', '-O', 'OpenFlow15', ...args));
  for (const limit of [1, 2]) {
    await ofctl('del-flows', 'br0');
    const flow = `learn(table=1,limit=${limit},eth_type=0x800,nw_proto=6`;
    await ofctl('add-flow', 'br0', `in_port=1,tcp,actions=${flow},load:1->NXM_NX_REG0[]),2`);
    await ofctl('add-flow', 'br0', `in_port=2,tcp,actions=${flow},load:2->NXM_NX_REG0[]),1`);
    await each((s) => s.receive('p1', packet(false, ACK, 1)));
    await each((s) => s.receive('p2', packet(true, ACK, 2)));
    await each((s) => s.warp(0));
    const [actual, expected] = await ofctl('dump-flows', 'br0', 'table=1');
    assert.equal(actual, expected, `limit=${limit}`);
    assert.match(expected!, limit === 1 ? /0x1->reg0/ : /0x2->reg0/);
  }
});

test('what the first packet of all teaches holds for its own megaflow, too', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  const each = <T>(body: (subject: DummySwitch) => Promise<T>) => Promise.all(both.map(body));
  await each((s) => s.setUp('br0', ['p1', 'p2'], ['--', 'set-fail-mode', 'br0', 'secure']));
  const learns = 'learn(table=1,NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])';
  for (const flow of [`in_port=1,actions=${learns},resubmit(,1)`, 'table=1,priority=0,actions=2']) {
    await each((s) => s.instance.exec('ovs-ofctl', 'add-flow', 'br0', flow));
  }
  for (let n = 0; n < 3; n++) {
    await each((s) => s.receive('p1', packet(false, ACK, 1)));
    await each((s) => s.appctl('revalidator/wait'));
  }
  const sent = both.map((s) => s.transmitted('p2'));
  assert.deepEqual(sent, [[packet(false, ACK, 1)], [packet(false, ACK, 1)]]);
});

test('flows that have been learned are found by what they match', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  const each = <T>(body: (subject: DummySwitch) => Promise<T>) => Promise.all(both.map(body));
  await each((s) => s.setUp('br0', ['p1', 'p2'], ['--', 'set-fail-mode', 'br0', 'secure']));
  const ofctl = (...args: string[]) => each((s) => s.instance.exec('ovs-ofctl', ...args));
  const learns = ['NXM_OF_ETH_SRC[]', 'eth_type=0x800,NXM_OF_IP_SRC[]', 'NXM_OF_VLAN_TCI[0..11]']
    .concat('NXM_NX_REG0[]', 'OXM_OF_METADATA[]', 'eth_type=0x800,nw_proto=6,NXM_OF_TCP_DST[]')
    .map((specs, i) => `learn(table=${i + 1},${specs},output:NXM_OF_IN_PORT[])`);
  await ofctl('add-flow', 'br0', `in_port=1,tcp,actions=${learns.join(',')}`);
  await each((s) => s.receive('p1', packet(false, ACK, 1)));
  const asked = [
    'dl_src=02:00:00:00:00:01',
    'ip,nw_src=10.0.0.1',
    'vlan_tci=0/0xfff',
    'tcp,tp_dst=80',
  ];
  for (const match of [...asked, 'reg0=0', 'metadata=0', 'packet_type=(0,0)']) {
    const [actual, expected] = await ofctl('--no-stats', '--sort', 'dump-flows', 'br0', match);
    assert.equal(actual, expected, match);
    assert.match(expected!, /table=/, match);
  }
  for (const match of asked) await ofctl('del-flows', 'br0', match);
  const [actual, expected] = await ofctl('--no-stats', '--sort', 'dump-flows', 'br0');
  assert.equal(actual, expected);
  assert.equal(expected!.match(/^ table=[45]/gm)?.length, 2);
});
