/**
 * Networks of bridges that speak RSTP: all of them ours, all Open vSwitch's, and mixed. At rest every
 * bridge says the same in each, links that forward are a tree that spans, and nothing is sent but
 * hellos. Links break, come back and change meanwhile. HEDDLE_SEED repeats one network; HEDDLE_COUNT
 * sets how many there are.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { isolate, Scope } from '@heddle/testing';
import { hasLoop, islands, type Link } from '@heddle/vswitch/spanning-tree/network';
import { DummySwitch } from './dummy-switch.ts';
import { type Cable, SwitchedNetwork } from './switched-network.ts';

isolate();

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 1);
const SEEDS =
  process.env['HEDDLE_SEED'] === undefined
    ? Array.from({ length: COUNT }, (_, seed) => seed)
    : [Number(process.env['HEDDLE_SEED'])];
const CHANGES = Number(process.env['HEDDLE_CHANGES'] ?? 1);

function bridgeWords(r: Random): string[] {
  const words: string[] = [];
  const maybe = (key: string, values: readonly number[], percent = 30) => {
    if (r.chance(percent)) words.push(`other_config:rstp-${key}=${r.pick(values)}`);
  };
  maybe('priority', [0, 4096, 32768, 61440], 60);
  maybe('max-age', [20, 28]);
  maybe('forward-delay', [15, 20, 30]);
  maybe('transmit-hold-count', [1, 3, 10]);
  // Open vSwitch forgets a priority beside it.
  if (!words.some((word) => word.includes('rstp-priority'))) {
    maybe('force-protocol-version', [0, 2]);
  }
  return words;
}

function portWords(r: Random): string[] {
  const words: string[] = [];
  if (r.chance(40)) words.push(`other_config:rstp-path-cost=${r.pick([1, 20, 2000, 20_000])}`);
  if (r.chance(30)) words.push(`other_config:rstp-port-priority=${r.pick([0, 16, 128, 240])}`);
  if (r.chance(20)) words.push('other_config:rstp-port-auto-edge=false');
  return words;
}

function cables(r: Random, size: number): Cable[] {
  const all: Cable[] = [];
  const ports = Array.from({ length: size }, () => 0);
  const join = (a: number, b: number) =>
    all.push({
      ends: [
        [a, ++ports[a]!],
        [b, ++ports[b]!],
      ],
      words: [portWords(r), portWords(r)],
    });
  for (let i = 1; i < size; i++) join(r.below(i), i);
  for (let n = 1 + r.below(4); n > 0; n--) {
    const a = r.below(size);
    join(a, (a + 1 + r.below(size - 1)) % size);
  }
  return all;
}

function assertTree(size: number, all: readonly Link[], active: readonly Link[], told: string) {
  assert.equal(hasLoop(size, active), false, `${told}: a loop`);
  const [can, does] = [islands(size, all), islands(size, active)];
  for (let a = 0; a < size; a++) {
    for (let b = 0; b < a; b++) {
      assert.equal(does[a] === does[b], can[a] === can[b], `${told}: bridges ${a} and ${b}`);
    }
  }
}

test('RSTP: networks of ours, of Open vSwitch and of both come to the same tree', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  for (const seed of SEEDS) {
    const r = new Random(seed);
    const size = 2 + r.below(4);
    const bridges = Array.from({ length: size }, () => bridgeWords(r));
    const wired = cables(r, size);
    const owners = [
      bridges.map(() => 0),
      bridges.map(() => 1),
      bridges.map((_, i) => (i < 2 ? i : r.below(2))),
    ];
    const rests: string[][] = [];
    for (const [kind, owner] of owners.entries()) {
      const changes = new Random(seed + 1);
      const network = await SwitchedNetwork.create(both, owner, bridges, wired);
      const said: string[] = [];
      for (let i = 0; i <= CHANGES; i++) {
        const told = `seed ${seed}, kind ${kind}, change ${i}`;
        if (i > 0) {
          const cable = changes.pick(wired);
          // Open vSwitch is left without a root port when that is deleted.
          const mayGo = !network.hasRoot(cable, said.at(-1)!);
          if (!network.isPlugged(cable)) await network.replug(cable);
          else if (changes.chance(40) || !mayGo) await network.toggle(cable);
          else if (changes.chance(50)) await network.replug(cable);
          else await network.set(cable.ends[0], portWords(changes));
        }
        said.push(await network.rest(told));
        assertTree(size, network.links, network.active(said.at(-1)!), `${told}\n${said.at(-1)}`);
      }
      rests.push(said);
      await network.close();
    }
    assert.deepEqual(rests[0], rests[1], `seed ${seed}: ours and Open vSwitch's`);
    assert.deepEqual(rests[2], rests[1], `seed ${seed}: both in one network`);
  }
});
