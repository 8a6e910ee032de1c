/**
 * Turns what translation did to a flow into rewriting actions of the datapath, as late as can be:
 * before the packet goes somewhere. Each header is set as a whole where it was looked at, so that
 * equal translations give equal actions.
 */
import type { OdpAction } from '@heddle/datapath';
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_NSH,
  Flow,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  isMpls,
  KEY_SLOTS,
} from '@heddle/packet';
import type { VlanTag } from '../vlan.ts';
import { commitEncap, nshHeader, PT_ETH } from './commit-encap.ts';
import type { XlateContext } from './context.ts';
import { sameTag, tagsOf } from './tags.ts';

/** Byte ranges of the key that are set together. */
type Header = readonly (readonly [offset: number, length: number])[];

function header(...accessors: readonly [name: string, length: number][]): Header {
  return accessors.map(([name, length]) => [KEY_SLOTS.get(name)!.offset, length]);
}

const ETH = header(['dlSrc', 6], ['dlDst', 6]);
const IPV4 = header(['nwSrc', 4], ['nwDst', 4], ['nwTos', 1], ['nwTtl', 1]);
const IPV6 = header(['ipv6Src', 16], ['ipv6Dst', 16], ['ipv6Label', 4], ['nwTos', 1], ['nwTtl', 1]);
const ARP = header(['nwSrc', 4], ['nwDst', 4], ['nwProto', 1], ['arpSha', 6], ['arpTha', 6]);
const PORTS = header(['tpSrc', 2], ['tpDst', 2]);
const ND = header(['ndTarget', 16], ['ndSll', 6], ['ndTll', 6]);
const NSH_BASE = header(['nshFlags', 1], ['nshTtl', 1], ['nshPath', 4]);
/** With the context headers, which only metadata of type 1 has (RFC 8300, 2.4). */
const NSH_MD1 = header(['nshFlags', 1], ['nshTtl', 1], ['nshPath', 4], ['nshC1', 16]);
const MARK = header(['pktMark', 4]);
const TAGS = header(['vlanTci0', 2], ['vlanTpid0', 2], ['vlanTci1', 2], ['vlanTpid1', 2]);

export function commitActions(ctx: XlateContext): void {
  const { flow, base } = ctx;
  commitEncap(ctx);
  commitHeader(ctx, ETH);
  // What is below labels is set when they are gone, as they are behind a copy that had them.
  if (!isMpls(flow.dlType)) commitMpls(ctx);
  commitNetwork(ctx);
  commitMpls(ctx);
  commitTags(ctx);
  if (flow.skbPriority !== base.skbPriority) {
    ctx.odpActions.push({ type: 'set_priority', priority: flow.skbPriority });
    base.skbPriority = flow.skbPriority;
  }
  commitHeader(ctx, MARK);
}

function commitNetwork(ctx: XlateContext): void {
  const { flow, base, wildcards } = ctx;
  // What was pushed on top hides what is below: only the headers of the packet's own type are set.
  // Below a popped label they are not known, and not set before they are.
  if (flow.dlType !== base.dlType || ctx.wasMpls) return;
  switch (flow.dlType) {
    case ETH_P_IP:
    case ETH_P_IPV6: {
      const ip = flow.dlType === ETH_P_IP ? IPV4 : IPV6;
      if (!differs(flow, base, ip) && !differs(flow, base, PORTS) && !differs(flow, base, ND))
        return;
      wildcards.nwProto = 0xff;
      // Without a protocol the header was cut short.
      if (flow.nwProto === 0) return;
      commitHeader(ctx, ip);
      commitTransport(ctx);
      return;
    }
    case ETH_P_ARP:
      // The datapath has no action for RARP; without an operation the header was cut short.
      if (!differs(flow, base, ARP)) return;
      wildcards.nwProto = 0xff;
      if (flow.nwProto !== 0) commitHeader(ctx, ARP);
      return;
    case ETH_P_NSH:
      commitNsh(ctx);
  }
}

function commitNsh(ctx: XlateContext): void {
  const { flow, base, written } = ctx;
  const fields = flow.nshMdtype === 1 ? NSH_MD1 : NSH_BASE;
  if (!differs(flow, base, fields)) return;
  const mask = new Flow();
  for (const [offset, length] of fields) {
    for (let i = offset; i < offset + length; i++) {
      mask.u8[i] = written.u8[i]! | (flow.u8[i]! ^ base.u8[i]!);
      base.u8[i] = flow.u8[i]!;
    }
  }
  ctx.odpActions.push({ type: 'set_nsh', header: nshHeader(flow), mask: nshHeader(mask) });
}

function commitTransport(ctx: XlateContext): void {
  const { flow } = ctx;
  switch (flow.nwProto) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
      commitHeader(ctx, PORTS);
      return;
    case IPPROTO_ICMP:
      if (flow.dlType === ETH_P_IP) commitHeader(ctx, PORTS);
      return;
    case IPPROTO_ICMPV6:
      if (flow.dlType !== ETH_P_IPV6) return;
      commitHeader(ctx, PORTS);
      commitHeader(ctx, ND);
  }
}

function differs(a: Flow, b: Flow, fields: Header): boolean {
  const [x, y] = [a.u8, b.u8];
  for (let n = 0; n < fields.length; n++) {
    const [offset, length] = fields[n]!;
    for (let i = offset; i < offset + length; i++) if (x[i] !== y[i]) return true;
  }
  return false;
}

function commitHeader(ctx: XlateContext, fields: Header): void {
  const { flow, base, wildcards, written } = ctx;
  if (!differs(flow, base, fields)) return;
  const [key, mask] = [new Flow(), new Flow()];
  key.dlType = flow.dlType;
  key.nwProto = flow.nwProto;
  for (const field of fields) {
    // A field that is as it was is not written, though another of its header is.
    if (!differs(flow, base, [field])) continue;
    const [offset, length] = field;
    for (let i = offset; i < offset + length; i++) {
      // What differs was looked at; a bridge behind a patch port may have given it back unseen.
      wildcards.u8[i]! |= flow.u8[i]! ^ base.u8[i]!;
      mask.u8[i] = written.u8[i]! | (flow.u8[i]! ^ base.u8[i]!);
      key.u8[i] = flow.u8[i]! & mask.u8[i]!;
      base.u8[i] = flow.u8[i]!;
    }
  }
  ctx.odpActions.push({ type: 'set', key, mask });
}

/** Pops and pushes the least that turns one stack of tags into the other. */
function commitTags(ctx: XlateContext): void {
  const { flow, base, wildcards, odpActions } = ctx;
  // Tags go with an Ethernet header.
  if (flow.packetType !== PT_ETH || !differs(flow, base, TAGS)) return;
  const from = tagsOf(base);
  const to = tagsOf(flow);
  let same = 0;
  while (same < from.length && same < to.length && sameTag(at(from, same), at(to, same))) same++;
  for (let i = same; i < from.length; i++) odpActions.push({ type: 'pop_vlan' });
  if (same < from.length) {
    // Where a tag goes, it was compared with what takes its place.
    wildcards.vlanTci0 = 0xffff;
    if (ctx.initial.vlanTci0 !== 0) wildcards.vlanTpid0 = 0xffff;
    if (ctx.config.vlanLimit >= 2 && ctx.initial.vlanTci0 !== 0) {
      wildcards.vlanTci1 = 0xffff;
      wildcards.vlanTpid1 = 0xffff;
    }
  }
  for (let i = to.length - 1 - same; i >= 0; i--) {
    const { tpid, vid, pcp } = to[i]!;
    odpActions.push({ type: 'push_vlan', tpid, tci: (pcp << 13) | 0x1000 | vid });
  }
  for (const name of ['vlanTci0', 'vlanTpid0', 'vlanTci1', 'vlanTpid1'] as const) {
    base[name] = flow[name];
  }
}

/** Counted from the innermost. */
function at(tags: readonly VlanTag[], i: number): VlanTag {
  return tags[tags.length - 1 - i]!;
}

const LSES = ['mplsLse0', 'mplsLse1', 'mplsLse2'] as const;
const BOS = 0x100;

/** Entries of the stack that the flow knows: up to the last one's mark or, without, to a zero. */
export function countLabels(flow: Flow): number {
  if (!isMpls(flow.dlType)) return 0;
  const last = LSES.findIndex((name) => (flow[name] & BOS) !== 0);
  if (last >= 0) return last + 1;
  const zero = LSES.findIndex((name) => flow[name] === 0);
  return zero < 0 ? LSES.length : zero;
}

function lsesOf(flow: Flow): number[] {
  return LSES.slice(0, countLabels(flow)).map((name) => flow[name]);
}

function commitMpls(ctx: XlateContext): void {
  const { flow, base } = ctx;
  if (!isMpls(flow.dlType) && !isMpls(base.dlType)) return;
  const from = lsesOf(base);
  const to = lsesOf(flow);
  let same = 0;
  while (same < from.length && same < to.length && at3(from, same) === at3(to, same)) same++;
  const popped = from.length - same;
  const pushed = to.length - same;
  // The innermost entry that differs is rewritten where both stacks have one.
  const rewritten = Math.min(popped, pushed, 1);
  const acts: OdpAction[] = [];
  for (let i = popped - 1; i >= rewritten; i--) {
    const ethertype = i > 0 && !isMpls(flow.dlType) ? base.dlType : flow.dlType;
    acts.push({ type: 'pop_mpls', ethertype });
  }
  if (rewritten > 0) {
    const lse = to[pushed - 1]!;
    // Entries that have moved are known whole.
    const isSet = popped === 1 && pushed === 1;
    const mask = isSet ? ctx.wildcards.mplsLse0 | (from[0]! ^ lse) : 0xffff_ffff;
    acts.push({ type: 'set_mpls', lse, mask: mask >>> 0 });
  }
  const tags = tagsOf(base).length;
  for (let i = pushed - 1 - rewritten; i >= 0; i--) {
    acts.push({ type: 'push_mpls', lse: to[i]!, ethertype: flow.dlType, tags });
  }
  if (acts.length === 0) return;
  ctx.odpActions.push(...acts);
  for (const name of LSES) base[name] = flow[name];
  base.dlType = flow.dlType;
}

function at3(lses: readonly number[], i: number): number {
  return lses[lses.length - 1 - i]!;
}
