/** Random frames and actions through Open vSwitch's dummy datapath and through ours. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { extractFlow, type Flow, PacketLayout, toHex } from '@heddle/packet';
import { formatOdpActions, formatOdpFlow } from '../odp-format.ts';
import { parseOdpActions } from '../odp-parse.ts';
import { parseOdpFlow } from '../odp-parse-flow.ts';
import { MemoryNetdev } from '../userspace/netdev.ts';
import { UserspaceDpif } from '../userspace/userspace-dpif.ts';
import { DummyOracle } from './dummy-oracle.ts';
import { randomActions } from './random-actions.ts';
import { Random, randomFrame, wellFormedFrame } from './random-frame.ts';
import { randomMask } from './random-mask.ts';
import { oracleInstalled } from './reference-daemons.ts';

const SEED = Number(process.env.HEDDLE_SEED ?? 1);
const skip = oracleInstalled() ? false : 'Open vSwitch is not installed';

function sourceOf(text: string): string {
  return /eth\(src=([0-9a-f:]{17})/.exec(text)![1]!;
}

describe(`as Open vSwitch (HEDDLE_SEED=${SEED})`, { skip }, () => {
  let oracle: DummyOracle;
  before(() => {
    oracle = new DummyOracle(2);
  });
  after(() => oracle[Symbol.dispose]());

  test('keys of random, cut and damaged frames', async () => {
    const r = new Random(SEED);
    const frames = Array.from({ length: 1000 }, (_, i) => randomFrame(r, i));
    const keys = new Map((await oracle.missKeys(1, frames)).map((k) => [sourceOf(k), k]));
    for (const frame of frames) {
      const flow = extractFlow(frame, { inPort: 1 });
      const mine = formatOdpFlow(flow, undefined, { packetType: true });
      assert.equal(mine, keys.get(sourceOf(mine)), toHex(frame));
      // What it writes is read back to the same text.
      const again = formatOdpFlow(parseOdpFlow(mine).key, undefined, { packetType: true });
      assert.equal(again, mine);
    }
  });

  test('frames after random actions', async () => {
    const r = new Random(SEED);
    const engine = await memoryEngine();
    for (let i = 0; i < 120; i++) {
      const frame = wellFormedFrame(r, i);
      const layout = new PacketLayout();
      const flow = extractFlow(frame, { inPort: 1 }, undefined, layout);
      const actions = randomActions(r, flow, plainIp(frame, flow, layout));
      if (refused(flow)) continue;
      const mine = engine(frame, flow, actions);
      if (mine.length === 0) continue;
      const theirs = await oracleActions(oracle, frame, flow, actions, mine.length);
      assert.deepEqual(mine, theirs, `${actions} on ${toHex(frame)}`);
    }
  });

  test('masked flows in text, both ways', () => {
    const r = new Random(SEED);
    for (let i = 0; i < 100; i++) {
      const flow = extractFlow(wellFormedFrame(r, i), { inPort: 1 });
      const mask = randomMask(r, flow);
      if (refused(flow)) continue;
      const plain = formatOdpFlow(flow, mask, { packetType: true });
      oracle.appctl('dpctl/del-flows');
      oracle.appctl('dpctl/add-flow', plain, '2');
      assert.equal(dumped(oracle, ''), plain);
      const verbose = dumped(oracle, '-m');
      const { key, mask: bits } = parseOdpFlow(verbose, { portNumber: (name) => +name.slice(1) });
      const options = { packetType: true, verbose: true, portName: (n: number) => `p${n}` };
      assert.equal(formatOdpFlow(key, bits, options), verbose);
      assert.equal(formatOdpFlow(key, bits, { packetType: true }), plain);
    }
  });

  test('actions in text', () => {
    const r = new Random(SEED);
    for (let i = 0; i < 60; i++) {
      const flow = extractFlow(wellFormedFrame(r, i), { inPort: 1 });
      const text = randomActions(r, flow, true);
      const theirs = oracle.appctl('dpctl/parse-actions', text).trim();
      assert.equal(actionsText(text), theirs);
    }
  });
});

/** The only flow, without ufid, stats and actions. */
function dumped(oracle: DummyOracle, option: '' | '-m'): string {
  const text = oracle.appctl('dpctl/dump-flows', ...(option === '' ? [] : [option]));
  const line = text.split('\n').find((l) => l.includes('recirc_id('))!;
  return line.replace(/^ufid:[^ ]* /, '').replace(/, packets:.*$/, '');
}

/** Extension headers make Open vSwitch's userspace leave the transport checksum as it was. */
function plainIp(frame: Uint8Array, flow: Flow, layout: PacketLayout): boolean {
  return flow.dlType !== 0x86dd || frame[layout.l3 + 6] === flow.nwProto;
}

/** Keys that the dummy datapath does not take from text: no type, half a tag, ARP op 255. */
function refused(flow: Flow): boolean {
  const tagCutShort = flow.vlanTci1 === 0 && (flow.dlType === 0x8100 || flow.dlType === 0x88a8);
  const arp = flow.dlType === 0x0806 || flow.dlType === 0x8035;
  return flow.dlType === 0x05ff || tagCutShort || (arp && flow.nwProto === 0xff);
}

async function memoryEngine(): Promise<(f: Uint8Array, flow: Flow, actions: string) => string[]> {
  const device = new MemoryNetdev('p2');
  const dpif = new UserspaceDpif({ openNetdev: () => device });
  await dpif.portAdd('p2', 'system', 2);
  return (frame, flow, actions) => {
    dpif.execute([{ flow, packet: { data: frame }, actions: parseOdpActions(actions) }]);
    return device.transmitted.splice(0).map(toHex);
  };
}

/** The revalidator may remove a flow that it does not know before the frame comes: try again. */
async function oracleActions(
  oracle: DummyOracle,
  frame: Uint8Array,
  flow: Flow,
  actions: string,
  outputs: number,
): Promise<string[]> {
  const start = oracle.transmitted(2).length;
  for (let tries = 0; tries < 5; tries++) {
    oracle.appctl('dpctl/del-flows');
    oracle.appctl('dpctl/add-flow', formatOdpFlow(flow, undefined, { packetType: true }), actions);
    oracle.receive(1, [frame]);
    for (let waits = 0; waits < 10; waits++) {
      const sent = oracle.transmitted(2).slice(start);
      if (sent.length >= outputs) return sent.map((p) => toHex(p.data));
      await sleep(10);
    }
  }
  return [];
}

function actionsText(text: string): string {
  return formatOdpActions(parseOdpActions(text));
}
