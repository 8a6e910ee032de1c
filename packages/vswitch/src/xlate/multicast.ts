/** Multicast of IP in NORMAL, by who listens to it (RFC 4541). */
import {
  ETH_P_IP,
  ETH_P_IPV6,
  formatIpv4,
  formatIpv6,
  IPPROTO_ICMPV6,
  IPPROTO_IGMP,
  isMulticastMac,
  MAC_BROADCAST,
} from '@heddle/packet';
import type { McastSnooping } from '../mcast-snooping/mcast-snooping.ts';
import {
  type McastMessage,
  MLD_DONE,
  MLD_QUERY,
  MLD_REPORT,
  MLD2_REPORT,
  parseMembership,
} from '../mcast-snooping/membership.ts';
import type { Bundle } from '../ofproto.ts';
import type { VlanTags } from '../vlan.ts';
import type { XlateContext } from './context.ts';

/** A packet that NORMAL is about to forward. */
export interface McastPacket {
  readonly ctx: XlateContext;
  readonly snooping: McastSnooping<Bundle>;
  readonly inBundle: Bundle;
  readonly tags: VlanTags;
  /** Whether it may leave by a bundle; what that hangs on has been looked at. */
  readonly mayLeave: (bundle: Bundle) => boolean;
  /** Sends out of a bundle. */
  readonly output: (bundle: Bundle) => void;
  readonly flood: () => void;
}

/** Whether snooping decides about the packet. */
export function isSnooped({ flow, bridge }: XlateContext): boolean {
  const { dlDst, dlType } = flow;
  return (
    bridge.snooping !== undefined &&
    isMulticastMac(dlDst) &&
    dlDst !== MAC_BROADCAST &&
    (dlType === ETH_P_IP || dlType === ETH_P_IPV6)
  );
}

export function forwardMulticast(packet: McastPacket): void {
  const { ctx } = packet;
  ctx.wildcards.nwProto = 0xff;
  if (ctx.flow.dlType === ETH_P_IP) forwardIpv4(packet);
  else forwardIpv6(packet);
}

function forwardIpv4(packet: McastPacket): void {
  const { ctx } = packet;
  const { flow, wildcards } = ctx;
  if (flow.nwProto === IPPROTO_IGMP) {
    const message = hear(packet);
    if (isReport(message)) forwardReport(packet);
    else flood(packet, 'multicast traffic, flooding');
    return;
  }
  wildcards.nwDst = 0xffff_ffff;
  // 224.0.0.0/24 is for the link.
  if (flow.nwDst >>> 8 === 0xe00000) flood(packet, RFC4541);
  else forwardData(packet, formatIpv4(flow.nwDst));
}

function forwardIpv6(packet: McastPacket): void {
  const { ctx } = packet;
  const { flow, wildcards } = ctx;
  if (flow.nwProto === IPPROTO_ICMPV6) {
    wildcards.tpSrc = 0xff;
    if (flow.tpSrc === MLD_QUERY || MLD_REPORTS.has(flow.tpSrc)) {
      hear(packet);
      if (flow.tpSrc === MLD_QUERY) flood(packet, 'MLD query, flooding');
      else forwardReport(packet);
      return;
    }
  }
  const group = formatIpv6(flow.ipv6Dst);
  wildcards.ipv6Dst = ALL_ONES;
  if (group === ALL_NODES) flood(packet, RFC4541);
  else forwardData(packet, group);
}

const ALL_ONES = new Uint8Array(16).fill(0xff);
const ALL_NODES = 'ff02::1';
const RFC4541 = 'RFC4541: section 2.1.2, item 2, flooding';
const MLD_REPORTS: ReadonlySet<number> = new Set([MLD_REPORT, MLD_DONE, MLD2_REPORT]);

function isReport(message: McastMessage | undefined): boolean {
  return message?.kind === 'report' || (message?.kind === 'bad-checksum' && message.isReport);
}

/** What the packet says: every one of its kind has to be read. */
function hear({ ctx, snooping, inBundle, tags }: McastPacket): McastMessage | undefined {
  ctx.slow.add('action');
  const { frame } = ctx.options;
  const message = frame && parseMembership(frame);
  // A port that gets everything need not ask for it.
  if (!message || !ctx.withPacket || inBundle.mcastFlooding.data) return message;
  const vlan = tags[0].vid;
  const news = snooping.news(vlan, inBundle, message);
  const where = `port ${inBundle.name} in VLAN ${vlan}`;
  if (message.kind === 'bad-checksum') {
    const protocol = ctx.flow.dlType === ETH_P_IP ? 'IGMP' : 'MLD';
    ctx.trace('detail', `multicast snooping received bad ${protocol} checksum on ${where}`);
    return message;
  }
  if (news > 0) ctx.trace('detail', `multicast snooping ${newsText(message, news)} on ${where}`);
  ctx.effects.mcast.push({ bridge: ctx.bridge, vlan, bundle: inBundle, message });
  return message;
}

function newsText(message: McastMessage, news: number): string {
  if (message.kind === 'query') {
    return message.from === undefined ? 'query' : `query from ${message.from} is`;
  }
  const groups = message.kind === 'report' ? message.groups : [];
  const [first] = groups;
  if (!first || message.kind !== 'report' || !message.isSingle) {
    return `processed ${news} addresses`;
  }
  return first.leaves ? `leaving ${first.group} is` : `learned that ${first.group} is`;
}

function flood({ ctx, flood: run }: McastPacket, text: string): void {
  ctx.trace('detail', text);
  run();
}

/** Hosts need not hear of each other's reports (RFC 4541, 2.1.1). */
function forwardReport(packet: McastPacket): void {
  sendToRouters(packet);
  const { ctx, inBundle, mayLeave, output } = packet;
  for (const bundle of ctx.bridge.bundles.values()) {
    if (!bundle.mcastFlooding.reports || !mayLeave(bundle)) continue;
    if (bundle === inBundle) {
      ctx.trace('detail', 'mcast port is input port, dropping the Report');
      continue;
    }
    ctx.trace('detail', 'forwarding report to mcast flagged port');
    output(bundle);
  }
}

function forwardData(packet: McastPacket, address: string): void {
  const { ctx, snooping, inBundle, tags, output } = packet;
  const group = snooping.lookup(tags[0].vid, address);
  if (!group) {
    if (snooping.settings.floodsUnregistered) flood(packet, 'unregistered multicast, flooding');
    else {
      sendToRouters(packet);
      sendToFlooded(packet);
    }
    return;
  }
  for (const bundle of group.ports.keys()) {
    if (bundle === inBundle) {
      ctx.trace('detail', 'mcast group port is input port, dropping');
      continue;
    }
    ctx.trace('detail', 'forwarding to mcast group port');
    output(bundle);
  }
  sendToFlooded(packet);
  sendToRouters(packet);
}

function sendToRouters({ ctx, snooping, inBundle, tags, output }: McastPacket): void {
  for (const { vlan, port } of snooping.routers()) {
    if (vlan !== tags[0].vid) {
      ctx.trace('detail', 'mcast router is on another vlan, dropping');
    } else if (port === inBundle) {
      ctx.trace('detail', 'mcast router port is input port, dropping');
    } else {
      ctx.trace('detail', 'forwarding to mcast router port');
      output(port);
    }
  }
}

function sendToFlooded({ ctx, inBundle, mayLeave, output }: McastPacket): void {
  for (const bundle of ctx.bridge.bundles.values()) {
    if (!bundle.mcastFlooding.data || !mayLeave(bundle)) continue;
    if (bundle === inBundle) {
      ctx.trace('detail', 'mcast flood port is input port, dropping');
      continue;
    }
    ctx.trace('detail', 'forwarding to mcast flood port');
    output(bundle);
  }
}
