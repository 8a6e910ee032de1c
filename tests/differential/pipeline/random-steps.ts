/** What is done to a switch, step by step, at random: flows, groups, packets, time. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import {
  encodeMessage,
  type FlowModCommand,
  type OfpVersion,
  parseFlowMod,
  parseGroupMod,
  parsePacketOut,
} from '@heddle/openflow';
import { toHex } from '@heddle/packet';
import { HeddleError } from '@heddle/runtime';
import {
  GROUP_LINES,
  randomActionList,
  randomGroupLines,
} from '@heddle/vswitch/oracle/random-actions';
import { randomFlowLine, randomLastLines } from '@heddle/vswitch/oracle/random-flows';
import { type ConfigStep, ConfigSteps, ofctl } from './random-config.ts';
import { randomFrame } from './random-frames.ts';

export type Step = { readonly text: string } & (
  | ConfigStep
  | { readonly type: 'setup'; readonly bridge: number; readonly bytes: Uint8Array }
  | { readonly type: 'resume'; readonly index: number }
  | { readonly type: 'messages'; readonly bytes: readonly Uint8Array[] }
  | {
      readonly type: 'receive';
      readonly port: string;
      readonly bursts: readonly (readonly string[])[];
    }
  /** A listener asks to be equal (1), master (2) or slave (3). */
  | {
      readonly type: 'role';
      readonly who: number;
      readonly role: number;
      readonly generation: number;
    }
  | { readonly type: 'warp'; readonly ms: number }
);

/** Hashes are each switch's own, so are random numbers; and where the oracle is known to be none. */
const INCOMPARABLE =
  /multipath|bundle|random|alg=|1000-2000|type=select|group:[5678]\b|debug_|check_pkt_larger.*(encap|write_actions|pop|clear)|clone.*encap|decap.*decap|encap\(mpls|encap.*(push_mpls|max_len)|push_mpls.*encap|sample|set_field:3->icmp_type|METADATA0\[0\.\.31\]=NXM_NX_REG0/;

function isComparable(line: string): boolean {
  return !INCOMPARABLE.test(line);
}

/**
 * Upstream both ways of check_pkt_larger share an action set, push_mpls takes one of two VLAN tags for
 * the packet, and clear_actions behind a pause becomes another action.
 */
const NOT_TOGETHER: readonly (readonly RegExp[])[] = [
  [/write_actions/, /check_pkt_larger/],
  [/mod_vlan|push_vlan|vlan_vid->|vlan_pcp->/, /push_mpls/],
  [/pause/, /clear_actions/],
];

const PORTS = ['p1', 'p2', 'p3', 'p4', 'q1', 'q2'];

/** `undefined` where the version has no word for it, or ovs-ofctl refuses it. */
function encoded(make: () => Uint8Array): Uint8Array | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    return undefined;
  }
}

function flowMod(line: string, command: FlowModCommand, version: OfpVersion, xid: number) {
  return encoded(() =>
    encodeMessage({
      ...parseFlowMod(line, command, { allowActions: true }).flowMod,
      ...{ version, xid, type: 'flow_mod' },
    }),
  );
}

function groupMod(line: string, xid: number) {
  const { groupMod: mod } = parseGroupMod(line, 'add');
  return encodeMessage({ ...mod, command: 'add_or_mod', version: 6, xid, type: 'group_mod' });
}

function setUpStep(bridge: number, line: string, bytes: Uint8Array): Step {
  return { type: 'setup', bridge, bytes, text: `br${bridge} ${line}` };
}

/** Random steps in a fixed order for a seed. */
export class Steps {
  readonly #r: Random;
  readonly #frames: Uint8Array[] = [];
  readonly #lines: string[] = [];
  readonly #version: OfpVersion;
  readonly #configs: ConfigSteps;
  readonly #without: readonly RegExp[];
  /** What a packet brings about is for the next ones, not for those that came with it. */
  readonly #learns: boolean;
  #xid = 0x100;

  constructor(r: Random, version: OfpVersion) {
    this.#r = r;
    this.#version = version;
    this.#learns = r.chance(50);
    this.#without = NOT_TOGETHER.map((words) => r.pick(words));
    this.#configs = new ConfigSteps(r, (line) => this.#isComparable(line));
  }

  /** Groups, and flows that use them. In OpenFlow 1.5, whatever follows. */
  *setUp(flows: number): Iterable<Step> {
    const r = this.#r;
    const groups = [...GROUP_LINES, ...randomGroupLines(r)].filter((line) =>
      this.#isComparable(line),
    );
    for (const line of groups) {
      const bytes = groupMod(line, ++this.#xid);
      for (const bridge of [0, 1]) yield setUpStep(bridge, line, bytes);
    }
    const last = randomLastLines(r);
    for (let i = 0; i < flows; ) {
      const line = last.pop() ?? this.#line();
      const bytes = flowMod(line, 'add', 4, ++this.#xid);
      if (!bytes) continue;
      i++;
      this.#lines.push(line);
      yield setUpStep(r.chance(70) ? 0 : 1, line, bytes);
    }
  }

  #line(): string {
    for (;;) {
      const line = randomFlowLine(this.#r);
      if (this.#isComparable(line)) return this.#withPatch(this.#r.chance(50) ? wider(line) : line);
    }
  }

  /** Some ports lead to the other bridge. */
  #withPatch(line: string): string {
    const r = this.#r;
    const timed = r.chance(12) ? `${r.pick(EXTRAS)},` : '';
    return (
      timed +
      line
        .replaceAll(/(output:|port=|in_port=)77\b/g, (_, w) => `${w}9`)
        .replaceAll(/\boutput:3\b/g, () => (r.chance(40) ? 'output:9' : 'output:3'))
    );
  }

  #isComparable(line: string): boolean {
    if (!this.#learns && /learn|fin_timeout/.test(line)) return false;
    return isComparable(line) && !this.#without.some((words) => words.test(line));
  }

  next(): Step {
    const r = this.#r;
    const roll = r.below(100);
    if (roll < 55) return this.#receive();
    if (roll < 67) return this.#changeFlow();
    if (roll < 75) return this.#packetOut();
    if (roll < 80) return this.#warp();
    if (roll < 84) return this.#resume();
    if (roll < 86) return this.#role();
    if (roll < 88) return this.#replace();
    return this.#configs.next();
  }

  #receive(): Step {
    const r = this.#r;
    const port = r.pick(PORTS);
    const frames = Array.from({ length: 1 + r.below(3) }, () =>
      toHex(randomFrame(r, this.#frames)),
    );
    const bursts = this.#learns ? frames.map((frame) => [frame]) : [frames];
    return { type: 'receive', port, bursts, text: `receive ${port} ${frames.join(' ')}` };
  }

  #warp(): Step {
    const ms = this.#r.pick([13_000, 13_000, 26_000]);
    return { type: 'warp', ms, text: `warp ${ms}` };
  }

  #role(): Step {
    const r = this.#r;
    const [who, role] = [r.below(2), 1 + r.below(3)];
    const generation = r.pick([1, 2, 3]);
    return { type: 'role', who, role, generation, text: `role ${who} ${role} ${generation}` };
  }

  /** Some flows stay, others change or go. */
  #replace(): Step {
    const r = this.#r;
    const [bridge, version] = [r.pick(['br0', 'br1']), r.pick(['OpenFlow13', 'OpenFlow14'])];
    const known = this.#lines.filter(() => r.chance(60));
    const added = Array.from({ length: r.pick([5, 40]) }, () => this.#line());
    const command = r.pick(['replace-flows', 'replace-flows', 'diff-flows']);
    const step = ofctl('-O', version, command, bridge);
    const lines = [...known, ...added].filter((line) => !/check_overlap|reset_counts/.test(line));
    return { ...step, lines, text: `${step.text} ${JSON.stringify(lines)}` };
  }

  #resume(): Step {
    const index = this.#r.below(1 << 20);
    return { type: 'resume', index, text: `resume ${index}` };
  }

  #changeFlow(): Step {
    const r = this.#r;
    const command = r.pick<FlowModCommand>([
      'add',
      'add',
      'modify',
      'modify_strict',
      'delete',
      'delete_strict',
    ]);
    let line = r.chance(60) && this.#lines.length > 0 ? r.pick(this.#lines) : this.#line();
    if (command !== 'add' && r.chance(60)) line = fewerTerms(r, line);
    if (command === 'delete' || command === 'delete_strict') {
      line = `${r.pick(FILTERS)}${line.slice(0, line.indexOf(' actions='))}`;
      if (command === 'delete') line = line.replace(/priority=\d+,?/, '');
    }
    const bytes = flowMod(line, command, this.#version, ++this.#xid);
    const text = `${command} ${line}`;
    return { type: 'messages', bytes: bytes ? [bytes] : [], text };
  }

  #packetOut(): Step {
    const r = this.#r;
    const actions = randomActionList(r);
    const frame = toHex(randomFrame(r, this.#frames));
    const text = `in_port=${r.pick([1, 2, 'LOCAL', 'CONTROLLER', 9])},packet=${frame},actions=${actions}`;
    const bytes = this.#isComparable(actions)
      ? encoded(() =>
          encodeMessage({
            ...parsePacketOut(text).packetOut,
            ...{ version: this.#version, xid: ++this.#xid, type: 'packet_out' },
          }),
        )
      : undefined;
    return { type: 'messages', bytes: bytes ? [bytes] : [], text: `packet-out ${text}` };
  }
}

const EXTRAS = [
  'idle_timeout=2',
  'hard_timeout=4',
  'send_flow_rem,idle_timeout=3',
  'send_flow_rem,hard_timeout=1',
  'send_flow_rem',
  'check_overlap',
  'reset_counts',
  'no_packet_counts',
  'no_byte_counts',
  'importance=5',
];
const FILTERS = [
  '',
  '',
  '',
  'out_port=1,',
  'out_port=2,',
  'out_group=1,',
  'cookie=0x3/0x3,',
  'out_port=9,',
];

/** Without what no frame has by itself. */
function wider(line: string): string {
  const at = line.indexOf(' actions=');
  const terms = line.slice(0, at).split(',');
  return terms.filter((term) => !OF_PIPELINE.test(term)).join(',') + line.slice(at);
}

const OF_PIPELINE = /^(x*reg|tun_|metadata|pkt_mark|ct_|conj_id)/;

/** A match that is wider: of several flows. */
function fewerTerms(r: Random, line: string): string {
  const [match, actions] = line.split(' actions=') as [string, string];
  const terms = match.split(',').filter((term) => /^(table|priority)=/.test(term) || r.chance(50));
  return `${terms.join(',')} actions=${actions}`;
}
