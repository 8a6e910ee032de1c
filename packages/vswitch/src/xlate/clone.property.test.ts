/** What follows a copy has the packet as it was, whatever flows and buckets did to the copy. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatOdpActions, type OdpAction } from '@heddle/datapath';
import { randomOf } from '@heddle/datapath/oracle/narrow-random';
import type { Random } from '@heddle/datapath/oracle/random-frame';
import { type ActionSink, executeActions } from '@heddle/datapath/userspace/execute';
import { Packet } from '@heddle/datapath/userspace/packet';
import type { OfpAct } from '@heddle/openflow';
import { extractFlow, Flow } from '@heddle/packet';
import { Bundle, OfPort, type Ofproto } from '../ofproto.ts';
import { parseFlowLine } from '../oracle/parse-lines.ts';
import { randomBridges } from '../oracle/random-bridge.ts';
import { N_PORTS } from '../oracle/random-flows.ts';
import { randomPacket } from '../oracle/random-packet.ts';
import { xlateActions } from './xlate.ts';

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 100);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
/** Those that found something: a header that an action set's bucket adds and sends nothing with. */
const KNOWN = [461];
const PACKETS = 20;
/** A port that the end of the list sends to. */
const LAST = 99;

/** A datapath whose tracking translates all addresses, and whose meters are full. */
function sinkTo(sent: (port: number, frame: Uint8Array) => void): ActionSink {
  return {
    output: sent,
    track: (packet, { nat }) => {
      const [key, mask] = [new Flow(), new Flow()];
      Object.assign(key, { nwSrc: 0x0a0000f0, dlType: packet.key().dlType });
      mask.nwSrc = 0xffff_ffff;
      if (nat && key.dlType === 0x0800) packet.set(key, mask);
      packet.ct = new Packet(packet.bytes, TRACKED).ct;
      return true;
    },
    meter: () => false,
    random: () => 0,
    sequence: () => 0,
    userspace: () => {},
    recirculate: () => {},
    pushed: () => {},
    pop: () => {},
    drop: () => {},
  };
}

const TRACKED = Object.assign(new Flow(), { ctState: 0x22 });
const CAME_AS = Object.assign(new Flow(), { ctState: 0x2a, ctMark: 5 });

/** Whether a copy did what can be seen of it later. */
const STATEFUL = /\bclone\([^)]*\b(ct|meter|hash|push_nsh|push_eth|add_mpls)\b/;

function copiesOf(r: Random): OfpAct[] {
  const table = r.pick([0, 1, 2, 3, 9]);
  const copy = r.pick([
    `clone(resubmit(,${table}))`,
    `clone(resubmit(,${table}))`,
    `group:${1 + r.below(12)}`,
    // It may lead to the other bridge.
    `output:${1 + r.below(N_PORTS)}`,
  ]);
  return [...parseFlowLine(`table=0 actions=${copy},output:${LAST}`).actions];
}

test('what follows a copy has the packet, its connection and its hash as they were', () => {
  let stateful = 0;
  const seeds = Array.from({ length: COUNT }, (_, i) => SEED + i);
  for (const seed of [...seeds, ...KNOWN]) {
    const r = randomOf(seed);
    const config = randomBridges(r);
    const [bridge] = config.bridges as [Ofproto];
    const entrances = config.entrances.filter((e) => e.bridge === bridge && !e.tunnel);
    if (entrances.length === 0) continue;
    const last = new OfPort('last', LAST, new Bundle('last', bridge));
    last.odpPort = LAST;
    bridge.ports.set(LAST, last);
    bridge.exports = { hasCollectorSets: false };
    for (let i = 0; i < PACKETS; i++) {
      const frame = randomPacket(r);
      const key = extractFlow(frame, { inPort: r.pick(entrances).odpPort });
      Object.assign(key, { ctState: CAME_AS.ctState, ctMark: CAME_AS.ctMark });
      const { actions } = xlateActions(config, key, { actions: copiesOf(r) });
      const end: OdpAction | undefined = actions.at(-1);
      // A copy that recirculates ends the list.
      if (end?.type !== 'output' || end.port !== LAST) continue;
      const text = formatOdpActions(actions);
      if (STATEFUL.test(text)) stateful++;
      const packet = new Packet(Uint8Array.from(frame), key);
      let [port, bytes] = [0, new Uint8Array()];
      const sink = sinkTo((to, sent) => {
        port = to;
        bytes = Uint8Array.from(sent);
      });
      executeActions(packet, actions, sink);
      const where = `seed ${seed}, packet ${i}: ${text}`;
      assert.equal(port, LAST, where);
      assert.equal(Buffer.from(bytes).toString('hex'), Buffer.from(frame).toString('hex'), where);
      assert.deepEqual(packet.ct, new Packet(frame, key).ct, where);
      assert.equal(packet.dpHash, 0, where);
    }
  }
  assert.ok(stateful > COUNT / 10, `${stateful} copies with state`);
});
