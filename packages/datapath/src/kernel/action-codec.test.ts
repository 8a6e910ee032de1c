/** Encoded lists decode to what they were; HEDDLE_SEED picks other ones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extractFlow, IPPROTO_SCTP } from '@heddle/packet';
import { formatOdpActions } from '../odp-format.ts';
import { parseOdpActions } from '../odp-parse.ts';
import { randomActions } from '../oracle/random-actions.ts';
import { Random, wellFormedFrame } from '../oracle/random-frame.ts';
import { type ActionNames, decodeActions, encodeActions } from './action-codec.ts';

const SEED = Number(process.env.HEDDLE_SEED ?? 1);
const COUNT = Number(process.env.HEDDLE_COUNT ?? 500);

const NAMES: ActionNames = {
  enterTunnelOptions: () => {},
  userdataId: () => 1,
  userdata: () => new Uint8Array(4),
  dropId: () => 16,
  dropReason: () => 'test',
};

test(`random lists (HEDDLE_SEED=${SEED})`, () => {
  const r = new Random(SEED);
  let nested = 0;
  for (let i = 0; i < COUNT; i++) {
    const flow = extractFlow(wellFormedFrame(r, i), { inPort: 1 });
    if (flow.nwProto === IPPROTO_SCTP) continue;
    const text = randomActions(r, flow, true);
    const actions = parseOdpActions(text);
    const again = decodeActions(encodeActions(actions, flow, NAMES), flow, NAMES);
    assert.equal(formatOdpActions(again), formatOdpActions(actions), text);
    if (/clone|check_pkt_len/.test(text)) nested++;
  }
  assert.ok(nested > COUNT / 10);
});
