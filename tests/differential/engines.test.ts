/**
 * The eBPF datapath and the userspace reference under the same switch: for random ports, VLANs and
 * frames, the same bytes leave the same ports, whether a frame misses or meets a megaflow.
 * HEDDLE_SEED repeats one round; HEDDLE_COUNT sets how many there are.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Dpif, MemoryNetdev, type OdpPort, UserspaceDpif } from '@heddle/datapath';
import { delay, enterNewNetns, Rig } from '@heddle/datapath/kernel/test-support';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { toHex } from '@heddle/packet';
import * as b from '@heddle/packet/build';
import { realClock } from '@heddle/runtime';
import { isolate } from '@heddle/testing';
import { Backer } from '@heddle/vswitch/backer';
import { MacLearning } from '@heddle/vswitch/mac-learning';
import { Bundle, OfPort, Ofproto } from '@heddle/vswitch/ofproto';

isolate();
// Without IPv6, so that only the test's frames are about.
enterNewNetns();

const PORTS = 4;
const FRAMES = 25;
const MACS = [0x505400000001, 0x505400000002, 0x505400000003, 0x505400000004];
const VLANS = [0, 1, 5, 6];
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 10);
const SEEDS =
  process.env['HEDDLE_SEED'] === undefined
    ? Array.from({ length: COUNT }, (_, seed) => seed)
    : [Number(process.env['HEDDLE_SEED'])];

interface Engine {
  readonly dpif: Dpif;
  readonly ports: readonly OdpPort[];
  send(port: OdpPort, frame: Uint8Array): void;
  received(port: OdpPort): Uint8Array[];
  settle(): Promise<void>;
  close(): Promise<void> | void;
}

async function userspaceEngine(): Promise<Engine> {
  const devices = new Map<OdpPort, MemoryNetdev>();
  let opened!: MemoryNetdev;
  const dpif = new UserspaceDpif({ openNetdev: (name) => (opened = new MemoryNetdev(name)) });
  for (let n = 1; n <= PORTS; n++) devices.set(await dpif.portAdd(`x${n}`, 'system'), opened);
  return {
    dpif,
    ports: [...devices.keys()],
    send: (port, frame) => devices.get(port)!.receive(frame),
    received: (port) => devices.get(port)!.transmitted.splice(0),
    settle: async () => {
      for (let turn = 0; turn < 12; turn++) await new Promise((done) => setImmediate(done));
    },
    close: () => dpif.destroy(),
  };
}

/** A bridge on an engine's ports, configured as the seed says. */
function startBridge({ dpif, ports }: Engine, seed: number): Backer {
  const r = new Random(seed);
  const backer = new Backer(dpif);
  backer.vlanLimit = r.pick([1, 2]);
  const bridge: Ofproto = new Ofproto(
    'br0',
    new MacLearning<Bundle>(realClock, (vlan, mac) => backer.udpif.macChanged(bridge, vlan, mac)),
  );
  const floodVlans = new Set(VLANS.filter(() => r.chance(15)));
  bridge.macs.configure({ idleMs: 300_000, max: 8192, floodVlans });
  ports.forEach((odpPort, i) => {
    const bundle = randomBundle(r, `x${i + 1}`, bridge);
    const port = new OfPort(bundle.name, i + 1, bundle);
    port.odpPort = odpPort;
    bundle.ports.push(port);
    bridge.bundles.set(bundle.name, bundle);
    bridge.ports.set(port.ofport, port);
    backer.ports.set(odpPort, port);
  });
  backer.udpif.start();
  return backer;
}

function randomBundle(r: Random, name: string, bridge: Ofproto): Bundle {
  const bundle = new Bundle(name, bridge);
  bundle.vlanMode = r.pick([
    'trunk',
    'access',
    'native-tagged',
    'native-untagged',
    'dot1q-tunnel',
  ] as const);
  if (bundle.vlanMode !== 'trunk') bundle.vlan = r.pick(VLANS);
  if (r.chance(30)) bundle.trunks = new Set(VLANS.filter(() => r.chance(60)));
  if (r.chance(30)) bundle.cvlans = new Set(VLANS.filter(() => r.chance(60)));
  bundle.qinqEthtype = r.pick([0x88a8, 0x8100]);
  bundle.priorityTags = r.pick(['never', 'if-nonzero', 'always'] as const);
  bundle.isProtected = r.chance(25);
  return bundle;
}

function randomFrame(r: Random): Uint8Array {
  let part = b.ipv4(
    { src: '10.0.0.1', dst: '10.0.0.2' },
    b.udp({ src: 1000, dst: r.below(9) }, r.bytes(30)),
  );
  for (let n = r.pick([0, 0, 1, 1, 2]); n > 0; n--) {
    const tpid = r.pick([0x8100, 0x8100, 0x88a8]);
    part = b.vlan({ vid: r.pick(VLANS), pcp: r.pick([0, 0, 3]), tpid }, part);
  }
  const dst = r.pick([...MACS, 0xffff_ffff_ffff, 0x01005e000001, 0x0180c200000e]);
  return b.ethernet({ dst, src: r.pick(MACS) }, part);
}

/** What left each port. */
function outcome(engine: Engine): string[] {
  return engine.ports.map((port, i) => `x${i + 1}: ${engine.received(port).map(toHex).join(' ')}`);
}

async function pass(engine: Engine, backer: Backer, from: number, frame: Uint8Array) {
  engine.send(engine.ports[from]!, frame);
  await engine.settle();
  await backer.udpif.wait();
  return outcome(engine);
}

for (const seed of SEEDS) {
  test(`random ports, tags and addresses, HEDDLE_SEED=${seed}`, async () => {
    const engines: Engine[] = [];
    const backers: Backer[] = [];
    try {
      engines.push(await Rig.open(PORTS), await userspaceEngine());
      for (const engine of engines) backers.push(startBridge(engine, seed));
      await delay(20);
      const [kernel, reference] = engines as [Engine, Engine];
      const r = new Random(seed + 1_000_000);
      let left = 0;
      for (let k = 0; k < FRAMES; k++) {
        const from = r.below(PORTS);
        const frame = randomFrame(r);
        for (const time of ['first', 'again']) {
          const theirs = await pass(reference, backers[1]!, from, frame);
          const ours = await pass(kernel, backers[0]!, from, frame);
          const where = `frame ${k} (${time}) into x${from + 1}: ${toHex(frame)}`;
          assert.deepEqual(ours, theirs, where);
          left += theirs.filter((line) => !line.endsWith(': ')).length;
        }
      }
      assert.ok(left > 0, 'no frame left any port');
    } finally {
      for (const backer of backers) backer.udpif.stop();
      for (const engine of engines) await engine.close();
    }
  });
}
