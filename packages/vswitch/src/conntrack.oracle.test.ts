/** Connection tracking beside Open vSwitch's: random packets through the same flow tables. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CtPackets } from '@heddle/datapath/oracle/conntrack-packets';
import { FragmentPackets, MIN_FRAGMENT } from '@heddle/datapath/oracle/fragment-packets';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { oracleInstalled } from '@heddle/datapath/oracle/reference-daemons';
import { ETH_P_IP, extractFlow, IPPROTO_TCP, TCP_ACK, TCP_SYN, toHex } from '@heddle/packet';
import * as b from '@heddle/packet/build';
import { type CtScenario, SCENARIOS } from './oracle/conntrack-flows.ts';
import { ConntrackOracle } from './oracle/conntrack-oracle.ts';
import { OurConntrack } from './oracle/our-conntrack.ts';

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 30);

const MACS = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };

function sorted(dump: string): string {
  return dump.trim().split('\n').sort().join('\n');
}

/** What the answering side of a translated connection sees. */
function answers(name: string): ConstructorParameters<typeof CtPackets>[1] {
  switch (name) {
    case 'snat':
      return { answersTo: '10.9.0.1' };
    case 'snat port':
      return { answersTo: '10.9.0.1', ports: [4000, 0] };
    case 'dnat':
      return { answersFrom: '10.0.0.2' };
    case 'dnat port':
      return { answersFrom: '10.0.0.2', ports: [0, 80] };
    default:
      return {};
  }
}

/** Sets what the database says of zones; returns what takes it back. */
function setTimeouts(oracle: ConntrackOracle, timeouts: CtScenario['timeouts'] = {}): () => void {
  const zones = Object.keys(timeouts).map(Number);
  for (const zone of zones) {
    const each = Object.entries(timeouts[zone]!).map(([name, seconds]) => `${name}=${seconds}`);
    oracle.vsctl('add-zone-tp', 'dummy', `zone=${zone}`, ...each);
  }
  return () => {
    for (const zone of zones) oracle.vsctl('del-zone-tp', 'dummy', `zone=${zone}`);
  };
}

async function compare(oracle: ConntrackOracle, scenario: CtScenario, v6: boolean) {
  const restore = setTimeouts(oracle, scenario.timeouts);
  try {
    await compareFrames(oracle, scenario, v6);
  } finally {
    restore();
  }
}

/** What a connection that is over is shown as. */
const OVER = /state_orig=(?:TIME_WAIT|CLOSED),state_reply=(?:TIME_WAIT|CLOSED)/;

/**
 * Whether a frame opens such a connection anew. In Open vSwitch 3.1 the tuple of its answers counts
 * as taken still: a translated one gets another port, or is not translated at all, and the answers of
 * one that was forced are not found.
 */
function reopens(ours: OurConntrack, frame: Uint8Array): boolean {
  const { dlType, nwProto, tcpFlags, tpSrc, tpDst } = extractFlow(frame, { inPort: 0 });
  if (dlType !== ETH_P_IP || nwProto !== IPPROTO_TCP) return false;
  if ((tcpFlags & (TCP_SYN | TCP_ACK)) !== TCP_SYN) return false;
  const either = [`sport=${tpSrc},dport=${tpDst})`, `sport=${tpDst},dport=${tpSrc})`];
  const lines = ours.dump({ verbose: true }).split('\n');
  return lines.some((line) => OVER.test(line) && either.some((ports) => line.includes(ports)));
}

async function compareFrames(oracle: ConntrackOracle, scenario: CtScenario, v6: boolean) {
  const { name, flows } = scenario;
  const r = new Random(SEED);
  const ours = await OurConntrack.open(scenario);
  await oracle.appctl('dpctl/flush-conntrack');
  await oracle.flows(flows.map((f) => f.replace(' actions', ',actions')));
  const packets = new CtPackets(r, { v6, ...answers(name) });
  // Theirs does not find the answers of a connection that was forced in place of an expired one.
  const isForced = name.startsWith('force');
  const history: string[] = [];
  for (let i = 0; i < COUNT; i++) {
    if (r.below(12) === 0 && !isForced) {
      const ms = r.pick([500, 5000, 31_000, 46_000, 61_000, 901_000]);
      await oracle.warp(ms);
      ours.clock.advance(ms);
      history.push(`warp ${ms}`);
    }
    const { port, frame } = packets.next();
    if ((isForced || name.includes('nat')) && reopens(ours, frame)) continue;
    history.push(`${port}:${toHex(frame)}`);
    const theirs = (await oracle.send(port, frame)).join('\n');
    const mine = ours.send(port, frame).join('\n');
    const where = () =>
      `${name}${v6 ? ' v6' : ''} seed ${SEED} packet ${i}\n${history.slice(-12).join('\n')}\n`;
    assert.equal(mine, theirs, where());
    const dump = sorted(await oracle.appctl('dpctl/dump-conntrack', '-m', '-s'));
    assert.equal(ours.dump({ verbose: true, stats: true }), dump, where());
    const plain = sorted(await oracle.appctl('dpctl/dump-conntrack'));
    assert.equal(ours.dump({}), plain, where());
  }
  const stats = await oracle.appctl('dpctl/ct-stats-show', '-m');
  assert.equal(await ours.dpctl('ct-stats-show', '-m'), stats);
}

const FRAGMENTED = ['commit', 'one way', 'snat'];

/** What another test left goes out when its time is over and other packets come. */
async function expireFragments(oracle: ConntrackOracle): Promise<void> {
  await oracle.warp(20_000);
  const ends = { src: '10.99.0.1', dst: '10.99.0.2' };
  const frame = b.ethernet(MACS, b.ipv4(ends, b.udp({ src: 1, dst: 2 })));
  for (let i = 0; i < 400; i++) {
    await oracle.send(1, frame);
    if ((await oracle.appctl('dpctl/ipf-get-status')).includes('num frag: 0')) break;
  }
  await oracle.appctl('dpctl/flush-conntrack');
}

async function compareFragments(oracle: ConntrackOracle, name: string, v6: boolean) {
  const { flows } = SCENARIOS.find((s) => s.name === name)!;
  const r = new Random(SEED);
  const ours = await OurConntrack.open({ flows });
  await oracle.flows(flows.map((f) => f.replace(' actions', ',actions')));
  await expireFragments(oracle);
  const both = async (...args: [string, ...string[]]) => {
    const theirs = await oracle.appctl(`dpctl/${args[0]}`, ...args.slice(1));
    return [await ours.dpctl(...args), theirs] as const;
  };
  for (const family of ['v4', 'v6']) await both('ipf-set-min-frag', family, String(MIN_FRAGMENT));
  const [client, server] = v6 ? ['fd00::1', 'fd00::2'] : ['10.0.0.1', '10.0.0.2'];
  const answersTo = name === 'snat' ? '10.9.0.1' : client;
  const packets = new FragmentPackets(r, { client, server, answersTo });
  const held = async (where: string) => {
    const [mine, theirs] = await both('ipf-get-status', '-m');
    const count = (text: string) => Number(/num frag: (\d+)/.exec(text)![1]);
    const lists = (text: string) => {
      const each = text
        .split('Fragment Lists:')[1]!
        .replaceAll(/recirc_id=[1-9]\d*/g, 'recirc_id=N');
      return sorted(each);
    };
    assert.equal(lists(mine), lists(theirs), where);
    assert.equal(count(mine), count(theirs), where);
  };
  const history: string[] = [];
  for (let i = 0; i < COUNT; i++) {
    const { port, frame } = packets.next();
    history.push(`${port}:${toHex(frame.subarray(0, 60))}...${frame.length}`);
    const where = () => `${name} seed ${SEED} fragment ${i}\n${history.slice(-12).join('\n')}\n`;
    // Theirs sends what hits a megaflow ahead of what misses.
    const theirs = (await oracle.send(port, frame)).sort().join('\n');
    assert.equal(ours.send(port, frame).sort().join('\n'), theirs, where());
    const dump = sorted(await oracle.appctl('dpctl/dump-conntrack', '-m', '-s'));
    assert.equal(ours.dump({ verbose: true, stats: true }), dump, where());
    await held(where());
  }
}

const COMMANDS: readonly string[] = [
  'ct-get-nconns',
  'ct-get-maxconns',
  'ct-set-maxconns 3',
  'ct-get-maxconns',
  'ct-set-maxconns x',
  'ct-set-maxconns',
  'ct-set-maxconns 3000000',
  'ct-get-tcp-seq-chk',
  'ct-disable-tcp-seq-chk',
  'ct-get-tcp-seq-chk',
  'ct-enable-tcp-seq-chk',
  'ct-bkts',
  'ct-bkts gt=100',
  'ct-stats-show zone=7',
  'ct-stats-show -m',
  'ct-stats-show zone=1',
  'ct-get-limits',
  'ct-set-limits default=10',
  'ct-set-limits zone=3,limit=6 zone=2,limit=0',
  'ct-get-limits',
  'ct-get-limits zone=3,5',
  'ct-get-limits zone=x',
  'ct-del-limits zone=3',
  'ct-del-limits zone=99',
  'ct-get-limits',
  'ct-set-limits',
  'ct-set-limits zone=1',
  'ct-set-limits bla',
  'ct-set-limits zone=70000,limit=1',
  'ct-set-limits default=x',
  'ct-del-limits',
  'ipf-set-disabled v4',
  'ipf-set-enabled v4',
  'ipf-set-enabled',
  'ipf-set-enabled v5',
  'ipf-set-min-frag v4 399',
  'ipf-set-min-frag v4 400',
  'ipf-set-min-frag v6 x',
  'ipf-set-min-frag v6',
  'ipf-set-max-nfrags 5001',
  'ipf-set-max-nfrags 5000',
  'ipf-set-max-nfrags x',
  'ipf-set-max-nfrags 1000',
  'flush-conntrack zone=7 ct_tp_src=10',
  'flush-conntrack zone=7 bla=1',
  'flush-conntrack zone=x',
  'flush-conntrack ct_nw_src=x',
  'dump-conntrack foo',
  'dump-conntrack zone=x',
  'dump-conntrack zone=8',
  'dump-conntrack -s zone=7',
  'flush-conntrack zone=7 ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=17,ct_tp_src=1,ct_tp_dst=2',
  'dump-conntrack',
  'flush-conntrack zone=6',
  'flush-conntrack zone=7 ct_nw_proto=6,ct_tp_src=10',
  'dump-conntrack',
  'flush-conntrack ct_nw_src=10.0.0.1',
  'dump-conntrack',
];

async function compareCommands(oracle: ConntrackOracle): Promise<void> {
  const { flows } = SCENARIOS.find(({ name }) => name.startsWith('zones'))!;
  const ours = await OurConntrack.open({ flows });
  await oracle.appctl('dpctl/flush-conntrack');
  await oracle.flows(flows.map((f) => f.replace(' actions', ',actions')));
  const parts = [b.udp({ src: 1, dst: 2 }), b.icmp({ type: 8, rest: 0x10001 })];
  for (const src of [10, 11]) parts.push(b.tcp({ src, dst: 20, flags: 2 }));
  for (const part of parts) {
    const frame = b.ethernet(MACS, b.ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, part));
    ours.send(1, frame);
    await oracle.send(1, frame);
  }
  for (const line of COMMANDS) {
    const [name = '', ...args] = line.split(' ');
    const theirs = await oracle.appctl(`dpctl/${name}`, ...args);
    assert.equal(sorted(await ours.dpctl(name, ...args)), sorted(theirs), line);
  }
}

describe('conntrack, beside Open vSwitch', { skip: !oracleInstalled() }, () => {
  let oracle: ConntrackOracle;
  before(async () => {
    oracle = new ConntrackOracle(3);
    await oracle.open();
    const row = ['--id=@dp', 'create', 'Datapath', 'datapath_version=0'];
    oracle.vsctl('--', ...row, '--', 'set', 'Open_vSwitch', '.', 'datapaths:dummy=@dp');
  });
  after(() => oracle[Symbol.dispose]());

  for (const scenario of SCENARIOS) {
    it(`${scenario.name}, IPv4`, () => compare(oracle, scenario, false));
    if (!scenario.flows.some((f) => f.includes('in_port=1,ipv6'))) continue;
    it(`${scenario.name}, IPv6`, () => compare(oracle, scenario, true));
  }

  for (const name of FRAGMENTED) {
    it(`fragments: ${name}, IPv4`, () => compareFragments(oracle, name, false));
    if (name === 'snat') continue;
    it(`fragments: ${name}, IPv6`, () => compareFragments(oracle, name, true));
  }

  // The last one: a default limit that was set once stays one in theirs, even as 0.
  it('answers to dpctl commands alike', () => compareCommands(oracle));
});
