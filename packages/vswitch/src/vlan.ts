/** VLAN treatment of NORMAL (ovs-vswitchd.conf.db(5), "VLAN Configuration"). */
import type { Bundle } from './ofproto.ts';

export interface VlanTag {
  tpid: number;
  vid: number;
  pcp: number;
}

/** Tags of a packet, outer first; a missing tag is undefined. */
export type VlanTags = readonly [VlanTag | undefined, VlanTag | undefined];

export const NO_TAGS: VlanTags = [undefined, undefined];

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

/** What the bridge takes a packet's tags for, within: the outer one names its VLAN. */
export function inputTranslate(bundle: Bundle, tags: VlanTags): VlanTags {
  const outer = tags[0];
  switch (bundle.vlanMode) {
    case 'access':
      return [{ tpid: outer?.tpid ?? 0x8100, vid: bundle.vlan, pcp: outer?.pcp ?? 0 }, undefined];
    case 'native-tagged':
    case 'native-untagged':
      if ((outer?.vid ?? 0) !== 0) return tags;
      return [{ tpid: outer?.tpid ?? 0x8100, vid: bundle.vlan, pcp: outer?.pcp ?? 0 }, tags[1]];
    case 'dot1q-tunnel':
      // A tag that says nothing is no tag.
      return [
        { tpid: bundle.qinqEthtype, vid: bundle.vlan, pcp: 0 },
        outer && (outer.vid !== 0 || outer.pcp !== 0) ? outer : undefined,
      ];
    case 'trunk':
      return tags;
  }
}

/** Whether a packet within the bridge may leave by a port. */
export function includesVlan(bundle: Bundle, tags: VlanTags): boolean {
  const vid = tags[0]?.vid ?? 0;
  switch (bundle.vlanMode) {
    case 'access':
      return vid === bundle.vlan && customerVid(tags) === 0;
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

/** The inner tag counts as a VLAN of the customer only below a service tag; else it is payload. */
function customerVid([outer, inner]: VlanTags): number {
  return outer?.tpid === 0x88a8 ? (inner?.vid ?? 0) : 0;
}

/** The tags that a packet leaves a port with, outer first, none missing between. */
export function outputTranslate(bundle: Bundle, tags: VlanTags): VlanTag[] {
  const [outer, inner] = tags;
  switch (bundle.vlanMode) {
    case 'access':
      return present(tagFor(bundle, outer && { ...outer, vid: 0 }), inner?.vid ? inner : undefined);
    case 'native-untagged':
      if ((outer?.vid ?? 0) === bundle.vlan) {
        return present(tagFor(bundle, outer && { ...outer, vid: 0 }), inner);
      }
      return present(tagFor(bundle, outer), inner);
    case 'dot1q-tunnel':
      return present(tagFor(bundle, inner));
    case 'trunk':
      // A priority tag with a priority stays as it came.
      if (outer !== undefined && outer.vid === 0 && outer.pcp !== 0) return present(outer, inner);
      return present(tagFor(bundle, outer), inner);
    default:
      return present(tagFor(bundle, outer), inner);
  }
}

function present(...tags: (VlanTag | undefined)[]): VlanTag[] {
  return tags.filter((t) => t !== undefined);
}

/** VLAN 0 is no VLAN: it gets a tag only where `priority-tags` asks for one. */
function tagFor(bundle: Bundle, tag: VlanTag | undefined): VlanTag | undefined {
  if (tag && tag.vid !== 0) return tag;
  const wanted =
    bundle.priorityTags === 'always' ||
    (bundle.priorityTags === 'if-nonzero' && (tag?.pcp ?? 0) !== 0);
  return wanted ? (tag ?? { tpid: 0x8100, vid: 0, pcp: 0 }) : undefined;
}
