/**
 * Traces in a form in which two switches say the same: numbers that each gives as it likes are
 * left out, rewriting of headers is told by what packets look like when they go somewhere.
 */
import { formatOdpFlow, type OdpAction, OdpParseError, parseOdpActions } from '@heddle/datapath';
import { type Flow, fieldByName, fieldGet, fieldSet } from '@heddle/packet';
import { copiesIn } from './copies.ts';
import { tagsOf } from './outputs.ts';
import { splitActions } from './split-actions.ts';

/**
 * Whether a copy did what Open vSwitch lets what is behind it have, too: tracking and its translations,
 * meters, hashes. All but that is the same when it is told without copies.
 */
export function hasStatefulCopies(text: string): boolean {
  return copiesIn(text).some(
    ({ within, behind }) => behind !== '' && /^ *(ct(_clear$|\()|meter:|group:)/m.test(within),
  );
}

/** `key` is the packet; `isFlat`: with what the copies of the datapath do in the place of each. */
export function comparableTrace(text: string, key: Flow, isFlat = false): string {
  return text
    .replaceAll(/^Megaflow: .*$/gm, '')
    .replaceAll(/recirc(_id=|\()(0x)?[0-9a-f]+/g, 'recirc$1N')
    .replaceAll(/\bmeter\(\d+\)/g, 'meter(N)')
    .replaceAll(/^( *-> bucket \d+: score) \d+$/gm, '$1 N')
    .replaceAll(SLOW_PATH, '')
    .replaceAll(RESTORED, '')
    .replaceAll(/^(Flow: (.*)$[\s\S]*?^Final flow: )(.*)$/gm, (all, head, flow, final) =>
      final === flow ? `${head}unchanged` : all,
    )
    .replace(
      /^(Datapath actions: )(.*)$/gm,
      (_, head: string, actions: string) => head + observable(actions, key, isFlat),
    )
    .trim();
}

/**
 * Whether Open vSwitch is known to be no example: both ways of `check_pkt_larger` share one action
 * set, one stack and one header to push there, and what a label pushed on a packet without Ethernet header makes of it is not shown.
 */
export function isBeyondCompare(text: string): boolean {
  const branches = text.includes('check_pkt_larger(');
  if (branches && /action set| encap\(|^ *(push|pop):/m.test(text)) return true;
  // It sees a tag of its own making beyond the limit of tags that it sees.
  if (text.includes('recirc_id=') && text.includes('dl_vlan1=')) return true;
  // What would cut a packet that is not sent cuts the next one that is.
  if (text.includes('legacy L2 port') && text.includes('max_len=')) return true;
  for (const { by, within, behind } of copiesIn(text)) {
    // Its dry run of what is for a controller to send on rewrites the headers again at the end.
    if (by === 'clone' && /^ *controller\(.*\bpause\b/m.test(`${within}\n${behind}`)) return true;
    if (behind === '') continue;
    // A header that comes or goes in a copy does so for what follows there, too.
    if (/^ *(encap|decap)\(/m.test(within)) return true;
    // Tracking that was forgotten in a copy is not there to be forgotten behind it.
    if (/^ *ct(_clear$|\()/m.test(within) && /^ *ct_clear$/m.test(behind)) return true;
    // A label that was popped in a copy counts as popped of the packet, too.
    if (by === 'clone' && /^ *pop_mpls:/m.test(within)) return true;
  }
  // The tag of a packet that labels were put in front of is taken for theirs.
  if (/ encap\(mpls[\s\S]* encap\(ethernet/.test(text) && /^Flow: .*\bdl_vlan=/m.test(text))
    return true;
  // What has been deleted is still read.
  if (text.includes('delete_field:')) return true;
  if (text.includes(' encap(mpls') && /^Flow: .*\bmplsm?,/m.test(text)) return true;
  return text.includes(' encap(') && /^ *push_mpls:/m.test(text);
}

/** How Open vSwitch tells of the flows that a packet goes on with. */
const RESTORED =
  /^ *(Resuming from table \d+\n( *Restoring (?!actions).*\n)* *Restoring actions: .*|Restoring .*|unroll_xlate\(.*|restored state: .*)\n/gm;

/** What the datapath of either cannot do is its own matter. */
const SLOW_PATH = /^This flow is handled by the userspace slow path because it:\n( +- .*\n?)*/gm;

/** The choices that hashes made, in order, of the trace of a switch whose hashes are its own. */
export function picksOf(text: string): number[] {
  const picks: number[] = [];
  let isHashed = false;
  let isLoaded = false;
  for (const line of text.split('\n')) {
    if (/^ *-> bucket \d+: score /.test(line)) isHashed = true;
    const bucket = /^ *-> using bucket (\d+)$/.exec(line);
    if (bucket && isHashed) picks.push(Number(bucket[1]));
    if (bucket || /no live bucket/.test(line)) isHashed = false;
    const loaded = /^ *-> \S+ is now (\S+)$/.exec(line);
    if (loaded && isLoaded) picks.push(Number(loaded[1]));
    isLoaded = /^ *(multipath|bundle_load)\(/.test(line) && !line.includes('active_backup');
  }
  return picks;
}

/** Actions in which the packet's headers stand where they have changed, instead of `set`. */
function observable(actions: string, key: Flow, isFlat: boolean): string {
  return new Walk({ flow: key, isBare: key.packetType !== 0, isFlat }).run(actions).join(',');
}

interface WalkStart {
  readonly flow: Flow;
  /** Without an Ethernet header. */
  readonly isBare: boolean;
  /**
   * Copies are told of in their place, tags and priorities as headers are. A `trunc` may stand before or
   * behind what makes the packet the former one again.
   */
  readonly isFlat: boolean;
  readonly tags?: readonly string[];
  readonly labels?: readonly string[];
  readonly priority?: string;
}

class Walk {
  #flow: Flow;
  #shown: string;
  /** Without an Ethernet header. */
  #isBare: boolean;
  readonly #isFlat: boolean;
  #tags: readonly string[];
  /** Those that were pushed. */
  #labels: readonly string[];
  #priority: string;

  constructor({
    flow,
    isBare,
    isFlat,
    tags = tagsOf(flow),
    labels = [],
    priority = '',
  }: WalkStart) {
    this.#flow = flow.clone();
    this.#isBare = isBare;
    this.#isFlat = isFlat;
    this.#tags = tags;
    this.#labels = labels;
    this.#priority = priority;
    this.#shown = this.#state();
  }

  run(actions: string): string[] {
    return sortRuns(this.#list(actions));
  }

  #list(actions: string): string[] {
    const out: string[] = [];
    for (const item of splitActions(actions)) {
      if (this.#rewrites(item)) continue;
      if (this.#isTakenOfBare(item)) continue;
      if (this.#isFlat && this.#layers(item)) continue;
      if (this.#isFlat && item.startsWith('clone(')) {
        out.push(...this.#inPlace(item.slice('clone('.length, -1)));
        continue;
      }
      if (!this.#isFlat || !item.startsWith('trunc(')) this.#show(out);
      out.push(this.#nested(item));
      this.#retype(item);
    }
    return out;
  }

  #show(out: string[]): void {
    const now = this.#state();
    if (now !== this.#shown) out.push(`[${now}]`);
    this.#shown = now;
  }

  #state(): string {
    const [tags, labels] = [this.#tags.join(','), this.#labels.join(',')];
    const layers = this.#isFlat ? `,${tags},${labels},${this.#priority}` : '';
    return stateText(this.#flow) + layers;
  }

  /** What a copy does, and then all is as it was. */
  #inPlace(actions: string): string[] {
    const [flow, isBare, tags, priority] = [
      this.#flow.clone(),
      this.#isBare,
      this.#tags,
      this.#priority,
    ];
    const labels = this.#labels;
    const done = this.#list(actions);
    this.#labels = labels;
    this.#flow = flow;
    this.#isBare = isBare;
    this.#tags = tags;
    this.#priority = priority;
    return done;
  }

  #layers(item: string): boolean {
    if (item.startsWith('pop_mpls(')) this.#labels = this.#labels.slice(1);
    else if (item.startsWith('push_mpls(')) this.#labels = [item, ...this.#labels];
    else if (item === 'pop_vlan') this.#tags = this.#tags.slice(1);
    else if (item.startsWith('push_vlan(')) this.#tags = [item, ...this.#tags];
    else if (item.startsWith('set(skb_priority('))
      this.#priority = item === NO_PRIORITY ? '' : item;
    else return false;
    return true;
  }

  #rewrites(item: string): boolean {
    if (item.startsWith('set(mpls(')) {
      for (const part of item.slice(9, -2).split(',')) setField(this.#flow, 'mpls_', part);
      return true;
    }
    if (item.startsWith('set(nsh(')) {
      for (const part of item.slice(8, -2).split(',')) setField(this.#flow, 'nsh_', part);
      return true;
    }
    if (!/^set\((eth|ipv4|ipv6|arp|tcp|udp|sctp|icmp|icmpv6|nd|skb_mark)\(/.test(item))
      return false;
    let acts: OdpAction[];
    try {
      acts = parseOdpActions(item);
    } catch (error) {
      if (error instanceof OdpParseError) return false;
      throw error;
    }
    for (const act of acts) {
      if (act.type !== 'set') continue;
      const { key, mask } = act;
      for (let i = 0; i < 64; i++) {
        const m = mask.u32[i]!;
        this.#flow.u32[i] = (this.#flow.u32[i]! & ~m) | (key.u32[i]! & m);
      }
    }
    return true;
  }

  /**
   * Open vSwitch pushes and pops tags of packets without an Ethernet header, and pops such a header
   * behind `add_mpls`, which has taken it in.
   */
  #isTakenOfBare(item: string): boolean {
    const isOfBare = this.#isBare && (item === 'pop_eth' || /^(pop|push)_vlan\b/.test(item));
    if (/^(pop_eth$|push_nsh\(|add_mpls\()/.test(item)) this.#isBare = true;
    else if (item.startsWith('push_eth(')) this.#isBare = false;
    return isOfBare;
  }

  /** Tags change what the text of a flow has room for. */
  #retype(item: string): void {
    if (item === 'pop_vlan' || item.startsWith('push_vlan(')) this.#shown = this.#state();
  }

  /** Lists within work on copies. */
  #nested(item: string): string {
    const open = item.indexOf('(');
    const name = item.slice(0, open);
    const body = item.slice(open + 1, -1);
    if (name === 'clone') return `clone(${this.#copy(body)})`;
    if (name !== 'check_pkt_len') return item;
    const parts = splitActions(body).map((part) => {
      const inner = /^(gt|le)\((.*)\)$/.exec(part);
      return inner ? `${inner[1]}(${this.#copy(inner[2]!)})` : part;
    });
    return `check_pkt_len(${parts.join(',')})`;
  }

  #copy(body: string): string {
    const [flow, isBare, isFlat] = [this.#flow, this.#isBare, this.#isFlat];
    const [tags, labels, priority] = [this.#tags, this.#labels, this.#priority];
    return new Walk({ flow, isBare, isFlat, tags, labels, priority }).run(body).join(',');
  }
}

const NO_PRIORITY = 'set(skb_priority(0))';

function stateText(flow: Flow): string {
  const { nshFlags, nshTtl, nshPath, nshC1, nshC2, nshC3, nshC4 } = flow;
  const nsh = [nshFlags, nshTtl, nshPath, nshC1, nshC2, nshC3, nshC4];
  return `${formatOdpFlow(flow)},nsh(${nsh.join(',')}),mpls(${flow.mplsLse0})`;
}

/** `spi=0x5/0x00ffff` */
function setField(flow: Flow, prefix: string, part: string): void {
  const m = /^(\w+)=(\w+)(?:\/(\w+))?$/.exec(part);
  const field = fieldByName(`${prefix}${m?.[1]}`);
  if (!m || !field) throw new Error(`what is ${part}?`);
  const mask = BigInt(m[3] ?? '0xffffffff');
  fieldSet(flow, field, (fieldGet(flow, field) & ~mask) | (BigInt(m[2]!) & mask));
}

/** Outputs of one flood are in no order. */
function sortRuns(items: readonly string[]): string[] {
  const out: string[] = [];
  let run: string[] = [];
  for (const item of items) {
    if (/^\d+$/.test(item)) run.push(item);
    else {
      out.push(...run.sort(), item);
      run = [];
    }
  }
  return [...out, ...run.sort()];
}
