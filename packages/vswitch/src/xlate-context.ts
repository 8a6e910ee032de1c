import type { OdpAction } from '@heddle/datapath';
import { Flow, VLAN_CFI } from '@heddle/packet';
import type { XlateConfig } from './ofproto.ts';
import type { VlanTag } from './vlan.ts';
import type { MacDependency, TraceLine, XlateEffects, XlateOptions, XlateResult } from './xlate.ts';

/** The state of one translation. */
export class XlateContext {
  readonly config: XlateConfig;
  /** The packet as it came, with no more tags than are looked at. */
  readonly flow: Flow;
  /** The bits of `flow` that were looked at. */
  readonly wildcards = new Flow();
  readonly effects: XlateEffects = { learn: [], tables: [], patches: [] };
  readonly macs: MacDependency[] = [];
  /** Tags that the packet is to have now, outer first; committed when it is sent. */
  tags: readonly VlanTag[];
  /** Whether there is a packet to learn from. */
  readonly withPacket: boolean;
  readonly #key: Flow;
  readonly #actions: OdpAction[] = [];
  readonly #lines: TraceLine[] | undefined;
  /** Tags that it has by the actions so far. */
  #committed: readonly VlanTag[];
  #dropReason: string | undefined;

  constructor(config: XlateConfig, key: Flow, options: XlateOptions) {
    this.config = config;
    this.#key = key;
    this.flow = limitTags(key, config.vlanLimit);
    this.tags = tagsOf(this.flow);
    this.#committed = this.tags;
    this.withPacket = options.withPacket ?? true;
    this.#lines = options.trace ? [] : undefined;
  }

  trace(depth: number, kind: TraceLine['kind'], text: string): void {
    this.#lines?.push({ depth, kind, text });
  }

  drop(reason: string): void {
    this.#dropReason ??= reason;
  }

  /** Sends the packet, tagged as `tags` says. */
  output(odpPort: number): void {
    this.#commitTags();
    this.#actions.push({ type: 'output', port: odpPort });
  }

  /** Pops and pushes the least that turns one stack of tags into the other. */
  #commitTags(): void {
    const from = this.#committed;
    const to = this.tags;
    let same = 0;
    while (
      same < from.length &&
      same < to.length &&
      sameTag(from[from.length - 1 - same]!, to[to.length - 1 - same]!)
    ) {
      same++;
    }
    for (let i = same; i < from.length; i++) this.#actions.push({ type: 'pop_vlan' });
    if (same < from.length) {
      // Where a tag goes, it was compared with what takes its place.
      this.wildcards.vlanTci0 = 0xffff;
      if (this.config.vlanLimit >= 2 && this.flow.vlanTci0 !== 0) {
        this.wildcards.vlanTci1 = 0xffff;
        this.wildcards.vlanTpid1 = 0xffff;
      }
    }
    for (let i = to.length - 1 - same; i >= 0; i--) {
      const { tpid, vid, pcp } = to[i]!;
      this.#actions.push({ type: 'push_vlan', tpid, tci: (pcp << 13) | 0x1000 | vid });
    }
    this.#committed = to;
  }

  result(): XlateResult {
    const sends = this.#actions.some((a) => a.type === 'output');
    const dropReason = sends ? undefined : (this.#dropReason ?? 'no port to send to');
    return {
      actions: this.#actions,
      wildcards: keyMask(this.#key, this.flow, this.wildcards),
      seen: { flow: this.flow, wildcards: this.wildcards },
      effects: this.effects,
      macs: this.macs,
      dropReason,
      trace: this.#lines ?? [],
    };
  }
}

export function sameTags(a: readonly VlanTag[], b: readonly VlanTag[]): boolean {
  return a.length === b.length && a.every((tag, i) => sameTag(tag, b[i]!));
}

function sameTag(a: VlanTag, b: VlanTag): boolean {
  return a.tpid === b.tpid && a.vid === b.vid && a.pcp === b.pcp;
}

/** The flow as a switch sees it that takes tags beyond the limit for payload. */
function limitTags(key: Flow, limit: number): Flow {
  if (limit >= 2 || (key.vlanTci0 & key.vlanTci1 & VLAN_CFI) === 0) return key;
  const flow = new Flow();
  for (const name of ['recircId', 'inPort', 'pktMark', 'dlSrc', 'dlDst'] as const) {
    flow[name] = key[name];
  }
  flow.vlanTpid0 = key.vlanTpid0;
  flow.vlanTci0 = key.vlanTci0;
  flow.dlType = key.vlanTpid1;
  return flow;
}

/**
 * The mask for the key of the datapath, which always holds two tags. The type after the last tag
 * that is looked at may be that of a further tag: its presence tells the two apart.
 */
function keyMask(key: Flow, flow: Flow, wildcards: Flow): Flow {
  if (wildcards.vlanTci1 !== 0 || (key.vlanTci0 & VLAN_CFI) === 0) return wildcards;
  const mask = wildcards.clone();
  mask.vlanTci1 = VLAN_CFI;
  if (flow !== key) {
    mask.dlType = 0;
    mask.vlanTpid1 = 0xffff;
  }
  return mask;
}

function tagsOf(flow: Flow): VlanTag[] {
  const tags: VlanTag[] = [];
  const { vlanTci0, vlanTci1 } = flow;
  if (vlanTci0 & VLAN_CFI) tags.push(tag(flow.vlanTpid0, vlanTci0));
  if (vlanTci0 & vlanTci1 & VLAN_CFI) tags.push(tag(flow.vlanTpid1, vlanTci1));
  return tags;
}

function tag(tpid: number, tci: number): VlanTag {
  return { tpid, vid: tci & 0xfff, pcp: tci >> 13 };
}
