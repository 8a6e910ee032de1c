/** Dumps printed by templates, beside the same ones printed flow by flow. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeddleError } from '@heddle/runtime';
import { generator } from '@heddle/testing/random';
import type { FlowStats, OfpMessage } from '../messages.ts';
import { encodeMultipart } from '../msgs/index.ts';
import { parseFlowMod } from '../text/index.ts';
import { FlowReplyText, formatBytes } from './index.ts';

const SEED = Number(process.env.HEDDLE_SEED ?? 1);
const COUNT = Number(process.env.HEDDLE_COUNT ?? 6);

type Random = (n: number) => number;
const pick = <T>(next: Random, list: readonly T[]): T => list[next(list.length)]!;
const octet = (next: Random) => pick(next, [0, 1, 10, 0x55, 170, 255, next(256)]);
const ipv4 = (next: Random) => [0, 1, 2, 3].map(() => octet(next)).join('.');
const mac = (next: Random) =>
  [0, 1, 2, 3, 4, 5].map(() => octet(next).toString(16).padStart(2, '0')).join(':');
const u16 = (next: Random) => pick(next, [0, 1, 10, 0x5555, 0xffff, next(0x10000)]);

const WORDS: readonly ((next: Random) => string)[] = [
  (next) => `nw_src=${ipv4(next)}`,
  (next) => `nw_dst=${ipv4(next)}${pick(next, ['', '', '/24', '/0.0.255.0'])}`,
  (next) => `dl_src=${mac(next)}`,
  (next) => `dl_dst=${mac(next)}${pick(next, ['', '', '/01:00:00:00:00:00'])}`,
  (next) => `arp_spa=${ipv4(next)}`,
  (next) => `arp_sha=${mac(next)}`,
  (next) => `tp_src=${u16(next)}`,
  (next) => `tp_dst=${u16(next)}`,
  (next) => `in_port=${1 + next(4)}`,
  (next) => `dl_vlan=${next(3)}`,
  (next) => `reg1=${next(3)}`,
  (next) => `metadata=${next(300)}`,
  (next) => `cookie=${next(3)}`,
  (next) => `idle_timeout=${next(3)}`,
  (next) => `priority=${pick(next, [32768, 0, 65535, next(0x10000)])}`,
];
const PROTOCOLS = ['ip', 'tcp', 'udp', 'icmp', 'sctp', 'arp', 'ipv6', 'tcp6', ''];
const ACTIONS = ['drop', 'output:10', 'mod_nw_dst:10.0.0.1,output:1', 'CONTROLLER:65535'];

function flow(words: readonly number[], protocol: string, next: Random): FlowStats | undefined {
  const text = [protocol, ...words.map((i) => WORDS[i]!(next))].filter(Boolean).join(',');
  try {
    const { flowMod } = parseFlowMod(`${text} actions=${pick(next, ACTIONS)}`, 'add', {
      isAgain: true,
    });
    return {
      ...flowMod,
      tableId: next(3),
      cookie: flowMod.newCookie ?? 0n,
      durationSec: next(5),
      durationNsec: pick(next, [0, 5_000_000, next(10 ** 9)]),
      packetCount: pick(next, [0n, 7n, 2n ** 40n, 2n ** 64n - 1n]),
      byteCount: BigInt(next(1000)),
      idleAge: -1,
      hardAge: -1,
    };
  } catch (error) {
    if (error instanceof HeddleError) return undefined;
    throw error;
  }
}

function flowsOf(next: Random): FlowStats[] {
  const shapes = Array.from({ length: 6 }, () => ({
    words: Array.from({ length: next(5) }, () => next(WORDS.length)),
    protocol: pick(next, PROTOCOLS),
  }));
  const flows: FlowStats[] = [];
  for (let i = 0; i < 100; i++) {
    const { words, protocol } = pick(next, shapes);
    const one = flow(words, protocol, next);
    if (one) flows.push(one);
  }
  return flows;
}

test('flows by templates are printed as they are without', () => {
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const next = generator(seed);
    const names = pick(next, [{}, { ports: { nameOf: () => 'eth1', portOf: () => 1 } }]);
    const templates = new FlowReplyText(names);
    for (const version of [pick(next, [3, 4, 5])] as const) {
      const flows = flowsOf(next);
      const message = { type: 'flow_reply', version, xid: 1, nxm: false, flows };
      for (const part of encodeMultipart(message as OfpMessage)) {
        // As it comes from a socket.
        const raw = Buffer.concat([Buffer.from('front'), part, Buffer.from('back')]).subarray(
          5,
          5 + part.length,
        );
        const before = raw.toString('hex');
        const got = formatBytes(raw, 1, names, templates);
        assert.equal(got, formatBytes(raw, 1, names), `seed ${seed}`);
        assert.equal(raw.toString('hex'), before, `seed ${seed}: written to`);
        for (let i = 0; i < 10; i++) {
          const bad = Buffer.from(raw);
          bad[8 + next(bad.length - 8)]! ^= 1 << next(8);
          const cut = bad.subarray(0, bad.length - 8 * next(2));
          cut.writeUInt16BE(cut.length, 2);
          const text = formatBytes(cut, 1, names, templates);
          assert.equal(text, formatBytes(cut, 1, names), `seed ${seed}: damaged`);
        }
      }
    }
  }
});
