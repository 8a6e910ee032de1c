/**
 * Spoilt messages, texts and streams of OpenFlow: each is read or refused with an error of ours, in
 * bounded time; what is read can be written and read again as the same. HEDDLE_COUNT: how many of
 * each; HEDDLE_SEED: which ones.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  decodeMessage,
  emitInstructions,
  encodeMultipart,
  Framer,
  formatActions,
  formatBytes,
  formatMatch,
  OfpError,
  type OfpMessage,
  type OfpVersion,
  parseActions,
  parseFlowMod,
  parseGroupMod,
  parseInstructions,
  parseMeterMod,
  parseNxMatch,
  parseTlvMap,
} from '@heddle/openflow';
import { fromHex, toHex } from '@heddle/packet';
import { HeddleError, vlog } from '@heddle/runtime';
import { Random } from '@heddle/testing/random';
import { randomActions } from '../differential/openflow/random-actions.ts';

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 2000);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
/** Only what hangs takes so long. */
const SLOW_MS = 20_000;

vlog.setLevel(undefined, 'console', 'off');

const hexFile = new URL('../differential/openflow/messages.hex', import.meta.url);
const MESSAGES = readFileSync(hexFile, 'utf8').trim().split('\n').map(fromHex);
const EDGES = [0, 1, 2, 4, 7, 8, 9, 15, 16, 0x20, 0x7f, 0x80, 0xfe, 0xff];
const TOKENS = [
  ...[
    '=',
    ',',
    '(',
    ')',
    '[',
    ']',
    '/',
    ':',
    '->',
    '..',
    '-',
    '\0',
    ' ',
    '"',
    '%',
    'é',
    '0x',
    '-1',
  ],
  ...[
    '18446744073709551616',
    '99999999999',
    '1e9',
    'NaN',
    '__proto__',
    'constructor',
    'reg0',
    'NXM_',
  ],
  ...[
    'actions=',
    'bucket=',
    'band=type=drop',
    'learn(',
    'ct(',
    'clone(',
    'conjunction(',
    'resubmit(',
  ],
  ...[
    'table=255',
    'priority=',
    'tun_metadata0',
    'controller(',
    'bundle(',
    'multipath(',
    'note:',
    'load:',
  ],
];

/** Changes, cuts, doubles or fills bytes in one to five places; lengths within are among them. */
function spoil(r: Random, message: Uint8Array): Uint8Array {
  let bytes = Uint8Array.from(message);
  for (let n = 1 + r.below(5); n > 0; n--) {
    const at = r.below(bytes.length + 1);
    const length = r.chance(0.7) ? r.below(9) : r.below(bytes.length - at + 1);
    const [before, rest] = [bytes.slice(0, at), bytes.slice(Math.min(at + length, bytes.length))];
    switch (r.below(4)) {
      case 0:
        if (at < bytes.length) bytes[at] = r.pick(EDGES);
        break;
      case 1:
        bytes = Uint8Array.from([...before, ...rest]);
        break;
      case 2:
        bytes = Uint8Array.from([...before, ...bytes.slice(at, at + 2 * length), ...rest]);
        break;
      default:
        if (at < bytes.length) bytes[at]! ^= 1 << r.below(8);
    }
  }
  if (bytes.length < 8) bytes = Uint8Array.from([...bytes, ...new Uint8Array(8 - bytes.length)]);
  bytes = bytes.slice(0, 0xffff);
  if (r.chance(0.8)) bytes[0] = 1 + r.below(6);
  if (r.chance(0.9)) new DataView(bytes.buffer).setUint16(2, bytes.length);
  return bytes;
}

function spoilText(r: Random, text: string): string {
  let out = text;
  for (let n = 1 + r.below(4); n > 0; n--) {
    const at = r.below(out.length + 1);
    const length = r.chance(0.7) ? r.below(3) : r.below(out.length - at + 1);
    const middle = [
      '',
      r.pick(TOKENS),
      out.slice(at, at + 2 * length),
      r.pick(TOKENS).repeat(1 + r.below(200)),
    ];
    out = out.slice(0, at) + r.pick(middle) + out.slice(at + length);
  }
  return out;
}

/** What `work` gives, undefined when it refuses; any error but ours is a bug, and so is a long time. */
function survives<T>(what: string, input: string, work: () => T): T | undefined {
  const start = performance.now();
  let result: T | undefined;
  try {
    result = work();
  } catch (error) {
    if (!(error instanceof HeddleError)) {
      throw new Error(`${what}: ${input.slice(0, 3000)}`, { cause: error });
    }
  }
  const took = performance.now() - start;
  assert.ok(took < SLOW_MS, `${what} takes ${took} ms: ${input.slice(0, 3000)}`);
  return result;
}

function many(what: string, one: (r: Random) => void, share = 1): void {
  const count = Math.ceil(COUNT * share);
  test(`${count} ${what}`, () => {
    for (let i = 0; i < count; i++) {
      try {
        one(new Random(SEED + i));
      } catch (error) {
        throw new Error(`HEDDLE_SEED=${SEED + i}`, { cause: error });
      }
    }
  });
}

function encode(message: OfpMessage): Uint8Array[] | undefined {
  try {
    return encodeMultipart(message);
  } catch (error) {
    // What the version cannot say, or no message can hold.
    if (error instanceof OfpError) return undefined;
    throw error;
  }
}

many('messages', (r) => {
  const bytes = spoil(r, r.pick(MESSAGES));
  const input = toHex(bytes);
  const loose = r.chance(0.3);
  const message = survives('decoder', input, () => decodeMessage(bytes, { loose }));
  survives('text', input, () => formatBytes(bytes, r.below(4)));
  if (!message) return;
  const written = survives('encoder', input, () => encode(message));
  if (written?.length !== 1) return;
  const again = survives('decoder of what was written', input, () => {
    return decodeMessage(written[0]!, { loose });
  });
  if (again) assert.deepEqual(encode(again)?.map(toHex), written.map(toHex), input);
});

many('lists of actions in bytes', (r) => {
  const version = (1 + r.below(6)) as OfpVersion;
  const line = randomActions(r);
  const parsed = survives('flow', line.actions, () =>
    parseFlowMod(`${line.match},actions=${line.actions}`, 'add'),
  );
  const whole =
    parsed &&
    survives('emit', line.actions, () => emitInstructions(parsed.flowMod.actions, version));
  if (!whole || whole.length === 0) return;
  const bytes = spoil(r, whole);
  const read = r.chance(0.5) ? parseActions : parseInstructions;
  const acts = survives('actions', toHex(bytes), () => read(bytes, version));
  if (acts) survives('text of actions', toHex(bytes), () => formatActions(acts));
});

many('matches in bytes', (r) => {
  const bytes = spoil(r, r.pick(MESSAGES)).subarray(r.below(9));
  const parsed = survives('match', toHex(bytes), () =>
    parseNxMatch(bytes, { loose: r.chance(0.5) }),
  );
  if (parsed) survives('text of a match', toHex(bytes), () => formatMatch(parsed.match));
});

const GROUPS = [
  'group_id=1,type=select,selection_method=hash,fields(ip_dst=255.255.0.0,nw_proto,tcp_src),bucket=bucket_id:5,weight:10,watch_port:3,actions=set_field:1->reg0,output:1,bucket=actions=drop',
  'group_id=4294967040,type=fast_failover,command_bucket_id=all,bucket=watch_group=3,actions=group:7',
];
const METERS = [
  'meter=1,kbps,burst,stats,bands=type=drop,rate=5,burst_size=9,type=dscp_remark,rate=3',
];
const TLVS = [
  '{class=0xffff,type=0,len=4}->tun_metadata0,{class=0x103,type=0x80,len=124}->tun_metadata63',
];

many('texts', (r) => {
  const { match, actions } = randomActions(r);
  const texts: readonly (readonly [string, (text: string) => unknown])[] = [
    [
      `${match},actions=${actions}`,
      (t) => parseFlowMod(t, r.pick(['add', 'modify', 'delete_strict'])),
    ],
    [r.pick(GROUPS), (t) => parseGroupMod(t, 'add')],
    [r.pick(METERS), (t) => parseMeterMod(t, 'add')],
    [r.pick(TLVS), (t) => parseTlvMap(t)],
  ];
  const [text, parse] = r.pick(texts);
  const spoilt = spoilText(r, text);
  survives('parser', spoilt, () => parse(spoilt));
});

many(
  'streams',
  (r) => {
    const whole = Buffer.concat([r.pick(MESSAGES), spoil(r, r.pick(MESSAGES)), r.pick(MESSAGES)]);
    const framer = new Framer();
    let taken = 0;
    try {
      for (let at = 0; at < whole.length; ) {
        const end = at + 1 + r.below(whole.length - at);
        framer.add(whole.subarray(at, end));
        for (let raw = framer.next(); raw; raw = framer.next()) {
          assert.deepEqual(toHex(raw), toHex(whole.subarray(taken, taken + raw.length)));
          taken += raw.length;
        }
        assert.equal(framer.pending, end - taken);
        at = end;
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  },
  0.3,
);
