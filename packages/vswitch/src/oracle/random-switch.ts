/** Random bridges, for Open vSwitch as ovs-vsctl's words and for us as what translation reads. */

import type { Random } from '@heddle/datapath/oracle/random-frame';
import { realClock } from '@heddle/runtime';
import { MacLearning } from '../mac-learning.ts';
import { configureMirrors } from '../mirror.ts';
import { RecircIds } from '../ofproto/recirc.ts';
import { Bundle, OfPort, Ofproto, type XlateConfig } from '../ofproto.ts';
import { configureBundle, type PortRow } from '../port-config.ts';
import type { OraclePort } from './switch-oracle.ts';

const VLANS = [1, 5, 6, 7];

export interface PortSpec {
  readonly bridge: string;
  readonly name: string;
  readonly peer: string | undefined;
  readonly noFlood: boolean;
  readonly row: Pick<
    PortRow,
    'tag' | 'trunks' | 'cvlans' | 'vlan_mode' | 'other_config' | 'protected'
  >;
}

export interface MacSpec {
  readonly bridge: string;
  readonly port: string;
  readonly vlan: number;
  readonly mac: number;
}

export interface MirrorSpec {
  readonly bridge: string;
  readonly name: string;
  readonly all: boolean;
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  readonly vlans: readonly number[];
  readonly out: string | number;
  readonly snaplen: number;
}

export interface SwitchSpec {
  readonly vlanLimit: number;
  readonly bridges: readonly {
    name: string;
    floodVlans: readonly number[];
    forwardBpdu: boolean;
    secure: boolean;
  }[];
  readonly ports: readonly PortSpec[];
  readonly macs: readonly MacSpec[];
  readonly mirrors: readonly MirrorSpec[];
}

export const MACS = [0x505400000001, 0x505400000002, 0x505400000003, 0x505400000004];

function some(r: Random, values: readonly number[]): number[] {
  return values.filter(() => r.chance(50));
}

export function randomRow(r: Random): PortSpec['row'] {
  const mode = r.pick([
    undefined,
    'access',
    'trunk',
    'native-tagged',
    'native-untagged',
    'dot1q-tunnel',
  ]);
  const config = new Map<string, string>();
  if (r.chance(50)) {
    config.set('priority-tags', r.pick(['true', 'never', 'if-nonzero', 'always', 'false']));
  }
  if (mode === 'dot1q-tunnel' && r.chance(70)) {
    config.set('qinq-ethtype', r.pick(['802.1ad', '802.1q']));
  }
  return {
    tag: r.chance(70) ? r.pick(VLANS) : undefined,
    trunks: r.chance(40) ? some(r, [0, ...VLANS]) : [],
    cvlans: mode === 'dot1q-tunnel' && r.chance(50) ? some(r, [0, ...VLANS]) : [],
    vlan_mode: mode as PortRow['vlan_mode'],
    other_config: config,
    protected: r.chance(20),
  };
}

/** One that gives the same copies whatever port a flood reaches first. */
function randomMirror(
  r: Random,
  bridge: string,
  names: readonly string[],
  mayAll: boolean,
): MirrorSpec {
  const all = mayAll && r.chance(30);
  return {
    bridge,
    name: `${bridge}m`,
    all,
    sources: names.filter(() => r.chance(40)),
    destinations: all || r.chance(40) ? [] : [r.pick(names)],
    vlans: all || r.chance(50) ? [] : some(r, [0, ...VLANS]),
    out: r.chance(60) ? r.pick(names) : r.pick(VLANS),
    snaplen: r.chance(60) ? 0 : 64,
  };
}

/** One to three bridges in a row, joined by patch ports. */
export function randomSwitch(r: Random): SwitchSpec {
  const count = r.pick([1, 1, 2, 3]);
  const ports: PortSpec[] = [];
  const macs: MacSpec[] = [];
  const mirrors: MirrorSpec[] = [];
  const bridges = Array.from({ length: count }, (_, i) => {
    const bridge = `br${i}`;
    const names = Array.from({ length: 1 + r.below(4) }, (_, n) => `p${i}${n}`);
    for (const name of names) {
      ports.push({ bridge, name, peer: undefined, noFlood: false, row: randomRow(r) });
    }
    for (const [name, peer, exists] of [
      [`down${i}`, `up${i + 1}`, i + 1 < count],
      [`up${i}`, `down${i - 1}`, i > 0],
    ] as const) {
      if (!exists) continue;
      names.push(name);
      const plain = r.chance(60) ? { ...randomRow(r), vlan_mode: undefined, tag: undefined } : {};
      ports.push({ bridge, name, peer, noFlood: false, row: { ...randomRow(r), ...plain } });
    }
    if (r.chance(50)) mirrors.push(randomMirror(r, bridge, names, count === 1));
    const homes = names.filter((name) => !mirrors.some((m) => m.out === name));
    for (const mac of MACS) {
      if (homes.length === 0 || !r.chance(40)) continue;
      macs.push({ bridge, port: r.pick(homes), vlan: r.pick([0, ...VLANS]), mac });
    }
    return {
      name: bridge,
      floodVlans: r.chance(30) ? some(r, VLANS) : [],
      forwardBpdu: r.chance(30),
      secure: i > 0 && r.chance(10),
    };
  });
  return { vlanLimit: r.pick([0, 1, 2]), bridges, ports, macs, mirrors };
}

export function vsctlWords(spec: SwitchSpec): string[] {
  const words = ['set', 'Open_vSwitch', '.', `other_config:vlan-limit=${spec.vlanLimit}`];
  for (const { name, floodVlans, forwardBpdu, secure } of spec.bridges) {
    words.push('--', 'add-br', name, '--', 'set', 'Bridge', name, 'datapath_type=dummy');
    words.push(`flood_vlans=[${floodVlans}]`, `other_config:forward-bpdu=${forwardBpdu}`);
    if (secure) words.push('fail_mode=secure');
  }
  for (const { bridge, name, peer, row } of spec.ports) {
    words.push('--', 'add-port', bridge, name, '--', 'set', 'Port', name);
    if (row.tag !== undefined) words.push(`tag=${row.tag}`);
    if (row.vlan_mode !== undefined) words.push(`vlan_mode=${row.vlan_mode}`);
    words.push(`trunks=[${row.trunks}]`, `cvlans=[${row.cvlans}]`, `protected=${row.protected}`);
    for (const [key, value] of row.other_config) words.push(`other_config:${key}=${value}`);
    words.push('--', 'set', 'Interface', name);
    words.push(...(peer === undefined ? ['type=dummy'] : ['type=patch', `options:peer=${peer}`]));
  }
  for (const mirror of spec.mirrors) words.push(...mirrorWords(mirror));
  return words;
}

function mirrorWords(mirror: MirrorSpec): string[] {
  const { bridge, name, sources, destinations, out } = mirror;
  const words: string[] = [];
  const ids = (ports: readonly string[]) => `[${ports.map((port) => `@${name}${port}`)}]`;
  const named = new Set([...sources, ...destinations, ...(typeof out === 'string' ? [out] : [])]);
  for (const port of named) words.push('--', `--id=@${name}${port}`, 'get', 'Port', port);
  words.push('--', `--id=@${name}`, 'create', 'Mirror', `name=${name}`);
  words.push(`select_all=${mirror.all}`, `select_vlan=[${mirror.vlans}]`);
  words.push(`select_src_port=${ids(sources)}`, `select_dst_port=${ids(destinations)}`);
  words.push(typeof out === 'string' ? `output_port=@${name}${out}` : `output_vlan=${out}`);
  if (mirror.snaplen !== 0) words.push(`snaplen=${mirror.snaplen}`);
  return [...words, '--', 'add', 'Bridge', bridge, 'mirrors', `@${name}`];
}

export interface BuiltSwitch {
  readonly config: XlateConfig;
  readonly bridges: ReadonlyMap<string, Ofproto>;
  readonly ports: ReadonlyMap<string, OfPort>;
}

/**
 * The same switch in our terms, with the numbers that `numbers` gives its ports. `learned` hears of
 * addresses that are somewhere else now.
 */
export function buildSwitch(
  spec: SwitchSpec,
  numbers: readonly OraclePort[],
  learned: (bridge: Ofproto, vlan: number, mac: number) => void = () => {},
): BuiltSwitch {
  const bridges = new Map<string, Ofproto>();
  const ports = new Map<string, OfPort>();
  for (const { name, floodVlans, forwardBpdu, secure } of spec.bridges) {
    const bridge: Ofproto = new Ofproto(
      name,
      new MacLearning<Bundle>(realClock, (vlan, mac) => learned(bridge, vlan, mac)),
    );
    bridge.forwardBpdu = forwardBpdu;
    bridge.setDefaultFlow(!secure, 0);
    bridge.macs.configure({ idleMs: 300_000, max: 8192, floodVlans: new Set(floodVlans) });
    bridges.set(name, bridge);
  }
  for (const { bridge, name, ofport, odpPort } of numbers) {
    const ofproto = bridges.get(bridge)!;
    const bundle = new Bundle(name, ofproto);
    const port = new OfPort(name, ofport, bundle);
    port.odpPort = odpPort;
    bundle.ports.push(port);
    ofproto.bundles.set(name, bundle);
    ofproto.ports.set(ofport, port);
    ports.set(name, port);
    const row = spec.ports.find((p) => p.name === name)?.row;
    if (row) configureBundle(bundle, row as PortRow);
  }
  for (const { name, peer } of spec.ports) {
    const port = ports.get(name)!;
    if (peer !== undefined) port.peer = ports.get(peer);
  }
  const bundlesOf = (names: readonly string[]) =>
    new Set(names.map((name) => ports.get(name)!.bundle));
  for (const [name, bridge] of bridges) {
    const mirrors = spec.mirrors.filter((m) => m.bridge === name);
    configureMirrors(
      bridge,
      mirrors.map((m) => ({
        name: m.name,
        all: m.all,
        sources: bundlesOf(m.sources),
        destinations: bundlesOf(m.destinations),
        vlans: m.vlans.length === 0 ? undefined : new Set(m.vlans),
        out: typeof m.out === 'string' ? ports.get(m.out)!.bundle : m.out,
        snaplen: m.snaplen,
      })),
    );
  }
  for (const { bridge, port, vlan, mac } of spec.macs) {
    bridges.get(bridge)!.macs.addStatic(vlan, mac, ports.get(port)!.bundle);
  }
  const byOdp = new Map([...ports.values()].map((p) => [p.odpPort, p]));
  const vlanLimit = spec.vlanLimit === 0 ? 2 : spec.vlanLimit;
  const recirc = new RecircIds(() => 0);
  return { config: { vlanLimit, portOf: (odp) => byOdp.get(odp), recirc }, bridges, ports };
}
