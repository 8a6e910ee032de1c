/**
 * Random flow tables on two joined bridges, ours and Open vSwitch's: frames, packet-outs, changes of
 * flows and time, the same for both. The same frames leave, controllers hear the same, counters are
 * equal; ours decides by cached megaflows, theirs packet by packet. HEDDLE_SEED, HEDDLE_COUNT: rounds;
 * HEDDLE_CONFIG: operators change groups, ports and rows meanwhile.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { formatBytes, type OfpVersion } from '@heddle/openflow';
import { toHex } from '@heddle/packet';
import * as b from '@heddle/packet/build';
import { isolate, Scope } from '@heddle/testing';
import { message, type RawPeer, u16, u32 } from '../../openflow/raw-peer.ts';
import type { Version } from '../../openflow/raw-requests.ts';
import { DummySwitch } from '../dummy-switch.ts';
import { Side } from './pair.ts';
import { type Step, Steps } from './random-steps.ts';

isolate();

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 6);
const FLOWS = Number(process.env['HEDDLE_FLOWS'] ?? 30);
const STEPS = Number(process.env['HEDDLE_PACKETS'] ?? 30);
const KEEPS_GOING = process.env['HEDDLE_KEEP_GOING'] !== undefined;

/** A connection that hears of everything: packets in `format`. */
async function listener(
  scope: Scope,
  side: Side,
  version: Version,
  format: number,
): Promise<RawPeer> {
  const peer = await side.connect(scope, 'br0', version);
  await side.settle(
    peer,
    version,
    message(version, 9, 1, u16(0, 0xffff)),
    message(version, 4, 1, u32(0x2320, 16, format)),
  );
  return peer;
}

function told(reply: Buffer): string {
  const text = formatBytes(reply, 3).replace(/ \(xid=.*?\)/, '');
  return (
    text
      // Upstream leaves out which flow the rest is of where that cannot matter.
      .replaceAll(/unroll_xlate\(table=\d+, cookie=\d+\),?/g, '')
      .replaceAll(/bridge=[0-9a-f-]{36}/g, 'bridge=UUID')
      .replaceAll(/duration[= ]?[\d.]+s/g, 'duration')
      .replaceAll(/addr:[\da-f:]+/g, 'addr')
      .replaceAll(/ continuation\.odp_port=\d+/g, '')
  );
}

/** NXT_PACKET_IN2 with a continuation; settled ones of another version are of no use. */
function isPaused(message: Buffer): boolean {
  return isPacketIn2(message) && formatBytes(message, 3).includes('continuation');
}

function isPacketIn2(message: Buffer): boolean {
  return message[1] === 4 && message.readUInt32BE(8) === 0x2320 && message.readUInt32BE(12) === 30;
}

/** NXT_RESUME of it: the same but for the subtype. */
function resumed(packetIn: Buffer): Buffer {
  const message = Buffer.from(packetIn);
  message.writeUInt32BE(28, 12);
  return message;
}

type Other = readonly [RawPeer, Version];

async function take(
  side: Side,
  step: Step,
  peer: RawPeer,
  version: Version,
  others: readonly Other[],
): Promise<string[]> {
  const { subject } = side;
  const out: string[] = [];
  switch (step.type) {
    case 'messages':
      await subject.ask('revalidator/purge');
      out.push(...(await side.settle(peer, version, ...step.bytes)).map(told));
      break;
    case 'receive':
      if (!side.isOurs) await subject.ask('revalidator/purge');
      await subject.ask('netdev-dummy/receive', step.port, ...step.frames);
      break;
    case 'warp':
      await subject.ask('revalidator/purge');
      await subject.warp(step.ms, 1000);
      break;
    case 'ofctl':
      side.isConfigured = true;
      if (!side.isOurs) await subject.ask('revalidator/purge');
      out.push(...(await side.ofctl(step.words)));
      break;
    case 'vsctl':
      side.isConfigured = true;
      if (!side.isOurs) await subject.ask('revalidator/purge');
      for (const name of step.devices) await side.addPort(name);
      if (step.devices.length === 0) await subject.vsctl(...step.words);
      break;
    case 'resume': {
      if (!side.isOurs) await subject.ask('revalidator/purge');
      const packet = side.paused[step.index % side.paused.length];
      if (packet) out.push(...(await side.settle(peer, version, resumed(packet))).map(told));
      break;
    }
  }
  await subject.ask('version');
  await subject.ask('version');
  const heard = await side.settle(peer, version);
  for (const [other, otherVersion] of others)
    heard.push(...(await side.settle(other, otherVersion)));
  side.paused.push(...heard.filter((m) => m[0] === version && isPaused(m)));
  const events = heard.map(told);
  // Flows end in the order of upstream's tables.
  out.push(...(step.type === 'warp' ? events.sort() : events));
  return [...out, ...side.transmitted()];
}

function difference(ours: readonly string[], theirs: readonly string[]): string | undefined {
  const [a, b] = [ours.join('\n'), theirs.join('\n')];
  if (a === b) return undefined;
  const minus = theirs.filter((line) => !ours.includes(line)).map((line) => `- ${line}`);
  const plus = ours.filter((line) => !theirs.includes(line)).map((line) => `+ ${line}`);
  if (minus.length + plus.length === 0) return `order:\n--- ours\n${a}\n--- theirs\n${b}`;
  return [...minus, ...plus].join('\n');
}

async function round(
  scope: Scope,
  both: readonly Side[],
  seed: number,
): Promise<string | undefined> {
  const r = new Random(seed);
  const version = (1 + (seed % 6)) as Version;
  const format = r.below(3);
  const steps = new Steps(r, version as OfpVersion);
  const history: string[] = [`seed ${seed} version 1.${version - 1} format ${format}`];
  const peers = await Promise.all(both.map((side) => listener(scope, side, version, format)));
  const otherVersion = (1 + r.below(6)) as Version;
  const otherFormat = r.below(3);
  const others: readonly Other[] = await Promise.all(
    both.map(
      async (side): Promise<Other> => [
        await listener(scope, side, otherVersion, otherFormat),
        otherVersion,
      ],
    ),
  );
  try {
    for (const { bridge, line, bytes } of steps.setUp(FLOWS)) {
      history.push(`br${bridge} ${line}`);
      // Groups are OpenFlow 1.5's, flows OpenFlow 1.3's: operators speak both.
      const answers = await Promise.all(
        both.map((side) =>
          side.settle(
            side.operators[bridge + (bytes[0] === 4 ? 2 : 0)]!,
            bytes[0] as Version,
            bytes,
          ),
        ),
      );
      const d = difference(answers[0]!.map(told), answers[1]!.map(told));
      if (d) return `${line}\n${d}`;
    }
    for (let i = 0; i < STEPS; i++) {
      const step = steps.next();
      history.push(step.text);
      const seen = await Promise.all(
        both.map((side, k) => take(side, step, peers[k]!, version, [others[k]!])),
      );
      const d = difference(seen[0]!, seen[1]!);
      if (d) return `${history.join('\n')}\nDIFF\n${d}`;
    }
    const states = await Promise.all(both.map((side) => side.state()));
    const d = difference(states[0]!, states[1]!);
    if (d) return `${history.join('\n')}\nSTATE\n${d}`;
    return undefined;
  } finally {
    for (const peer of [...peers, ...others.map(([other]) => other)]) peer.socket.destroy();
    await Promise.all(both.map((side) => side.reset()));
  }
}

interface Case {
  readonly groups?: readonly string[];
  /** ovs-ofctl's words between the first frames and as many again. */
  readonly between?: readonly (readonly string[])[];
  /** By bridge. */
  readonly flows: readonly (readonly string[])[];
  readonly deleted?: string;
  readonly again?: readonly string[];
  readonly sent?: readonly string[];
}

const NAT = 'ct(commit,nat(src=10.0.0.77))';
/** What has differed before. */
const CASES: Readonly<Record<string, Case>> = {
  'what another bridge makes of a packet stays there': {
    flows: [
      [
        'actions=output:9,output:2',
        'priority=40000,in_port=4,actions=resubmit(,1),output:9,output:2',
      ],
      [`udp,actions=${NAT},output:1`, 'arp,actions=encap(nsh(md_type=1)),encap(ethernet),output:1'],
    ],
  },
  'a bucket that cannot be gone on with ends alone': {
    groups: ['group_id=20,type=all,bucket=actions=resubmit(,3),bucket=actions=output:4'],
    flows: [['actions=group:20,output:2', 'table=3,actions=output:3,encap(ethernet),output:1'], []],
  },
  'another bridge that cannot go on ends alone': {
    flows: [['actions=output:9,output:2'], ['actions=output:1,encap(ethernet),output:2']],
  },
  'a packet in all buckets counts once': {
    groups: [
      'group_id=20,type=all,bucket=actions=output:3,bucket=actions=output:4',
      'group_id=21,type=all',
    ],
    flows: [['no_byte_counts,actions=group:20,group:21'], []],
  },
  'flows go with the last that learns them': {
    flows: [
      [
        'table=0,udp,actions=resubmit(,1),resubmit(,2)',
        'table=1,actions=learn(table=9,cookie=5,delete_learned,NXM_OF_ETH_SRC[])',
        'table=2,actions=learn(table=8,cookie=5,delete_learned,NXM_OF_ETH_SRC[])',
        'table=2,priority=3,actions=learn(table=8,cookie=5,delete_learned,NXM_OF_ETH_SRC[])',
        'table=9,cookie=5,priority=7,actions=drop',
      ],
      [],
    ],
    deleted: 'table=1',
  },
  'a flow that is added again counts on': {
    flows: [['actions=output:2', 'priority=40000,udp,actions=output:3'], []],
    again: ['actions=output:1', 'reset_counts,priority=40000,udp,actions=output:3'],
  },
  'a controller sends as if by no port': {
    flows: [[], []],
    sent: ['CONTROLLER', 'NONE', '77'].map((port) => `in_port=${port},actions=NORMAL`),
  },
  'an indirect group has several buckets when others are put in': {
    groups: ['group_id=20,type=indirect,bucket=bucket_id:0,actions=output:3'],
    flows: [['actions=group:20,output:2'], []],
    between: [
      [
        'insert-buckets',
        'br0',
        'group_id=20,command_bucket_id=last,bucket=bucket_id:7,actions=output:4',
      ],
    ],
  },
  'an indirect group is there without buckets': {
    groups: ['group_id=20,type=indirect,bucket=bucket_id:0,actions=output:3'],
    flows: [['actions=group:20,output:2'], []],
    between: [['remove-buckets', 'br0', 'group_id=20,command_bucket_id=all']],
  },
  'a port that is down is not alive, and takes packets': {
    groups: [
      'group_id=20,type=ff,bucket=watch_port:2,actions=output:2,bucket=watch_port:3,actions=output:3',
    ],
    flows: [['actions=group:20'], []],
    between: [
      ['mod-port', 'br0', 'p2', 'down'],
      ['mod-port', 'br0', 'p1', 'down'],
    ],
  },
  'a patch port is neither up nor down': {
    flows: [['actions=output:9'], ['actions=output:1']],
    between: [['mod-port', 'br0', 'pa', 'down']],
  },
  'an option that is zero is no option that is there': {
    flows: [
      [
        'tun_metadata0=0,actions=output:2',
        'tun_metadata0,actions=output:3',
        'tun_metadata1=0/0xff,actions=output:4',
      ],
      [],
    ],
  },
};
const FRAMES = [
  b.ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, b.udp({ src: 1, dst: 2 })),
  b.arp({ op: 1, sha: 1, spa: '10.0.0.1', tpa: '10.0.0.2' }),
].map((part) => toHex(b.ethernet({ src: '50:54:00:00:00:01', dst: '50:54:00:00:00:02' }, part)));

test('what has differed before', async () => {
  await using scope = new Scope();
  const pair = await DummySwitch.pair(scope);
  const both = pair.map((subject, i) => new Side(subject, i === 0));
  for (const side of both) await side.setUp(scope);
  for (const [
    name,
    { groups = [], between = [], flows, deleted, again = [], sent = [] },
  ] of Object.entries(CASES)) {
    const seen = await Promise.all(
      both.map(async (side) => {
        const ofctl = (...words: string[]) =>
          side.subject.instance.exec('/usr/bin/ovs-ofctl', '-O', 'OpenFlow15', ...words);
        for (const line of groups) await ofctl('add-group', 'br0', line);
        for (const [i, lines] of flows.entries())
          for (const line of lines) await ofctl('add-flow', `br${i}`, line);
        await side.subject.ask('netdev-dummy/receive', 'p1', ...FRAMES);
        await side.subject.ask('version');
        for (const words of between) {
          side.isConfigured = true;
          await side.ofctl(['-O', 'OpenFlow15', ...words]);
          await side.subject.ask('version');
        }
        // Open vSwitch follows by and by.
        if (!side.isOurs && between.length > 0) await side.subject.ask('revalidator/purge');
        if (between.length > 0) await side.subject.ask('netdev-dummy/receive', 'p1', ...FRAMES);
        for (const line of again) await ofctl('add-flow', 'br0', line);
        for (const line of sent)
          for (const frame of FRAMES) await ofctl('packet-out', 'br0', `packet=${frame},${line}`);
        if (deleted) await ofctl('del-flows', 'br0', deleted);
        const out = [...side.transmitted(), ...(await side.state())];
        await side.reset();
        return out;
      }),
    );
    assert.deepEqual(seen[0], seen[1], name);
  }
});

test('random tables, frames, messages and time', async () => {
  await using scope = new Scope();
  const pair = await DummySwitch.pair(scope);
  const both = pair.map((subject, i) => new Side(subject, i === 0));
  for (const side of both) {
    await side.setUp(scope);
    for (const bridge of ['br0', 'br1']) side.operators.push(await side.connect(scope, bridge, 4));
  }
  let differences = 0;
  for (let n = 0; n < COUNT; n++) {
    const found = await round(scope, both, SEED * 100_000 + n);
    if (!found) continue;
    if (!KEEPS_GOING) assert.fail(found);
    console.log(`=====DIFF ${found}`);
    differences++;
  }
  assert.equal(differences, 0);
});
