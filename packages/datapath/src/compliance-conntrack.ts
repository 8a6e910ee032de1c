/**
 * Random packets of few connections through a datapath's tracker and through the userspace
 * reference: equal ct fields, equal frames, equal tables. HEDDLE_SEED picks others.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Flow, toHex } from '@heddle/packet';
import { type ComplianceFactory, type ComplianceProvider, keptUpcall } from './compliance.ts';
import { type CtEntry, formatCtEntry } from './conntrack/format.ts';
import type { CtTimeouts } from './conntrack/timeouts.ts';
import type { DpFlow, OdpPort, Upcall } from './dpif.ts';
import type { OdpAction, OdpCtAction, OdpNat } from './odp-actions.ts';
import { formatOdpFlow } from './odp-format.ts';
import { CtPackets } from './oracle/conntrack-packets.ts';
import { type HelperPacketOptions, HelperPackets } from './oracle/helper-packets.ts';
import { Random } from './oracle/random-frame.ts';
import { MemoryNetdev } from './userspace/netdev.ts';
import { UserspaceDpif } from './userspace/userspace-dpif.ts';

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 24);

const PLAIN: OdpCtAction = { type: 'ct', commit: false, force: false, zone: 0 };
const COMMIT: OdpCtAction = { ...PLAIN, commit: true };

interface Case {
  readonly name: string;
  readonly v6?: boolean;
  /** For what comes in by the first port, and by the second. */
  readonly first: readonly OdpAction[];
  readonly second: readonly OdpAction[];
  /** For what is new. */
  readonly onNew?: OdpCtAction;
  /** Of policy 2. */
  readonly timeouts?: Partial<CtTimeouts>;
  /** How many connections there may be. */
  readonly limit?: number;
  readonly answers?: ConstructorParameters<typeof CtPackets>[1];
  /** Control connections with a helper, and what they announce. */
  readonly talk?: Pick<HelperPacketOptions, 'helper' | 'clientAs' | 'serverAs'>;
}

function nat(direction: 'src' | 'dst', address: number[], ports?: [number, number]): OdpNat {
  const min = address.reduce((v, b) => (v << 8n) | BigInt(b), 0n);
  const family = address.length === 4 ? 4 : 6;
  const range = ports && { portMin: ports[0], portMax: ports[1] };
  return { direction, family, min, ...range };
}

const SNAT = [10, 9, 0, 1];
const CLIENT6 = [0xfd, 0, 0x11, 0x11, 0x22, 0x22, 0, 0, 0, 0, 0, 0, 0xaa, 0xaa, 0, 3];
const SERVER6 = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

const CASES: readonly Case[] = [
  { name: 'commit', first: [PLAIN], second: [PLAIN], onNew: COMMIT },
  { name: 'commit, IPv6', v6: true, first: [PLAIN], second: [PLAIN], onNew: COMMIT },
  {
    name: 'a timeout policy',
    first: [{ ...COMMIT, timeout: 2 }],
    second: [PLAIN],
    timeouts: { udp_first: 500, udp_single: 600, tcp_established: 0, icmp_reply: 700 },
  },
  { name: 'a full table', first: [COMMIT], second: [PLAIN], limit: 3 },
  {
    name: 'mark, label, zone',
    first: [{ ...PLAIN, zone: 7 }],
    second: [{ ...PLAIN, zone: 7 }],
    onNew: {
      ...COMMIT,
      zone: 7,
      mark: { value: 0x1200, mask: 0xff00 },
      label: { value: 0x5_0000_0000_0000_0777n << 40n, mask: (1n << 128n) - 1n },
    },
  },
  {
    name: 'two zones',
    first: [
      { ...COMMIT, zone: 1 },
      { ...COMMIT, zone: 2 },
    ],
    second: [PLAIN],
  },
  { name: 'twice', first: [COMMIT, COMMIT], second: [PLAIN, PLAIN] },
  { name: 'clear', first: [COMMIT, { type: 'ct_clear' }, PLAIN], second: [PLAIN] },
  { name: 'force', first: [{ ...COMMIT, force: true }], second: [{ ...COMMIT, force: true }] },
  {
    name: 'snat',
    first: [{ ...COMMIT, nat: nat('src', SNAT) }],
    second: [{ ...PLAIN, nat: {} }],
    answers: { answersTo: '10.9.0.1' },
  },
  {
    name: 'snat to few ports',
    first: [{ ...COMMIT, nat: nat('src', SNAT, [4000, 4003]) }],
    second: [{ ...PLAIN, nat: {} }],
    answers: { answersTo: '10.9.0.1', ports: [4001, 0] },
  },
  {
    name: 'snat to a range of addresses',
    first: [{ ...COMMIT, nat: { ...nat('src', SNAT), max: 0x0a090003n } }],
    second: [{ ...PLAIN, nat: {} }],
    answers: { answersTo: '10.9.0.2' },
  },
  {
    name: 'dnat',
    first: [{ ...COMMIT, nat: nat('dst', [10, 0, 0, 2], [80, 80]) }],
    second: [{ ...PLAIN, nat: {} }],
    answers: { answersFrom: '10.0.0.2', ports: [0, 80] },
  },
  {
    name: 'dnat, IPv6',
    v6: true,
    first: [{ ...COMMIT, nat: nat('dst', SERVER6, [90, 90]) }],
    second: [{ ...PLAIN, nat: {} }],
    answers: { ports: [0, 90] },
  },
  {
    name: 'ftp',
    first: [{ ...COMMIT, helper: 'ftp', mark: { value: 7, mask: 0xf } }],
    second: [{ ...PLAIN, mark: { value: 0x70, mask: 0xf0 } }],
    talk: { helper: 'ftp' },
  },
  {
    name: 'ftp, IPv6',
    v6: true,
    first: [{ ...COMMIT, helper: 'ftp' }],
    second: [COMMIT],
    talk: { helper: 'ftp' },
  },
  {
    name: 'ftp, dnat',
    first: [{ ...COMMIT, helper: 'ftp', nat: nat('dst', [10, 0, 0, 2]) }],
    second: [{ ...COMMIT, nat: {} }],
    talk: { helper: 'ftp', serverAs: '1.1.1.1' },
  },
  ...(['ftp', 'tftp'] as const).flatMap((helper): Case[] => [
    {
      name: `${helper}, snat`,
      first: [{ ...COMMIT, helper, nat: nat('src', [110, 109, 100, 101]) }],
      second: [{ ...COMMIT, nat: {} }],
      talk: { helper, clientAs: '110.109.100.101' },
    },
    {
      name: `${helper}, snat, IPv6`,
      v6: true,
      first: [{ ...COMMIT, helper, nat: nat('src', CLIENT6) }],
      second: [{ ...COMMIT, nat: {} }],
      talk: { helper, clientAs: 'fd00:1111:2222::aaaa:3' },
    },
  ]),
];

function flowOf(port: OdpPort, actions: readonly OdpAction[]): DpFlow {
  const key = new Flow();
  const mask = new Flow();
  key.inPort = port;
  mask.inPort = 0xffff_ffff;
  mask.recircId = 0xffff_ffff;
  return { key, mask, actions: [...actions, { type: 'recirc', id: 1 }] };
}

/** A tracked packet as it missed after the recirculation. */
function textOf(u: Upcall): string {
  return `${formatOdpFlow(u.flow)} ${toHex(u.packet.data)}`;
}

function table(entries: Iterable<CtEntry>): string {
  // Clocks do not stand still, and times are written only now and then.
  const rough = (e: CtEntry) =>
    `${formatCtEntry(e, { verbose: true })} ${Math.ceil(e.timeout / 99)}`;
  return [...entries].map(rough).sort().join('\n');
}

class Reference {
  readonly dpif: UserspaceDpif;
  readonly #devices: MemoryNetdev[] = [];
  #upcalls: Upcall[] = [];

  private constructor() {
    this.dpif = new UserspaceDpif({
      defer: (task) => task(),
      openNetdev: (name) => {
        const device = new MemoryNetdev(name);
        this.#devices.push(device);
        return device;
      },
    });
    this.dpif.setUpcallHandler((batch) => void this.#upcalls.push(...batch.map(keptUpcall)));
  }

  static async open(ports: readonly OdpPort[]): Promise<Reference> {
    const reference = new Reference();
    for (const port of ports) await reference.dpif.portAdd(`p${port}`, 'system', port);
    return reference;
  }

  send(index: number, frame: Uint8Array): Upcall[] {
    this.#devices[index]!.receive(frame);
    return this.#upcalls.splice(0);
  }
}

async function run(p: ComplianceProvider, c: Case, count: number): Promise<void> {
  const r = new Random(SEED);
  const reference = await Reference.open(p.ports);
  let upcalls: Upcall[] = [];
  p.dpif.setUpcallHandler((batch) => void upcalls.push(...batch.map(keptUpcall)));
  for (const dpif of [p.dpif, reference.dpif]) {
    if (c.timeouts) dpif.ct!.setTimeoutPolicy(2, c.timeouts);
    if (c.limit !== undefined) dpif.ct!.maxConnections = c.limit;
    dpif.flowPut(flowOf(p.ports[0]!, c.first));
    dpif.flowPut(flowOf(p.ports[1]!, c.second));
  }
  const v6 = c.v6 ?? false;
  const packets = c.talk
    ? new HelperPackets(r, { ...c.talk, v6, firstPort: 2048 })
    : new CtPackets(r, { ...c.answers, v6, damage: false });
  const history: string[] = [];
  for (let i = 0; i < count; i++) {
    const { port, frame } = packets.next();
    history.push(`${port}:${toHex(frame)}`);
    const where = () => `${c.name}, seed ${SEED}, packet ${i}\n${history.slice(-12).join('\n')}`;
    upcalls = [];
    await p.send(p.ports[port - 1]!, frame);
    await p.settle();
    const theirs = reference.send(port - 1, frame);
    assert.equal(upcalls.map(textOf).join('\n'), theirs.map(textOf).join('\n'), where());
    for (const u of upcalls) assert.deepEqual([...u.flow.u32], [...theirs[0]!.flow.u32], where());
    if (c.onNew && (theirs[0]!.flow.ctState & 1) !== 0) {
      p.dpif.execute(upcalls.map((u) => ({ ...u, actions: [c.onNew!] })));
      reference.dpif.execute(theirs.map((u) => ({ ...u, actions: [c.onNew!] })));
      await p.settle();
    }
    const { evicted, refused } = p.dpif.ct!;
    assert.deepEqual([evicted, refused], [reference.dpif.ct.evicted, reference.dpif.ct.refused]);
    if (i % 8 === 7)
      assert.equal(table(p.dpif.ct!.entries()), table(reference.dpif.ct.entries()), where());
  }
}

export function dpifConntrackCompliance(
  name: string,
  open: ComplianceFactory,
  count = COUNT,
): void {
  describe(`${name}: conntrack (HEDDLE_SEED=${SEED})`, () => {
    for (const c of CASES) {
      test(c.name, async () => {
        const provider = await open(2);
        try {
          await run(provider, c, count);
        } finally {
          await provider.close();
        }
      });
    }
  });
}
