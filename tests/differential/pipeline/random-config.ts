/** What operators do to a switch while packets flow, at random: groups, ports, meters, tables, rows. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import { randomActionList, randomGroupLines } from '@heddle/vswitch/oracle/random-actions';

/** Words for ovs-ofctl or ovs-vsctl; `devices` open anew. */
export interface ConfigStep {
  readonly type: 'ofctl' | 'vsctl';
  readonly words: readonly string[];
  readonly text: string;
  readonly devices: readonly string[];
}

const VLANS = [1, 5, 6, 9];
const ON_BR0 = ['p1', 'p2', 'p3', 'p4', 'pa'];
const ON_BR1 = ['q1', 'q2', 'pb'];
const MODES = ['access', 'trunk', 'native-tagged', 'native-untagged', 'dot1q-tunnel'];
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
    const roll = r.below(10);
    if (roll < 4) return ofctl('mod-group', bridge, this.#groupLine());
    if (roll < 5) return ofctl('del-groups', bridge, `group_id=${this.#id()}`);
    if (roll < 7) return ofctl('--may-create', 'mod-group', bridge, this.#groupLine());
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
    const meter = `meter=${r.pick([1, 2])}`;
    const bridge = this.#bridge();
    if (r.chance(25)) return ofctl('del-meters', bridge, meter);
    const band = `kbps,stats,band=type=drop,rate=${r.pick([1, 100000])}`;
    return ofctl(r.pick(['mod-meter', 'mod-meter', 'add-meter']), bridge, `${meter},${band}`);
  }

  #table(): ConfigStep {
    const r = this.#r;
    const how = r.pick(['evict', 'noevict', 'vacancy:20,80', 'novacancy']);
    return ofctl('mod-table', this.#bridge(), String(r.pick([0, 0, 1, 2, 9])), how);
  }
}

function ofctl(...words: string[]): ConfigStep {
  const all = words[0] === '-O' ? words : ['-O', 'OpenFlow15', ...words];
  return { type: 'ofctl', words: all, text: `ovs-ofctl ${words.join(' ')}`, devices: [] };
}

function vsctl(words: readonly string[]): ConfigStep {
  return { type: 'vsctl', words, text: `ovs-vsctl ${words.join(' ')}`, devices: [] };
}
