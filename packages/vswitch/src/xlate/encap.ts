/** `encap` and `decap`: headers that come and go as a whole (ovs-actions(7), EXT-382). */
import type { OfpAct } from '@heddle/openflow';
import { ETH_P_NSH, ETH_P_TEB, type Flow, isMpls } from '@heddle/packet';
import { countLabels } from './commit.ts';
import { PT_ETH, PT_NSH } from './commit-encap.ts';
import { isTagged, type XlateContext } from './context.ts';
import { MAX_LABELS, tooManyLabels } from './limits.ts';

type EncapAction = Extract<OfpAct, { type: 'encap' }>;
type DecapAction = Extract<OfpAct, { type: 'decap' }>;

const PT_IPV4 = 0x0001_0800;
const PT_IPV6 = 0x0001_86dd;
const PT_MPLS = 0x0001_8847;
const PT_MPLS_MC = 0x0001_8848;
/** Decapsulation's answer for "as the header says". */
const PT_USE_NEXT_PROTO = 0x0000_fffe;

/** RFC 8300, 2.2. */
const NSH_NEXT_PROTOCOL = new Map([
  [PT_IPV4, 1],
  [PT_IPV6, 2],
  [PT_ETH, 3],
  [PT_NSH, 4],
]);
const NSH_TTL = 63;
const NSH_INDEX = 255;
const NSH_MDTYPE_PROP = 1;
const NSH_TLV_PROP = 2;

export function encapAction(ctx: XlateContext, act: EncapAction): void {
  ctx.commit();
  switch (act.packetType) {
    case PT_ETH:
      encapEthernet(ctx);
      return;
    case PT_NSH:
      encapNsh(ctx, act);
      return;
    default:
      encapMpls(ctx, act.packetType & 0xffff);
  }
}

function unsupported(ctx: XlateContext, text: string): never {
  ctx.trace('note', text);
  ctx.giveUp('Unsupported packet type');
}

/** What is below the new header stays as it has been committed. */
function added(ctx: XlateContext, nshMetadata?: Uint8Array): void {
  ctx.base.copyFrom(ctx.flow);
  ctx.pending = { type: 'encap', ...(nshMetadata && { nshMetadata }) };
}

function encapEthernet(ctx: XlateContext): void {
  const { flow } = ctx;
  if (flow.packetType >>> 16 !== 1) {
    const text = 'Dropping packet as encap(ethernet) is not supported for packet type ethernet.';
    unsupported(ctx, text);
  }
  flow.dlType = flow.packetType & 0xffff;
  flow.packetType = PT_ETH;
  flow.dlSrc = 0;
  flow.dlDst = 0;
  added(ctx);
}

function encapNsh(ctx: XlateContext, { props }: EncapAction): void {
  const { flow } = ctx;
  const nextProtocol = NSH_NEXT_PROTOCOL.get(flow.packetType);
  if (nextProtocol === undefined) {
    const type = packetTypeText(flow.packetType);
    unsupported(ctx, `Dropping packet as encap(nsh) is not supported for packet type ${type}`);
  }
  let mdtype = 1;
  const metadata: Uint8Array[] = [];
  for (const prop of props) {
    if (prop.type === NSH_MDTYPE_PROP) mdtype = prop.data[0]!;
    else if (prop.type === NSH_TLV_PROP) metadata.push(padded(prop.data));
  }
  clearHeaders(flow);
  flow.packetType = PT_NSH;
  flow.dlType = ETH_P_NSH;
  flow.nshFlags = 0;
  flow.nshTtl = NSH_TTL;
  flow.nshMdtype = mdtype;
  flow.nshNp = nextProtocol;
  flow.nshPath = NSH_INDEX;
  added(ctx, Buffer.concat(metadata));
}

/** A TLV fills whole words. */
function padded(data: Uint8Array): Uint8Array {
  const out = new Uint8Array((data.length + 3) & ~3);
  out.set(data);
  return out;
}

/** Nothing of the packet below the new header can be seen. */
function clearHeaders(flow: Flow): void {
  clearEthernet(flow);
  clearNetwork(flow);
  flow.nshC1 = 0;
  flow.nshC2 = 0;
  flow.nshC3 = 0;
  flow.nshC4 = 0;
}

function clearEthernet(flow: Flow): void {
  flow.dlSrc = 0;
  flow.dlDst = 0;
  flow.vlanTci0 = 0;
  flow.vlanTpid0 = 0;
  flow.vlanTci1 = 0;
  flow.vlanTpid1 = 0;
}

const NETWORK_WORDS = [22, 32] as const;

/** Addresses, protocol, TOS, TTL, ports, ND and MPLS. */
export function clearNetwork(flow: Flow): void {
  flow.u32.fill(0, ...NETWORK_WORDS);
  flow.tcpFlags = 0;
  flow.ndTarget.fill(0);
  flow.arpSha = 0;
  flow.arpTha = 0;
  flow.ipv6Label = 0;
  flow.mplsLse0 = 0;
  flow.mplsLse1 = 0;
  flow.mplsLse2 = 0;
  flow.ctNwSrc = 0;
  flow.ctNwDst = 0;
  flow.ctIpv6Src.fill(0);
  flow.ctIpv6Dst.fill(0);
  flow.ctTpSrc = 0;
  flow.ctTpDst = 0;
}

const BOS = 0x100;
const MPLS_TTL = 64;

function encapMpls(ctx: XlateContext, ethertype: number): void {
  const { flow } = ctx;
  // Behind an Ethernet header there is no stack to put it on.
  if (flow.packetType !== PT_ETH && isMpls(flow.dlType)) {
    if (countLabels(flow) >= MAX_LABELS) tooManyLabels(ctx, 'encap MPLS action', 'would have');
    flow.mplsLse2 = flow.mplsLse1;
    flow.mplsLse1 = flow.mplsLse0;
    flow.mplsLse0 = (flow.mplsLse0 & ~BOS) >>> 0;
  } else {
    const label = flow.dlType === 0x86dd ? 2 : 0;
    clearNetwork(flow);
    clearEthernet(flow);
    flow.dpHash = 0;
    flow.ctNwProto = 0;
    flow.mplsLse0 = (label << 12) | BOS | MPLS_TTL;
  }
  flow.dlType = ethertype;
  flow.packetType = (1 << 16) | ethertype;
  added(ctx);
}

/** The packet must be looked at anew when true is returned. */
export function decapAction(ctx: XlateContext, act: DecapAction): boolean {
  const { flow } = ctx;
  // Decapsulation changes the packet as far as it has come.
  ctx.commit();
  switch (flow.packetType) {
    case PT_ETH:
      return decapEthernet(ctx);
    case PT_NSH:
      return decapNsh(ctx);
    case PT_MPLS:
    case PT_MPLS_MC:
      return decapMpls(ctx, act.packetType ?? PT_USE_NEXT_PROTO);
    default: {
      const type = packetTypeText(flow.packetType);
      unsupported(ctx, `Dropping packet as the decap() does not support packet type ${type}`);
    }
  }
}

function decapEthernet(ctx: XlateContext): boolean {
  const { flow } = ctx;
  if (isTagged(flow)) {
    unsupported(ctx, 'Dropping packet, cannot decap Ethernet if VLAN is present.');
  }
  ctx.wildcards.dlType = 0xffff;
  flow.packetType = ((1 << 16) | flow.dlType) >>> 0;
  ctx.pending = { type: 'decap' };
  return false;
}

function decapNsh(ctx: XlateContext): boolean {
  const { flow } = ctx;
  ctx.wildcards.nshNp = 0xff;
  ctx.wildcards.dlType = 0xffff;
  for (const [type, nextProtocol] of NSH_NEXT_PROTOCOL) {
    if (nextProtocol !== flow.nshNp) continue;
    flow.packetType = type;
    if (type === PT_ETH) {
      flow.dlSrc = 0;
      flow.dlDst = 0;
    }
    ctx.pending = { type: 'decap' };
    return true;
  }
  unsupported(ctx, `Dropping packet as NSH next protocol ${flow.nshNp} is not supported`);
}

function decapMpls(ctx: XlateContext, packetType: number): boolean {
  const { flow } = ctx;
  flow.packetType = packetType;
  if (packetType === PT_ETH) {
    flow.dlSrc = 0;
    flow.dlDst = 0;
  }
  if (countLabels(flow) === 0) {
    Object.assign(ctx.base, { packetType, dlSrc: flow.dlSrc, dlDst: flow.dlDst });
    return false;
  }
  ctx.pending = { type: 'decap' };
  flow.mplsLse0 = flow.mplsLse1;
  flow.mplsLse1 = flow.mplsLse2;
  flow.mplsLse2 = 0;
  flow.dlType = packetType & 0xffff || ETH_P_TEB;
  return true;
}

/** `(1,0x894f)` */
export function packetTypeText(type: number): string {
  return `(${type >>> 16},0x${(type & 0xffff).toString(16)})`;
}
