/** Flows and megaflows in OpenFlow's words, as ofproto/trace prints them. */
import { formatMatch, Match } from '@heddle/openflow';
import { formatFlow } from '@heddle/openflow/match/flow-format';
import type { PortNames } from '@heddle/openflow/match/ofp-port';
import { Flow, flowAnd, VLAN_CFI, zeroWords } from '@heddle/packet';

/** A whole flow: the line `Flow: ...`. `ofport` is the OpenFlow number of its input port. */
export function formatOpenFlowFlow(key: Flow, ofport: number, names?: PortNames): string {
  return formatFlow(key, names, ofport);
}

/** What texts are made of, one at a time. */
const scratch = new Flow();
const scratchMask = new Flow();

/** What a translation looked at: the line `Megaflow: ...`. */
export function formatMegaflow(
  key: Flow,
  wildcards: Flow,
  ofport: number,
  names?: PortNames,
): string {
  const flow = scratch;
  flow.copyFrom(key);
  flow.inPort = ofport;
  const mask = scratchMask;
  mask.copyFrom(wildcards);
  mask.packetType = 0xffff_ffff;
  if (goesWithoutSaying(key.vlanTci0, mask.vlanTci0)) mask.vlanTci0 = 0;
  if (goesWithoutSaying(key.vlanTci1, mask.vlanTci1)) mask.vlanTci1 = 0;
  // Registers and metadata are made on the way: no packet comes with them.
  zeroWords(mask.u32, 64, 82);
  mask.actsetOutput = 0;
  return formatMatch(new Match(flowAnd(flow, mask, flow), mask, NO_OPTIONS), { names });
}

const NO_OPTIONS: Match['tunMetadata'] = [];

/** That there is no tag, or that there is one. */
function goesWithoutSaying(tci: number, mask: number): boolean {
  return (tci & VLAN_CFI) === 0 || (mask & ~VLAN_CFI) === 0;
}
