/** VLAN treatment of NORMAL (ovs-vswitchd.conf.db(5), "VLAN Configuration"). */
import type { Bundle } from './ofproto.ts';

export interface VlanTag {
  tpid: number;
  vid: number;
  pcp: number;
}

/**
 * The VLAN and the customer's VLAN that a packet has within the bridge, undefined where it has none,
 * then the tags below, which are payload to it.
 */
export type VlanTags = readonly [VlanTag | undefined, VlanTag | undefined, ...VlanTag[]];

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
      if (vid === 0 || vid === vlan) return undefined;
      break;
    case 'dot1q-tunnel':
      return bundle.cvlans === undefined || bundle.cvlans.has(vid)
        ? undefined
        : `dropping VLAN ${vid} packet received on port ${name} configured as dot1q-tunnel port not in cvlans`;
    case 'trunk':
      break;
  }
  return bundle.trunksInclude(vid)
    ? undefined
    : `dropping VLAN ${vid} packet received on port ${name} not configured for trunking VLAN ${vid}`;
}

/** The inner tag names the customer's VLAN only below a service tag; else it is payload. */
function splitTags(stack: readonly VlanTag[]): VlanTags {
  const [outer, ...below] = stack;
  if (outer?.tpid !== SERVICE_TPID) return [outer, undefined, ...below];
  return [outer, below[0], ...below.slice(1)];
}

const SERVICE_TPID = 0x88a8;

/** What the bridge takes a packet's tags, outer first, for. */
export function inputTranslate(bundle: Bundle, stack: readonly VlanTag[]): VlanTags {
  const [outer, inner, ...payload] = splitTags(stack);
  const native = { tpid: outer?.tpid ?? 0x8100, vid: bundle.vlan, pcp: outer?.pcp ?? 0 };
  switch (bundle.vlanMode) {
    case 'access':
      return [native, inner, ...payload];
    case 'native-tagged':
    case 'native-untagged':
      return [(outer?.vid ?? 0) === 0 ? native : outer, inner, ...payload];
    case 'dot1q-tunnel': {
      const service = { tpid: bundle.qinqEthtype, vid: bundle.vlan, pcp: 0 };
      const [customer, ...below] = stack;
      // A tag that says nothing is no tag.
      const empty = customer === undefined || (customer.vid === 0 && customer.pcp === 0);
      return [service, empty ? undefined : customer, ...below];
    }
    case 'trunk':
      return [outer, inner, ...payload];
  }
}

/** Whether a packet within the bridge may leave by a port. */
export function includesVlan(bundle: Bundle, tags: VlanTags): boolean {
  const vid = tags[0]?.vid ?? 0;
  switch (bundle.vlanMode) {
    case 'access':
      return vid === bundle.vlan && (tags[1]?.vid ?? 0) === 0;
    case 'native-tagged':
    case 'native-untagged':
      // Without a tag it would be taken for the native VLAN's at the other end.
      return vid === bundle.vlan || (vid !== 0 && bundle.trunksInclude(vid));
    case 'dot1q-tunnel':
      return (
        vid === bundle.vlan && (bundle.cvlans === undefined || bundle.cvlans.has(tags[1]?.vid ?? 0))
      );
    case 'trunk':
      return bundle.trunksInclude(vid);
  }
}

/** The tags that a packet leaves a port with, outer first, none missing between. */
export function outputTranslate(bundle: Bundle, tags: VlanTags): VlanTag[] {
  const [outer, inner, ...payload] = tags;
  switch (bundle.vlanMode) {
    case 'access':
      return present(
        tagFor(bundle, outer && { ...outer, vid: 0 }),
        inner?.vid ? inner : undefined,
        ...payload,
      );
    case 'native-untagged':
      if ((outer?.vid ?? 0) === bundle.vlan) {
        return present(tagFor(bundle, outer && { ...outer, vid: 0 }), inner, ...payload);
      }
      return present(tagFor(bundle, outer), inner, ...payload);
    case 'dot1q-tunnel':
      return present(tagFor(bundle, inner), ...payload);
    case 'trunk':
      // A priority tag with a priority stays as it came.
      if (outer !== undefined && outer.vid === 0 && outer.pcp !== 0)
        return present(outer, inner, ...payload);
      return present(tagFor(bundle, outer), inner, ...payload);
    default:
      return present(tagFor(bundle, outer), inner, ...payload);
  }
}

function present(...tags: (VlanTag | undefined)[]): VlanTag[] {
  return tags.filter((t) => t !== undefined);
}

/** VLAN 0 is no VLAN: it gets a tag only where `priority-tags` asks for one. */
function tagFor(bundle: Bundle, tag: VlanTag | undefined): VlanTag | undefined {
  if (tag && tag.vid !== 0) return tag;
  // An empty tag is not written, whatever is asked for.
  return bundle.priorityTags !== 'never' && tag !== undefined && tag.pcp !== 0 ? tag : undefined;
}
