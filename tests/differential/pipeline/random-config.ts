/** What operators do to a switch while packets flow, at random: groups, ports, meters, tables, rows. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import { randomActionList, randomGroupLines } from '@heddle/vswitch/oracle/random-actions';

/** Words for ovs-ofctl, with lines of a file that comes last, or for ovs-vsctl; `devices` open anew. */
export interface ConfigStep {
  readonly type: 'ofctl' | 'vsctl';
  readonly words: readonly string[];
  readonly text: string;
  readonly devices: readonly string[];
  readonly lines: readonly string[];
}

/** Versions of OpenFlow for ovs-ofctl's `-O`. */
const WITH_GROUPS = ['OpenFlow11', 'OpenFlow12', 'OpenFlow13', 'OpenFlow14', ...fives(4)];
const WITH_METERS = ['OpenFlow13', 'OpenFlow14', ...fives(2)];

function fives(n: number): string[] {
  return new Array(n).fill('OpenFlow15');
}

const VLANS = [1, 5, 6, 9];
const ON_BR0 = ['p1', 'p2', 'p3', 'p4', 'pa'];
const ON_BR1 = ['q1', 'q2', 'pb'];
const MODES = ['access', 'trunk', 'native-tagged', 'native-untagged', 'dot1q-tunnel'];
const MISSES = ['drop', 'continue', 'controller'];
const PORT_MODS = [
  ...['no-receive', 'no-forward', 'no-flood'],
  ...['up', 'receive', 'forward', 'flood', 'up', 'up', 'forward', 'receive'],
];

/** Random changes of configuration; `isComparable` says which lines both take for the same. */
export class ConfigSteps {
  readonly #r: Random;
  readonly #isComparable: (line: string) => boolean;
  readonly #absent = new Set<string>();

  constructor(r: Random, isComparable: (line: string) => boolean) {
    this.#r = r;
    this.#isComparable = isComparable;
  }

  next(): ConfigStep {
    const roll = this.#r.below(100);
    if (roll < 35) return this.#group();
    if (roll < 55) return this.#portMod();
    if (roll < 70) return this.#vlan();
    if (roll < 80) return this.#mirror();
    if (roll < 88) return this.#device();
    if (roll < 94) return this.#meter();
    return this.#table();
  }

  #bridge(): string {
    return this.#r.chance(75) ? 'br0' : 'br1';
  }

  #group(): ConfigStep {
    const r = this.#r;
    const bridge = this.#bridge();
    const version = r.pick(WITH_GROUPS);
    // Buckets have names since OpenFlow 1.5, and are put in one by one.
    const asOf = (line: string): string =>
      version === 'OpenFlow15' ? line : line.replaceAll(/bucket_id:\d+,/g, '');
    const roll = version === 'OpenFlow15' ? r.below(10) : r.below(7);
    const how = ['-O', version];
    if (roll < 1) return ofctl(...how, 'add-group', bridge, asOf(this.#groupLine()));
    if (roll < 4) return ofctl(...how, 'mod-group', bridge, asOf(this.#groupLine()));
    if (roll < 5) return ofctl(...how, 'del-groups', bridge, `group_id=${this.#id()}`);
    if (roll < 7)
      return ofctl(...how, '--may-create', 'mod-group', bridge, asOf(this.#groupLine()));
    const at = `group_id=${this.#id()},command_bucket_id=${r.pick(['first', 'last', 0, 1, 20])}`;
    if (roll < 9) {
      const actions = this.#actions();
      const bucket = `bucket=bucket_id:${r.pick([20, 21, 22])},actions=${actions}`;
      return ofctl('insert-buckets', bridge, `${at},${bucket}`);
    }
    return ofctl('remove-buckets', bridge, r.chance(20) ? at.replace(/=\w+$/, '=all') : at);
  }

  #id(): number {
    return this.#r.pick([1, 2, 9, 10, 10, 11, 11, 12, 12]);
  }

  #actions(): string {
    for (;;) {
      const line = randomActionList(this.#r).replaceAll(/group:\d+/g, 'group:1');
      // Groups lead to no tables that lead to groups: nothing grows beyond any bound.
      if (this.#isComparable(line) && !/resubmit|ct\(|group:/.test(line)) return line;
    }
  }

  #groupLine(): string {
    for (;;) {
      const line = this.#r.pick(randomGroupLines(this.#r));
      if (this.#isComparable(line)) return line;
    }
  }

  #portMod(): ConfigStep {
    const r = this.#r;
    const bridge = this.#bridge();
    const port = r.pick(bridge === 'br0' ? [...ON_BR0, 'br0'] : [...ON_BR1, 'br1']);
    return ofctl('mod-port', bridge, port, r.pick(PORT_MODS));
  }

  #vlan(): ConfigStep {
    const r = this.#r;
    const port = r.pick([...ON_BR0, ...ON_BR1].filter((name) => !this.#absent.has(name)));
    const words = ['clear', 'Port', port, 'tag', 'trunks', 'cvlans', 'vlan_mode', 'other_config'];
    const set: string[] = [];
    if (r.chance(80)) {
      const mode = r.pick(['', ...MODES]);
      if (mode) set.push(`vlan_mode=${mode}`);
      if (r.chance(70)) set.push(`tag=${r.pick(VLANS)}`);
      if (r.chance(40)) set.push(`trunks=${[0, ...VLANS].filter(() => r.chance(50))}`);
      if (mode === 'dot1q-tunnel' && r.chance(50)) set.push(`cvlans=${r.pick(VLANS)}`);
      if (r.chance(30))
        set.push(`other_config:priority-tags=${r.pick(['true', 'always', 'never'])}`);
      if (mode === 'dot1q-tunnel' && r.chance(50)) set.push('other_config:qinq-ethtype=802.1q');
    }
    const kept = set.filter((word) => !word.endsWith('='));
    if (kept.length > 0) words.push('--', 'set', 'Port', port, ...kept);
    return vsctl(words);
  }

  #mirror(): ConfigStep {
    const r = this.#r;
    const bridge = this.#bridge();
    if (r.chance(30)) return vsctl(['clear', 'Bridge', bridge, 'mirrors']);
    const all = (bridge === 'br0' ? ON_BR0 : ON_BR1).filter((name) => !this.#absent.has(name));
    const words: string[] = [];
    const refs = (names: readonly string[]) => names.map((name) => `@${name}`).join(',');
    for (const name of all) words.push('--', `--id=@${name}`, 'get', 'Port', name);
    const mirror = ['name=m'];
    if (r.chance(25)) mirror.push('select_all=true');
    const sources = all.filter(() => r.chance(40));
    if (sources.length > 0) mirror.push(`select_src_port=${refs(sources)}`);
    // Of one port: to which of several a flood comes first is each switch's own matter.
    else mirror.push(`select_dst_port=${refs([r.pick(all)])}`);
    const vlans = VLANS.filter(() => r.chance(50));
    if (vlans.length > 0 && r.chance(30)) mirror.push(`select_vlan=${vlans}`);
    if (r.chance(60)) mirror.push(`output_port=@${r.pick(all)}`);
    else mirror.push(`output_vlan=${r.pick(VLANS)}`);
    if (r.chance(20)) mirror.push('snaplen=64');
    words.push('--', '--id=@m', 'create', 'Mirror', ...mirror);
    words.push('--', 'set', 'Bridge', bridge, 'mirrors=@m');
    return vsctl(words.slice(1));
  }

  /** Ports that go and come again. */
  #device(): ConfigStep {
    const r = this.#r;
    const absent = [...this.#absent];
    if (absent.length > 0 && r.chance(70)) {
      const name = r.pick(absent);
      this.#absent.delete(name);
      return { ...vsctl(['add', name]), devices: [name] };
    }
    const name = r.pick(['p3', 'p4', 'q2', 'pa', 'pb']);
    this.#absent.add(name);
    return vsctl(['--if-exists', 'del-port', name]);
  }

  #meter(): ConfigStep {
    const r = this.#r;
    const meter = `meter=${r.pick([1, 2, 3])}`;
    const bridge = this.#bridge();
    const how = ['-O', r.pick(WITH_METERS)];
    if (r.chance(25)) return ofctl(...how, 'del-meters', bridge, meter);
    const flags = r.pick(['kbps,stats', 'pktps', 'kbps,burst,stats', 'pktps,burst']);
    const bands = Array.from({ length: 1 + r.below(2) }, () => {
      const type = r.chance(10) ? 'dscp_remark,prec_level=1' : 'drop';
      const burst = flags.includes('burst') ? `,burst_size=${r.pick([1, 100000])}` : '';
      return `band=type=${type},rate=${r.pick([1, 100000])}${burst}`;
    });
    const command = r.pick(['mod-meter', 'mod-meter', 'add-meter']);
    return ofctl(...how, command, bridge, `${meter},${flags},${bands.join(',')}`);
  }

  #table(): ConfigStep {
    const r = this.#r;
    if (r.chance(25)) {
      const [version, how] = [r.pick(['OpenFlow11', 'OpenFlow12']), r.pick(MISSES)];
      return ofctl('-O', version, 'mod-table', this.#bridge(), String(r.pick([0, 1, 2, 9])), how);
    }
    const how = r.pick(['evict', 'noevict', 'vacancy:20,80', 'novacancy']);
    return ofctl('mod-table', this.#bridge(), String(r.pick([0, 0, 1, 2, 9])), how);
  }
}

/** Nothing says again that a table is as it was at first. */
export function lasts({ text }: { readonly text: string }): boolean {
  return /OpenFlow1[12] mod-table/.test(text);
}

export function ofctl(...words: string[]): ConfigStep {
  const all = words[0] === '-O' ? words : ['-O', 'OpenFlow15', ...words];
  return {
    type: 'ofctl',
    words: all,
    text: `ovs-ofctl ${words.join(' ')}`,
    devices: [],
    lines: [],
  };
}

function vsctl(words: readonly string[]): ConfigStep {
  return { type: 'vsctl', words, text: `ovs-vsctl ${words.join(' ')}`, devices: [], lines: [] };
}
