/** Flow mods made of lines by templates, beside the same lines parsed and encoded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeddleError } from '@heddle/runtime';
import { generator } from '@heddle/testing/random';
import { OfpError } from '../errors.ts';
import type { OfpMessage } from '../messages.ts';
import { encodeMessage } from '../msgs/index.ts';
import { FlowTemplates, parseFlowModLine } from './index.ts';

const SEED = Number(process.env.HEDDLE_SEED ?? 1);
const COUNT = Number(process.env.HEDDLE_COUNT ?? 40);

const VERSION = 4;

function encode(line: string): Uint8Array | undefined {
  try {
    const { flowMod, isNormalized } = parseFlowModLine(line, { isAgain: true });
    if (isNormalized) return undefined;
    const tableId = flowMod.tableId === 0xff ? 0 : flowMod.tableId;
    const body = { ...flowMod, tableId, type: 'flow_mod', format: 'OXM', hasTableId: true };
    return encodeMessage({ ...body, version: VERSION, xid: 0 } as OfpMessage);
  } catch (error) {
    if (error instanceof HeddleError || error instanceof OfpError) return undefined;
    throw error;
  }
}

type Random = (n: number) => number;
const pick = <T>(next: Random, list: readonly T[]): T => list[next(list.length)]!;
const ipv4 = (next: Random) =>
  [0, 1, 2, 3].map(() => pick(next, [0, 1, 10, 0x55, 170, 255, next(256)])).join('.');
const mac = (next: Random) =>
  [0, 1, 2, 3, 4, 5].map(() => next(256).toString(16).padStart(2, '0')).join(':');
const u16 = (next: Random) => String(pick(next, [0, 1, 0x5555, 0xffff, 0x10000, next(0x10000)]));
const hex = (next: Random, digits: number) => `0x${next(16 ** Math.min(digits, 8)).toString(16)}`;

/** Values as people write them, odd ones included. */
const VALUES: Readonly<Record<string, (next: Random) => string>> = {
  nw_src: ipv4,
  nw_dst: (next) => `${ipv4(next)}${pick(next, ['', '', '/24', '/32', '/0', '/255.0.255.0'])}`,
  ip_dst: ipv4,
  arp_spa: ipv4,
  tun_src: ipv4,
  tun_dst: ipv4,
  dl_src: mac,
  dl_dst: (next) => `${mac(next)}${pick(next, ['', '', '/01:00:00:00:00:00'])}`,
  arp_sha: mac,
  tp_src: u16,
  tp_dst: (next) => pick(next, [u16(next), '0x1f', '8/0xfff8', '010']),
  tcp_dst: u16,
  udp_src: u16,
  icmp_type: (next) => String(next(256)),
  in_port: (next) => pick(next, [u16(next), 'LOCAL', '4294967294']),
  dl_vlan: (next) => String(next(5000)),
  priority: u16,
  idle_timeout: u16,
  cookie: (next) => pick(next, [hex(next, 8), '77', '0xffffffffffffffff', '-1']),
  metadata: (next) => pick(next, [hex(next, 8), '0x1/0xff']),
  tun_id: (next) => hex(next, 8),
  reg0: (next) => pick(next, [hex(next, 8), '7', '0xffffffff', '1/1']),
  ct_mark: (next) => hex(next, 8),
  table: (next) => String(next(3)),
};
const WORDS = ['ip', 'tcp', 'udp', 'icmp', 'icmp6', 'arp', 'ipv6', 'send_flow_rem', ''];
const ACTIONS = ['drop', '1', 'output:2,mod_dl_src:02:00:00:00:00:01', 'resubmit(,2)'];

/** The keys of a line and its actions; the values are left out. */
function shape(next: Random): { keys: string[]; end: string } {
  const keys = Array.from({ length: next(5) }, () => pick(next, Object.keys(VALUES)));
  keys.splice(next(keys.length + 1), 0, pick(next, WORDS));
  const command = pick(next, ['', '', '', 'modify ', 'delete_strict ']);
  const actions = `actions=${pick(next, ACTIONS)}`;
  const comment = pick(next, ['', '', ' # nw_dst=1.2.3.4', '  ']);
  keys.unshift(command);
  return { keys, end: `${pick(next, [' ', ','])}${actions}${comment}` };
}

function fill({ keys, end }: ReturnType<typeof shape>, next: Random): string {
  const [command, ...rest] = keys;
  const words = rest.map((key) => (VALUES[key] ? `${key}=${VALUES[key](next)}` : key));
  return `${command}${words.filter(Boolean).join(',')}${end.replace(/^,/, words.length ? ',' : '')}`;
}

test('a line that a template knows is what parsing and encoding it gives', () => {
  let found = 0;
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const next = generator(seed);
    const templates = new FlowTemplates(encode);
    const shapes = Array.from({ length: 5 }, () => shape(next));
    for (let i = 0; i < 100; i++) {
      const line = fill(pick(next, shapes), next);
      const bytes = Buffer.from(`before\n${line}\nbehind`);
      const [from, to] = [7, bytes.length - 7];
      // A comment is none of the parser's business.
      const want = encode(line.replace(/#.*/, '').trim());
      const got = templates.find(bytes, from, to);
      if (got) {
        found++;
        assert.ok(want, `seed ${seed}: ${line} is refused`);
        assert.deepEqual(Buffer.from(got).toString('hex'), Buffer.from(want).toString('hex'), line);
      } else if (want) templates.learn(bytes, from, to, want);
    }
  }
  assert.ok(found > COUNT, `${found} lines by templates`);
});

test('a shape is known from the third line on', () => {
  const templates = new FlowTemplates(encode);
  const known = [1, 2, 3, 4].map((n) => {
    const bytes = Buffer.from(`tcp,nw_dst=10.0.0.${n},tp_dst=${n} actions=output:1`);
    const got = templates.find(bytes, 0, bytes.length);
    templates.learn(bytes, 0, bytes.length, encode(bytes.toString())!);
    return got !== undefined;
  });
  assert.deepEqual(known, [false, false, true, true]);
});
