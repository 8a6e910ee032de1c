/**
 * Every VLAN mode, frame by frame: ours and the distribution's Open vSwitch must agree.
 * HEDDLE_SEED repeats one of the random rounds, HEDDLE_COUNT sets how many there are.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { delay, Instance, isolate, Scope } from '@heddle/testing';
import { generator } from '@heddle/testing/random';
import {
  type Config,
  PORTS,
  type PortName,
  type Stimulus,
  type Tag,
  VlanWorld,
} from './vlan-world.ts';

isolate();

const scope = new Scope();
let oracle: VlanWorld;
let ours: VlanWorld;

before(async () => {
  oracle = await VlanWorld.create(scope, await Instance.oracle(scope));
  ours = await VlanWorld.create(scope, await Instance.ours(scope));
});

const TAGS: readonly (readonly Tag[])[] = [
  [],
  [{ vid: 0 }],
  [{ vid: 0, pcp: 5 }],
  [{ vid: 100 }],
  [{ vid: 100, pcp: 3 }],
  [{ vid: 200 }],
  [{ vid: 300 }],
  [{ vid: 4095 }],
  [{ vid: 100 }, { vid: 200 }],
  [{ vid: 100, tpid: 0x88a8 }, { vid: 200 }],
  [
    { vid: 200, tpid: 0x88a8, pcp: 6 },
    { vid: 300, pcp: 1 },
  ],
  [{ vid: 0, pcp: 2 }, { vid: 200 }],
  [{ vid: 100 }, { vid: 200 }, { vid: 300 }],
  [{ vid: 100, tpid: 0x88a8 }, { vid: 200, pcp: 4 }, { vid: 100 }],
  [{ vid: 200 }, { vid: 0 }, { vid: 100, tpid: 0x88a8 }],
];

const MODES: Readonly<Record<string, readonly string[]>> = {
  trunk: [],
  'trunk of 100': ['trunks=100'],
  'trunk of 0 and 200': ['trunks=0,200'],
  access: ['tag=100'],
  'access with a mode': ['tag=200', 'vlan_mode=access'],
  'native-tagged': ['tag=100', 'vlan_mode=native-tagged'],
  'native-tagged with trunks': ['tag=100', 'trunks=200', 'vlan_mode=native-tagged'],
  'native-untagged': ['tag=100', 'vlan_mode=native-untagged'],
  'native-untagged with trunks': ['tag=200', 'trunks=100,300', 'vlan_mode=native-untagged'],
  'dot1q-tunnel': ['tag=100', 'vlan_mode=dot1q-tunnel'],
  'dot1q-tunnel with cvlans': ['tag=100', 'vlan_mode=dot1q-tunnel', 'cvlans=200'],
  'dot1q-tunnel in 802.1Q': [
    'tag=200',
    'vlan_mode=dot1q-tunnel',
    'other_config:qinq-ethtype=802.1q',
  ],
  'priority-tags': ['tag=100', 'other_config:priority-tags=if-nonzero'],
  'priority-tags always': ['tag=100', 'other_config:priority-tags=always'],
  protected: ['tag=100', 'protected=true'],
};

/** As long as a frame that nobody sends on is waited for. */
const QUIET_MS = 25;
const DEADLINE_MS = 5000;

async function agree(config: Config, stimuli: readonly Stimulus[]): Promise<void> {
  await Promise.all([oracle.configure(config), ours.configure(config)]);
  for (const world of [oracle, ours]) world.begin();
  for (const stimulus of stimuli) {
    const before = oracle.lines().length;
    await Promise.all([oracle.send(stimulus), ours.send(stimulus)]);
    // One at a time: what the switch learned from one must not race with the next.
    await agreed(before);
  }
  const what = JSON.stringify({ config, stimuli });
  assert.deepEqual(ours.lines(), oracle.lines(), what);
}

/** Waits until both have said the same twice in a row, and something, or had time to say nothing. */
async function agreed(before: number): Promise<void> {
  const start = Date.now();
  for (let last = -1; Date.now() - start < DEADLINE_MS; ) {
    const [theirs, mine] = [oracle.lines(), ours.lines()];
    const same = theirs.join() === mine.join();
    const spoken = theirs.length > before || Date.now() - start >= QUIET_MS;
    if (same && spoken && last === theirs.length) return;
    last = same ? theirs.length : -1;
    await delay(4);
  }
}

for (const [name, columns] of Object.entries(MODES)) {
  test(`${name}: every tag in and out`, async () => {
    const others = { p2: [], p3: ['tag=100'], p4: ['tag=200', 'vlan_mode=native-untagged'] };
    const stimuli = TAGS.flatMap((tags): Stimulus[] => [
      { from: 'p1', tags },
      { from: 'p2', tags },
    ]);
    await agree({ ports: { p1: columns, ...others }, vlanLimit: 2 }, stimuli);
  });
}

test('two protected ports do not see each other', async () => {
  const ports = { p1: ['protected=true'], p2: ['protected=true'] };
  await agree(
    { ports },
    PORTS.map((from): Stimulus => ({ from, tags: [] })),
  );
});

test('flood_vlans does not learn', async () => {
  const stimuli: Stimulus[] = [
    { from: 'p1', tags: [{ vid: 100 }] },
    { from: 'p2', tags: [{ vid: 100 }], dst: '02:00:00:00:00:01' },
    { from: 'p1', tags: [{ vid: 200 }] },
    { from: 'p2', tags: [{ vid: 200 }], dst: '02:00:00:00:00:01' },
  ];
  await agree({ ports: {}, bridge: ['flood_vlans=100'] }, stimuli);
});

test('reserved multicast is dropped unless forward-bpdu', async () => {
  const stimuli = [
    '01:80:c2:00:00:00',
    '01:80:c2:00:00:0e',
    '01:80:c2:00:00:10',
    '01:00:0c:cc:cc:cc',
  ].map((dst): Stimulus => ({ from: 'p1', tags: [], dst }));
  await agree({ ports: {} }, stimuli);
  await agree({ ports: {}, bridge: ['other_config:forward-bpdu=true'] }, stimuli);
});

const SEEDS =
  process.env['HEDDLE_SEED'] === undefined
    ? Array.from({ length: Number(process.env['HEDDLE_COUNT'] ?? 6) }, (_, n) => n + 1)
    : [Number(process.env['HEDDLE_SEED'])];

for (const seed of SEEDS) {
  test(`random ports, tags and addresses, HEDDLE_SEED=${seed}`, async () => {
    const next = generator(seed);
    const modes = Object.values(MODES);
    const ports = Object.fromEntries(PORTS.map((port) => [port, modes[next(modes.length)]!]));
    const mac = (): string => `02:00:00:00:00:0${1 + next(4)}`;
    const vlanLimit = seed % 2 === 0 ? 2 : 1;
    const stimuli = Array.from(
      { length: 20 },
      (): Stimulus => ({
        from: PORTS[next(4)] as PortName,
        tags: TAGS[next(TAGS.length)]!,
        src: mac(),
        dst: next(3) === 0 ? 'ff:ff:ff:ff:ff:ff' : mac(),
      }),
    );
    await agree({ ports, vlanLimit }, stimuli);
  });
}

test('clean up', async () => {
  await scope[Symbol.asyncDispose]();
});
