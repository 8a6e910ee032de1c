/** Bonds in translation: which packets of theirs are taken, and which member others leave by. */
import { ETH_P_ARP, isMulticastMac, MAC_BROADCAST, VLAN_VID_MASK } from '@heddle/packet';
import { N_BUCKETS } from '../bond/balance.ts';
import { slbBucket } from '../bond/hash.ts';
import type { Bundle, OfPort } from '../ofproto.ts';
import type { XlateContext } from './context.ts';

/** Whether a packet that arrived by a bond's member goes on, in `vlan` of the bridge. */
export function bondAdmits(ctx: XlateContext, port: OfPort, vlan: number): boolean {
  const { flow } = ctx;
  const { bond, bridge } = port.bundle;
  if (!bond) return true;
  const admission = bond.admits(port, isMulticastMac(flow.dlDst));
  if (admission === 'accept') return true;
  if (admission === 'drop') {
    ctx.trace('detail', 'bonding refused admissibility, dropping');
    ctx.drop('the bond takes no such packets by this member');
    return false;
  }
  ctx.macs.push({ bridge, vlan, mac: flow.dlSrc });
  const known = bridge.macs.lookup(vlan, flow.dlSrc);
  if (!known || known.port === port.bundle || isGratuitousArp(ctx)) return true;
  ctx.trace('detail', 'SLB bond thinks this packet looped back, dropping');
  ctx.drop('the bond sent this packet itself');
  return false;
}

/** A host that tells that it has moved. */
function isGratuitousArp({ flow, wildcards }: XlateContext): boolean {
  if (flow.dlType !== ETH_P_ARP || flow.dlDst !== MAC_BROADCAST) return false;
  wildcards.nwProto = 0xff;
  wildcards.nwSrc = 0xffff_ffff;
  wildcards.nwDst = 0xffff_ffff;
  return flow.nwSrc === flow.nwDst;
}

/** The port that a packet leaves a bundle by, tagged as it is to leave. */
export function bundlePort(ctx: XlateContext, bundle: Bundle): OfPort | undefined {
  const { bond } = bundle;
  if (!bond) return bundle.ports[0];
  const bucket = bucketOf(ctx, bundle);
  const member = bond.choose(bucket);
  if (!member) {
    ctx.drop('no member of the bond is up');
    return undefined;
  }
  if (bond.mode !== 'active-backup') ctx.effects.bonds.push({ bond, bucket });
  return member.port;
}

function bucketOf(ctx: XlateContext, { bond }: Bundle): number {
  const { mode, settings } = bond!;
  if (mode === 'balance-slb') {
    ctx.wildcards.dlSrc = MAC_BROADCAST;
    return slbBucket(ctx.flow.dlSrc, ctx.flow.vlanTci0 & VLAN_VID_MASK, settings.hashBasis);
  }
  if (mode === 'balance-tcp') {
    return ctx.engine.hashFlow(ctx, 'symmetric_l4', settings.hashBasis) % N_BUCKETS;
  }
  return 0;
}
