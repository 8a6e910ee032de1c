/** Flows and megaflows in OpenFlow's words, as ofproto/trace prints them. */
import { formatMatch, Match } from '@heddle/openflow';
import { formatFlow } from '@heddle/openflow/match/flow-format';
import { Flow, flowAnd, VLAN_CFI } from '@heddle/packet';

/** A whole flow: the line `Flow: ...`. `ofport` is the OpenFlow number of its input port. */
export function formatOpenFlowFlow(key: Flow, ofport: number): string {
  scratch.copyFrom(key);
  scratch.inPort = ofport;
  return formatFlow(scratch);
}

/** What texts are made of, one at a time. */
const scratch = new Flow();
const scratchMask = new Flow();

/** What a translation looked at: the line `Megaflow: ...`. */
export function formatMegaflow(key: Flow, wildcards: Flow, ofport: number): string {
  const flow = scratch;
  flow.copyFrom(key);
  flow.inPort = ofport;
  const mask = scratchMask;
  mask.copyFrom(wildcards);
  mask.packetType = 0xffff_ffff;
  // That there is no tag, or that there is one, goes without saying.
  for (const name of ['vlanTci0', 'vlanTci1'] as const) {
    if ((key[name] & VLAN_CFI) === 0 || (mask[name] & ~VLAN_CFI) === 0) mask[name] = 0;
  }
  // Registers and metadata are made on the way: no packet comes with them.
  mask.u32.fill(0, 64, 82);
  return formatMatch(new Match(flowAnd(flow, mask, flow), mask));
}
