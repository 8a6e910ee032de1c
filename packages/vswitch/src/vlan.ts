/** VLAN treatment of NORMAL (ovs-vswitchd.conf.db(5), "VLAN Configuration"). */
import { ETH_P_8021Q } from '@heddle/packet';
import type { Bundle } from './ofproto.ts';

/** `tpid` 0: there is no such tag. */
export interface VlanTag {
  readonly tpid: number;
  readonly vid: number;
  readonly pcp: number;
}

/** The VLAN of a packet within the bridge and the customer's VLAN below it. */
export type VlanTags = readonly [outer: VlanTag, inner: VlanTag];

const NO_TAG: VlanTag = { tpid: 0, vid: 0, pcp: 0 };

/** Tags of a packet, outer first, as the two that a bridge knows of. */
export function tagsFromStack(stack: readonly VlanTag[]): VlanTags {
  return [stack[0] ?? NO_TAG, stack[1] ?? NO_TAG];
}

/** Why a tag is not allowed in, or undefined. */
export function inputRefusal(bundle: Bundle, vid: number): string | undefined {
  const { name, vlan } = bundle;
  switch (bundle.vlanMode) {
    case 'access':
      return vid === 0
        ? undefined
        : `dropping VLAN ${vid} tagged packet received on port ${name} configured as VLAN ${vlan} access port`;
    case 'native-tagged':
    case 'native-untagged':
      if (vid === 0) return undefined;
      break;
    case 'dot1q-tunnel':
      return bundle.cvlans === undefined || bundle.cvlans.has(vid)
        ? undefined
        : `dropping VLAN ${vid} packet received on dot1q-tunnel port ${name} that excludes this VLAN`;
    case 'trunk':
      break;
  }
  return bundle.trunksInclude(vid)
    ? undefined
    : `dropping VLAN ${vid} packet received on port ${name} not configured for trunking VLAN ${vid}`;
}

/** What the bridge takes a packet's tags for. */
export function inputTranslate(bundle: Bundle, [outer, inner]: VlanTags): VlanTags {
  const native = { ...outer, tpid: outer.tpid || ETH_P_8021Q, vid: bundle.vlan };
  switch (bundle.vlanMode) {
    case 'access':
      return [native, NO_TAG];
    case 'native-tagged':
    case 'native-untagged':
      return [outer.vid === 0 ? native : outer, inner];
    case 'dot1q-tunnel':
      return [{ tpid: bundle.qinqEthtype, vid: bundle.vlan, pcp: 0 }, outer];
    case 'trunk':
      return [outer, inner];
  }
}

/** Whether membership in the port's own VLAN hangs on the customer's VLAN, too. */
export function asksForCustomer(bundle: Bundle): boolean {
  return (
    bundle.vlanMode === 'access' ||
    (bundle.vlanMode === 'dot1q-tunnel' && bundle.cvlans !== undefined)
  );
}

/** Whether a packet within the bridge may leave by a port. */
export function includesVlan(bundle: Bundle, [outer, inner]: VlanTags): boolean {
  switch (bundle.vlanMode) {
    case 'access':
      return outer.vid === bundle.vlan && inner.vid === 0;
    case 'dot1q-tunnel':
      return (
        outer.vid === bundle.vlan && (bundle.cvlans === undefined || bundle.cvlans.has(inner.vid))
      );
    default:
      return bundle.trunksInclude(outer.vid);
  }
}

/** The tags that a packet leaves a port with, outer first; `cameWith` is what it had before. */
export function outputTranslate(bundle: Bundle, tags: VlanTags, cameWith: VlanTags): VlanTag[] {
  const [outer, inner] = shifted(bundle, tags);
  const keepsPriority = bundle.priorityTags !== 'never';
  const first = keepsPriority ? { ...outer, pcp: cameWith[0].pcp } : outer;
  const out: VlanTag[] = [];
  for (const tag of [first, inner]) {
    const says = tag.vid !== 0 || tag.pcp !== 0;
    // Below a tag that is not written there can be none.
    if (!says && (bundle.priorityTags !== 'always' || tag.tpid === 0)) break;
    out.push({ ...tag, tpid: tag.tpid || ETH_P_8021Q });
  }
  return out;
}

function shifted(bundle: Bundle, [outer, inner]: VlanTags): VlanTags {
  switch (bundle.vlanMode) {
    case 'access':
      return [NO_TAG, NO_TAG];
    case 'native-untagged':
      return outer.vid === bundle.vlan ? [inner, NO_TAG] : [outer, inner];
    case 'dot1q-tunnel':
      return [inner, NO_TAG];
    default:
      return [outer, inner];
  }
}
