/** Headers that come or go as a whole, as actions of the datapath. */
import type { OdpAction } from '@heddle/datapath';
import type { Flow, NshHeader } from '@heddle/packet';
import type { XlateContext } from './context.ts';

/** Packet types: a name space above 16 bits of type. 0 is Ethernet, name space 1 Ethernet's types. */
export const PT_ETH = 0;
export const PT_NSH = 0x0001_894f;

/** What is to come or to go, as late as all else. */
export function commitEncap(ctx: XlateContext): void {
  const { pending, flow, base } = ctx;
  if (!pending) return;
  ctx.pending = undefined;
  ctx.slow.add(flow.mplsLse0 !== 0 ? 'mpls' : 'nsh');
  ctx.odpActions.push(
    pending.type === 'encap' ? pushed(flow, pending.nshMetadata) : popped(flow, base),
  );
  for (const name of pending.type === 'encap' ? namesOf(flow) : POPPED) base[name] = flow[name];
}

/** What the new header has that may have been written since it was added; the rest is set behind it. */
function namesOf({ packetType }: Flow): readonly 'dlSrc'[] {
  if (packetType === PT_ETH) return ETHERNET;
  return packetType === PT_NSH ? NSH : MPLS;
}

const ETHERNET = ['dlSrc', 'dlDst'] as 'dlSrc'[];
const NSH = [
  ...['nshFlags', 'nshTtl', 'nshMdtype', 'nshNp', 'nshPath', 'nshC1', 'nshC2', 'nshC3', 'nshC4'],
] as 'dlSrc'[];
const MPLS = ['mplsLse0'] as string[] as 'dlSrc'[];
const POPPED = [
  ...['packetType', 'dlType', 'dlSrc', 'dlDst', 'mplsLse0', 'mplsLse1', 'mplsLse2'],
] as 'dlSrc'[];

function pushed(flow: Flow, nshMetadata: Uint8Array | undefined): OdpAction {
  switch (flow.packetType) {
    case PT_ETH:
      return { type: 'push_eth', src: flow.dlSrc, dst: flow.dlDst };
    case PT_NSH:
      return {
        type: 'push_nsh',
        header: nshHeader(flow),
        ...(flow.nshMdtype !== 1 && { metadata: nshMetadata ?? new Uint8Array() }),
      };
    default:
      return { type: 'add_mpls', lse: flow.mplsLse0, ethertype: flow.dlType };
  }
}

function popped(flow: Flow, base: Flow): OdpAction {
  switch (base.packetType) {
    case PT_ETH:
      return { type: 'pop_eth' };
    case PT_NSH:
      return { type: 'pop_nsh' };
    default:
      return { type: 'pop_mpls', ethertype: flow.dlType };
  }
}

/** The header as the datapath's actions have it. */
export function nshHeader(flow: Flow): NshHeader {
  return {
    flags: flow.nshFlags,
    ttl: flow.nshTtl,
    mdtype: flow.nshMdtype,
    np: flow.nshNp,
    path: flow.nshPath,
    context: [flow.nshC1, flow.nshC2, flow.nshC3, flow.nshC4],
  };
}
