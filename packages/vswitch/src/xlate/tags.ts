/** VLAN tags of a flow as a list, and how many of them a switch sees. */
import {
  copyTunnel,
  FLOW_WORDS,
  Flow,
  KEY_SLOTS,
  looksAtErspan,
  VLAN_CFI,
  zeroWords,
} from '@heddle/packet';
import type { VlanTag } from '../vlan.ts';

export function sameTags(a: readonly VlanTag[], b: readonly VlanTag[]): boolean {
  return a.length === b.length && a.every((tag, i) => sameTag(tag, b[i]!));
}

export function sameTag(a: VlanTag, b: VlanTag): boolean {
  return a.tpid === b.tpid && a.vid === b.vid && a.pcp === b.pcp;
}

/** Tags of a flow, outer first. */
export function tagsOf(flow: Flow): VlanTag[] {
  const tags: VlanTag[] = [];
  const { vlanTci0, vlanTci1 } = flow;
  if (vlanTci0 & VLAN_CFI) tags.push(tag(flow.vlanTpid0, vlanTci0));
  if (vlanTci0 & vlanTci1 & VLAN_CFI) tags.push(tag(flow.vlanTpid1, vlanTci1));
  return tags;
}

export function setTags(flow: Flow, tags: readonly VlanTag[]): void {
  flow.vlanTci0 = tci(tags[0]);
  flow.vlanTpid0 = tags[0]?.tpid ?? 0;
  flow.vlanTci1 = tci(tags[1]);
  flow.vlanTpid1 = tags[1]?.tpid ?? 0;
}

function tci(of: VlanTag | undefined): number {
  return of ? (of.pcp << 13) | VLAN_CFI | of.vid : 0;
}

function tag(tpid: number, of: number): VlanTag {
  return { tpid, vid: of & 0xfff, pcp: of >> 13 };
}

/** The flow as a switch sees it that takes tags beyond the limit for payload. */
export function limitTags(key: Flow, limit: number): Flow {
  if (limit >= 2 || (key.vlanTci0 & key.vlanTci1 & VLAN_CFI) === 0) return key;
  const flow = new Flow();
  flow.u32.set(key.u32.subarray(64), 64);
  for (const name of ['recircId', 'inPort', 'pktMark', 'dlSrc', 'dlDst'] as const) {
    flow[name] = key[name];
  }
  for (const name of ['ctState', 'ctZone', 'ctMark'] as const) flow[name] = key[name];
  flow.ctLabel = key.ctLabel;
  copyTunnel(key, flow);
  flow.vlanTpid0 = key.vlanTpid0;
  flow.vlanTci0 = key.vlanTci0;
  flow.dlType = key.vlanTpid1;
  return flow;
}

/**
 * The mask for the key of the datapath, which always holds two tags. The type after the last tag
 * that is looked at may be that of a further tag: its presence tells the two apart. In `mask` when
 * given.
 */
export function keyMask(
  key: Flow,
  flow: Flow,
  wildcards: Flow,
  limit: number,
  mask: Flow = new Flow(),
): Flow {
  mask.copyFrom(wildcards);
  if (looksAtOptions(wildcards) || looksAtErspan(wildcards)) {
    // Where an option lies is told by those before it: all of them are looked at.
    mask.tunOptsLen = 0xff;
    mask.tunOpts.fill(0xff);
  }
  zeroWords(mask.u32, 64, FLOW_WORDS);
  if (wildcards.vlanTci1 !== 0 || (key.vlanTci0 & VLAN_CFI) === 0) return mask;
  mask.vlanTci1 = VLAN_CFI;
  const isCut = limit < 2 && (key.vlanTci0 & key.vlanTci1 & VLAN_CFI) !== 0;
  if (isCut && flow.dlType === key.vlanTpid1) {
    mask.dlType = 0;
    mask.vlanTpid1 = 0xffff;
  }
  return mask;
}

const OPTIONS = KEY_SLOTS.get('tunMetadataPresent')!.offset / 4;

function looksAtOptions(wildcards: Flow): boolean {
  const { u32 } = wildcards;
  for (let i = OPTIONS; i < u32.length; i++) if (u32[i] !== 0) return true;
  return false;
}
