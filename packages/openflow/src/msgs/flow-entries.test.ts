/** Entries of dumps copied from earlier ones, beside the same ones encoded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flow } from '@heddle/packet';
import { generator } from '@heddle/testing/random';
import { ByteWriter } from '../actions/byte-writer.ts';
import type { OfpVersion } from '../constants.ts';
import { Match } from '../match.ts';
import type { FlowStats } from '../messages.ts';
import { parseFlowMod } from '../text/index.ts';
import { putKnownFlow } from './flow-entries.ts';
import { encodeMessage } from './registry.ts';

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 5000);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const random = generator(SEED);

const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
const MATCHES: readonly (() => string)[] = [
  () => 'ip,nw_dst=10.0.0.1',
  () => 'tcp,nw_src=10.0.0.1/9,tp_dst=80',
  () => 'tcp6,ipv6_src=2001:db8::1/65,tp_src=1',
  () => 'icmp6,icmp_type=135,icmp_code=0,nd_target=::1',
  () => 'dl_vlan=5,dl_vlan_pcp=2,arp,arp_spa=10.0.0.1',
  () => 'dl_src=02:00:00:00:00:00/ff:00:ff:00:ff:01,in_port=1',
  () => 'metadata=1/0xf,reg0=5,reg7=6/0xff,ct_state=+trk,tun_dst=10.0.0.1,tun_ipv6_src=::1',
  () => 'packet_type=(1,0x800),nw_proto=6',
];
const flowMods = MATCHES.flatMap((match) =>
  ['drop', 'output:1', 'goto_table:9'].map(
    (actions) => parseFlowMod(`table=${random(2)},${match()},actions=${actions}`, 'add').flowMod,
  ),
);

let last = pick(flowMods);

/** Of one of few masks and states, and any key that the mask has: one that no packet has, too. */
function randomFlow(): FlowStats {
  if (random(6) === 0) last = pick(flowMods);
  const { match, tableId, flags, actions } = last;
  const key = new Flow();
  key.copyFrom(match.key);
  for (let n = random(3); n > 0; n--) {
    const at = random(key.u8.length);
    key.u8[at] = random(256) & match.mask.u8[at]!;
  }
  return {
    match: new Match(key, match.mask, [], true),
    tableId,
    priority: random(65536),
    cookie: BigInt(random(3)),
    durationSec: random(1000),
    durationNsec: random(1000) * 1_000_000,
    idleTimeout: random(9) === 0 ? 1 : 0,
    hardTimeout: 0,
    idleAge: 0,
    hardAge: 0,
    packetCount: BigInt(random(1000)),
    byteCount: BigInt(random(1000)),
    flags,
    importance: 0,
    actions,
  };
}

const VERSIONS: readonly OfpVersion[] = [2, 3, 4, 5];

test(`entries are what they would be without those before them (seed ${SEED})`, () => {
  let known = 0;
  for (let n = 0; n < COUNT; n++) {
    const flow = randomFlow();
    const version = VERSIONS[(n >> 8) % VERSIONS.length]!;
    const encode = (flows: FlowStats[]) =>
      encodeMessage({ type: 'flow_reply', version, xid: 1, nxm: false, flows });
    // Nothing is known of a mask that may change.
    const { key, mask } = flow.match;
    const anew = encode([{ ...flow, match: new Match(key, mask) }]);
    if (putKnownFlow(new ByteWriter(), flow, version)) known++;
    assert.deepEqual(encode([flow]), anew);
  }
  assert.ok(known > COUNT / 8, `${known} of ${COUNT} are as others before them`);
});
