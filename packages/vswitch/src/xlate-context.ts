import type { OdpAction } from '@heddle/datapath';
import { Flow } from '@heddle/packet';
import type { XlateConfig } from './ofproto.ts';
import type { VlanTag } from './vlan.ts';
import type { MacDependency, TraceLine, XlateEffects, XlateResult } from './xlate.ts';

/** The state of one translation. */
export class XlateContext {
  readonly config: XlateConfig;
  /** The packet as it came. */
  readonly flow: Flow;
  readonly wildcards = new Flow();
  readonly effects: XlateEffects = { learn: [], tables: [], patches: [] };
  readonly macs: MacDependency[] = [];
  /** Tags that the packet is to have now, outer first; committed when it is sent. */
  tags: readonly VlanTag[];
  readonly #actions: OdpAction[] = [];
  readonly #lines: TraceLine[] | undefined;
  /** Tags that it has by the actions so far. */
  #committed: readonly VlanTag[];
  #dropReason: string | undefined;

  constructor(config: XlateConfig, flow: Flow, trace: boolean) {
    this.config = config;
    this.flow = flow;
    this.tags = tagsOf(flow, config.vlanLimit);
    this.#committed = this.tags;
    this.#lines = trace ? [] : undefined;
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
      wildcards: this.wildcards,
      effects: this.effects,
      macs: this.macs,
      dropReason,
      trace: this.#lines ?? [],
    };
  }
}

function sameTag(a: VlanTag, b: VlanTag): boolean {
  return a.tpid === b.tpid && a.vid === b.vid && a.pcp === b.pcp;
}

function tagsOf(flow: Flow, limit: number): VlanTag[] {
  const tags: VlanTag[] = [];
  const { vlanTci0, vlanTci1 } = flow;
  if (limit >= 1 && vlanTci0 & 0x1000) tags.push(tag(flow.vlanTpid0, vlanTci0));
  if (limit >= 2 && vlanTci1 & 0x1000) tags.push(tag(flow.vlanTpid1, vlanTci1));
  return tags;
}

function tag(tpid: number, tci: number): VlanTag {
  return { tpid, vid: tci & 0xfff, pcp: tci >> 13 };
}
