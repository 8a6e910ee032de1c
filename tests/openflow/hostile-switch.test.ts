/**
 * Switches that mean no good: each command of ovs-ofctl ends by itself, with a word of what is wrong
 * unless the answer will do. HEDDLE_COUNT: how many pairs of command and switch; HEDDLE_SEED: which.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isolate, REPOSITORY, run, Scope } from '@heddle/testing';
import { Random } from '@heddle/testing/random';
import { bytes, hello, hex, listen, message, type RawPeer, u16, zeros } from './raw-peer.ts';

isolate();

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 40);
const OVS_OFCTL = join(REPOSITORY, 'bin/ovs-ofctl');

const COMMANDS = [
  'show SW',
  'dump-tables SW',
  'dump-table-features SW',
  'dump-desc SW',
  'dump-ports SW',
  'dump-ports SW 1',
  'dump-ports-desc SW',
  'dump-flows SW',
  'dump-aggregate SW',
  'queue-stats SW',
  'queue-get-config SW 1',
  'dump-groups SW',
  'dump-group-stats SW',
  'dump-group-features SW',
  'dump-meters SW',
  'meter-stats SW',
  'meter-features SW',
  'dump-tlv-map SW',
  'dump-table-desc SW',
  'dump-ipfix-bridge SW',
  'get-frags SW',
  'set-frags SW drop',
  'mod-port SW 1 up',
  'mod-table SW 1 drop',
  'add-flow SW actions=drop',
  'add-flows SW FLOWS',
  '--bundle add-flows SW FLOWS',
  'replace-flows SW FLOWS',
  'diff-flows SW FLOWS',
  'bundle SW FLOWS',
  'mod-flows SW actions=1',
  'del-flows SW',
  'add-group SW group_id=1,type=all,bucket=output:1',
  'del-groups SW',
  'add-meter SW meter=1,kbps,band=type=drop,rate=5',
  'del-meters SW',
  'packet-out SW in_port=1,packet=001122334455667788990011080045,actions=2',
  'ct-flush SW',
  'ct-flush-zone SW 5',
  'probe SW',
  'ping SW 5',
  'add-tlv-map SW {class=0xffff,type=0,len=4}->tun_metadata0',
];

type Mischief = (peer: RawPeer, version: number) => Promise<void>;

/** Answers each message after the hello with what `reply` makes of it. */
function answering(reply: (request: Buffer) => Buffer): Mischief {
  return async (peer, version) => {
    peer.send(hello(version));
    await peer.next();
    for (;;) {
      const request = await peer.next();
      if (!request) return;
      peer.send(reply(request));
    }
  };
}

function withType(request: Buffer, type: number): Buffer {
  const reply = Buffer.from(request);
  reply[1] = type;
  return reply;
}

const SWITCHES: Readonly<Record<string, Mischief>> = {
  'closes after its hello': async (peer, version) => {
    peer.send(hello(version));
    await peer.next();
    peer.socket.end();
  },
  'closes when it is asked': async (peer, version) => {
    peer.send(hello(version));
    await peer.next();
    await peer.next();
    peer.socket.end();
  },
  'sends garbage': async (peer) => peer.send(Buffer.alloc(70_000, 0xee)),
  'speaks no version': async (peer) => peer.send(hello(1, 0x8000_0000)),
  'sends a length of 3': async (peer, version) => {
    peer.send(hello(version));
    await peer.next();
    await peer.next();
    peer.send(hex('0113 0003 00000002'));
  },
  'sends half a reply': async (peer, version) => {
    peer.send(hello(version));
    await peer.next();
    const request = await peer.next();
    if (request) peer.send(bytes(withType(request, request[1]! + 1).subarray(0, 6)));
    peer.socket.end();
  },
  echoes: answering((request) => request),
  'replies what it was asked': answering((request) => withType(request, request[1]! + 1)),
  'replies to nothing else': answering((request) => withType(request, 3)),
  'refuses all': answering((request) => {
    return message(request[0]!, 1, request.readUInt32BE(4), u16(1, 1), request.subarray(0, 64));
  }),
  'refuses with unknown numbers': answering((request) => {
    return message(request[0]!, 1, request.readUInt32BE(4), u16(0x7777, 9), hex('00'));
  }),
  'sends empty replies': answering((request) => {
    return message(request[0]!, request[1]! + 1, request.readUInt32BE(4));
  }),
  'sends zeros': answering((request) => {
    const head = request.subarray(8, 16);
    return message(request[0]!, request[1]! + 1, request.readUInt32BE(4), head, zeros(800));
  }),
};

/** What once had the command wait for ever. */
const KNOWN = [
  { kind: 'sends empty replies', command: '--bundle add-flows SW FLOWS', version: 6 },
] as const;

test(`${COUNT} commands, and switches that mean no good`, async () => {
  await using scope = new Scope();
  const directory = scope.directory('hostile');
  const flows = join(directory, 'flows');
  writeFileSync(flows, 'priority=5,actions=1\npriority=6,actions=2\n');
  const pairs = Object.keys(SWITCHES).flatMap((kind) =>
    COMMANDS.flatMap((command) => [1, 4, 6].map((version) => ({ kind, command, version }))),
  );
  const random = new Random(SEED);
  for (let n = 0; n < COUNT; n++) {
    const { kind, command, version } = KNOWN[n] ?? random.pick(pairs);
    const path = join(directory, `sw${n}`);
    const server = await listen(scope, path);
    const words = command.replace('SW', path).replace('FLOWS', flows).split(' ');
    const argv = [OVS_OFCTL, '-t', '20', '-O', `OpenFlow1${version - 1}`, ...words];
    const running = run(argv, { timeoutMs: 30_000 });
    let isOver = false;
    const serve = async (): Promise<void> => {
      while (!isOver) {
        const peer = await server.next();
        peer.answersEchos = false;
        void SWITCHES[kind]!(peer, version)
          .then(() => running)
          .finally(() => peer.socket.destroy());
      }
    };
    void serve();
    const { code, signal, stdout, stderr } = await running;
    isOver = true;
    const where = `HEDDLE_SEED=${SEED}: OpenFlow 1.${version - 1} ${command}, a switch that ${kind}`;
    assert.equal(signal, null, where);
    assert.ok(code === 0 || (code === 1 && stderr !== '') || stdout !== '', where);
    assert.doesNotMatch(stderr, /^\s+at .*\.[jt]s/m, where);
  }
});
